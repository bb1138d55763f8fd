"""An alert as JSON: the same in the API and in the command line's answers. Pure."""

from typing import Any

from app.alerts.model import Alert
from app.wording import because, present_all


def present(alert: Alert) -> dict[str, Any]:
    """The public form; times are aware. `reasons`: why it is firing and, once it is over, why it ended."""
    return {
        "id": alert.id,
        "fingerprint": alert.fingerprint,
        "alertname": alert.alertname,
        "state": alert.state.value,
        "severity": alert.severity.value,
        "summary": alert.summary,
        "service": alert.service,
        "source": alert.source,
        "key": alert.key,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "links": list(alert.links),
        "runbook": alert.runbook,
        "value": alert.value,
        "because": because(alert.reasons),
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "seen_at": alert.seen_at,
        "reason": because(alert.end_reasons),
        "reasons": present_all(alert.reasons),
        "end_reasons": present_all(alert.end_reasons),
        "incident": alert.incident,
        "suppressed_by": list(alert.suppressed_by),
        "mode": "shadow" if alert.shadow else "live",
        "trace_id": alert.trace,
    }
