"""A step that falls due while its incident's hours are closed: it waits until they open. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from app.escalation.model import Due, EscalationState, EscalationStatus
from app.oncall.hours import Timetable
from app.reason import Code, Reason


@dataclass(frozen=True, slots=True)
class Hold:
    """How long a step waits, and why."""

    until: datetime
    reason: Reason


def hold(hours: str | None, timetable: Timetable, current: EscalationState, now: datetime) -> Hold | None:
    """Whether the step that is due at `now` waits for these hours; None: it is taken.

    Hours that are not declared any more, or never open again, hold nothing back: never silence. Nor do they hold what somebody
    asked for, or an acknowledgement that runs out (its incident is triggered again, and then its step 1 waits).
    """
    if hours is None or current.due is not Due.STEP or current.state is EscalationStatus.STOPPED:
        return None
    opens = timetable.opens(hours, now)
    if opens is None or opens <= now:
        return None
    facts = {"until": opens.isoformat(), "local": timetable.written(hours, opens, now), "hours": hours}
    return Hold(opens, Reason(Code.HELD, facts))


def waiting(current: EscalationState, hours: str | None, until: Hold) -> EscalationState:
    """The same place, due when the hours open."""
    return replace(current, due_at=until.until, held=hours)
