"""Places alerts into incidents and ends incidents whose alerts are over: load, decide, save, in the caller's transaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from app.alerts import store as alerts
from app.alerts.label import within
from app.alerts.model import Alert, Tally
from app.catalog import store as catalog
from app.errors import Busy, Gone, NotFound
from app.incidents import store
from app.incidents.correlate import Group, Way, follow
from app.incidents.lifecycle import resolved
from app.incidents.model import Event, Incident
from app.incidents.place import Batch, Board, How, Placement, alone, batch
from app.incidents.place import place as decide
from app.incidents.routing import Routing
from app.oncall import service as oncall
from app.reason import Code, Reason
from app.settings import settings
from app.units import counted


def place(db: Connection, now: datetime, limit: int = 500, only: Sequence[int] | None = None) -> Placement:
    """Give every changed alert (of `only`) its incident: join the open one, reopen a recent one, or open a new one."""
    changed = alerts.claim_changed(db, now, limit, only)
    if not changed:
        return Placement()
    routing = in_force(db)
    opened = routing.timetable.open_at(now)
    changed = [replace(one, labels=within(one.labels, opened)) for one in changed]
    while True:
        made, board = _load(db, changed, now)
        placed = _save(db, decide(made, board, routing, now), now)
        if placed is not None:
            return placed


def open_alone(
    db: Connection, alert: Alert, of: Group, routing: Routing, now: datetime, *, assigned_to: str | None, team: str | None
) -> Incident:
    """Open an incident of its own for an alert that nobody has placed yet, whatever the groupings say. Raises Busy.

    The timeline is the caller's. team: None is the alert's own.
    """
    made = alone(alert, of, routing, now)
    (touched,) = made.touched
    owned = replace(touched.incident, assigned_to=assigned_to, team=team or touched.incident.team)
    saved = _save(db, replace(made, touched=(replace(touched, incident=owned, events=()),)), now)
    if saved is None:
        raise Busy("an incident with this key has just been opened; retry in a moment")
    return saved.touched[0].incident


def absent(db: Connection, number: int) -> NotFound:
    """The error for an incident that does not exist (any more)."""
    if number > store.last_number(db):
        return NotFound(f"incident #{number} not found")
    kept = settings().retain_incidents_days
    return Gone(f"incident #{number} no longer exists: incidents are removed {counted(kept, 'day')} after they are resolved")


def in_force(db: Connection) -> Routing:
    """The configuration that routes."""
    return Routing(catalog.routes(db), catalog.policies(db), oncall.timetable(db))


def _load(db: Connection, changed: Sequence[Alert], now: datetime) -> tuple[Batch, Board]:
    """What `decide` needs to know, every incident that may change locked: all at once in one order, then those that ended."""
    own = sorted({one.incident for one in changed if one.incident is not None})
    made = batch(changed, store.closed(db, own) if own else set(), catalog.groupings(db))
    wanted = made.wanted
    locked = store.lock(db, own, sorted(wanted))
    open_ = {one.group_key: one for one in locked.values() if one.open and one.group_key in wanted}
    latest = store.latest_closed(db, missing) if (missing := sorted(set(wanted) - set(open_))) else {}
    merged = [one.number for one in latest.values() if one.merged_into is not None]
    target_of = store.merge_targets(db, merged) if merged else {}
    recent = [one.number for key, one in latest.items() if follow(one, None, wanted[key].reopen, now) is Way.REOPEN]
    again = store.lock(db, numbers) if (numbers := sorted({*recent, *target_of.values()})) else {}
    closed = {key: again.get(one.number, one) for key, one in latest.items()}
    open_ |= {key: one for key, one in closed.items() if one.open}  # somebody reopened it just now
    targets = {number: again[target] for number, target in target_of.items() if target in again}
    known = locked | again
    others = alerts.others(db, sorted(known), but=[one.id for one in changed]) if known else {}
    of_batch = Counter(one.incident for one in changed)
    tallies = {
        number: Tally(int(open_one), known[number].alert_count - of_batch[number], worst)
        for number, (open_one, worst) in others.items()
    }
    return made, Board(open_, closed, targets, {number: locked[number] for number in own if number in locked}, tallies)


def _save(db: Connection, made: Placement, now: datetime) -> Placement | None:
    """Write a placement; it has real numbers then. None, and nothing written: somebody else opened one of its groups."""
    new = {one.incident.number: one.incident for one in made.touched if one.how is How.OPENED}
    numbers = store.open_all(db, list(new.values())) if new else {}
    if numbers is None:
        return None
    touched = [replace(one, incident=_numbered(one.incident, numbers)) for one in made.touched]
    incident_of = {id_: numbers.get(number or 0, number) for id_, number in made.incident_of.items()}
    saved = Placement(tuple(touched), incident_of)
    alerts.place_all(db, incident_of)
    store.save_all(db, [one.incident for one in touched if one.how is not How.OPENED])
    store.freeze_all(db, [one.incident for one in touched if one.rerouted and one.how is not How.OPENED])
    store.record(db, saved.events, now)
    return saved


def _numbered(incident: Incident, numbers: dict[int, int]) -> Incident:
    return replace(incident, number=numbers[incident.number]) if incident.number in numbers else incident


def end_due(db: Connection, now: datetime, limit: int = 500) -> list[Incident]:
    """Resolve the incidents whose alerts have been over for long enough; those that ended."""
    ended = [resolved(one, None, now) for one in store.claim_ending(db, now, limit)]
    store.save_all(db, ended)
    store.record(db, [Event(one.number, Reason(Code.RESOLVED, {"by": None})) for one in ended], now)
    return ended
