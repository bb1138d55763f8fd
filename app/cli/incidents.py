"""`tocsin incidents ...`"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.dossier import shown
from app.cli.pausing import Until, end
from app.cli.terminal import As, Json, Numbers, OneNumber, actor, each, number, say, say_json, say_list
from app.errors import Conflict, Invalid
from app.walltime import stamp

if TYPE_CHECKING:
    from app.incidents.model import Incident

incidents = typer.Typer(
    help="Incidents: list, show, acknowledge, resolve, escalate, snooze, merge, assign, note.", no_args_is_help=True
)
Act = Callable[..., "Incident"]


@incidents.command("list")
def list_(
    state: Annotated[
        list[str] | None, typer.Option(help="triggered, acknowledged or resolved; repeatable. Default: open incidents.")
    ] = None,
    service: Annotated[str | None, typer.Option(help="Only incidents of this service.")] = None,
    team: Annotated[str | None, typer.Option(help="Only incidents of this team.")] = None,
    severity: Annotated[str | None, typer.Option(help="Only this severity: critical, error, warning or info.")] = None,
    words: Annotated[
        str, typer.Option("-q", "--words", help='Words in title, number, service, team or alerts; or matchers: region="eu".')
    ] = "",
    sort: Annotated[str, typer.Option(help="worst, newest or oldest.")] = "newest",
    limit: Annotated[int, typer.Option(min=1, max=500, help="Maximum number of incidents.")] = 50,
    as_json: Json = False,
) -> None:
    """List incidents."""
    from app.catalog.filter import parsed
    from app.db import transaction
    from app.incidents.model import OPEN, IncidentState
    from app.incidents.present import present
    from app.incidents.search import store
    from app.incidents.search.model import Order, Search

    wrong = [one for one in state or () if one not in list(IncidentState)]
    if wrong:
        raise Invalid(f'unknown state "{wrong[0]}"; write one of {", ".join(IncidentState)}')
    states = [IncidentState(one) for one in state or OPEN]
    equal = {name: value for name, value in (("service", service), ("team", team), ("severity", severity)) if value}
    if sort not in list(Order):
        raise Invalid(f'unknown order "{sort}"; write one of {", ".join(Order)}')
    matchers, sought = parsed(words)
    wanted = Search(tuple(states), equal, words=sought, matchers=matchers, order=Order(sort))
    with transaction() as db:
        found = store.found(db, wanted, limit=limit)
    rows = [{**present(one), "opened_at": one.opened_at} for one in found]
    say_list(rows, ("number", "state", "severity", "service", "opened_at", "title"), as_json, "no incidents match")


@incidents.command()
def show(number_: OneNumber, as_json: Json = False) -> None:
    """Show one incident: alerts, timeline, pages and the next escalations."""
    from app import clock
    from app.db import transaction
    from app.review.dossier import dossier

    with transaction() as db:
        found = dossier(db, number(number_), clock.now(db))
    if as_json:
        say_json(found)
        return
    for line in shown(found):
        say(line)


@incidents.command()
def ack(numbers: Numbers, as_: As = None) -> None:
    """Acknowledge incidents: escalation stops. Exit 1 if one is already resolved."""
    _act(numbers, as_, lambda service, *facts: service.acknowledge(*facts), lambda _: "acknowledged")


@incidents.command()
def resolve(numbers: Numbers, as_: As = None) -> None:
    """Resolve incidents."""
    _act(numbers, as_, lambda service, *facts: service.resolve(*facts), lambda _: "resolved")


@incidents.command()
def reopen(numbers: Numbers, as_: As = None) -> None:
    """Reopen resolved incidents; escalation restarts at step 1."""
    _act(numbers, as_, lambda service, *facts: service.reopen(*facts), lambda _: "reopened")


@incidents.command()
def snooze(
    numbers: Numbers,
    length: Annotated[str | None, typer.Option("--for", help="How long: 30m, 1h, 2d; default: 1h.")] = None,
    until: Until = None,
    as_: As = None,
) -> None:
    """Snooze incidents; when the snooze ends, escalation restarts at step 1 unless they are resolved."""

    def slept(now: datetime) -> timedelta:
        over = end(length, until, now)
        return timedelta(hours=1) if over is None else over - now

    _act(
        numbers,
        as_,
        lambda service, db, number, who, now: service.snooze(db, number, slept(now), who, now),
        lambda after: f"snoozed until {stamp(after.snoozed_until)}" if after.snoozed_until else "snoozed",
    )


@incidents.command()
def merge(
    numbers: Numbers, into: Annotated[str, typer.Option(help="The open incident that receives the alerts.")], as_: As = None
) -> None:
    """Merge incidents into another open one, which receives their alerts."""
    target = number(into)
    _act(
        numbers,
        as_,
        lambda service, db, number, who, now: service.merge(db, number, target, who, now),
        lambda after: f"merged into #{after.number}",
    )


@incidents.command()
def escalate(
    numbers: Numbers,
    step: Annotated[int | None, typer.Option(min=1, help="A later step of the policy; earlier steps are skipped.")] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="LOGIN", help="Assign to this user instead, who is paged now; yourself: take over without a page."
        ),
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show who would be paged and when; nothing is sent.")] = False,
    as_: As = None,
) -> None:
    """Escalate incidents: page the next step of the policy now, or a later step, or assign to a user."""
    if step is not None and to is not None:
        raise Invalid("choose --step or --to, not both")
    if preview:
        each(numbers, lambda text: _preview(text, step, to, as_))
    elif to is not None:
        _act(numbers, as_, _assign(to), _assigned)
    else:
        do: Act = lambda service, db, number, who, now: service.escalate(db, number, who, now, step)  # noqa: E731
        _act(numbers, as_, do, lambda _: f"escalated to {f'step {step}' if step else 'the next step'}")


def _preview(text: str, step: int | None, to: str | None, as_: str | None) -> None:
    from app import clock
    from app.db import transaction
    from app.review.choices import choice_lines, person_choices, present_choices, step_choices
    from app.review.dossier import incident

    with transaction() as db:
        found, who, now = incident(db, number(text)), actor(db, as_), clock.now(db)
        choices = person_choices(db, found, [to], who.login, now) if to else step_choices(db, found, now)
        shown_ = present_choices(db, [one for one in choices if step is None or one.step == step])
    if not shown_:
        raise Conflict(f"#{found.number} ({found.state}) cannot be escalated to {f'step {step}' if step else to or 'a step'}")
    for line in (line for one in shown_ for line in choice_lines(one)):
        say(line)


@incidents.command()
def unacknowledge(numbers: Numbers, as_: As = None) -> None:
    """Unacknowledge incidents, or end their snooze: escalation restarts at step 1."""
    _act(numbers, as_, lambda service, *facts: service.release(*facts), lambda _: "unacknowledged")


@incidents.command()
def undo(numbers: Numbers, as_: As = None) -> None:
    """Undo your own escalate or assign, if nothing has followed. Exit 1 when it cannot be undone."""
    _act(numbers, as_, lambda service, *facts: service.undo(*facts), lambda _: "undone")


@incidents.command()
def note(number_: OneNumber, text: Annotated[str, typer.Argument(metavar="TEXT", help="The note.")], as_: As = None) -> None:
    """Add a note to the timeline."""
    do: Act = lambda service, db, number, who, now: service.note(db, number, text, who, now)  # noqa: E731
    _act([number_], as_, do, lambda _: "note added")


@incidents.command()
def assign(number_: OneNumber, user: Annotated[str, typer.Argument(metavar="LOGIN", help="The user.")], as_: As = None) -> None:
    """Assign an incident to a user, who is paged now; assigning it to yourself does not page."""
    _act([number_], as_, _assign(user), _assigned)


def _assign(user: str) -> Act:
    return lambda service, db, number, who, now: service.assign(db, number, user, who, now)


def _assigned(after: "Incident") -> str:
    return f"assigned to {after.assigned_to}"


def _act(numbers: list[str], as_: str | None, do: Act, done: "Callable[[Incident], str]") -> None:
    """Do it to each incident in its own transaction, and report it."""
    from app import clock
    from app.actions import service
    from app.db import transaction

    def one(text: str) -> Any:
        with transaction() as db:
            after = do(service, db, number(text), actor(db, as_), clock.now(db))
        say(f"#{number(text)} {done(after)}: {after.title}")

    each(numbers, one)
