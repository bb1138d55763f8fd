"""`tocsin oncall ...`"""

from datetime import timedelta
from typing import Annotated

import typer

from app.cli import pausing
from app.cli.terminal import As, Json, actor, instant, say, say_json, say_list
from app.errors import Invalid, NotActive
from app.walltime import stamp

oncall = typer.Typer(help="On call: who is on call, shifts, coverage, overrides.", no_args_is_help=True)
Schedule = Annotated[str, typer.Argument(metavar="SCHEDULE", help="The schedule's name.")]
OverrideId = Annotated[int, typer.Argument(metavar="ID", min=1, help="As `tocsin oncall overrides` lists it.")]
WHEN = "RFC 3339 with an offset"


@oncall.command()
def now(at: Annotated[str | None, typer.Option(help=f"{WHEN}; default: now.")] = None, as_json: Json = False) -> None:
    """Show who is on call in every schedule."""
    from app import clock
    from app.db import transaction
    from app.oncall import present, service

    when = instant(at)
    with transaction() as db:
        found = service.who(db, when or clock.now(db))
    say_list(present.holding(found), ("schedule", "users", "since", "until"), as_json, "no schedules declared")


@oncall.command()
def shifts(
    schedule: Schedule,
    start: Annotated[str | None, typer.Option("--from", help=f"{WHEN}; default: now.")] = None,
    end: Annotated[str | None, typer.Option("--to", help=f"{WHEN}; default: 14 days later.")] = None,
    as_json: Json = False,
) -> None:
    """List the final shifts of a schedule."""
    from app import clock
    from app.db import transaction
    from app.oncall import present, service

    first, last = instant(start), instant(end)
    with transaction() as db:
        first = first or clock.now(db)
        found = service.shifts(db, schedule, first, last or first + timedelta(days=14))
    say_list(
        [present.shift(one) for one in found],
        ("user", "start", "end", "source", "layer"),
        as_json,
        "no shifts in this range",
    )


@oncall.command()
def coverage(
    days: Annotated[int, typer.Option(min=1, max=3660, help="Number of days, from now.")] = 90,
    fail_under: Annotated[
        float, typer.Option(min=0, max=100, help="Exit 1 when the coverage of a schedule is below this percentage.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Show how much of the coming days is covered by someone on call, and the gaps."""
    from app import clock
    from app.db import transaction
    from app.oncall import present, service

    with transaction() as db:
        start = clock.now(db)
        found, idle = service.coverage(db, start, days), service.idle(db, start, start + timedelta(days=days))
    if as_json:
        say_json({"items": [present.covered(name, one, idle.get(name, ())) for name, one in found.items()], "next": None})
    for name, one in found.items() if not as_json else ():
        hours = f", {one.needed / timedelta(hours=1):g} h needed" if one.needed is not None else ""
        say(f"{name}: {one.percent:g} % of {days} days{hours}")
        for each in idle.get(name, ()):
            say(f"  {each}")
        for gap in one.gaps:
            say(f"  gap: {stamp(gap.start)} to {stamp(gap.end)}")
    raise typer.Exit(1 if any(one.percent < fail_under for one in found.values()) else 0)


@oncall.command()
def override(
    schedule: Schedule,
    user: Annotated[str, typer.Option(help="Who is on call instead.")],
    length: Annotated[str | None, typer.Option("--for", help="How long: 30m, 2h, 3d.")] = None,
    end: Annotated[str | None, typer.Option("--to", help=f"{WHEN}; instead of --for.")] = None,
    start: Annotated[str | None, typer.Option("--from", help=f"{WHEN}; default: now.")] = None,
    reason: Annotated[str, typer.Option(help="Shown in the schedule.")] = "",
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Create an override: put someone else on call for a time."""
    from app import clock
    from app.actions import pager
    from app.db import transaction

    with transaction() as db:
        at = clock.now(db)
        first = instant(start) or at
        last = pausing.end(length, end, first, "--to")
        if last is None:
            raise Invalid("give --for or --to")
        made = pager.override(db, schedule, user, first, last, reason, actor(db, as_), at)
    if as_json:
        say_json({"id": made.id, "schedule": schedule, "user": user, "start": made.start, "end": made.end, "reason": reason})
    else:
        say(f"override created: {user} is on call in {schedule} from {stamp(made.start)} to {stamp(made.end)}")


@oncall.command()
def overrides(
    schedule: Schedule,
    days: Annotated[int, typer.Option(min=1, max=3660, help="Number of days, from now.")] = 90,
    as_json: Json = False,
) -> None:
    """List the overrides of a schedule; those from the configuration have no id."""
    from app import clock
    from app.db import transaction
    from app.oncall import present, service

    with transaction() as db:
        start = clock.now(db)
        rows = [present.listed_override(one) for one in service.overrides(db, schedule, start, start + timedelta(days=days))]
    columns = ("id", "user", "start", "end", "kind", "reason", "ignored", "origin")
    say_list(rows, columns, as_json, "no overrides in this range")


@oncall.command("edit-override")
def edit_override(
    schedule: Schedule,
    override_id: OverrideId,
    user: Annotated[str | None, typer.Option(help="Who is on call instead.")] = None,
    start: Annotated[str | None, typer.Option("--from", help=f"{WHEN}.")] = None,
    end: Annotated[str | None, typer.Option("--to", help=f"{WHEN}.")] = None,
    reason: Annotated[str | None, typer.Option(help="Shown in the schedule.")] = None,
    as_: As = None,
) -> None:
    """Change an override; omitted options keep their values."""
    from app import clock
    from app.actions import pager
    from app.db import transaction

    span = {"start": instant(start), "end": instant(end)}
    with transaction() as db:
        who, at = actor(db, as_), clock.now(db)
        after = pager.edit_override(db, schedule, override_id, who, at, user=user, reason=reason, **span)
    say(f"override changed: {after.user} is on call in {schedule} from {stamp(after.start)} to {stamp(after.end)}")


@oncall.command("delete-override")
def delete_override(schedule: Schedule, override_id: OverrideId, as_: As = None) -> None:
    """Delete an override."""
    from app import clock
    from app.actions import pager
    from app.db import transaction

    with transaction() as db:
        gone = pager.delete_override(db, override_id, actor(db, as_), clock.now(db), schedule)
    say(f"override deleted: {gone.user} in {schedule}")


@oncall.command(hidden=True)
def swap() -> None:
    """Swap shifts (not active yet)."""
    raise NotActive("`oncall swap` is not active yet; create two overrides with `tocsin oncall override`")
