"""Short ways to say what the decisions are given."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings

from app.alerts.model import Alert
from app.alerts.model import State as AlertState
from app.catalog.model import Severity
from app.incidents.model import Incident, State
from app.people.model import Urgency

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
quick = settings(max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


def s(n: float) -> timedelta:
    return timedelta(seconds=n)


def incident(**more: Any) -> Incident:
    known: dict[str, Any] = {
        "number": 1,
        "group_key": "g",
        "title": "t",
        "state": State.TRIGGERED,
        "severity": Severity.ERROR,
        "urgency": Urgency.HIGH,
        "service": "shop",
        "team": "all",
        "policy_name": "p",
        "policy": None,
        "labels": {},
        "opened_at": NOON,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "resolved_at": None,
        "resolved_by": None,
        "snoozed_until": None,
        "merged_into": None,
        "assigned_to": None,
        "alert_count": 1,
        "runbook": None,
        "links": (),
        "generation": 1,
        "resolve_at": None,
        "reopen": 0,
        "resolve_after": 0,
        "window": 600,
    }
    return Incident(**known | more)


def alert(severity: Severity = Severity.ERROR, **more: Any) -> Alert:
    known: dict[str, Any] = {
        "id": 1,
        "fingerprint": "f",
        "source": "user:t",
        "key": "k",
        "alertname": "n",
        "state": AlertState.FIRING,
        "severity": severity,
        "summary": "it is wrong",
        "service": "shop",
        "labels": {},
        "annotations": {},
        "links": (),
        "runbook": None,
        "value": None,
        "reasons": (),
        "shadow": False,
        "trace": "",
        "starts_at": NOON,
        "ends_at": None,
        "seen_at": NOON,
        "end_reasons": (),
        "suppressed_by": (),
        "incident": 1,
    }
    return Alert(**known | more)
