"""The steps that would be taken if nobody did anything: the plan and its holds, run ahead of time. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from app.catalog.model import Policy
from app.escalation.hold import Hold, hold
from app.escalation.model import Due, EscalationState, State
from app.escalation.plan import LastResort, ResolvedTarget, Step, plan
from app.oncall.hours import Timetable

WhoAt = Callable[
    [datetime], Mapping[str, ResolvedTarget]
]  # whom the targets of the policy and the last resort stand for, at a time


@dataclass(frozen=True, slots=True)
class Ahead:
    """One step to come; who is meant is looked up for that time."""

    at: datetime
    step: Step
    held: Hold | None = None  # the hours it waits for
    starts_again: bool = False  # an acknowledgement runs out or a snooze ends just then


@dataclass(frozen=True, slots=True)
class Course:
    """What decides the steps of one incident."""

    policy: Policy | None
    last: LastResort
    hours: str | None
    timetable: Timetable


def ahead(course: Course, standing: EscalationState, now: datetime, who_at: WhoAt) -> Iterator[Ahead]:
    """Every step from `standing` on, up to and including the first `if_exhausted`; none while nothing is due."""
    again = standing.due is Due.AGAIN
    place = replace(standing, round=0, step=0, due=Due.STEP, state=State.RUNNING) if again else standing
    while place.due_at is not None:
        at = max(place.due_at, now)
        wait = hold(course.hours, course.timetable, place, at) or _waits(course, place, now)
        at = wait.until if wait else at
        made = plan(course.policy, course.last, who_at(at), place, at)
        for step in made.steps:
            yield Ahead(at, step, wait, again)
        again, place = False, made.after
        if place.state is State.EXHAUSTED:
            return


def _waits(course: Course, place: EscalationState, now: datetime) -> Hold | None:
    """The hold of a step that waits already: its due time is when the hours open."""
    return hold(place.held, course.timetable, replace(place, due=Due.STEP), now) if place.held else None
