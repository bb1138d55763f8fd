"""An alert as JSON: the same in the API and in the command line's answers. Pure."""

from datetime import datetime
from typing import Any, Literal

from typing_extensions import TypedDict

from app.alerts.model import Alert, AlertState
from app.catalog.model import Severity
from app.wording import PublicReason, because, present_all


class PublicAlert(TypedDict):
    """An alert. `reasons`: why it is firing (`because` as text); `end_reasons`: why it was resolved (`reason` as text)."""

    id: int
    fingerprint: str
    alertname: str
    state: AlertState
    severity: Severity
    summary: str
    service: str | None
    team: str | None
    source: str
    key: str
    labels: dict[str, str]
    annotations: dict[str, str]
    links: list[str]
    runbook: str | None
    value: float | None
    because: str
    starts_at: datetime
    ends_at: datetime | None
    seen_at: datetime
    reason: str
    reasons: list[PublicReason]
    end_reasons: list[PublicReason]
    incident: int | None
    suppressed_by: list[dict[str, Any]]
    mode: Literal["live", "shadow"]
    trace_id: str


def present(alert: Alert) -> PublicAlert:
    """The public form; times are aware."""
    return {
        "id": alert.id,
        "fingerprint": alert.fingerprint,
        "alertname": alert.alertname,
        "state": alert.state,
        "severity": alert.severity,
        "summary": alert.summary,
        "service": alert.service,
        "team": alert.labels.get("team"),
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
        "suppressed_by": [dict(one) for one in alert.suppressed_by],
        "mode": "shadow" if alert.shadow else "live",
        "trace_id": alert.trace,
    }
