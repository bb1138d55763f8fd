"""Fires while an aggregate over a window is above or below a limit.

The aggregate is taken over `(t - window, t]`; without a window it is the newest value. `clear` is the recovery limit:
a rule with `above: 0.8, clear: 0.6` recovers below 0.6.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, model_validator

from app.rules.model import Finding, Point, Rule
from app.units import Duration, format_duration

Agg = Literal["avg", "min", "max", "sum", "count", "last", "rate", "stddev", "p50", "p75", "p90", "p95", "p99"]


class Spec(Rule):
    """`above` or `below`, and how the window is summed up."""

    metric: str
    agg: Agg | None = Field(default=None, description="default: last without a window, avg with one")
    window: Duration | None = None
    above: float | None = None
    below: float | None = None
    clear: float | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> "Spec":
        if (self.above is None) == (self.below is None):
            raise ValueError("a threshold rule has one of above and below")
        if self.clear is not None:
            if self.above is not None and self.clear > self.above:
                raise ValueError("clear is at most above")
            if self.below is not None and self.clear < self.below:
                raise ValueError("clear is at least below")
        if self.agg not in (None, "last") and self.window is None:
            raise ValueError(f"agg {self.agg} needs a window")
        return self


def window(spec: Spec) -> timedelta | None:
    """How far back points are needed."""
    return spec.window


def evaluate(spec: Spec, points: Sequence[Point], memory: Mapping[str, Any], at: datetime) -> Finding:  # noqa: ARG001
    """Compare the aggregate of the points in the window that ends at `at`; the newest point decides whether it can tell."""
    if not points or points[-1].value is None:
        return Finding(None, False, None, points[-1].message if points else "no sample in the window")
    agg = spec.agg or ("avg" if spec.window else "last")
    values = [(point.at, point.value) for point in points if point.value is not None]
    value = _aggregate(agg, values)
    if value is None:
        return Finding(None, False, None, f"{agg} needs more than {len(values)} sample")
    bad, clear = _compare(spec, value)
    limit = spec.above if spec.above is not None else spec.below
    sign = (">" if bad else "<=") if spec.above is not None else ("<" if bad else ">=")
    over = f" over {format_duration(spec.window)}" if spec.window else ""
    return Finding(bad, clear, value, f"{agg} {spec.metric} {value:.6g} {sign} {limit:g}{over}")


def _compare(spec: Spec, value: float) -> tuple[bool, bool]:
    if spec.above is not None:
        return value > spec.above, value < spec.clear if spec.clear is not None else value <= spec.above
    assert spec.below is not None
    return value < spec.below, value > spec.clear if spec.clear is not None else value >= spec.below


def _aggregate(agg: Agg, values: Sequence[tuple[datetime, float]]) -> float | None:
    numbers = [value for _, value in values]
    if agg.startswith("p"):
        return percentile(numbers, int(agg[1:]) / 100)
    if agg == "rate":
        return _rate(values)
    return _PLAIN[agg](numbers)


_PLAIN: dict[str, Callable[[Sequence[float]], float | None]] = {
    "avg": statistics.fmean,
    "min": min,
    "max": max,
    "sum": math.fsum,
    "count": lambda numbers: float(len(numbers)),
    "last": lambda numbers: numbers[-1],
    "stddev": lambda numbers: statistics.stdev(numbers) if len(numbers) > 1 else None,
}


def percentile(numbers: Sequence[float], share: float) -> float:
    """Linear interpolation between closest ranks (PostgreSQL's percentile_cont, NumPy's default); 0 <= share <= 1."""
    ordered = sorted(numbers)
    place = (len(ordered) - 1) * share
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _rate(values: Sequence[tuple[datetime, float]]) -> float | None:
    """Increase per second of a counter; a drop is a restart from zero."""
    if len(values) < 2 or values[-1][0] == values[0][0]:
        return None
    increase = math.fsum(after - before if after >= before else after for (_, before), (_, after) in pairwise(values))
    return increase / (values[-1][0] - values[0][0]).total_seconds()
