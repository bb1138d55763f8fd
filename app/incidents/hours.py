"""The urgency of an incident whose rule follows hours. Pure."""

from dataclasses import replace
from datetime import datetime

from app.catalog.model import During
from app.incidents.model import Incident
from app.incidents.route import by_hours
from app.oncall.hours import Timetable
from app.people.model import Urgency
from app.reason import Code, Reason


def urgency(incident: Incident, timetable: Timetable, now: datetime) -> tuple[Urgency, Reason]:
    """Its urgency by its rule at `now`, with the reason; it stays where its hours are not declared any more."""
    rule = incident.during
    if rule is None or rule.during not in timetable.named:
        return incident.urgency, Reason(Code.HOURS_UNDECLARED)
    opened = (rule.during,) if timetable.is_open(rule.during, now) else ()
    return rule.at(opened), by_hours(rule, opened)


def next_change(rule: During | None, timetable: Timetable, now: datetime) -> datetime | None:
    """When an urgency by this rule is decided again; None where no hours decide it."""
    return timetable.changes(rule.during, now) if rule else None


def caught_up(incident: Incident, timetable: Timetable, now: datetime) -> tuple[Incident, Reason]:
    """The incident with the urgency that its hours give at `now`, and when they change next, with the reason."""
    found, reason = urgency(incident, timetable, now)
    return replace(incident, urgency=found, urgency_at=next_change(incident.during, timetable, now)), reason
