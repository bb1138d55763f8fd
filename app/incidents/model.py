"""Incidents: what people are paged for, one group of alerts under one number."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from app.alerts.model import Tally
from app.catalog.model import During, Policy, Severity
from app.people.model import Urgency
from app.reason import Reason


class IncidentState(StrEnum):
    """Where an incident is."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


# The statements write `state <> 'resolved'`.
OPEN = tuple(state for state in IncidentState if state is not IncidentState.RESOLVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident as stored; `policy`, `hours` and `during` are frozen with each routing."""

    number: int
    group_key: str
    title: str
    state: IncidentState
    severity: Severity
    urgency: Urgency
    opened_at: datetime
    service: str | None = None
    team: str | None = None
    policy_name: str | None = None
    policy: Policy | None = None
    labels: Mapping[str, str] = field(default_factory=dict)  # the group's `by` labels
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    snoozed_until: datetime | None = None
    merged_into: int | None = None
    assigned_to: str | None = None
    alert_count: int = 0
    titled_by: int | None = None  # the id of the alert whose summary is the title
    runbook: str | None = None
    links: tuple[str, ...] = ()
    generation: int = 1  # + 1 with every start of the policy; pages carry it in their key
    resolve_at: datetime | None = None  # its last alert is over; the incident ends then
    reopen: int = 0  # seconds in which a new alert reopens it
    resolve_after: int = 0  # seconds of quiet before it ends
    window: int = 600  # seconds in which alerts join without an update
    reopened_at: datetime | None = None
    hours: str | None = None  # its pages wait until these are open
    during: During | None = None  # its urgency follows these hours
    urgency_at: datetime | None = None  # they begin or end then, and `urgency` is decided again

    @property
    def since(self) -> datetime:
        """When it was opened, or opened again: who was paged before that was notified of the end then."""
        return self.reopened_at or self.opened_at

    @property
    def open(self) -> bool:
        return self.state in OPEN


def counted(incident: Incident, tally: Tally) -> Incident:
    """The same with its alerts counted, under the summary of the worst that fires; one without any keeps its title."""
    if tally.worst is None:
        return replace(incident, alert_count=tally.total)
    return replace(incident, alert_count=tally.total, title=tally.worst.summary, titled_by=tally.worst.id)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an incident's timeline: what happened, and who did it (None: Tocsin itself)."""

    incident: int
    reason: Reason
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One stored line of a timeline."""

    at: datetime
    actor: str | None  # None: Tocsin itself
    reason: Reason
    text: str | None  # of a line that an older release wrote
