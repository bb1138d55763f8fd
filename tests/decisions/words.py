"""Short ways to say what the decisions are given."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings

from app.alerts.model import Alert, AlertState
from app.catalog.model import Severity
from app.incidents.model import Incident, IncidentState
from app.notify.model import Draft, Kind, Page, PageState
from app.people.model import Urgency
from app.reason import Code, Reason

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
quick = settings(max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


def s(n: float) -> timedelta:
    return timedelta(seconds=n)


def incident(**more: Any) -> Incident:
    known: dict[str, Any] = {
        "number": 1,
        "group_key": "g",
        "title": "t",
        "state": IncidentState.TRIGGERED,
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
        "reason_in_summary": False,
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


def page(channel: str = "mail", state: PageState = PageState.QUEUED, **more: Any) -> Page:
    known: dict[str, Any] = {
        "id": 1,
        "key": "k",
        "kind": Kind.PAGE,
        "incident": 1,
        "channel": channel,
        "state": state,
        "due_at": NOON,
        "reasons": (),
        "made_at": NOON,
        "next_at": NOON,
        "attempts": 0,
        "ended_at": None,
        "seen_at": None,
    }
    return Page(**known | more)


def draft(**more: Any) -> Draft:
    known: dict[str, Any] = {
        "key": "k",
        "kind": Kind.PAGE,
        "incident": 1,
        "obligation": 1,
        "generation": 1,
        "step": 1,
        "user": "ada",
        "contact": "hook",
        "channel": "hook",
        "to": "x",
        "due_at": NOON,
        "reasons": (Reason(Code.USER_NAMED, {"user": "ada"}),),
    }
    return Draft(**known | more)
