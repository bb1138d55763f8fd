"""Undoing the last escalation or assignment by hand: whether that is possible, and what is to be restored. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.errors import Conflict
from app.escalation.model import Due, EscalationState, EscalationStatus
from app.incidents.model import TimelineEntry
from app.reason import Code
from app.walltime import stamp
from app.wording import text

STEPS = (Code.STEP_TAKEN, Code.STEP_SKIPPED)
# What may have happened since: it changes neither who is asked nor who has answered.
HARMLESS = (
    Code.NOTE, Code.JOINED, Code.ALERT_RESOLVED, Code.URGENCY_CHANGED, Code.MERGED_FROM, Code.HELD, Code.BREACH,
    Code.PAGE_ACCEPTED, Code.PAGE_FAILED, Code.PAGE_RETRIED, Code.PAGE_WITHDRAWN,
)  # fmt: skip

Slot = tuple[int, int | None]  # round and step of an obligation


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody did last. `before`: where the incident stood; None where only the assignee's name changed."""

    what: Code  # ESCALATED or ASSIGNED
    at: datetime
    facts: Mapping[str, Any]  # of its line in the timeline
    before: EscalationState | None
    steps: frozenset[Slot]  # that it led to


def position(state: EscalationState) -> dict[str, Any]:
    """Where an incident stands, as facts of a line of its timeline."""
    due = state.due_at.isoformat() if state.due_at else None
    kept = {"incident": state.incident, "generation": state.generation, "round": state.round, "step": state.step}
    return {**kept, "due_at": due, "due": state.due.value, "state": state.state.value, "held": state.held}


def last_change(timeline: Sequence[TimelineEntry], login: str | None, now: datetime) -> Change:
    """What `login` can undo now. Raises Conflict that says what has happened since, or who else did it.

    A step that has been taken since is people who were asked: no undo calls them off without a word. Nor is a step put off that
    would have been taken by now in any case.
    """
    steps: list[TimelineEntry] = []
    for line in reversed(timeline):
        if line.reason.code in STEPS:
            steps.insert(0, line)
        elif line.reason.code not in HARMLESS:
            break
    else:
        raise Conflict("there is nothing to undo")
    said, facts = line.text or text(line.reason), line.reason.facts
    if line.reason.code not in (Code.ESCALATED, Code.ASSIGNED) or facts.get("before") is None:
        raise Conflict(f"cannot undo: {said}")
    if line.actor != login:
        raise Conflict(f"cannot undo what somebody else did: {said}")
    kept = facts["before"]["escalation"]
    before = _state(kept) if kept else None
    if before is None:
        return Change(Code(line.reason.code), line.at, facts, None, frozenset())
    own = _own(steps, Code(line.reason.code))
    if len(steps) > len(own):
        raise Conflict(f"cannot undo: {text(steps[len(own)].reason)} has followed")
    if line.reason.code == Code.ESCALATED and before.due_at is not None and before.due_at <= now:
        raise Conflict(f"cannot undo: the next step was due at {stamp(before.due_at)} in any case")
    slots = frozenset((one.reason.facts["round"], one.reason.facts["step"]) for one in own)
    return Change(Code(line.reason.code), line.at, facts, before, slots)


def _own(steps: Sequence[TimelineEntry], what: Code) -> Sequence[TimelineEntry]:
    """The steps that it led to itself: the page to the assignee, or all up to the first that reached somebody."""
    if what is Code.ASSIGNED:
        return steps[:1]
    reached = next((n for n, one in enumerate(steps) if one.reason.code == Code.STEP_TAKEN), len(steps))
    return steps[: reached + 1]


def _state(kept: Mapping[str, Any]) -> EscalationState:
    return EscalationState(
        kept["incident"],
        kept["generation"],
        kept["round"],
        kept["step"],
        datetime.fromisoformat(kept["due_at"]) if kept["due_at"] else None,
        Due(kept["due"]),
        EscalationStatus(kept["state"]),
        kept["held"],
    )


def restored(before: EscalationState, generation: int, now: datetime) -> EscalationState:
    """Where it stands again. What waited for hours is looked at anew: they may be others by now."""
    return replace(before, generation=generation, due_at=now if before.held else before.due_at, held=None)
