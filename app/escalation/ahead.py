"""The steps that would be taken if nobody did anything: the plan and its holds, run ahead of time. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from app.catalog.model import Policy
from app.escalation.hold import Hold, hold
from app.escalation.model import Due, EscalationState, EscalationStatus
from app.escalation.plan import LastResort, ResolvedTarget, Step, assignee_beside, plan
from app.oncall.hours import Timetable

WhoAt = Callable[
    [datetime], Mapping[str, ResolvedTarget]
]  # whom the targets of the policy and the last resort stand for, at a time


@dataclass(frozen=True, slots=True)
class Upcoming:
    """One step to come; who is meant is looked up for that time."""

    at: datetime
    step: Step
    held: Hold | None = None  # the hours it waits for
    starts_again: bool = False  # an acknowledgement runs out or a snooze ends just then


@dataclass(frozen=True, slots=True)
class EscalationTerms:
    """What decides the steps of one incident."""

    policy: Policy | None
    last: LastResort
    hours: str | None
    timetable: Timetable
    assigned_to: str | None = None
    assignee_paged: bool = False  # out of turn, since the policy started last


def ahead(terms: EscalationTerms, current: EscalationState, now: datetime, who_at: WhoAt) -> Iterator[Upcoming]:
    """Every step after this state, up to and including the first `if_exhausted`; none while nothing is due."""
    again, beside = current.due is Due.AGAIN, assignee_beside(terms.assigned_to, terms.assignee_paged, current)
    position = EscalationState.started(current.incident, current.generation, current.due_at) if again else current
    while position.due_at is not None:
        at = max(position.due_at, now)
        wait = hold(terms.hours, terms.timetable, position, at) or _waits(terms, position, now)
        at = wait.until if wait else at
        made = plan(terms.policy, terms.last, who_at(at), position, at, beside)
        for step in made.steps:
            yield Upcoming(at, step, wait, again)
        again, beside, position = False, None, made.after
        if position.state is EscalationStatus.EXHAUSTED:
            return


def _waits(terms: EscalationTerms, position: EscalationState, now: datetime) -> Hold | None:
    """The hold of a step that waits already: its due time is when the hours open."""
    return hold(position.held, terms.timetable, replace(position, due=Due.STEP), now) if position.held else None
