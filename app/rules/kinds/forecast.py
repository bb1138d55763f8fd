"""Fires when a line through the recent past will soon cross a limit: a disk that will be full within a day.

The line is the least-squares fit over `(t - window, t]`, like Prometheus' predict_linear; its value at `t + within` is compared
with the limit. The rule does not alert until a quarter of the window has data.
"""

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from operator import mul
from typing import Any

from pydantic import Field, model_validator

from app.reason import Reason
from app.rules.model import Finding, Lookback, Rule, View
from app.rules.past import Span
from app.units import Duration, format_seconds, length, parse_duration
from app.wording import Facts, Phrase

NEEDED = 0.25  # of the window, before a line through it means anything
FEWEST = 3  # points
FAR = 100 * 365.25 * 86_400  # seconds


class Code(StrEnum):
    """What it finds."""

    LEARNING = "forecast.learning"  # too little of the window is known for a line
    TOO_LARGE = "forecast.too_large"  # no line through these values can be reckoned
    CROSSED = "forecast.crossed"  # the newest value is beyond the limit
    CROSSES = "forecast.crosses"  # the line meets the limit some day
    NEVER = "forecast.never"  # it does not lead there


def _phrase(when: Callable[[Facts], str]) -> Phrase:
    def describe(facts: Facts) -> str:
        slope = facts["slope"]
        course = f"{'rising' if slope > 0 else 'falling'} {abs(slope) * 3600:.4g} an hour" if slope else "level"
        now = f"{facts['metric']} {facts['value']:.6g}, {course}"
        ahead = f"{facts['forecast']:.6g} in {format_seconds(facts['within'])}"
        return f"{now}: {facts['side']} {facts['limit']:g} {when(facts)}; {ahead}"

    return describe


def _when(facts: Facts) -> str:
    """When the limit is crossed: `in 14.7 h`."""
    return f"in {length(facts['seconds'])}" if facts["seconds"] < FAR else "in more than 100 years"


PHRASES: dict[str, Phrase] = {
    Code.LEARNING: lambda f: f"learning: seen {length(f['seen'])} of the {format_seconds(f['needed'])} it needs",
    Code.TOO_LARGE: "{metric} is too large to fit a line",
    Code.CROSSED: _phrase(lambda _: "now"),
    Code.CROSSES: _phrase(_when),
    Code.NEVER: _phrase(lambda _: "never"),
}


class Spec(Rule):
    """The limit, how far back the line is drawn and how far ahead it is read."""

    metric: str = Field(description="metric of the check", examples=["seconds"])
    window: Duration = Field(
        default=parse_duration("6h"), description="past window to which the line is fitted", examples=["6h"]
    )
    within: Duration = Field(default=parse_duration("24h"), description="how far ahead to predict", examples=["24h"])
    above: float | None = Field(
        default=None, description="fires when it will be above this, in the metric's unit", examples=[2]
    )
    below: float | None = Field(default=None, description="fires when it will be below this, in the metric's unit")
    clear: float | None = Field(
        default=None, description="recovers when the forecast is beyond this; default: the limit itself"
    )

    @model_validator(mode="after")
    def _one_limit(self) -> "Spec":
        if (self.above is None) == (self.below is None):
            raise ValueError("a forecast rule needs exactly one of above and below")
        if self.window <= timedelta(0) or self.within <= timedelta(0):
            raise ValueError("window and within must be longer than 0s")
        if self.clear is not None and self.sign * (self.clear - self.limit) > 0:
            raise ValueError("clear must be on the recovery side of the limit")
        return self

    @property
    def limit(self) -> float:
        """What must not be crossed."""
        found = self.above if self.above is not None else self.below
        assert found is not None
        return found

    @property
    def sign(self) -> int:
        """1 where above is bad, -1 where below is."""
        return 1 if self.above is not None else -1


def lookbacks(spec: Spec) -> tuple[Lookback, ...]:
    """The past that the line goes through."""
    return (Lookback(spec.window),)


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:  # noqa: ARG001
    """Draw the line and read it `within` from now."""
    newest = view.newest.value
    if newest is None:
        return Finding(None, False, None, view.newest.unknown_reason())
    span = view.span(spec.window)
    known_seconds = view.at.timestamp() - span.times[0]
    if len(span) < FEWEST or known_seconds < spec.window.total_seconds() * NEEDED:
        reason = Reason(Code.LEARNING, {"seen": known_seconds, "needed": (spec.window * NEEDED).total_seconds()})
        return Finding(None, False, newest, reason, learning=True)
    now, slope = line(span, view.at.timestamp())
    ahead = now + slope * spec.within.total_seconds()
    if not all(map(math.isfinite, (now, slope, ahead))):
        return Finding(None, False, None, Reason(Code.TOO_LARGE, {"metric": spec.metric}))
    bad = spec.sign * (ahead - spec.limit) > 0 or spec.sign * (newest - spec.limit) > 0
    clear = not bad and spec.sign * (ahead - (spec.limit if spec.clear is None else spec.clear)) <= 0
    code, seconds = _crossing(spec, newest, now, slope)
    facts: dict[str, Any] = {
        "metric": spec.metric, "value": newest, "slope": slope, "side": "above" if spec.sign > 0 else "below",
        "limit": spec.limit, "seconds": seconds, "forecast": ahead, "within": spec.within.total_seconds(),
    }  # fmt: skip
    shown = {Code.CROSSED: "now", Code.NEVER: "never"}.get(code) or _when(facts)
    return Finding(bad, clear, ahead, Reason(code, facts), shown=shown)


def line(span: Span, at: float) -> tuple[float, float]:
    """The least-squares line through a span: its value at `at`, its slope per second. A span of one instant is level."""
    count, values = len(span), span.values
    mean_x, mean_y = math.fsum(instant - at for instant in span.times) / count, math.fsum(values) / count
    middle = at + mean_x
    xs, ys = [instant - middle for instant in span.times], [value - mean_y for value in values]
    spread = sum(map(mul, xs, xs))
    if spread == 0:
        return mean_y, 0.0
    slope = sum(map(mul, xs, ys)) / spread
    return mean_y - slope * mean_x, slope


def _crossing(spec: Spec, newest: float, now: float, slope: float) -> tuple[Code, float | None]:
    """Whether the limit is crossed, and in how many seconds, FAR at most."""
    if spec.sign * (newest - spec.limit) > 0:
        return Code.CROSSED, 0.0
    if slope * spec.sign <= 0:
        return Code.NEVER, None
    return Code.CROSSES, min(max((spec.limit - now) / slope, 0.0), FAR)
