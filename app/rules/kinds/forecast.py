"""Fires when a line through the recent past crosses a limit soon: a disk that will be full within a day.

The line is the least-squares fit over `(t - window, t]`, as Prometheus' predict_linear draws it; what is compared with the
limit is its value at `t + within`. It learns until it has seen a quarter of the window.
"""

import math
from collections.abc import Mapping
from datetime import timedelta
from operator import mul
from typing import Any

from pydantic import Field, model_validator

from app.rules.model import Finding, Reach, Rule, View
from app.rules.past import Span
from app.units import Duration, format_duration, parse_duration

NEEDED = 0.25  # of the window, before a line through it means anything
FEWEST = 3  # points
FAR = 100 * 365.25 * 86_400  # seconds


class Spec(Rule):
    """The limit, how far back the line is drawn and how far ahead it is read."""

    metric: str = Field(description="metric of the check")
    window: Duration = Field(default=parse_duration("6h"), description="the past that the line goes through")
    within: Duration = Field(default=parse_duration("24h"), description="how far ahead it looks")
    above: float | None = Field(default=None, description="fires when it will be above this, in the metric's unit")
    below: float | None = Field(default=None, description="fires when it will be below this, in the metric's unit")
    clear: float | None = Field(
        default=None, description="recovers when the forecast is beyond this; default: the limit itself"
    )

    @model_validator(mode="after")
    def _one_limit(self) -> "Spec":
        if (self.above is None) == (self.below is None):
            raise ValueError("a forecast rule has one of above and below")
        if self.window <= timedelta(0) or self.within <= timedelta(0):
            raise ValueError("window and within are longer than nothing")
        if self.clear is not None and self.sign * (self.clear - self.limit) > 0:
            raise ValueError("clear lies on the good side of the limit")
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


def reach(spec: Spec) -> tuple[Reach, ...]:
    """The past that the line goes through."""
    return (Reach(spec.window),)


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:  # noqa: ARG001
    """Draw the line and read it `within` from now."""
    newest = view.newest.value
    if newest is None:
        return Finding(None, False, None, view.newest.message or "no sample in the window")
    span = view.span(spec.window)
    seen = view.at.timestamp() - span.times[0]
    if len(span) < FEWEST or seen < spec.window.total_seconds() * NEEDED:
        needed = format_duration(spec.window * NEEDED)
        return Finding(None, False, newest, f"learning: seen {_words(seen)} of the {needed} it needs", learning=True)
    now, slope = line(span, view.at.timestamp())
    ahead = now + slope * spec.within.total_seconds()
    if not all(map(math.isfinite, (now, slope, ahead))):
        return Finding(None, False, None, f"{spec.metric} is too large for a line through it")
    bad = spec.sign * (ahead - spec.limit) > 0 or spec.sign * (newest - spec.limit) > 0
    clear = not bad and spec.sign * (ahead - (spec.limit if spec.clear is None else spec.clear)) <= 0
    when = _crossing(spec, newest, now, slope)
    return Finding(bad, clear, ahead, _because(spec, newest, slope, ahead, when), told=when)


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


def _crossing(spec: Spec, newest: float, now: float, slope: float) -> str:
    """When the limit is crossed, in words."""
    if spec.sign * (newest - spec.limit) > 0:
        return "now"
    if slope * spec.sign <= 0:
        return "never"
    seconds = max((spec.limit - now) / slope, 0.0)
    return f"in {_words(seconds)}" if seconds < FAR else "in more than 100 years"


def _because(spec: Spec, newest: float, slope: float, ahead: float, when: str) -> str:
    side = "above" if spec.above is not None else "below"
    course = (
        f"{newest:.6g}, {'rising' if slope > 0 else 'falling'} {abs(slope) * 3600:.4g} an hour"
        if slope
        else f"{newest:.6g}, level"
    )
    far = format_duration(spec.within)
    return f"{spec.metric} {course}: {side} {spec.limit:g} {when}; {ahead:.6g} in {far}"


def _words(seconds: float) -> str:
    """About so long."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"
