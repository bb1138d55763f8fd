"""What an alert changes in the incident it joins: nothing, an update to who was paged, or the policy from step 1. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.alerts.model import Alert, earliness
from app.catalog.model import Severity
from app.incidents.model import Incident
from app.people.model import Urgency, highest
from app.reason import Code, Reason


class Effect(StrEnum):
    """Who is notified."""

    NONE = "none"
    UPDATE = "update"  # whoever was paged
    RESTART = "restart"  # the policy starts at step 1


@dataclass(frozen=True, slots=True)
class Rise:
    """The decision, with its reason."""

    effect: Effect
    severity: Severity
    urgency: Urgency
    reason: Reason
    by: Alert | None = None  # the alert that rose: a restart is routed by it


def lead(alerts: Sequence[Alert], urgency_of: Callable[[Alert], Urgency], *, severity_first: bool = True) -> Alert:
    """The alert that decides: the worst by severity and then urgency, or the other way; of equals the earliest."""

    def weight(alert: Alert) -> tuple[int, int, float, int]:
        severity, urgency = alert.severity.rank, int(urgency_of(alert) is Urgency.HIGH)
        first, second = (severity, urgency) if severity_first else (urgency, severity)
        return first, second, *earliness(alert.starts_at, alert.id)

    return max(alerts, key=weight)


def starts_anew(incident: Incident, severity: Severity, urgency: Urgency) -> bool:
    """Whether what joins the incident is a rise to critical, or of urgency: then its policy starts at step 1."""
    return _turns_critical(incident, severity) or highest(incident.urgency, urgency) is not incident.urgency


def _turns_critical(incident: Incident, severity: Severity) -> bool:
    return severity is Severity.CRITICAL and incident.severity is not Severity.CRITICAL


def rise(
    incident: Incident,
    joined: Sequence[Alert],
    changed: Sequence[Alert],
    urgency_of: Callable[[Alert], Urgency],
    now: datetime,
) -> Rise:
    """What `joined` (new) and `changed` (known) firing alerts do; `urgency_of` says with which urgency one is routed."""
    firing = (*joined, *changed)
    top = max((alert.severity for alert in firing), key=lambda one: one.rank, default=incident.severity)
    worse = top.rank > incident.severity.rank
    severity = top if worse else incident.severity
    rose = Reason(Code.SEVERITY_ROSE, {"severity": top.value})
    urgency = highest(incident.urgency, *map(urgency_of, firing))
    if starts_anew(incident, top, urgency):
        what = rose if worse else Reason(Code.URGENCY_ROSE)
        by = lead(firing, urgency_of, severity_first=_turns_critical(incident, top))
        return Rise(Effect.RESTART, severity, urgency, what, by)
    if worse:
        return Rise(Effect.UPDATE, severity, incident.urgency, rose)
    if joined and now - incident.since > timedelta(seconds=incident.window):
        return Rise(Effect.UPDATE, severity, incident.urgency, Reason(Code.ALERT_JOINED, {"summary": joined[0].summary}))
    return Rise(Effect.NONE, severity, incident.urgency, Reason(Code.JOINED_IN_WINDOW if joined else Code.UNCHANGED))
