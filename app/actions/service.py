"""What a person does to an incident: incident, escalation and pages change together, in the caller's transaction."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.alerts import store as alerts
from app.alerts.store import Tally
from app.catalog import store as catalog
from app.catalog.model import Severity
from app.db import refresh
from app.errors import Conflict, Invalid, NotFound
from app.escalation import service as escalation
from app.incidents import service as incidents
from app.incidents import store
from app.incidents.changeover import Kept, by_hours_now, raised
from app.incidents.lifecycle import Move, reopened, step
from app.incidents.model import Event, Incident, State
from app.notify import service as pages
from app.people import audit
from app.people import store as people
from app.people.model import Actor, Role, Urgency
from app.people.permission import require
from app.reason import Code, Reason
from app.units import format_duration

SNOOZE_LONGEST = timedelta(days=30)
NOTE_LIMIT = 10_000  # characters


def acknowledge(db: Connection, number: int, actor: Actor, now: datetime) -> Incident:
    """Take it: no further step, until the policy's `ack_timeout` if it has one. Again: nothing changes."""
    before = _locked(db, number, actor, Move.ACKNOWLEDGE)
    if before.state is State.ACKNOWLEDGED:
        return before
    after = replace(before, state=State.ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=actor.login)
    timeout = after.policy.ack_timeout if after.policy else None
    _stop(db, after, f"acknowledged by {_name(actor)}", now + timeout if timeout else None, now)
    return _done(db, after, actor, "acknowledged", f"acknowledged by {_name(actor)}", now)


def resolve(db: Connection, number: int, actor: Actor, now: datetime) -> Incident:
    """End it. Alerts that senders push end with it; those of checks and rules stay what they are: the truth."""
    alerts.lock_of(db, [number])  # before the incident, as the dedup stage does
    before = _locked(db, number, actor, Move.RESOLVE)
    after = replace(before, state=State.RESOLVED, resolved_at=now, resolved_by=actor.login, resolve_at=None, snoozed_until=None)
    alerts.end_pushed(db, number, Reason(Code.INCIDENT_RESOLVED, {"by": actor.login, "via": actor.via}), now)
    _stop(db, after, f"resolved by {_name(actor)}", None, now)
    done = _done(db, after, actor, "resolved", f"resolved by {_name(actor)}", now)
    pages.queue_resolved(db, [after], actor.login, now)
    return done


def reopen(db: Connection, number: int, actor: Actor, now: datetime) -> Incident:
    """Take an end back: triggered again, the policy from step 1."""
    before = _locked(db, number, actor, Move.REOPEN)
    if before.merged_into is not None:
        raise Conflict(f"#{number} was merged into #{before.merged_into}; work on that one")
    newer = store.lock_open(db, [before.group_key]).get(before.group_key)
    if newer is not None:
        raise Conflict(f"#{newer.number} is open for the same group; merge or work on that one")
    after = by_hours_now(db, reopened(before, now), now)
    if not store.save_alone(db, after):
        raise Conflict(f"a new incident for the group of #{number} opened just now; work on that one")
    escalation.begin(db, [after], now)
    return _done(db, after, actor, "reopened", f"reopened by {_name(actor)}", now, save=False)


def release(db: Connection, number: int, actor: Actor, now: datetime) -> Incident:
    """Take an acknowledgement or a snooze back: triggered and nobody's, the policy from step 1."""
    before = _locked(db, number, actor, Move.RETRIGGER)
    if before.state is State.TRIGGERED:
        raise Conflict(f"#{number} is not acknowledged, so there is nothing to take back")
    after = incidents.retrigger(before)
    escalation.begin(db, [after], now)
    return _done(db, after, actor, "released", f"given back by {_name(actor)}; the policy starts again", now)


def escalate(db: Connection, number: int, actor: Actor, now: datetime) -> Incident:
    """Take the next step now instead of when its wait is over."""
    before = _locked(db, number, actor, Move.RETRIGGER)
    if before.state is not State.TRIGGERED:
        raise Conflict(f"#{number} is {before.state}; give it back first, then its policy starts again")
    escalation.hurry(db, number, now)
    return _done(db, before, actor, "escalated", f"{_name(actor)} asked for the next step at once", now, save=False)


def snooze(db: Connection, number: int, length: timedelta, actor: Actor, now: datetime) -> Incident:
    """Quiet for `length`, then the policy from step 1 unless it was resolved."""
    if not timedelta(seconds=1) <= length <= SNOOZE_LONGEST:
        raise Invalid(f"a snooze lasts from 1s to {format_duration(SNOOZE_LONGEST)}")
    before = _locked(db, number, actor, Move.SNOOZE)
    until = now + length
    after = replace(
        before,
        state=State.ACKNOWLEDGED,
        snoozed_until=until,
        acknowledged_at=before.acknowledged_at or now,
        acknowledged_by=before.acknowledged_by or actor.login,
    )
    _stop(db, after, f"snoozed by {_name(actor)}", until, now)
    text = f"snoozed by {_name(actor)} for {format_duration(length)}"
    return _done(db, after, actor, "snoozed", text, now)


def merge(db: Connection, number: int, into: int, actor: Actor, now: datetime) -> Incident:
    """Give all its alerts to another open incident; this one ends and points there. Returns the other."""
    if number == into:
        raise Invalid(f"#{number} cannot be merged into itself")
    require(actor, "respond")
    alerts.lock_of(db, [number, into])
    found = store.lock(db, [number, into])
    for wanted in (number, into):
        if wanted not in found:
            raise NotFound(f"there is no incident #{wanted}")
    source, target = found[number], found[into]
    state = step(source.state, Move.MERGE)
    if not target.open:
        raise Conflict(f"#{into} is resolved; reopen it first")
    after = replace(
        source,
        state=state,
        merged_into=into,
        resolved_at=now,
        resolved_by=actor.login,
        resolve_at=None,
        snoozed_until=None,
        alert_count=0,  # its alerts belong to the other
    )
    _stop(db, after, f"merged into #{into}", None, now)
    alerts.move_all(db, number, into)
    grown = _grown(db, source, target, now)
    store.record(db, [Event(into, "merged", f"#{number} was merged into this by {_name(actor)}", actor.login)], now)
    _done(db, after, actor, "merged", f"merged into #{into} by {_name(actor)}", now)
    return grown


def _grown(db: Connection, source: Incident, target: Incident, now: datetime) -> Incident:
    """The incident that another was merged into: as bad as the worse of both.

    Where the other is the worse one and either is unacknowledged, it goes on under the other's policy from step 1: who would
    have been paged for that one still is.
    """
    tally = alerts.tally(db, [target.number]).get(target.number, Tally())
    severity = max(source.severity, target.severity, key=lambda one: one.rank)
    urgency = Urgency.HIGH if Urgency.HIGH in (source.urgency, target.urgency) else Urgency.LOW
    ending = None if tally.open else target.resolve_at
    title = tally.title or target.title
    grown = raised(replace(target, alert_count=tally.total, title=title, severity=severity, resolve_at=ending), urgency)
    critical = severity is Severity.CRITICAL and target.severity is not Severity.CRITICAL
    if (critical or urgency is not target.urgency) and State.TRIGGERED in (source.state, target.state):
        routing = Kept(source.policy_name, source.policy, source.hours, source.during, source.urgency_at)
        grown = incidents.retrigger(raised(routing.on(grown, source.urgency), urgency))
        store.freeze(db, grown)
        pages.supersede(db, [grown.number], now)
        escalation.begin(db, [grown], now)
        policy = f"policy {grown.policy_name}" if grown.policy_name else "no policy"
        text = f"#{source.number} is worse and unacknowledged; routed again: {policy}, from step 1"
        store.record(db, [Event(grown.number, "restarted", text)], now)
    store.save_all(db, [grown])
    return grown


def assign(db: Connection, number: int, login: str, actor: Actor, now: datetime) -> Incident:
    """Name the person who works on it."""
    before = _locked(db, number, actor, Move.ASSIGN)
    person = people.get(db, login, catalog.defaults(db).timezone)
    if person is None:
        raise Invalid(f'there is no user "{login}"')
    if person.role is Role.VIEWER:
        raise Invalid(f'"{login}" is a viewer and cannot work on incidents')
    after = replace(before, assigned_to=login)
    return _done(db, after, actor, "assigned", f"assigned to {login} by {_name(actor)}", now)


def note(db: Connection, number: int, text: str, actor: Actor, now: datetime) -> Incident:
    """Add a note to the timeline."""
    require(actor, "respond")
    words = text.replace("\0", "").strip()
    if not words or len(words) > NOTE_LIMIT:
        raise Invalid(f"a note has 1 to {NOTE_LIMIT} characters")
    incident = store.get(db, number)
    if incident is None:
        raise NotFound(f"there is no incident #{number}")
    return _done(db, incident, actor, "note", words, now, save=False)


def _locked(db: Connection, number: int, actor: Actor, move: Move) -> Incident:
    """The incident, locked, if the actor may and the state allows the move."""
    require(actor, "respond")
    incident = store.lock(db, [number]).get(number)
    if incident is None:
        raise NotFound(f"there is no incident #{number}")
    step(incident.state, move)
    return incident


def _stop(db: Connection, incident: Incident, reason: str, again_at: datetime | None, now: datetime) -> None:
    escalation.stop(db, incident, reason, again_at, now)
    pages.supersede(db, [incident.number], now)


def _done(
    db: Connection, incident: Incident, actor: Actor, kind: str, text: str, now: datetime, *, save: bool = True
) -> Incident:
    if save:
        store.save_all(db, [incident])
    store.record(db, [Event(incident.number, kind, text, actor.login, {"via": actor.via})], now)
    audit.record(db, actor, f"incident.{kind}", f"incident:{incident.number}", {}, now)
    refresh(db, "incidents")
    return incident


def _name(actor: Actor) -> str:
    return actor.login or f"somebody by {actor.via}"
