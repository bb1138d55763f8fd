"""Alerts: one thing that is wrong, from its first sign to its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.catalog.model import Severity
from app.reason import Reasons


class State(StrEnum):
    """Where an alert is."""

    PENDING = "pending"  # its rule waits for `for`
    FIRING = "firing"
    SUPPRESSED = "suppressed"  # firing, but kept quiet for a recorded reason
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as stored."""

    id: int
    fingerprint: str
    source: str
    key: str
    alertname: str
    state: State
    severity: Severity
    summary: str
    service: str | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    links: tuple[str, ...]
    runbook: str | None
    value: float | None
    reasons: Reasons  # why it is firing
    shadow: bool
    trace: str
    starts_at: datetime
    ends_at: datetime | None
    seen_at: datetime
    end_reasons: Reasons  # why it ended
    suppressed_by: tuple[Mapping[str, Any], ...]
    incident: int | None
