"""`tocsin incidents ...`"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.terminal import As, Json, Numbers, OneNumber, actor, each, number, say, say_json, say_list
from app.errors import Invalid
from app.walltime import parse_instant, stamp

if TYPE_CHECKING:
    from app.incidents.model import Incident

incidents = typer.Typer(help="Incidents: look and act.", no_args_is_help=True)
STATES = ("triggered", "acknowledged", "resolved")


@incidents.command("list")
def list_(
    state: Annotated[list[str] | None, typer.Option(help="Repeats; default: what is open.")] = None,
    service: str | None = None,
    team: str | None = None,
    severity: str | None = None,
    words: Annotated[str, typer.Option("-q", "--words", help="In title or service.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    as_json: Json = False,
) -> None:
    """List incidents, newest first."""
    from app.db import transaction
    from app.incidents import store
    from app.incidents.model import State
    from app.incidents.present import present

    wrong = [one for one in state or () if one not in STATES]
    if wrong:
        raise Invalid(f'"{wrong[0]}" is not a state; write one of {", ".join(STATES)}')
    states = [State(one) for one in state or STATES[:2]]
    equal = {name: value for name, value in (("service", service), ("team", team), ("severity", severity)) if value}
    with transaction() as db:
        found = store.listed(db, states=states, equal=equal, words=words, before=None, limit=limit)
    rows = [{**present(one), "opened_at": one.opened_at} for one in found]
    say_list(rows, ("number", "state", "severity", "service", "opened_at", "title"), as_json, "no incident matches")


@incidents.command()
def show(number_: OneNumber, as_json: Json = False) -> None:
    """Show one incident: alerts, timeline, pages, and the next escalations."""
    from app import clock
    from app.db import transaction
    from app.review.dossier import dossier

    with transaction() as db:
        found = dossier(db, number(number_), clock.now(db))
    if as_json:
        say_json(found)
        return
    say(f"#{found['number']} {found['title']}")
    for name in ("state", "severity", "urgency", "service", "team", "policy", "opened_at", "acknowledged_by", "resolved_at"):
        if found[name]:
            say(f"  {name}: {stamp(parse_instant(found[name])) if name.endswith('_at') else found[name]}")
    for line in found["timeline"]:
        say(f"{stamp(line['at'])}  {line['actor'] or 'tocsin'}: {line['text']}")
    for step in found["upcoming"]:
        whom = ", ".join([*step["users"], *step["channels"]]) or "nobody"
        say(f"{stamp(step['at'])}  escalates to {whom} ({step['reason']})")


@incidents.command()
def ack(numbers: Numbers, as_: As = None) -> None:
    """Acknowledge: no further step. Exit 1 when one of them is resolved."""
    _act(numbers, as_, lambda service, *facts: service.acknowledge(*facts))


@incidents.command()
def resolve(numbers: Numbers, as_: As = None) -> None:
    """End them."""
    _act(numbers, as_, lambda service, *facts: service.resolve(*facts))


@incidents.command()
def reopen(numbers: Numbers, as_: As = None) -> None:
    """Take an end back: triggered again, the policy from step 1."""
    _act(numbers, as_, lambda service, *facts: service.reopen(*facts))


@incidents.command()
def snooze(
    numbers: Numbers, length: Annotated[str, typer.Option("--for", help="How long: 30m, 1h, 2d.")] = "1h", as_: As = None
) -> None:
    """Quiet for a while, then the policy from step 1 unless it was resolved."""
    from app.units import parse_duration

    try:
        duration = parse_duration(length)
    except ValueError as error:
        raise Invalid(str(error)) from None
    _act(numbers, as_, lambda service, db, number, who, now: service.snooze(db, number, duration, who, now))


@incidents.command()
def merge(numbers: Numbers, into: Annotated[str, typer.Option(help="The incident that takes over.")], as_: As = None) -> None:
    """Give their alerts to another open incident."""
    target = number(into)
    _act(numbers, as_, lambda service, db, number, who, now: service.merge(db, number, target, who, now))


@incidents.command()
def note(number_: OneNumber, text: str, as_: As = None) -> None:
    """Add a note to the timeline."""
    _act([number_], as_, lambda service, db, number, who, now: service.note(db, number, text, who, now))


@incidents.command()
def assign(number_: OneNumber, user: str, as_: As = None) -> None:
    """Name the person who works on it."""
    _act([number_], as_, lambda service, db, number, who, now: service.assign(db, number, user, who, now))


def _act(numbers: list[str], as_: str | None, do: "Callable[..., Incident]") -> None:
    """Do it to each incident in a transaction of its own, and say how it stands then."""
    from app import clock
    from app.actions import service
    from app.db import transaction

    def one(text: str) -> Any:
        with transaction() as db:
            after = do(service, db, number(text), actor(db, as_), clock.now(db))
        say(f"#{after.number} {after.state}: {after.title}")

    each(numbers, one)
