"""What an incident keeps of its routing, and how it is routed anew. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.alerts.model import Alert
from app.catalog.model import During, Policy, Route
from app.incidents.hours import next_change
from app.incidents.model import Incident
from app.incidents.route import Routed, route
from app.oncall.hours import Timetable
from app.people.model import Urgency, highest


@dataclass(frozen=True, slots=True)
class Frozen:
    """What an incident keeps of a routing until it is routed anew; the names are those of `Incident`."""

    policy_name: str | None
    policy: Policy | None
    hours: str | None
    during: During | None
    urgency_at: datetime | None

    @classmethod
    def of(cls, incident: Incident) -> "Frozen":
        """What this incident keeps."""
        return cls(incident.policy_name, incident.policy, incident.hours, incident.during, incident.urgency_at)

    def on(self, incident: Incident, urgency: Urgency) -> Incident:
        """The incident under this routing, and the urgency that it gives."""
        return replace(
            incident,
            policy_name=self.policy_name,
            policy=self.policy,
            hours=self.hours,
            during=self.during,
            urgency_at=self.urgency_at,
            urgency=urgency,
        )


@dataclass(frozen=True, slots=True)
class Routing:
    """The part of the configuration that decides whose an incident is, as it is in force."""

    routes: Sequence[Route]
    policies: Mapping[str, Policy]
    timetable: Timetable

    def of(self, alert: Alert) -> Routed:
        """The route of an alert."""
        return route(alert.labels, alert.severity, self.routes)

    def urgency_of(self, alert: Alert) -> Urgency:
        """With which urgency an alert is routed."""
        return self.of(alert).urgency

    def freeze(self, routed: Routed, now: datetime) -> Frozen:
        """The policy, hours and rule of urgency as they are at this moment."""
        policy = self.policies.get(routed.policy) if routed.policy else None
        changes_at = next_change(routed.during, self.timetable, now)
        return Frozen(routed.policy, policy, routed.hours, routed.during, changes_at)

    def rerouted(self, incident: Incident, by: Alert, now: datetime) -> Incident:
        """The incident under the route of an alert that rose: its policy is frozen anew, its urgency never falls."""
        routed = self.of(by)
        urgency = highest(incident.urgency, routed.urgency)
        after = replace(self.freeze(routed, now).on(incident, routed.urgency), runbook=by.runbook or incident.runbook)
        return with_urgency(after, urgency)


def with_urgency(incident: Incident, urgency: Urgency) -> Incident:
    """The incident with this urgency; one that its rule of hours did not give stays, whatever the hours."""
    if urgency is incident.urgency:
        return incident
    return replace(incident, urgency=urgency, during=None, urgency_at=None)
