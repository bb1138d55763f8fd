"""Fires when the error budget of an objective burns too fast, by two windows at once (Google SRE Workbook, chapter 5).

A burn rate of 1 spends the budget in exactly `period`. A pair of windows fires when both burn faster than the pair's factor;
the short one makes it end soon. By default those of the Workbook's table: 2 % of the budget in 1h (and 5m), 5 % in 6h (and
30m): fast; 10 % in 3d (and 6h): slow. No pair fires before its long window is full. What counts is the share of critical
results, or that of a metric (0 to 1), or of its samples beyond `above` or `below`. What could not tell is not counted.
"""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from app.catalog.model import Declared, Severity
from app.rules.model import Finding, Reach, Rule, View
from app.rules.past import Span, share
from app.units import Duration, format_duration, parse_duration, parse_percent

SLOTS = 120  # into which a period is cut for the budget that is left
ROUNDING = 1e-9  # relative
READS_STATUS = True  # without a metric it reads statuses, as the share of critical ones


def _share(value: object) -> object:
    return parse_percent(value) if isinstance(value, str) else value


_SCHEMA = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$"}], "examples": ["99.9%"]}
Share = Annotated[float, BeforeValidator(_share), WithJsonSchema(_SCHEMA)]


class Tiers(Declared):
    """A severity for each speed."""

    fast: Severity = Severity.CRITICAL
    slow: Severity = Severity.WARNING


class Pair(Declared):
    """Two windows, and how much of the budget may burn in the long one."""

    long: Duration = Field(description="the long window")
    short: Duration = Field(description="the short window, which ends the alert soon")
    budget: Share = Field(gt=0, le=1, description="share of the period's budget that burns in the long window, as 2%")
    speed: Literal["fast", "slow"] = Field(default="fast", description="which severity it has")


WORKBOOK = tuple(
    Pair.model_validate({"long": long, "short": short, "budget": budget, "speed": speed})
    for long, short, budget, speed in (("1h", "5m", "2%", "fast"), ("6h", "30m", "5%", "fast"), ("3d", "6h", "10%", "slow"))
)


class Burn(NamedTuple):
    """How fast one pair burns."""

    pair: Pair
    factor: float  # that it may burn at
    long: float
    short: float
    full: bool  # the long window is full

    @property
    def bad(self) -> bool:
        """Both windows burn too fast; not where only the rounding of sums is above the factor."""
        limit = self.factor * (1 + ROUNDING)
        return self.full and self.long > limit and self.short > limit


class Spec(Rule):
    """The objective and its period."""

    objective: Share = Field(gt=0, lt=1, description="share of good events, as 99.9%")
    period: Duration = Field(default=parse_duration("30d"), description="time that the budget is for")
    metric: str | None = Field(default=None, description="share of bad events, 0 to 1; default: the check's critical results")
    above: float | None = Field(default=None, description="a sample of the metric above this is a bad event")
    below: float | None = Field(default=None, description="a sample of the metric below this is a bad event")
    windows: tuple[Pair, ...] = Field(default=WORKBOOK, min_length=1, max_length=8, description="pairs of windows")
    severity: Severity | Tiers = Field(default=Tiers(), description="one for all, or {fast: critical, slow: warning}")  # type: ignore[assignment]

    @model_validator(mode="after")
    def _makes_sense(self) -> "Spec":
        if (self.above is not None or self.below is not None) and self.metric is None:
            raise ValueError("above and below judge a metric; name it")
        if any(not timedelta(0) < pair.short < pair.long <= self.period for pair in self.windows):
            raise ValueError("a short window is shorter than its long one, and that at most the period")
        return self

    def severity_of(self, pair: Pair) -> Severity:
        """How bad it is when this pair fires."""
        return self.severity if isinstance(self.severity, Severity) else getattr(self.severity, pair.speed)

    def factor(self, pair: Pair) -> float:
        """The burn rate that spends the pair's share of the budget in its long window."""
        return pair.budget * (self.period / pair.long)


def reach(spec: Spec) -> tuple[Reach, ...]:
    """The longest window."""
    return (Reach(max(pair.long for pair in spec.windows)),)


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:
    """Burn rates of every pair of windows that end now, and what is left of the budget."""
    if view.newest.value is None:
        return Finding(None, False, None, view.newest.message or "no result", memory=memory)
    now = view.at.timestamp()
    since = min(memory.get("since", math.inf), view.pasts[timedelta(0)].times[0])
    watched = _watched(spec, memory, since, now)
    budget = _count(spec, memory.get("slots", {}), view)
    kept = {"since": since, "last": now, "watched": {str(length): begun for length, begun in watched.items()}, "slots": budget}
    burns = [_burn(spec, pair, view, watched[pair.long.total_seconds()]) for pair in spec.windows]
    left = f"{_left(spec, budget, now - since):.0%} of the {format_duration(spec.period)} budget left"
    bad = [burn for burn in burns if burn.bad]
    if not bad and not any(burn.full for burn in burns):
        first = min(pair.long for pair in spec.windows)
        because = f"learning until the window of {format_duration(first)} is full; {left}"
        return Finding(None, False, burns[0].long, because, memory=kept, learning=True)
    worst = max(bad or burns, key=lambda burn: (spec.severity_of(burn.pair).rank if bad else 0, burn.long / burn.factor))
    windows = f"{format_duration(worst.pair.long)} and {worst.short:.3g} over {format_duration(worst.pair.short)}"
    because = f"burns {worst.long:.3g} times the sustainable rate over {windows}, limit {worst.factor:.3g}; {left}"
    return Finding(bool(bad), not bad, worst.long, because, spec.severity_of(worst.pair), kept, score=worst.long / worst.factor)


def budget_burn(bad: float, total: float, objective: float) -> float:
    """Error budget spent, as a multiple of the sustainable rate (1.0 lasts exactly the period).

    objective: share of good events, 0 < objective < 1. Returns 0.0 when total is 0. Source: Google SRE Workbook, chapter 5.
    """
    return (bad / total) / (1 - objective) if total else 0.0


def _watched(spec: Spec, memory: Mapping[str, Any], since: float, now: float) -> dict[float, float]:
    """Since when each long window has been watched, by its length in seconds: one that lay empty for its length begins anew."""
    last, begun = memory.get("last", now), memory.get("watched", {})
    lengths = (pair.long.total_seconds() for pair in spec.windows)
    return {length: now if now - last >= length else min(begun.get(str(length), since), now) for length in lengths}


def _burn(spec: Spec, pair: Pair, view: View, since: float) -> Burn:
    long, short = (_rate(spec, view.span(length)) for length in (pair.long, pair.short))
    full = view.at.timestamp() - since >= pair.long.total_seconds()
    return Burn(pair, spec.factor(pair), long, short, full)


def _rate(spec: Spec, span: Span) -> float:
    return budget_burn(span.bad((spec.above, spec.below)), len(span), spec.objective)


def _count(spec: Spec, slots: Mapping[str, Any], view: View) -> dict[str, list[float]]:
    """The newest sample counted into its slot of the period: samples, bad ones. Slots older than the period are dropped."""
    assert view.newest.value is not None
    size = spec.period.total_seconds() / SLOTS
    slot = int(view.at.timestamp() // size)
    counted = {key: value for key, value in slots.items() if int(key) > slot - SLOTS}
    total, bad = counted.get(str(slot), (0, 0.0))
    counted[str(slot)] = [total + 1, round(bad + share(view.newest.value, (spec.above, spec.below)), 6)]
    return counted


def _left(spec: Spec, slots: Mapping[str, Any], seen: float) -> float:
    """Share of the period's budget that is left, 0 when it is overspent; what was not seen of the period counts as good."""
    total = math.fsum(slot[0] for slot in slots.values())
    bad = math.fsum(slot[1] for slot in slots.values())
    whole = total * max(1.0, spec.period.total_seconds() / max(seen, 1.0))
    return max(0.0, 1 - budget_burn(bad, whole, spec.objective))
