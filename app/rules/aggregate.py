"""Sums up the values of a window: avg, min, max, sum, count, last, rate, stddev and percentiles. Pure."""

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

from app.rules.past import Span

Agg = Literal["avg", "min", "max", "sum", "count", "last", "rate", "stddev", "p50", "p75", "p90", "p95", "p99"]


def aggregate(agg: Agg, span: Span) -> float | None:
    """The aggregate of a window's values; None where there are too few: `rate` and `stddev` need two, `count` none."""
    if agg == "count":
        return float(len(span))
    if not len(span):
        return None
    if agg == "rate":
        return rate(span.times, span.values)
    values = span.values
    return percentile(values, int(agg[1:]) / 100) if agg in _PERCENTILES else _PLAIN[agg](values)


_PERCENTILES = ("p50", "p75", "p90", "p95", "p99")
_PLAIN: dict[str, Callable[[Sequence[float]], float | None]] = {
    "avg": statistics.fmean,
    "min": min,
    "max": max,
    "sum": math.fsum,
    "last": lambda values: values[-1],
    "stddev": lambda values: deviation(values) if len(values) > 1 else None,
}


def deviation(values: Sequence[float]) -> float:
    """The sample standard deviation of at least two values, by two passes."""
    mean = statistics.fmean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def percentile(values: Sequence[float], share: float) -> float:
    """Linear interpolation between closest ranks (PostgreSQL's percentile_cont, NumPy's default); 0 <= share <= 1."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * share
    low, high = math.floor(position), math.ceil(position)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def rate(times: Sequence[float], values: Sequence[float]) -> float | None:
    """Increase per second of a counter; a drop is a restart from zero."""
    if len(values) < 2 or times[-1] == times[0]:
        return None
    increase = math.fsum(after - before if after >= before else after for before, after in pairwise(values))
    return increase / (times[-1] - times[0])
