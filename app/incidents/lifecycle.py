"""The moves an incident allows; the same table is a CHECK in the database's states. Pure."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from app.errors import Conflict
from app.incidents.model import Incident, State


class Move(StrEnum):
    """What somebody, or Tocsin, does to an incident."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    SNOOZE = "snooze"
    ASSIGN = "assign"
    MERGE = "merge"
    RETRIGGER = "retrigger"  # an acknowledgement ran out, a snooze ended, or it got worse


MOVES = {
    (State.TRIGGERED, Move.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.ACKNOWLEDGED, Move.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.TRIGGERED, Move.RESOLVE): State.RESOLVED,
    (State.ACKNOWLEDGED, Move.RESOLVE): State.RESOLVED,
    (State.RESOLVED, Move.REOPEN): State.TRIGGERED,
    (State.TRIGGERED, Move.SNOOZE): State.ACKNOWLEDGED,
    (State.ACKNOWLEDGED, Move.SNOOZE): State.ACKNOWLEDGED,
    (State.TRIGGERED, Move.ASSIGN): State.TRIGGERED,
    (State.ACKNOWLEDGED, Move.ASSIGN): State.ACKNOWLEDGED,
    (State.TRIGGERED, Move.MERGE): State.RESOLVED,
    (State.ACKNOWLEDGED, Move.MERGE): State.RESOLVED,
    (State.TRIGGERED, Move.RETRIGGER): State.TRIGGERED,
    (State.ACKNOWLEDGED, Move.RETRIGGER): State.TRIGGERED,
}


def reopened(incident: Incident, now: datetime) -> Incident:
    """Open again under its number: triggered, unacknowledged, its policy at step 1. Raises Conflict unless it was resolved."""
    return replace(
        incident,
        reopened_at=now,
        state=step(incident.state, Move.REOPEN),
        generation=incident.generation + 1,
        resolved_at=None,
        resolved_by=None,
        resolve_at=None,
        acknowledged_at=None,
        acknowledged_by=None,
        snoozed_until=None,
    )


def step(state: State, move: Move) -> State:
    """The state after `move`. Raises Conflict when the table has no such move."""
    try:
        return MOVES[state, move]
    except KeyError:
        raise Conflict(f"cannot {move} an incident that is {state}") from None
