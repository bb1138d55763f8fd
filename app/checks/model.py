"""Checks: what is watched, how often, and the short form of its alert. `Check` is the YAML form as well."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, field_validator

from app.catalog.model import Declared, Family, Flapping, Severity
from app.checks.pause import Pause
from app.checks.probe import Series, Status
from app.reason import Code, Reason
from app.units import Duration, parse_duration

NoData = Literal["alert", "keep", "ok"]
NO_DATA_INTERVALS = 3  # a check that is unknown for this many intervals is silent
MISSED = 1.5  # intervals after which a result that did not come counts as missed
GRACE = timedelta(seconds=10)  # lateness of a run that is tolerated: a worker or the dispatch may hang


def silent_after(every: timedelta) -> timedelta:
    """How long a check of this interval may give no result, from the last one or from its start, before its rules look."""
    return max(every * NO_DATA_INTERVALS, GRACE)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OutOf:
    """`needed` of the last `last` results."""

    needed: int
    last: int

    def __str__(self) -> str:
        return f"{self.needed} of {self.last}"

    def recent(self, before: Sequence[T], newest: T) -> list[T]:
        """What counts after the newest: the last ones, oldest first."""
        return [*before, newest][-self.last :]

    def reached(self, hits: Iterable[bool]) -> bool:
        """Whether so many of what counts are hits."""
        return sum(hits) >= self.needed


def out_of(text: str) -> OutOf:
    """The parsed form of `K of N`. Raises ValueError."""
    found = re.fullmatch(r"\s*(\d+)\s+of\s+(\d+)\s*", text)
    if found is None:
        raise ValueError(f"{text!r} is not valid; write 2 of 3")
    needed, last = int(found[1]), int(found[2])
    if not 1 <= needed <= last <= 100:
        raise ValueError(f"{text!r}: in K of N, K must be 1 to N, and N at most 100")
    return OutOf(needed, last)


def _written_out_of(value: object) -> object:
    """` 2  of 3` -> `2 of 3`. Raises ValueError."""
    return str(out_of(value)) if isinstance(value, str) else value


Count = Annotated[str, BeforeValidator(_written_out_of)]


def status_value(status: Status) -> float | None:
    """A result as a number, for a rule without a metric: 1.0 where it is critical, 0.0 where not, None where unknown."""
    return None if status is Status.UNKNOWN else float(status is Status.CRITICAL)


class StatusAlert(Declared):
    """`alert:` of a check: it alerts by itself after K of its last N results are bad."""

    severity: Severity = Field(
        default=Severity.ERROR, description="severity of critical results; warning results have severity warning"
    )
    after: Count = Field(default="2 of 3", description="K of N: fires when K of the last N results are bad")
    clear_after: Count | None = Field(
        default=None, description="K of N: resolves when K of the last N results are ok; default: the first ok"
    )
    summary: str | None = Field(default=None, description="template; {{ check }} is the name of the check")
    no_data: NoData = Field(default="alert", description="what happens after 3 intervals of unknown")


class Check(Declared):
    """A target that a probe measures."""

    probe: str = Field(description="FAMILY.NAME", examples=["health.http"])
    service: str | None = Field(default=None, description="service of its alerts", examples=["shop"])
    every: Duration = Field(default=parse_duration("1m"), description="interval; at least 1s", examples=["30s"])
    timeout: Duration = Field(default=parse_duration("10s"), description="1s to 40s", examples=["5s"])
    with_: dict[str, Any] = Field(
        default_factory=dict,
        alias="with",
        description="the probe's own settings",
        examples=[{"url": "https://shop.example.org/checkout", "expect": {"status": [200], "body_contains": "Pay"}}],
    )
    alert: StatusAlert | Literal["off"] = Field(
        default=StatusAlert(),
        description="when it alerts, or off",
        examples=[{"severity": "critical", "after": "2 of 3", "summary": "The shop does not respond"}],
    )
    no_data: NoData | None = Field(default=None, description="same as alert.no_data; also applies if alert is off")
    runbook: str | None = Field(default=None, description="name of the runbook of its alerts")
    labels: dict[str, str] = Field(default_factory=dict, description="labels of its alerts")
    at: str | None = Field(
        default=None, pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="location: the check runs on queue FAMILY@LOCATION"
    )
    flapping: Flapping | Literal["off"] | None = Field(default=None, description="overrides the global setting")
    hold: Duration | None = Field(default=None, description="delay before the incident opens, cancelled by recovery")

    @field_validator("alert", mode="before")
    @classmethod
    def _off(cls, value: object) -> object:
        return "off" if value is False else value

    @field_validator("every", "timeout")
    @classmethod
    def _at_least_a_second(cls, value: Duration) -> Duration:
        if value.total_seconds() < 1:
            raise ValueError("must be at least 1s")
        return value

    @field_validator("timeout")
    @classmethod
    def _ends(cls, value: Duration) -> Duration:
        if value.total_seconds() > 40:
            raise ValueError("a check may take at most 40s; use a heartbeat for longer jobs")
        return value

    @property
    def family(self) -> Family:
        return self.probe.partition(".")[0]  # type: ignore[return-value]

    @property
    def queue(self) -> str:
        """The Celery queue it runs on."""
        return f"{self.family}@{self.at}" if self.at else self.family

    @property
    def unknown_means(self) -> NoData:
        """What follows when it cannot tell for 3 intervals."""
        return self.no_data or (self.alert.no_data if self.alert != "off" else "alert")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckState:
    """How a check stands: its newest result, and when it is due."""

    name: str
    probe: str
    family: str
    queue: str
    every: timedelta
    pause: Pause | None  # while it is not run
    next_due_at: datetime
    status: Status | None  # None until it has run
    message: str
    reason: Reason | None  # of an unknown that says nothing of the target
    metrics: Mapping[str, float]
    seconds: float | None
    memory: Mapping[str, Any]
    at: datetime | None  # of the newest result

    @property
    def paused(self) -> bool:
        """Whether it is not run for now."""
        return self.pause is not None

    @property
    def shown(self) -> str:
        """`paused`, `new` before its first result, else its status; `store.count_by_status` says the same in SQL."""
        return "paused" if self.paused else self.status or "new"

    @property
    def excused(self) -> bool:
        """Whether its newest result says nothing of the target: the prober was cut off."""
        return excused(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A check that is due, leased: the queue that its run goes to."""

    name: str
    probe: str
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A check whose rules have something to look at, locked: when it ran last, and what of it they have seen."""

    name: str
    every: timedelta
    paused: bool
    at: datetime | None
    evaluated_at: datetime | None
    lease_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What of a check somebody accepted as normal, and what it saw last: thing -> how it is."""

    accepted: Mapping[str, str]
    accepted_at: datetime
    accepted_by: str | None  # None: the first observation
    observed: Mapping[str, str]
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A check claimed for one run."""

    name: str
    check: Check
    due_at: datetime
    memory: Mapping[str, Any]
    baseline: Mapping[str, str] | None = None


def excused(reason: Reason | None) -> bool:
    """Whether a result with this reason is excused: its prober was cut off."""
    return reason is not None and reason.code == Code.REFERENCES_SILENT


@dataclass(frozen=True, slots=True)
class Result:
    """One run's outcome."""

    check: str
    at: datetime
    status: Status
    message: str
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    series: tuple[Series, ...] = ()
    memory: Mapping[str, Any] | None = None
    observed: Mapping[str, str] | None = None
    unreachable: bool = False  # the target did not answer, or not as it must
    reason: Reason | None = None  # of an unknown that says nothing of the target
    host: str | None = None  # beyond this machine, that was not reached

    @property
    def excused(self) -> bool:
        """Whether the prober was cut off: then it says nothing of the target."""
        return excused(self.reason)

    def at_host(self, host: str | None) -> "Result":
        """The same, with the host that was not reached."""
        return self if host is None else replace(self, host=host)
