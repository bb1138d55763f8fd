"""Fires when a value differs too much from what it was an earlier while ago: orders against the same time last week.

The aggregate over `(t - window, t]` is compared with the one that ended `compared_to` earlier. `drops`, `rises` and `changes`
take a share (`40%` of the earlier value) or a number (in the metric's unit). From 0 to anything else is more than any share,
and is told as `from 0 to 12`; from 0 to 0 is no change. It learns until it is as old as `compared_to`.
"""

import math
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from app.rules.aggregate import Agg, aggregate
from app.rules.model import Finding, Reach, Rule, View
from app.units import Duration, format_duration, parse_duration, parse_percent

LARGEST = 1000.0  # beyond so many times the earlier value a percentage tells nobody anything
SINCE = "since"  # in memory: when the series was first seen, in seconds since 1970


def _parse_amount(value: object) -> object:
    """`40%` stays as it is written; a number must be above nothing."""
    if isinstance(value, str):
        parse_percent(value)
        return value.replace(" ", "")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{value!r} is no change; write 40% or a number above 0")
    return float(value)


Amount = Annotated[str | float, BeforeValidator(_parse_amount)]


class Spec(Rule):
    """One of `drops`, `rises` and `changes`, and against when."""

    metric: str = Field(description="metric of the check")
    agg: Agg | None = Field(default=None, description="default: avg")
    window: Duration = Field(default=parse_duration("5m"), description="what is summed up, now and then")
    compared_to: Duration | None = Field(default=None, description="how long ago the earlier window ended; default: the window")
    drops: Amount | None = Field(default=None, description="fires when it fell by more than this: 40% or a number")
    rises: Amount | None = Field(default=None, description="fires when it rose by more than this: 40% or a number")
    changes: Amount | None = Field(default=None, description="fires when it fell or rose by more than this: 40% or a number")
    clear: Amount | None = Field(default=None, description="recovers when it differs by less than this; default: the same")

    @model_validator(mode="after")
    def _one_limit(self) -> "Spec":
        if sum(one is not None for one in (self.drops, self.rises, self.changes)) != 1:
            raise ValueError("a change rule has one of drops, rises and changes")
        limit = self.limit
        if self.clear is not None and (
            isinstance(self.clear, str) != isinstance(limit, str) or _size(self.clear) > _size(limit)
        ):
            raise ValueError("clear is written like the limit, and at most as large")
        return self

    @property
    def limit(self) -> str | float:
        """How much is too much."""
        found = self.drops or self.rises or self.changes
        assert found is not None
        return found

    @property
    def back(self) -> timedelta:
        """How long ago the earlier window ended."""
        return self.compared_to or self.window


def reach(spec: Spec) -> tuple[Reach, ...]:
    """The window, and the one it is compared with."""
    return Reach(spec.window), Reach(spec.window, spec.back)


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:
    """Compare now with then; the newest result decides whether it can tell."""
    kept = {SINCE: memory.get(SINCE, view.at.timestamp())}
    agg = spec.agg or "avg"
    now = aggregate(agg, view.span(spec.window)) if view.newest.value is not None else None
    if now is None:
        return Finding(None, False, None, view.newest.message or "no sample in the window", memory=kept)
    span = view.span(spec.window, spec.back)
    then = aggregate(agg, span) if len(span) else None
    ago = format_duration(spec.back)
    if then is None:
        young = view.at.timestamp() - kept[SINCE] < spec.back.total_seconds()
        because = f"learning: nothing {ago} ago to compare with yet" if young else f"no sample {ago} ago to compare with"
        return Finding(None, False, now, because, memory=kept, learning=young)
    size = _relative(now, then) if isinstance(spec.limit, str) else now - then
    if not (math.isfinite(now) and math.isfinite(then)) or math.isnan(size):
        return Finding(None, False, None, f"{spec.metric} cannot be compared: it is beyond all numbers", memory=kept)
    told, because = _said(spec, size, now, then)
    bad, clear = _beyond(spec, size, spec.limit), not _beyond(spec, size, spec.clear or spec.limit)
    score = min(abs(size), sys.float_info.max)
    return Finding(bad, clear, now, f"{agg} {spec.metric} {because}", memory=kept, told=told, score=score)


def _said(spec: Spec, size: float, now: float, then: float) -> tuple[str, str]:
    """The change in short and in a sentence: as a share where there is one, else from where to where."""
    ago = format_duration(spec.back)
    if size == 0:
        return ("0 %" if isinstance(spec.limit, str) else "0"), f"{now:.6g} is the same as the {then:.6g} of {ago} ago"
    if not isinstance(spec.limit, str) or abs(size) <= LARGEST:
        told = f"{abs(size) * 100:.3g} %" if isinstance(spec.limit, str) else f"{abs(size):.6g}"
        if math.isfinite(size):
            return told, f"{now:.6g} is {told} {'below' if size < 0 else 'above'} the {then:.6g} of {ago} ago"
    course = f"from {then:.6g} to {now:.6g}"
    return course, f"{'fell' if size < 0 else 'rose'} {course} within {ago}"


def _relative(now: float, then: float) -> float:
    """The change as a share of what it was; from nothing it is without end, and says which way."""
    if then == 0:
        return 0.0 if now == 0 else math.copysign(math.inf, now)
    return (now - then) / abs(then)


def _beyond(spec: Spec, size: float, limit: str | float) -> bool:
    if spec.drops is not None:
        size = -size
    elif spec.changes is not None:
        size = abs(size)
    return size > _size(limit)


def _size(limit: str | float) -> float:
    return parse_percent(limit) if isinstance(limit, str) else limit
