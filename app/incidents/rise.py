"""What an alert changes in the incident it joins: nothing, a word to those who know, or the policy from the top. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.alerts.model import Alert
from app.catalog.model import Severity
from app.incidents.model import Incident
from app.people.model import Urgency


class Effect(StrEnum):
    """Who hears of it."""

    NONE = "none"
    UPDATE = "update"  # whoever was paged
    RESTART = "restart"  # the policy starts at step 1


@dataclass(frozen=True, slots=True)
class Rise:
    """The decision, with its reason."""

    effect: Effect
    severity: Severity
    urgency: Urgency
    because: str


def rise(incident: Incident, joined: Sequence[Alert], changed: Sequence[Alert], urgency: Urgency, now: datetime) -> Rise:
    """What `joined` (new) and `changed` (known) open alerts do; `urgency` is the highest they are routed with."""
    top = max((alert.severity for alert in (*joined, *changed)), key=lambda one: one.rank, default=incident.severity)
    worse = top.rank > incident.severity.rank
    severity = top if worse else incident.severity
    louder = urgency is Urgency.HIGH and incident.urgency is Urgency.LOW
    if louder or (worse and top is Severity.CRITICAL):
        what = f"severity rose to {top}" if worse else "urgency rose to high"
        return Rise(Effect.RESTART, severity, urgency if louder else incident.urgency, what)
    if worse:
        return Rise(Effect.UPDATE, severity, incident.urgency, f"severity rose to {top}")
    if joined and now - incident.since > timedelta(seconds=incident.window):
        return Rise(Effect.UPDATE, severity, incident.urgency, f"another alert joined: {joined[0].summary}")
    return Rise(Effect.NONE, severity, incident.urgency, "joined within the group's window" if joined else "nothing changed")
