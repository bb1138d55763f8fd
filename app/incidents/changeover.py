"""What hours mean for an incident: what it keeps of its routing, and its urgency when they begin or end."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from app.catalog.model import During, Policy
from app.incidents import store
from app.incidents.model import Event, Incident
from app.incidents.route import Routed, by_hours
from app.oncall import service as oncall
from app.oncall.hours import Timetable
from app.people.model import Urgency


@dataclass(frozen=True, slots=True)
class Kept:
    """What an incident keeps of a routing until it is routed anew; the names are those of `Incident`."""

    policy_name: str | None
    policy: Policy | None
    hours: str | None
    during: During | None
    urgency_at: datetime | None

    def on(self, incident: Incident, urgency: Urgency) -> Incident:
        """The incident with this routing, and the urgency that it gives."""
        return replace(
            incident,
            policy_name=self.policy_name,
            policy=self.policy,
            hours=self.hours,
            during=self.during,
            urgency_at=self.urgency_at,
            urgency=urgency,
        )


def kept(routed: Routed, policies: Mapping[str, Policy], timetable: Timetable, now: datetime) -> Kept:
    """The policy, hours and rule of urgency as they are at this moment. Pure."""
    policy = policies.get(routed.policy) if routed.policy else None
    turn = timetable.changes(routed.during.during, now) if routed.during else None
    return Kept(routed.policy, policy, routed.hours, routed.during, turn)


def raised(incident: Incident, urgency: Urgency) -> Incident:
    """The incident with this urgency; one that its rule of hours did not give stays, whatever the hours. Pure."""
    if urgency is incident.urgency:
        return incident
    return replace(incident, urgency=urgency, during=None, urgency_at=None)


def turned(incident: Incident, timetable: Timetable, now: datetime) -> tuple[Urgency, str]:
    """Its urgency by its rule at `now`, with the reason; it stays where its hours are not declared any more. Pure."""
    rule = incident.during
    if rule is None or rule.during not in timetable.named:
        return incident.urgency, "its hours are not declared any more"
    opened = (rule.during,) if timetable.is_open(rule.during, now) else ()
    return rule.at(opened), by_hours(rule, opened)


def by_hours_now(db: Connection, incident: Incident, now: datetime) -> Incident:
    """An incident that was resolved while its hours began or ended, with the urgency they give now."""
    if incident.during is None:
        return incident
    timetable = oncall.timetable(db)
    turn = timetable.changes(incident.during.during, now)
    return replace(incident, urgency=turned(incident, timetable, now)[0], urgency_at=turn)


def recheck(db: Connection, now: datetime) -> None:
    """Hours may have changed: the urgency of every open incident that follows them is decided again."""
    store.turn_all(db, now)


def turn_due(db: Connection, now: datetime, limit: int = 500) -> list[Incident]:
    """Decide the urgency of the incidents whose hours began or ended again; those whose urgency changed."""
    due = store.claim_turning(db, now, limit)
    if not due:
        return []
    timetable, saved, changed, events = oncall.timetable(db), [], [], []
    for before in due:
        urgency, because = turned(before, timetable, now)
        turn = timetable.changes(before.during.during, now) if before.during else None
        after = replace(before, urgency=urgency, urgency_at=turn)
        saved.append(after)
        if urgency is not before.urgency:
            changed.append(after)
            events.append(Event(before.number, "urgency", f"urgency changed to {urgency}: {because}"))
    store.save_all(db, saved)
    store.record(db, events, now)
    return changed
