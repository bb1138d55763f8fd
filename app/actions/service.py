"""What a person does to an incident: incident, escalation and pages change together, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from app.alerts import store as alerts
from app.catalog import store as catalog
from app.db import refresh
from app.errors import Busy, Conflict, Invalid
from app.escalation import service as escalation
from app.escalation.model import EscalationState
from app.escalation.undo import Change, last_change, position
from app.incidents import store
from app.incidents.hours import caught_up
from app.incidents.lifecycle import (
    Move,
    acknowledged,
    assigned,
    changes,
    must_allow,
    not_paged,
    reacknowledged,
    reopened,
    resolved,
    retriggered,
    snoozed,
    unacknowledged,
)
from app.incidents.merge import merge as merge_of
from app.incidents.model import Event, Incident
from app.incidents.present import present
from app.incidents.service import absent
from app.notify import service as pages
from app.notify import undo as undoing
from app.oncall import service as oncall
from app.people import audit
from app.people import store as people
from app.people.model import Actor
from app.people.permission import may, require
from app.reason import Code, Reason
from app.units import format_duration

SNOOZE_SHORTEST, SNOOZE_LONGEST = timedelta(seconds=1), timedelta(days=30)
NOTE_LIMIT = 10_000  # characters
TRIES = 10  # to lock an incident with its alerts while more of them join


def acknowledge(db: Connection, number: int, actor: Actor, now: datetime) -> Incident:
    """Work on it: no further step, until the policy's `ack_timeout` if it has one. Again: nothing changes."""
    before = _locked(db, number, actor, Move.ACKNOWLEDGE)
    if not changes(before, Move.ACKNOWLEDGE):
        return before
    after = acknowledged(before, actor.login, now)
    timeout = after.policy.ack_timeout if after.policy else None
    return _stopped(db, before, after, actor, _by(Code.ACKNOWLEDGED, actor), now, now + timeout if timeout else None)


def resolve(db: Connection, number: int, actor: Actor, now: datetime) -> Incident:
    """End it. Alerts that senders push end with it; those of checks and rules stay what they are: the truth."""
    ids = _lock_whole(db, [number])
    before = _locked(db, number, actor, Move.RESOLVE)
    after = resolved(before, actor.login, now)
    alerts.end_pushed(db, ids, _by(Code.INCIDENT_RESOLVED, actor), now)
    done = _stopped(db, before, after, actor, _by(Code.RESOLVED, actor), now)
    pages.queue_resolved(db, [after], actor.login, now)
    return done


def reopen(db: Connection, number: int, actor: Actor, now: datetime) -> Incident:
    """Take an end back: triggered again, the policy from step 1."""
    before = _locked(db, number, actor, Move.REOPEN)
    newer = store.open_of_group(db, before.group_key)
    if newer is not None:
        raise Conflict(f"#{newer.number} is open for the same group; use that one, or merge")
    after = caught_up(reopened(before, now), oncall.timetable(db), now)[0]
    if not store.save_alone(db, after):
        raise Conflict(f"a new incident for the group of #{number} has just opened; use that one")
    escalation.begin(db, [after], now)
    return _noted(db, after, actor, _by(Code.REOPENED, actor), now, _changed(before, after))


def undo_resolve(db: Connection, number: int, actor: Actor, now: datetime) -> Incident:
    """`reopen`, and what the actor had acknowledged or snoozed is so again. Anybody else was notified of the end."""
    before = _locked(db, number, actor, Move.REOPEN)
    after = reopen(db, number, actor, now)
    if before.acknowledged_at is None or before.acknowledged_by is None or before.acknowledged_by != actor.login:
        return after
    lines = [one for one in store.timeline(db, number) if one.at >= before.acknowledged_at and one.reason.code == Code.SNOOZED]
    if not lines:
        return acknowledge(db, number, actor, now)
    left = lines[-1].at + timedelta(seconds=lines[-1].reason.facts["seconds"]) - now
    return snooze(db, number, left, actor, now) if left >= SNOOZE_SHORTEST else after


def release(db: Connection, number: int, actor: Actor, now: datetime) -> Incident:
    """Take an acknowledgement or a snooze back: triggered and unacknowledged, the policy from step 1."""
    before = _locked(db, number, actor, Move.UNACKNOWLEDGE)
    after = unacknowledged(before)
    escalation.begin(db, [after], now)
    return _done(db, before, after, actor, _by(Code.UNACKNOWLEDGED, actor), now)


def escalate(
    db: Connection, number: int, actor: Actor, now: datetime, step: int | None = None, place: str | None = None
) -> Incident:
    """Take the next step now instead of when its wait is over; or a later one, counting from 1. Raises Invalid, Conflict.

    place: where its escalation was seen. A step that is due already is being taken: nothing changes.
    """
    incident = _locked(db, number, actor, Move.ESCALATE)
    before, after = escalation.hurry(db, incident, step, now, place)
    if after == before:
        return incident
    changed = audit.changes(_place(before), _place(after))
    undo = {"escalation": position(before)}
    return _noted(db, incident, actor, _by(Code.ESCALATED, actor, step=step, before=undo), now, changed)


def snooze(db: Connection, number: int, length: timedelta, actor: Actor, now: datetime) -> Incident:
    """Quiet for `length`, then the policy from step 1 unless it was resolved."""
    if not SNOOZE_SHORTEST <= length <= SNOOZE_LONGEST:
        raise Invalid(f"snooze out of range: {format_duration(SNOOZE_SHORTEST)} to {format_duration(SNOOZE_LONGEST)}")
    before = _locked(db, number, actor, Move.SNOOZE)
    after = snoozed(before, actor.login, now + length, now)
    why = _by(Code.SNOOZED, actor, seconds=length.total_seconds())
    return _stopped(db, before, after, actor, why, now, now + length)


def merge(db: Connection, number: int, into: int, actor: Actor, now: datetime) -> Incident:
    """Give all its alerts to another open incident; this one ends and points there. Returns the other."""
    if number == into:
        raise Invalid(f"#{number} cannot be merged into itself")
    require(actor, "respond")
    _lock_whole(db, [number, into])
    found = store.lock(db, [number, into])
    for wanted in (number, into):
        if wanted not in found:
            raise absent(db, wanted)
    source, target = found[number], found[into]
    must_allow(source, Move.MERGE)
    if target.merged_into is not None:
        raise Conflict(f"#{into} was merged into #{target.merged_into}; use that one")
    if not target.open:
        raise Conflict(f"#{into} is resolved; reopen it first")
    alerts.move_all(db, alerts.ids_of(db, [number]), into)
    made = merge_of(source, target, alerts.tally(db, into), actor.login, now)
    _stopped(db, source, made.source, actor, _by(Code.MERGED, actor, into=into), now)
    store.save_all(db, [made.target])
    events = [Event(into, _by(Code.MERGED_FROM, actor, number=number), actor.login)]
    if made.restarted:
        store.freeze_all(db, [made.target])
        pages.supersede(db, [into], now)
        escalation.begin(db, [made.target], now)
        events.append(Event(into, Reason(Code.MERGE_RESTARTED, {"number": number, "policy": made.target.policy_name})))
    store.record(db, events, now)
    return made.target


def assign(db: Connection, number: int, login: str, actor: Actor, now: datetime) -> Incident:
    """Name the person who works on it. They are paged, and it is unacknowledged until they answer.

    Not if they have answered already: by assigning themselves, or because it is acknowledged by them. Then whoever was assigned
    before need not answer. While the assignee is asked, assigning them once more changes nothing.
    """
    before = _locked(db, number, actor, Move.ASSIGN)
    person = people.get(db, login, catalog.defaults(db).timezone)
    if person is None:
        raise Invalid(f'user "{login}" not found')
    if not may(person.role, "respond"):
        raise Invalid(f'"{login}" is a viewer and cannot work on incidents')
    after, why = assigned(before, login), _by(Code.ASSIGNED, actor, to=login)
    asked = escalation.assignee_is_asked(db, before, now)
    unpaged = not_paged(before, login, actor.login, asked)
    if unpaged is Code.NOT_PAGED:
        if asked:
            after = retriggered(after)
            escalation.excuse_assignee(db, after, why, now)
            pages.supersede(db, [number], now)
            return _done(db, before, after, actor, why, now)
        return _done(db, before, after, actor, _undoable(why, before, None), now)
    if unpaged is Code.PAGED_ALREADY:
        return before
    was = escalation.standing(db, before)
    after = _done(db, before, retriggered(after), actor, _undoable(why, before, was), now)
    pages.supersede(db, [number], now)
    pages.queue(db, escalation.page_assignee(db, after, login, why, now), now)
    return after


def undo(db: Connection, number: int, actor: Actor, now: datetime) -> Incident:
    """Take the actor's own escalation or assignment back, if it is the last thing that was done: it stands where it stood.

    Unsent pages of it are withdrawn; whoever was reached gets an update. Raises Conflict that says what has happened since.
    """
    require(actor, "respond")
    incident = store.lock(db, [number]).get(number)
    if incident is None:
        raise absent(db, number)
    change = last_change(store.timeline(db, number), actor.login, now)
    to = {"to": incident.assigned_to} if change.what is Code.ASSIGNED else {}
    after, why = incident, _by(Code.UNDONE, actor, what=change.what.value, **to)
    if change.what is Code.ASSIGNED:
        after = _unassign(db, incident, change, why, now)
    elif change.before is not None:
        if change.steps:  # people were paged: a new generation, so that the keys of their next pages differ
            after = retriggered(incident)
            called_off = escalation.call_off(db, after, incident.generation, change.steps, why, now)
            undoing.call_off(db, after, incident.generation, called_off, why, now)
        escalation.restore(db, after, change.before, now)
    return _done(db, incident, after, actor, why, now)


def _unassign(db: Connection, incident: Incident, change: Change, why: Reason, now: datetime) -> Incident:
    """The incident as it was before somebody was assigned; what that took back is promised and queued again."""
    was, at = change.facts["before"], change.at
    named = replace(incident, assigned_to=was["assigned_to"])
    if change.before is None:
        return named
    if was["acknowledged_at"] is not None:
        after = reacknowledged(named, was["acknowledged_by"], _instant(was["acknowledged_at"]), _instant(was["snoozed_until"]))
        escalation.stop(db, after, why, change.before.due_at, now)
        undoing.withdraw_all(db, after, incident.generation, why, now)
        return after
    after = retriggered(named)
    generation = change.before.generation
    excused = escalation.excused_by_start(db, incident.number, generation)
    unserved = undoing.unserved(db, [one.id for one in excused])
    promised = escalation.promise_again(db, after, generation, [one for one in excused if one.id in unserved], why, now)
    undoing.put_back(db, after, generation, promised, at, why, now)
    escalation.restore(db, after, change.before, now)
    return after


def can_undo(db: Connection, number: int, actor: Actor, now: datetime) -> bool:
    """Whether what the actor did just now can be undone."""
    try:
        return last_change(store.timeline(db, number), actor.login, now).at == now
    except Conflict:
        return False


def _undoable(why: Reason, before: Incident, was: EscalationState | None) -> Reason:
    """The line of an assignment, with what an undo restores. was: where the incident stood; None: it stays there."""
    names = ("assigned_to", "acknowledged_by", "acknowledged_at", "snoozed_until")
    kept = {name: _written(getattr(before, name)) for name in names}
    return Reason(why.code, {**why.facts, "before": {**kept, "escalation": position(was) if was else None}})


def _written(value: str | datetime | None) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else value


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def note(db: Connection, number: int, text: str, actor: Actor, now: datetime) -> Incident:
    """Add a note to the timeline."""
    require(actor, "respond")
    words = text.replace("\0", "").strip()
    if not words or len(words) > NOTE_LIMIT:
        raise Invalid(f"a note must be 1 to {NOTE_LIMIT:,} characters long")
    incident = store.lock(db, [number]).get(number)
    if incident is None:
        raise absent(db, number)
    return _noted(db, incident, actor, Reason(Code.NOTE, {"text": words}), now)


def _lock_whole(db: Connection, numbers: Sequence[int]) -> list[int]:
    """Lock these incidents and all their alerts, alerts first as the dedup stage does; the ids of the alerts. Raises Busy.

    What joins in between is locked by nobody yet, and whoever placed it may want these incidents: let go, and begin again.
    """
    for _ in range(TRIES):
        with db.begin_nested() as attempt:
            ids = alerts.lock_of(db, numbers)
            store.lock(db, numbers)
            if set(alerts.ids_of(db, numbers)) <= set(ids):
                return ids
            attempt.rollback()
    raise Busy(f"#{numbers[0]} is being changed by another request; retry in a moment")


def _locked(db: Connection, number: int, actor: Actor, move: Move) -> Incident:
    """The incident, locked, if the actor may and the state allows the move."""
    require(actor, "respond")
    incident = store.lock(db, [number]).get(number)
    if incident is None:
        raise absent(db, number)
    must_allow(incident, move)
    return incident


def _stopped(
    db: Connection,
    before: Incident,
    after: Incident,
    actor: Actor,
    why: Reason,
    now: datetime,
    again_at: datetime | None = None,
) -> Incident:
    """The same as `_done`, and no further step, nor page that waits, until `again_at`."""
    escalation.stop(db, after, why, again_at, now)
    pages.supersede(db, [after.number], now)
    return _done(db, before, after, actor, why, now)


def _done(db: Connection, before: Incident, after: Incident, actor: Actor, why: Reason, now: datetime) -> Incident:
    store.save_all(db, [after])
    return _noted(db, after, actor, why, now, _changed(before, after))


def _noted(
    db: Connection, incident: Incident, actor: Actor, why: Reason, now: datetime, detail: Mapping[str, Any] | None = None
) -> Incident:
    """Write it into the timeline and the audit log."""
    store.record(db, [Event(incident.number, why, actor.login)], now)
    audit.record(db, actor, f"incident.{why.code}", f"incident:{incident.number}", detail or {}, now)
    refresh(db, "incidents")
    return incident


def _changed(before: Incident, after: Incident) -> Mapping[str, Any]:
    return audit.changes(dict(present(before)), dict(present(after)))


def _place(state: EscalationState) -> dict[str, Any]:
    """Where an incident stands in its policy, for the audit log."""
    due = state.due_at.isoformat() if state.due_at else None
    return {"next_step": state.step + 1, "round": state.round, "due_at": due}


def _by(code: Code, actor: Actor, **facts: object) -> Reason:
    return Reason(code, {"by": actor.login, "via": actor.via, **facts})
