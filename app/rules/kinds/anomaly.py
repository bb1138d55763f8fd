"""Fires when a value deviates from what the rule learned: the level, variance, and daily and weekly pattern of its series.

The rule learns continuously and does not alert until it has learned for `learn`. The expected range follows from
`false_alarms`, the accepted number of false alarms, rather than from a number of standard deviations (see
`app/rules/detector`). A permanent change of level alerts and is accepted after 2 to 3 hours. Days in `holidays` are neither
evaluated nor learned.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from app.holiday import Holiday, is_holiday
from app.people.model import Zone
from app.reason import Reason
from app.rules.aggregate import Agg, aggregate
from app.rules.detector import Detector, Deviation, Direction, Judgement, Progress, Tuning
from app.rules.model import Band, Finding, Lookback, Rule, View
from app.units import Duration, length, parse_duration
from app.wording import Facts, Phrase

KEEPS = timedelta(days=14)  # a series that stays away is remembered so long: learning it anew takes as long
_RATE = re.compile(r"\s*(\d+)\s+per\s+(\S+)\s*")
_FORM = "write how many in how long: 1 per 30d"


class Code(StrEnum):
    """What it finds."""

    FEW_SAMPLES = "anomaly.few_samples"  # the aggregate needs more than the window has
    FIRST_SAMPLE = "anomaly.first_sample"  # nothing is known to compare it with
    LEARNING = "anomaly.learning"  # not for long enough
    LEARNING_SAMPLES = "anomaly.learning_samples"  # for long enough, by too few samples
    EXCLUDED_DAY = "anomaly.excluded_day"  # one of `holidays`
    WITHIN = "anomaly.within"  # where it is expected
    ABOVE = "anomaly.above"
    BELOW = "anomaly.below"
    TOGETHER_HIGH = "anomaly.together_high"  # no single value deviates; the last ones together do
    TOGETHER_LOW = "anomaly.together_low"
    TOGETHER_VARIED = "anomaly.together_varied"


def _number(value: float) -> str:
    """Four significant digits, and no exponent where none is usual."""
    if value == 0.0 or 0.001 <= abs(value) < 1e6:
        return f"{value:.4g}" if abs(value) < 10000 else f"{value:.0f}"
    return f"{value:.3e}"


def _compared(facts: Facts) -> str:
    """`orders 412 is below 655..870 expected for Mon 14:00 (season of 9 days)`."""
    value, low, high = facts["value"], facts["low"], facts["high"]
    position = "below" if low is not None and value < low else "above" if high is not None and value > high else "within"
    if low is None:
        band = f"up to {_number(high)}"
    else:
        band = f"{_number(low)} or more" if high is None else f"{_number(low)}..{_number(high)}"
    season = facts["season"]
    local = datetime.fromisoformat(facts["local"])
    when = f" for {local:%a %H:%M}" if season == "week" else f" for {local:%H:%M}" if season else ""
    learnt = f" (season of {int(facts['days'])} days)" if season else ""
    return f"{facts['metric']} {_number(value)} is {position} {band} expected{when}{learnt}"


def _together(problem: str) -> Phrase:
    return lambda f: f"{_compared(f)}, but the last {length(f['window'])} together {problem}"


def _learning(facts: Facts) -> str:
    hours, needed = facts["seconds"] / 3600.0, facts["needed"] / 3600.0
    unit, done, goal = ("h", hours, needed) if needed < 72 else ("days", hours / 24, needed / 24)
    return f"learning: {int(done)} of {goal:.3g} {unit}; daily season after 3 days"


PHRASES: dict[str, Phrase] = {
    Code.FEW_SAMPLES: "{agg} needs more samples than there are in the window",
    Code.FIRST_SAMPLE: "learning: the first sample",
    Code.LEARNING: _learning,
    Code.LEARNING_SAMPLES: "learning: {samples} of {needed} samples",
    Code.EXCLUDED_DAY: "not evaluated: excluded day",
    Code.WITHIN: _compared,
    Code.ABOVE: _compared,
    Code.BELOW: _compared,
    Code.TOGETHER_HIGH: _together("are too high"),
    Code.TOGETHER_LOW: _together("are too low"),
    Code.TOGETHER_VARIED: _together("vary too much"),
}
_TOGETHER = {
    Deviation.LEANS_UP: Code.TOGETHER_HIGH, Deviation.LEANS_DOWN: Code.TOGETHER_LOW, Deviation.VARIES: Code.TOGETHER_VARIED,
}  # fmt: skip


@lru_cache(maxsize=256)
def alarm_interval(text: str) -> timedelta:
    """`2 per 30d` -> the time between two alarms, 15 days. Raises ValueError with the form that is understood."""
    found = _RATE.fullmatch(text)
    if found is None or not int(found[1]):
        raise ValueError(f"{text!r} is not a false alarm rate; {_FORM}")
    between = parse_duration(found[2]) / int(found[1])
    if not timedelta(hours=1) <= between <= timedelta(days=3650):
        raise ValueError(f"{text!r} is out of bounds; {_FORM}, between one an hour and one in ten years")
    return between


def _check_rate(text: str) -> str:
    alarm_interval(text)
    return " ".join(text.split())


Rate = Annotated[str, AfterValidator(_check_rate)]


class Spec(Rule):
    """`false_alarms` sets the sensitivity; the rest says what is compared and when not."""

    metric: str = Field(description="metric of the check", examples=["seconds"])
    false_alarms: Rate = Field(default="1 per 30d", description="accepted rate of false alarms", examples=["1 per 30d"])
    direction: Direction = Field(default="both", description="direction of deviations that alert", examples=["up"])
    agg: Agg | None = Field(default=None, description="aggregate; default: last without a window, avg with one")
    window: Duration | None = Field(
        default=None, description="evaluate the aggregate over this window instead of the newest value"
    )
    timezone: Zone = Field(default="UTC", description="time zone of the daily and weekly pattern")
    holidays: tuple[Holiday, ...] = Field(
        default=(),
        description="days that are neither evaluated nor learned: dates (2026-12-24), countries (FR) or regions (US-CA)",
    )
    learn: Duration = Field(default=parse_duration("12h"), description="minimum time to learn before it alerts")

    @model_validator(mode="after")
    def _window(self) -> "Spec":
        if self.agg not in (None, "last") and self.window is None:
            raise ValueError(f"agg {self.agg} needs a window")
        return self


def lookbacks(spec: Spec) -> tuple[Lookback, ...]:
    """The window; what was learnt is in the memory."""
    return (Lookback(spec.window or timedelta(0)),)


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:
    """Judge the newest value, or the aggregate of the window, by what was learnt of the series so far; and learn from it."""
    if view.newest.value is None:
        return Finding(None, False, None, view.newest.unknown_reason(), memory=memory)
    agg = spec.agg or ("avg" if spec.window else "last")
    value = aggregate(agg, view.span(spec.window)) if spec.window else view.newest.value
    if value is None:
        return Finding(None, False, None, Reason(Code.FEW_SAMPLES, {"agg": agg}), memory=memory)
    return judge(spec, value, view.at, memory)


def judge(spec: Spec, value: float, at: datetime, memory: Mapping[str, Any]) -> Finding:
    """One value at one instant."""
    zone = ZoneInfo(spec.timezone)
    detector = Detector.load(memory, Tuning(alarm_interval(spec.false_alarms), spec.direction, spec.learn, zone))
    excluded = bool(spec.holidays) and is_holiday(spec.holidays, at.astimezone(zone).date())
    judgement = detector.advance(at, value, excluded)
    if judgement.learning:
        reason = _learning_reason(judgement.learning)
    else:
        reason = Reason(Code.EXCLUDED_DAY) if excluded else _judged_reason(spec, value, at.astimezone(zone), judgement)
    return Finding(
        judgement.bad,
        judgement.clear,
        value,
        reason,
        memory=detector.memory(),
        score=judgement.score,
        learning=judgement.learning is not None,
        band=None if judgement.learning else _band(judgement),
    )


def _learning_reason(progress: Progress) -> Reason:
    if not progress.samples:
        return Reason(Code.FIRST_SAMPLE)
    if progress.seconds < progress.needed_seconds:
        return Reason(Code.LEARNING, {"seconds": progress.seconds, "needed": progress.needed_seconds})
    return Reason(Code.LEARNING_SAMPLES, {"samples": progress.samples, "needed": progress.needed_samples})


def _judged_reason(spec: Spec, value: float, local: datetime, judgement: Judgement) -> Reason:
    low, high = (edge if math.isfinite(edge) else None for edge in (judgement.low, judgement.high))
    facts = {
        "metric": spec.metric, "value": value, "low": low, "high": high, "local": local.isoformat(), "season": judgement.season,
        "days": judgement.age / 86_400,
    }  # fmt: skip
    if judgement.window is not Deviation.NONE:
        return Reason(_TOGETHER[judgement.window], {**facts, "window": judgement.window_seconds})
    return Reason(Code.BELOW if value < judgement.low else Code.ABOVE if value > judgement.high else Code.WITHIN, facts)


def _band(judgement: Judgement) -> Band:
    """The band for a graph; on a side that is not judged it ends where the value is expected."""
    low, high = (edge if math.isfinite(edge) else judgement.expected for edge in (judgement.low, judgement.high))
    return Band(low, judgement.expected, high)
