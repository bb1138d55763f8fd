"""Alerts: one thing that is wrong, from its first sign to its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.catalog.model import Severity
from app.reason import Reasons


class AlertState(StrEnum):
    """Where an alert is."""

    PENDING = "pending"  # its rule waits for `for`
    FIRING = "firing"
    SUPPRESSED = "suppressed"  # firing, but kept quiet for a recorded reason
    RESOLVED = "resolved"


def earliness(starts_at: datetime, id_: int) -> tuple[float, int]:
    """The greater, the earlier: which of alerts that are as bad as each other goes first. `store` orders by the same."""
    return -starts_at.timestamp(), -id_


@dataclass(frozen=True, slots=True)
class Worst:
    """The firing alert that names an incident: the worst, of equals the earliest."""

    severity: Severity
    starts_at: datetime
    id: int
    summary: str

    @property
    def weight(self) -> tuple[int, float, int]:
        """The greater, the worse."""
        return self.severity.rank, *earliness(self.starts_at, self.id)


@dataclass(frozen=True, slots=True)
class Tally:
    """What an incident's alerts are, all in all."""

    open: int = 0  # or 1 where it only matters that there are some
    total: int = 0
    worst: Worst | None = None  # None when none fires

    def plus(self, alerts: "Sequence[Alert]") -> "Tally":
        """The same with these alerts."""
        firing = [Worst(one.severity, one.starts_at, one.id, one.summary) for one in alerts if one.state is AlertState.FIRING]
        worst = max([*firing, *([self.worst] if self.worst else [])], key=lambda one: one.weight, default=None)
        open_ = sum(one.state is not AlertState.RESOLVED for one in alerts)
        return Tally(self.open + open_, self.total + len(alerts), worst)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as stored."""

    id: int
    fingerprint: str
    source: str
    key: str
    alertname: str
    state: AlertState
    severity: Severity
    summary: str
    service: str | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    links: tuple[str, ...]
    runbook: str | None
    value: float | None
    reasons: Reasons  # why it is firing
    reason_in_summary: bool  # the summary says why, too
    shadow: bool
    trace: str
    starts_at: datetime
    ends_at: datetime | None
    seen_at: datetime
    end_reasons: Reasons  # why it ended
    suppressed_by: tuple[Mapping[str, Any], ...]
    incident: int | None
