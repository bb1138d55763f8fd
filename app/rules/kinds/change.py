"""Fires when a value differs too much from an earlier value: orders compared to the same time last week.

The aggregate over `(t - window, t]` is compared with the one that ended `compared_to` earlier. `drops`, `rises` and `changes`
take a percentage (`40%` of the earlier value) or a number (in the metric's unit). A change from 0 to anything else exceeds
every percentage and is shown as `from 0 to 12`; from 0 to 0 is no change. The rule does not alert until there is data as old as
`compared_to`.
"""

import math
import sys
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from app.reason import Reason
from app.rules.aggregate import Agg, aggregate
from app.rules.model import Finding, Lookback, Rule, View
from app.units import Duration, format_seconds, parse_duration, parse_percent, rounded
from app.wording import Facts, Phrase

LARGEST = 1000.0  # beyond so many times the earlier value a percentage means nothing
SINCE = "since"  # in memory: when the series was first seen, in seconds since 1970


class Code(StrEnum):
    """What it finds."""

    LEARNING = "change.learning"  # younger than `compared_to`
    NOTHING_BEFORE = "change.nothing_before"  # old enough, and the earlier window is empty
    TOO_LARGE = "change.too_large"  # one of the two is NaN or infinite
    SAME = "change.same"
    HIGHER = "change.higher"  # by an amount, or by a share of what it was
    LOWER = "change.lower"
    ROSE = "change.rose"  # further than any share or number says: from where to where
    FELL = "change.fell"


def _differs(side: str) -> Phrase:
    def describe(facts: Facts) -> str:
        by = _amount(facts["by"], facts["relative"])
        now = f"{facts['agg']} {facts['metric']} {facts['value']:.6g}"
        return f"{now} is {by} {side} the {facts['before']:.6g} of {format_seconds(facts['back'])} ago"

    return describe


def _went(verb: str) -> Phrase:
    def describe(facts: Facts) -> str:
        course = _course(facts["before"], facts["value"])
        return f"{facts['agg']} {facts['metric']} {verb} {course} within {format_seconds(facts['back'])}"

    return describe


PHRASES: dict[str, Phrase] = {
    Code.LEARNING: lambda f: f"learning: nothing {format_seconds(f['back'])} ago to compare with yet",
    Code.NOTHING_BEFORE: lambda f: f"no sample {format_seconds(f['back'])} ago to compare with",
    Code.TOO_LARGE: "{metric} cannot be compared: out of range",
    Code.SAME: lambda f: (
        f"{f['agg']} {f['metric']} {f['value']:.6g} is the same as the {f['before']:.6g} of {format_seconds(f['back'])} ago"
    ),
    Code.HIGHER: _differs("above"),
    Code.LOWER: _differs("below"),
    Code.ROSE: _went("rose"),
    Code.FELL: _went("fell"),
}


def _parse_amount(value: object) -> object:
    """`40%` stays as it is written; a number must be above nothing."""
    if isinstance(value, str):
        parse_percent(value)
        return value.replace(" ", "")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{value!r} is not a change; write 40% or a number above 0")
    return float(value)


Amount = Annotated[str | float, BeforeValidator(_parse_amount)]


class Spec(Rule):
    """One of `drops`, `rises` and `changes`, and against when."""

    metric: str = Field(description="metric of the check", examples=["seconds"])
    agg: Agg | None = Field(default=None, description="aggregate; default: avg")
    window: Duration = Field(default=parse_duration("5m"), description="window to aggregate, now and earlier", examples=["30m"])
    compared_to: Duration | None = Field(
        default=None, description="how long ago the earlier window ended; default: the length of `window`", examples=["1w"]
    )
    drops: Amount | None = Field(default=None, description="fires when it fell by more than this: 40% or a number")
    rises: Amount | None = Field(
        default=None, description="fires when it rose by more than this: 40% or a number", examples=["40%"]
    )
    changes: Amount | None = Field(default=None, description="fires when it fell or rose by more than this: 40% or a number")
    clear: Amount | None = Field(
        default=None, description="recovers when it differs by less than this; default: the same limit"
    )

    @model_validator(mode="after")
    def _one_limit(self) -> "Spec":
        if sum(one is not None for one in (self.drops, self.rises, self.changes)) != 1:
            raise ValueError("a change rule needs exactly one of drops, rises and changes")
        limit = self.limit
        if self.clear is not None and (
            isinstance(self.clear, str) != isinstance(limit, str) or _size(self.clear) > _size(limit)
        ):
            raise ValueError("clear must be written like the limit, and be at most as large")
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


def lookbacks(spec: Spec) -> tuple[Lookback, ...]:
    """The window, and the one it is compared with."""
    return Lookback(spec.window), Lookback(spec.window, spec.back)


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:
    """Compare now with then; unknown when the newest result is."""
    kept = {SINCE: memory.get(SINCE, view.at.timestamp())}
    agg = spec.agg or "avg"
    now = aggregate(agg, view.span(spec.window)) if view.newest.value is not None else None
    if now is None:
        return Finding(None, False, None, view.newest.unknown_reason(), memory=kept)
    span = view.span(spec.window, spec.back)
    then = aggregate(agg, span) if len(span) else None
    if then is None:
        young = view.at.timestamp() - kept[SINCE] < spec.back.total_seconds()
        reason = Reason(Code.LEARNING if young else Code.NOTHING_BEFORE, {"back": spec.back.total_seconds()})
        return Finding(None, False, now, reason, memory=kept, learning=young)
    size = _relative(now, then) if isinstance(spec.limit, str) else now - then
    if not (math.isfinite(now) and math.isfinite(then)) or math.isnan(size):
        return Finding(None, False, None, Reason(Code.TOO_LARGE, {"metric": spec.metric}), memory=kept)
    shown, reason = _change(spec, agg, size, now, then)
    bad, clear = _beyond(spec, size, spec.limit), not _beyond(spec, size, spec.clear or spec.limit)
    score = min(abs(size), sys.float_info.max)
    return Finding(bad, clear, now, reason, memory=kept, shown=shown, score=score)


def _change(spec: Spec, agg: Agg, size: float, now: float, then: float) -> tuple[str, Reason]:
    """The change in short and as a reason: the amount where it is meaningful, else from and to."""
    relative = isinstance(spec.limit, str)
    facts = {"agg": agg, "metric": spec.metric, "value": now, "before": then, "back": spec.back.total_seconds()}
    if size == 0:
        return _amount(0, relative), Reason(Code.SAME, facts)
    if abs(size) <= LARGEST if relative else math.isfinite(size):
        code = Code.LOWER if size < 0 else Code.HIGHER
        return _amount(size, relative), Reason(code, {**facts, "by": abs(size), "relative": relative})
    return _course(then, now), Reason(Code.FELL if size < 0 else Code.ROSE, facts)


def _amount(size: float, relative: bool) -> str:
    return f"{rounded(abs(size) * 100)} %" if relative else f"{abs(size):.6g}"


def _course(before: float, now: float) -> str:
    return f"from {before:.6g} to {now:.6g}"


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
