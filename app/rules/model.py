"""Rules: what a series of results means. `Rule` is the part of the YAML form that every kind shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from app.catalog.model import Declared, Family, Flapping, Severity
from app.checks.model import Count, NoData, OutOf
from app.checks.probe import Status
from app.downtime import Downtime
from app.reason import Code, Reason, Reasons, recorded
from app.rules.past import Past, Span
from app.units import Duration, parse_duration

NO_DATA_ALERT = "blind"  # in a series' memory: its alert is on for want of data only
RECENT = "recent evaluations"  # in a series' memory: which of the last were bad, for `after: K of N`


class Rule(Declared):
    """Evaluates the metrics of a check. Each kind adds fields to the ones below."""

    kind: str = Field(description="kind of rule")
    check: str = Field(description="check whose results it evaluates", examples=["shop-http"])
    family: Family | None = Field(default=None, description="family of its alerts; default: that of the check")
    severity: Severity = Field(default=Severity.ERROR, description="severity of its alerts")
    summary: str | None = Field(default=None, description="template; {{ value }} is the value that was compared")
    for_: Duration = Field(
        default=parse_duration("0s"), alias="for", description="the alert is pending until the condition has held this long"
    )
    after: Count | None = Field(default=None, description="K of N: fires when K of the last N evaluations are bad")
    no_data: NoData = Field(default="keep", description="what happens after 3 intervals of unknown")
    max_series: int = Field(
        default=500, ge=1, le=10_000, description="maximum number of label sets; if there are more, an alert reports it"
    )
    mode: Literal["live", "shadow"] = Field(default="live", description="shadow evaluates and records, but does not page")
    runbook: str | None = Field(default=None, description="name of the runbook of its alerts")
    owner: str | None = Field(default=None, description="team or user who owns the rule")
    review_by: date | None = Field(default=None, description="day of its next review")
    labels: dict[str, str] = Field(default_factory=dict, description="labels of its alerts")
    flapping: Flapping | Literal["off"] | None = Field(default=None, description="overrides the global setting")
    hold: Duration | None = Field(default=None, description="delay before the incident opens, cancelled by recovery")


class RuleState(StrEnum):
    """The state of one series of one rule."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    UNKNOWN = "unknown"
    LEARNING = "learning"


@dataclass(frozen=True, slots=True)
class Point:
    """One result as a rule sees it; `value` is the metric's, None when it is unknown."""

    at: datetime
    value: float | None
    status: Status = Status.OK
    message: str = ""  # the probe's message
    unknown: Reason | None = None  # why there is no value, where that is known better than by its message

    def unknown_reason(self, otherwise: Code = Code.NO_SAMPLE) -> Reason:
        """Why there is no value; `otherwise` is the code where no reason is given."""
        return self.unknown or (recorded(self.message) if self.message else Reason(otherwise))


@dataclass(frozen=True, slots=True)
class View:
    """What a rule sees of one series at one instant."""

    at: datetime
    newest: Point  # the result at `at`
    pasts: Mapping[timedelta, Past]  # how far back -> what is known around then; see `Lookback`
    every: timedelta  # the check's interval
    downtimes: Sequence[Downtime] = ()  # when Tocsin itself did not run, oldest first

    def span(self, length: timedelta, back: timedelta = timedelta(0)) -> Span:
        """The values in `(at - back - length, at - back]`."""
        return self.pasts[back].span(length, self.at - back)


@dataclass(frozen=True, slots=True)
class Lookback:
    """A range of the past that a rule needs: `length` long, ending `back` before now."""

    length: timedelta
    back: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Band:
    """Where a rule expects the value of one instant."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a rule's kind at one instant: bad, clear, and why. `bad` None = unknown."""

    bad: bool | None
    clear: bool
    value: float | None  # what was compared
    reason: Reason  # "p95 0.91 > 0.8 over 10m"
    severity: Severity | None = None  # None: the rule's
    memory: Mapping[str, Any] = field(default_factory=dict)
    shown: str | None = None  # what a summary shows as its value, when that is not `value`: "43 %"
    score: float | None = None  # how unusual or how far: a kind's own measure, higher is worse
    learning: bool = False  # it has not learnt enough to judge
    band: Band | None = None


@dataclass(frozen=True, slots=True)
class SeriesState:
    """What is remembered of one series between two evaluations."""

    state: RuleState = RuleState.OK
    firing: bool = False  # whether its alert is on; stays while data is missing
    bad_since: datetime | None = None  # start of the unbroken badness that `for` measures
    known_at: datetime | None = None  # the last time it was known
    memory: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one series at one instant, with its reason."""

    at: datetime
    state: RuleState
    alerting: bool
    severity: Severity
    value: float | None
    reasons: Reasons  # of no data, then of the instant: "no data for 15m: no result"
    shown: str | None = None
    score: float | None = None
    band: Band | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a rule waits before it fires, and before missing data is an alert."""

    hold: timedelta
    no_data: NoData
    no_data_after: timedelta
    after: OutOf | None = None  # of its last evaluations so many must be bad
    downtimes: Sequence[Downtime] = ()  # when Tocsin itself did not run, oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesStatus:
    """How one series of a rule stands, with its newest verdict."""

    rule: str
    series: str
    state: RuleState
    firing: bool
    memory: Mapping[str, Any]
    value: float | None
    reasons: Reasons
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A verdict that changed how one series of a rule stands."""

    series: str
    at: datetime
    state: RuleState
