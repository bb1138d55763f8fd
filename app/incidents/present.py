"""An incident as JSON: the same in the API, in webhooks and in the command line's answers. Pure."""

from typing import Any

from app.incidents.model import Incident, TimelineEntry
from app.wording import text


def present(incident: Incident) -> dict[str, Any]:
    """The public form; times are RFC 3339 in UTC."""
    return {
        "number": incident.number,
        "title": incident.title,
        "state": incident.state.value,
        "severity": incident.severity.value,
        "urgency": incident.urgency.value,
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


def present_event(line: TimelineEntry) -> dict[str, Any]:
    """The public form of a stored line of the timeline: code (`kind`) and facts (`detail`) for programs, text for people."""
    why = line.reason
    return {"at": line.at, "kind": why.code, "actor": line.actor, "text": line.text or text(why), "detail": why.facts}
