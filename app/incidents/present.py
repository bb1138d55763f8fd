"""An incident as JSON: the same in the API, in webhooks and in the command line's answers. Pure."""

from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from app.catalog.model import Severity
from app.incidents.model import Incident, IncidentState, TimelineEntry
from app.people.model import Urgency
from app.walltime import Stamp
from app.wording import text


class PublicIncident(TypedDict):
    """An incident. `group`: the labels in which its alerts are equal."""

    number: int
    title: str
    state: IncidentState
    severity: Severity
    urgency: Urgency
    service: str | None
    team: str | None
    policy: str | None
    opened_at: Stamp
    acknowledged_at: Stamp | None
    acknowledged_by: str | None
    resolved_at: Stamp | None
    resolved_by: str | None
    snoozed_until: Stamp | None
    merged_into: int | None
    assigned_to: str | None
    alert_count: int
    runbook: str | None
    links: list[str]
    group: dict[str, str]


class PublicTimelineEntry(TypedDict):
    """A line of the timeline: code (`kind`) and facts (`detail`) for programs, text for people. No `actor`: Tocsin itself."""

    at: datetime
    kind: str
    actor: str | None
    text: str
    detail: dict[str, Any]


def present(incident: Incident) -> PublicIncident:
    """The public form; times are RFC 3339 in UTC."""
    return {
        "number": incident.number,
        "title": incident.title,
        "state": incident.state,
        "severity": incident.severity,
        "urgency": incident.urgency,
        "service": incident.service,
        "team": incident.team,
        "policy": incident.policy_name,
        "opened_at": incident.opened_at.isoformat(),
        "acknowledged_at": incident.acknowledged_at.isoformat() if incident.acknowledged_at else None,
        "acknowledged_by": incident.acknowledged_by,
        "resolved_at": incident.resolved_at.isoformat() if incident.resolved_at else None,
        "resolved_by": incident.resolved_by,
        "snoozed_until": incident.snoozed_until.isoformat() if incident.snoozed_until else None,
        "merged_into": incident.merged_into,
        "assigned_to": incident.assigned_to,
        "alert_count": incident.alert_count,
        "runbook": incident.runbook,
        "links": list(incident.links),
        "group": dict(incident.labels),
    }


def present_event(line: TimelineEntry) -> PublicTimelineEntry:
    """The public form of a stored line of the timeline."""
    why = line.reason
    return {"at": line.at, "kind": why.code, "actor": line.actor, "text": line.text or text(why), "detail": dict(why.facts)}
