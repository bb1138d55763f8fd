"""The moves an incident allows, and what each does to it; the database refuses every other (migration 0011). Pure."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from app.errors import Conflict
from app.incidents.model import Incident, IncidentState
from app.reason import Code


class Move(StrEnum):
    """What somebody, or Tocsin, does to an incident."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    SNOOZE = "snooze"
    ASSIGN = "assign"
    MERGE = "merge"
    UNACKNOWLEDGE = "unacknowledge"
    ESCALATE = "escalate"  # take the next step at once
    RETRIGGER = "retrigger"  # an acknowledgement ran out, a snooze ended, or it got worse


MOVES = {
    (IncidentState.TRIGGERED, Move.ACKNOWLEDGE): IncidentState.ACKNOWLEDGED,
    (IncidentState.ACKNOWLEDGED, Move.ACKNOWLEDGE): IncidentState.ACKNOWLEDGED,
    (IncidentState.TRIGGERED, Move.RESOLVE): IncidentState.RESOLVED,
    (IncidentState.ACKNOWLEDGED, Move.RESOLVE): IncidentState.RESOLVED,
    (IncidentState.RESOLVED, Move.REOPEN): IncidentState.TRIGGERED,
    (IncidentState.TRIGGERED, Move.SNOOZE): IncidentState.ACKNOWLEDGED,
    (IncidentState.ACKNOWLEDGED, Move.SNOOZE): IncidentState.ACKNOWLEDGED,
    (IncidentState.TRIGGERED, Move.ASSIGN): IncidentState.TRIGGERED,
    (IncidentState.ACKNOWLEDGED, Move.ASSIGN): IncidentState.ACKNOWLEDGED,
    (IncidentState.TRIGGERED, Move.MERGE): IncidentState.RESOLVED,
    (IncidentState.ACKNOWLEDGED, Move.MERGE): IncidentState.RESOLVED,
    (IncidentState.ACKNOWLEDGED, Move.UNACKNOWLEDGE): IncidentState.TRIGGERED,
    (IncidentState.TRIGGERED, Move.ESCALATE): IncidentState.TRIGGERED,
    (IncidentState.TRIGGERED, Move.RETRIGGER): IncidentState.TRIGGERED,
    (IncidentState.ACKNOWLEDGED, Move.RETRIGGER): IncidentState.TRIGGERED,
}


UNCHANGED = {(IncidentState.ACKNOWLEDGED, Move.ACKNOWLEDGE)}  # moves that are allowed and change nothing
OWN = {Move.RETRIGGER}  # moves that only Tocsin makes


def allowed(incident: Incident) -> frozenset[Move]:
    """What a person may do to an incident as it is; everything else is refused with a conflict. One that was merged is over."""
    if incident.merged_into is not None:
        return frozenset()
    return frozenset(move for state, move in MOVES if state is incident.state and move not in OWN)


def changes(incident: Incident, move: Move) -> bool:
    """Whether a move that is allowed changes anything. The one answer to that question."""
    return (incident.state, move) not in UNCHANGED


def offered(incident: Incident) -> frozenset[Move]:
    """What of it changes something: the buttons of the console, and what is left to do for a link in a page."""
    return frozenset(move for move in allowed(incident) if changes(incident, move))


def must_allow(incident: Incident, move: Move) -> None:
    """Raises Conflict for a move that a person may not make."""
    if move in allowed(incident):
        return
    if incident.merged_into is not None:
        raise Conflict(f"#{incident.number} was merged into #{incident.merged_into}; use that one")
    raise Conflict(_refused(incident.state, move))


def _refused(state: IncidentState, move: Move) -> str:
    return f"cannot {move} an incident that is {state}"


def step(state: IncidentState, move: Move) -> IncidentState:
    """The state after `move`. Raises Conflict when the table has no such move."""
    try:
        return MOVES[state, move]
    except KeyError:
        raise Conflict(_refused(state, move)) from None


def acknowledged(incident: Incident, by: str | None, now: datetime) -> Incident:
    """Somebody works on it: no further step. Who acknowledged it first stays."""
    return _acknowledged(incident, Move.ACKNOWLEDGE, by, now)


def snoozed(incident: Incident, by: str | None, until: datetime, now: datetime) -> Incident:
    """Acknowledged until then."""
    return replace(_acknowledged(incident, Move.SNOOZE, by, now), snoozed_until=until)


def assigned(incident: Incident, to: str) -> Incident:
    """Somebody is named to work on it; its state stays."""
    return replace(incident, state=step(incident.state, Move.ASSIGN), assigned_to=to)


def reacknowledged(incident: Incident, by: str | None, at: datetime | None, snoozed_until: datetime | None) -> Incident:
    """Acknowledged by them since then, or snoozed, as it was before it was assigned."""
    state = step(incident.state, Move.ACKNOWLEDGE)
    return replace(incident, state=state, acknowledged_at=at, acknowledged_by=by, snoozed_until=snoozed_until)


def not_paged(incident: Incident, to: str, by: str | None, asked: bool) -> Code | None:
    """Why assigning it to `to` pages nobody; None: they are paged. asked: whoever is assigned was, and has time to answer."""
    if to in (by, incident.acknowledged_by):
        return Code.NOT_PAGED
    return Code.PAGED_ALREADY if asked and to == incident.assigned_to else None


def resolved(incident: Incident, by: str | None, now: datetime) -> Incident:
    """Over: by hand, or (`by` None) because all its alerts are."""
    return _resolved(incident, Move.RESOLVE, by, now)


def merged(incident: Incident, into: int, by: str | None, now: datetime) -> Incident:
    """Over, and its alerts are another's."""
    return replace(_resolved(incident, Move.MERGE, by, now), merged_into=into, alert_count=0)


def reopened(incident: Incident, now: datetime) -> Incident:
    """Open again under its number, its policy from step 1."""
    return replace(_triggered(incident, Move.REOPEN), reopened_at=now, resolved_at=None, resolved_by=None, resolve_at=None)


def unassigned(incident: Incident) -> Incident:
    """Nobody is named any more: its alerts fired again, and the policy decides anew who is paged."""
    return replace(incident, assigned_to=None)


def unacknowledged(incident: Incident) -> Incident:
    """Taken back by hand: its policy from step 1."""
    return _triggered(incident, Move.UNACKNOWLEDGE)


def retriggered(incident: Incident) -> Incident:
    """Unacknowledged, its policy from step 1."""
    return _triggered(incident, Move.RETRIGGER)


def _acknowledged(incident: Incident, move: Move, by: str | None, now: datetime) -> Incident:
    state = step(incident.state, move)
    if not changes(incident, Move.ACKNOWLEDGE):
        return incident
    return replace(incident, state=state, acknowledged_at=now, acknowledged_by=by)


def _resolved(incident: Incident, move: Move, by: str | None, now: datetime) -> Incident:
    state = step(incident.state, move)
    return replace(incident, state=state, resolved_at=now, resolved_by=by, resolve_at=None, snoozed_until=None)


def _triggered(incident: Incident, move: Move) -> Incident:
    """With every start of its policy the generation grows: what is queued of an earlier one is no longer wanted."""
    return replace(
        incident,
        state=step(incident.state, move),
        generation=incident.generation + 1,
        acknowledged_at=None,
        acknowledged_by=None,
        snoozed_until=None,
    )
