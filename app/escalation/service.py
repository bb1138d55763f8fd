"""Starts, advances and stops escalations: load, decide, save, in the caller's transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.db import wake
from app.errors import Conflict
from app.escalation import store
from app.escalation.hold import hold, waiting
from app.escalation.model import Due, EscalationState, EscalationStatus, Obligation, ObligationState
from app.escalation.plan import (
    LastResort,
    Plan,
    ResolvedTarget,
    Step,
    assignee_beside,
    awaits_assignee,
    hurried,
    out_of_turn,
    plan,
    recipients,
    targets,
)
from app.escalation.request import PageRequest, page_request
from app.escalation.undo import restored
from app.escalation.who import who
from app.incidents import store as incidents
from app.incidents.lifecycle import retriggered
from app.incidents.model import Event, Incident, IncidentState
from app.oncall import service as oncall
from app.people import store as people
from app.people.model import Directory
from app.queues import Queue
from app.reason import Code, Reason, nested


@dataclass(frozen=True, slots=True)
class Advance:
    """What one batch of due escalations led to."""

    requests: tuple[PageRequest, ...]
    due: tuple[tuple[int, datetime], ...]  # incident and its next step, for the fast path
    seen: int
    directory: Directory | None = None  # as it was for them; None: nobody was asked for


def begin(db: Connection, started: Sequence[Incident], now: datetime) -> None:
    """Start the policy of these incidents at step 1, due at once; open obligations of an earlier start are excused."""
    fresh = _started(db, started, now)
    store.put_all(db, fresh)
    if fresh:
        wake(db, Queue.ESCALATION)


def start(db: Connection, started: Sequence[Incident], now: datetime) -> Advance:
    """The same for a few, and take step 1 at once, as `advance` would; the caller has locked them."""
    return _advance(db, _started(db, started, now), {one.number: one for one in started}, now)


def _started(db: Connection, started: Sequence[Incident], now: datetime) -> list[EscalationState]:
    again = [one.number for one in started if one.generation > 1]
    if again:
        store.excuse_incident(db, again, Reason(Code.STARTED_AGAIN), now)
    return [EscalationState.started(one.number, one.generation, now) for one in started]


def page_assignee(db: Connection, incident: Incident, login: str, why: Reason, now: datetime) -> list[PageRequest]:
    """Page this person, whatever the hours; unless they acknowledge within its first wait, the policy starts at step 1.

    The incident was triggered anew for it: a generation of its own.
    """
    store.excuse_incident(db, [incident.number], Reason(Code.STARTED_AGAIN), now)
    directory = people.directory(db, catalog.defaults(db).timezone)
    (person,) = resolve(db, {f"user:{login}"}, directory, now).values()
    made = out_of_turn(incident.policy, person, why, EscalationState.started(incident.number, incident.generation, now), now)
    store.put_all(db, [made.after])
    return _promise(db, {incident.number: made}, {incident.number: incident}, now)


def assignee_is_asked(db: Connection, incident: Incident, now: datetime) -> bool:
    """Whether its assignee was paged and still has time to answer before step 1; the caller holds its lock."""
    current = store.get(db, incident.number) if incident.assigned_to else None
    return current is not None and awaits_assignee(incident.policy, current, now)


def assignees_paged(db: Connection, of: Iterable[Incident]) -> set[int]:
    """The incidents whose assignee was paged since their policy started last."""
    return store.promised(db, {one.number: (one.generation, one.assigned_to) for one in of if one.assigned_to})


def excuse_assignee(db: Connection, incident: Incident, why: Reason, now: datetime) -> None:
    """Somebody else has answered for the assignee; step 1 follows when it would have.

    The incident was triggered anew for it: a generation of its own.
    """
    store.excuse_incident(db, [incident.number], why, now)
    current = store.get(db, incident.number)
    if current is not None:
        store.put_all(db, [replace(current, generation=incident.generation)])


def hurry(
    db: Connection, incident: Incident, step: int | None, now: datetime, place: str | None = None
) -> tuple[EscalationState, EscalationState]:
    """Make the next step of this incident, or this later one, due now: where it stood, and stands. The caller holds its lock.

    Raises Invalid for a step that the policy does not have, Conflict for one that was taken, or where it stands in another
    `place` than it was seen in: a button pressed twice takes one step.
    """
    current = standing(db, incident)
    if place and place != current.place:
        raise Conflict(f"#{incident.number} has been escalated meanwhile")
    after = hurried(incident.policy, current, now, step)
    if after != current:
        store.put_all(db, [after])
        wake(db, Queue.ESCALATION)
    return current, after


def standing(db: Connection, incident: Incident) -> EscalationState:
    """Where this incident stands; the caller holds its lock."""
    return store.get(db, incident.number) or EscalationState.started(incident.number, incident.generation, None)


def restore(db: Connection, incident: Incident, before: EscalationState, now: datetime) -> None:
    """Put this incident back where it stood; the caller has locked it and seen to its obligations."""
    after = restored(before, incident.generation, now)
    store.put_all(db, [after])
    if after.due_at is not None and after.due_at <= now:
        wake(db, Queue.ESCALATION)


def call_off(
    db: Connection, incident: Incident, generation: int, steps: Collection[tuple[int, int | None]], why: Reason, now: datetime
) -> list[int]:
    """Excuse what these steps of this generation promised; other obligations are of the incident's generation from now on."""
    known = store.of_generation(db, incident.number, generation)
    undone = [one.id for one in known if (one.round, one.step) in steps]
    store.end_obligations(db, dict.fromkeys(undone, (ObligationState.EXCUSED, why)), now)
    store.move(db, [one.id for one in known if one.id not in undone], incident.generation)
    return undone


def excused_by_start(db: Connection, number: int, generation: int) -> list[Obligation]:
    """What was promised in this generation and still open when the next one started."""
    known = store.of_generation(db, number, generation)
    return [one for one in known if one.reason is not None and one.reason.code == Code.STARTED_AGAIN]


def promise_again(
    db: Connection, incident: Incident, generation: int, excused: Sequence[Obligation], why: Reason, now: datetime
) -> dict[int, int]:
    """Excuse what is open, and promise these of a generation again in the incident's, of which the others are from now on.

    The new ids by the old.
    """
    store.excuse_incident(db, [incident.number], why, now)
    again = {one.id for one in excused}
    kept = [one.id for one in store.of_generation(db, incident.number, generation) if one.id not in again]
    store.move(db, kept, incident.generation)
    rows = [
        {
            "incident": one.incident, "generation": incident.generation, "round": one.round, "step": one.step,
            "target": one.target, "user_name": one.user, "made_at": now,
        }
        for one in excused
    ]  # fmt: skip
    return dict(zip((one.id for one in excused), store.promise_all(db, rows), strict=True))


def go_on(db: Connection, numbers: Sequence[int], now: datetime) -> None:
    """Make the next step of these incidents due now, as if their wait were over; the caller holds them."""
    waits = store.of_incidents(db, numbers) if numbers else {}
    early = [replace(one, due_at=now) for _, one in sorted(waits.items()) if one.due_at is not None and one.due_at > now]
    store.put_all(db, early)
    if early:
        wake(db, Queue.ESCALATION)


def stop(db: Connection, incident: Incident, reason: Reason, again_at: datetime | None, now: datetime) -> None:
    """No further step; open obligations are excused with the reason. `again_at`: a snooze's end or an ack time-out."""
    _stop(db, [EscalationState.stopped(incident.number, incident.generation, again_at)], reason, now)


def stop_ended(db: Connection, ended: Sequence[Incident], now: datetime) -> None:
    """The same for incidents whose alerts are over, all at once."""
    _stop(db, [EscalationState.stopped(one.number, one.generation) for one in ended], Reason(Code.RESOLVED, {"by": None}), now)


def _stop(db: Connection, stopped: Sequence[EscalationState], reason: Reason, now: datetime) -> None:
    store.put_all(db, stopped, reason)
    if stopped:
        store.excuse_incident(db, [one.incident for one in stopped], reason, now)


def owners(db: Connection, directory: Directory | None = None) -> LastResort:
    """Who answers when nobody else does. directory: as the caller knows it already."""
    known = directory or people.directory(db, catalog.defaults(db).timezone)
    return LastResort(catalog.platform(db).owners, tuple(f"user:{login}" for login in known.admins))


def advance(db: Connection, now: datetime, limit: int = 200, only: int | None = None) -> Advance:
    """Take every step (of `only`) that is due; what it reaches becomes obligations, written before anything is sent."""
    due = store.claim_due(db, now, limit, only)
    found = incidents.by_numbers(db, [one.incident for one in due]) if due else {}
    return _advance(db, _start_again(db, due, found, now), found, now)


def _advance(db: Connection, due: Sequence[EscalationState], found: Mapping[int, Incident], now: datetime) -> Advance:
    if not due:
        return Advance((), (), 0)
    open_ = [one for one in due if found[one.incident].state is IncidentState.TRIGGERED]
    closed = [one for one in due if found[one.incident].state is not IncidentState.TRIGGERED]
    open_, held = _hold(db, open_, found, now)
    directory = people.directory(db, catalog.defaults(db).timezone) if open_ else None
    plans = _plans(db, open_, found, directory, now) if directory else {}
    quiet = [EscalationState(s.incident, s.generation, s.round, s.step, None, s.due, EscalationStatus.STOPPED) for s in closed]
    store.put_all(db, [plan.after for plan in plans.values()])
    store.put_all(db, quiet, Reason(Code.NOT_TRIGGERED))
    requests = _promise(db, plans, found, now)
    after = [*held, *(plan.after for plan in plans.values())]
    soon = tuple((one.incident, one.due_at) for one in after if one.due_at is not None)
    return Advance(tuple(requests), soon, len(due), directory)


def _hold(
    db: Connection, due: Sequence[EscalationState], found: Mapping[int, Incident], now: datetime
) -> tuple[list[EscalationState], list[EscalationState]]:
    """Those whose step is taken now, and those that wait until their incident's hours open; the timeline says so."""
    timetable = oncall.timetable(db)
    holds = {one.incident: hold(found[one.incident].hours, timetable, one, now) for one in due}
    held = [waiting(one, found[one.incident].hours, wait) for one in due if (wait := holds[one.incident])]
    store.put_all(db, held)
    lines = {number: wait for number, wait in holds.items() if wait}
    incidents.record(db, [Event(number, one.reason) for number, one in lines.items()], now)
    return [one for one in due if holds[one.incident] is None], held


def recheck(db: Connection, now: datetime) -> None:
    """Hours may have changed: what waits for them and would now wait for another time, or not at all, is due at once."""
    timetable, waits = oncall.timetable(db), store.held(db)
    moved = [one for one in waits if (wait := hold(one.held, timetable, one, now)) is None or wait.until != one.due_at]
    store.put_all(db, [replace(one, due_at=now, held=None) for one in moved])
    if moved:
        wake(db, Queue.ESCALATION)


def _start_again(
    db: Connection, due: Sequence[EscalationState], found: dict[int, Incident], now: datetime
) -> list[EscalationState]:
    """Acknowledgements that ran out and snoozes that ended: the incident is triggered again, at step 1."""
    back, events, states = [], [], []
    for one in due:
        incident = found[one.incident]
        if one.due is not Due.AGAIN or incident.state is not IncidentState.ACKNOWLEDGED:
            states.append(one)
            continue
        found[one.incident] = retriggered(incident)
        back.append(found[one.incident])
        events.append(Event(one.incident, Reason(Code.SNOOZE_ENDED if incident.snoozed_until else Code.ACK_EXPIRED)))
        states.append(EscalationState.started(one.incident, incident.generation + 1, one.due_at))
    incidents.save_all(db, back)
    incidents.record(db, events, now)
    return states


def _plans(
    db: Connection,
    due: Sequence[EscalationState],
    found: Mapping[int, Incident],
    directory: Directory,
    now: datetime,
) -> dict[int, Plan]:
    last_resort = owners(db, directory)
    paged = assignees_paged(db, [found[one.incident] for one in due])
    beside = {one.incident: assignee_beside(found[one.incident].assigned_to, one.incident in paged, one) for one in due}
    wanted = {target for number, who in beside.items() for target in targets(found[number].policy, last_resort, who)}
    resolved = resolve(db, wanted, directory, now)
    return {
        one.incident: plan(found[one.incident].policy, last_resort, resolved, one, now, beside[one.incident]) for one in due
    }


def resolve(db: Connection, wanted: set[str], directory: Directory, at: datetime) -> dict[str, ResolvedTarget]:
    """Whom these targets stand for at `at`."""
    schedules = any(target.startswith("schedule:") for target in wanted)
    on_call = {name: on.users for name, on in oncall.who(db, at, directory.pageable).items()} if schedules else {}
    return who(wanted, directory, on_call)


def _promise(db: Connection, plans: Mapping[int, Plan], found: Mapping[int, Incident], now: datetime) -> list[PageRequest]:
    rows, requests, events = [], list[PageRequest | None](), []
    for number, made in plans.items():
        for step in made.steps:
            events.append(Event(number, _taken(step)))
            for target, user in recipients(step):
                rows.append(_row(found[number], step, target, user, now))
                requests.append(page_request(found[number], step, target, user))
    ids = store.promise_all(db, rows)
    incidents.record(db, events, now)
    return [replace(call, obligation=id_) for id_, call in zip(ids, requests, strict=True) if call is not None]


def _row(incident: Incident, step: Step, target: ResolvedTarget, user: str | None, now: datetime) -> dict[str, object]:
    return {
        "incident": incident.number,
        "generation": incident.generation,
        "round": step.round,
        "step": step.step,
        "target": target.target,
        "user_name": user,
        "state": ObligationState.EXCUSED if target.nobody else ObligationState.OPEN,
        "made_at": now,
        "ended_at": now if target.nobody else None,
        "reason": nested(target.reason) if target.nobody else None,
    }


def _taken(step: Step) -> Reason:
    """The line of the timeline."""
    facts = {"why": nested(step.reason), "step": step.step, "round": step.round}
    if step.excused:
        return Reason(Code.STEP_SKIPPED, facts | {"targets": [nested(one.reason) for one in step.targets]})
    users = dict.fromkeys(user for one in step.targets for user in one.users)
    channels = [one.channel for one in step.targets if one.channel]
    return Reason(Code.STEP_TAKEN, facts | {"users": list(users), "channels": channels})
