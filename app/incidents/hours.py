"""The urgency of an incident whose rule follows hours. Pure."""

from dataclasses import replace
from datetime import datetime

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


def caught_up(incident: Incident, timetable: Timetable, now: datetime) -> Incident:
    """An incident that was resolved while its hours began or ended, with the urgency they give now."""
    if incident.during is None:
        return incident
    return replace(
        incident, urgency=urgency(incident, timetable, now)[0], urgency_at=timetable.changes(incident.during.during, now)
    )
