"""Escalation: where an incident stands in its policy, and its obligations: whom a step is to reach."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.reason import Reason


class EscalationStatus(StrEnum):
    """Of an escalation."""

    RUNNING = "running"  # the next step is due at `due_at`
    EXHAUSTED = "exhausted"  # the owners are paged again at `due_at`
    STOPPED = "stopped"  # acknowledged, resolved, merged: nothing is due but an ack time-out


class Due(StrEnum):
    """What happens at `due_at`."""

    STEP = "step"
    AGAIN = "again"  # an acknowledgement ran out or a snooze ended: start at step 1
    HURRIED = "hurried"  # somebody wants the step now, whatever the hours


class ObligationState(StrEnum):
    """How an obligation stands; every one must leave `open`."""

    OPEN = "open"
    MET = "met"
    FALLBACK = "fallback"  # met over another contact than the first
    EXCUSED = "excused"  # with a reason
    BREACHED = "breached"


@dataclass(frozen=True, slots=True)
class EscalationState:
    """Where one incident stands in its policy."""

    incident: int
    generation: int
    round: int  # 0 = first time through the list
    step: int  # index of the next step, 0 = the first
    due_at: datetime | None
    due: Due
    state: EscalationStatus
    held: str | None = None  # the hours it waits for: `due_at` is when they open

    @property
    def place(self) -> str:
        """Where in its policy it stands: what a form carries of the state that was seen."""
        return f"{self.generation}.{self.round}.{self.step}"

    @classmethod
    def started(cls, incident: int, generation: int, at: datetime | None) -> "EscalationState":
        """At step 1, which is due at `at`."""
        return cls(incident, generation, 0, 0, at, Due.STEP, EscalationStatus.RUNNING)

    @classmethod
    def stopped(cls, incident: int, generation: int, again_at: datetime | None = None) -> "EscalationState":
        """Stopped; `again_at`, if any, starts it again at step 1."""
        return cls(incident, generation, 0, 0, again_at, Due.STEP if again_at is None else Due.AGAIN, EscalationStatus.STOPPED)


@dataclass(frozen=True, slots=True)
class Obligation:
    """One promise: to reach `target` in this step."""

    id: int
    incident: int
    generation: int
    round: int
    step: int | None  # counts from 1; None when the policy is exhausted
    target: str
    user: str | None
    state: ObligationState
    made_at: datetime
    reason: Reason | None  # why it ended so
