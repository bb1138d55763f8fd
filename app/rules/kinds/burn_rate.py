"""Fires when the error budget of an objective burns too fast in both of two windows (Google SRE Workbook, chapter 5).

A burn rate of 1 spends the budget in exactly `period`. A pair of windows fires when both burn faster than the pair's factor;
the short window makes the alert resolve soon. The default pairs are those in the Workbook: 2 % of the budget in 1h (and 5m) and
5 % in 6h (and 30m) are fast; 10 % in 3d (and 6h) is slow. A pair does not fire until its long window is full. The rule counts
the share of critical results, a metric that is a share (0 to 1), or the share of samples beyond `above` or `below`. Unknown
results are not counted.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from app.catalog.model import Declared, Severity
from app.reason import Code as Common
from app.reason import Reason
from app.rules.model import Finding, Lookback, Rule, View
from app.rules.past import Past, Span, share
from app.units import Duration, format_seconds, parse_duration, parse_percent, rounded
from app.wording import Facts, Phrase

SLOTS = 120  # into which a period is cut for the budget that is left
ROUNDING = 1e-9  # relative


class Code(StrEnum):
    """What it finds."""

    LEARNING = "burn_rate.learning"  # no long window is full
    BURNING = "burn_rate.burning"  # a pair burns too fast: the one of the worst severity
    SUSTAINED = "burn_rate.sustained"  # none does: the one that comes nearest


def _percent(share: float) -> int:
    return round(share * 100)


def _left(facts: Facts) -> str:
    return f"{_percent(facts['left'])}% of the {format_seconds(facts['period'])} budget left"


def _burns(facts: Facts) -> str:
    long = f"{rounded(facts['rate'])} times the sustainable rate over {format_seconds(facts['window'])}"
    short = f"{rounded(facts['short_rate'])} over {format_seconds(facts['short_window'])}"
    return f"burns {long} and {short}, limit {rounded(facts['limit'])}; {_left(facts)}"


PHRASES: dict[str, Phrase] = {
    Code.LEARNING: lambda f: f"learning until the window of {format_seconds(f['window'])} is full; {_left(f)}",
    Code.BURNING: _burns,
    Code.SUSTAINED: _burns,
}


def _share(value: object) -> object:
    return parse_percent(value) if isinstance(value, str) else value


_SCHEMA = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$"}], "examples": ["99.9%"]}
Share = Annotated[float, BeforeValidator(_share), WithJsonSchema(_SCHEMA)]


class Tiers(Declared):
    """A severity for each speed."""

    fast: Severity = Field(default=Severity.CRITICAL, description="severity of pairs with speed fast")
    slow: Severity = Field(default=Severity.WARNING, description="severity of pairs with speed slow")


class Pair(Declared):
    """Two windows, and how much of the budget may burn in the long one."""

    long: Duration = Field(description="the long window")
    short: Duration = Field(description="the short window, which makes the alert resolve soon")
    budget: Share = Field(gt=0, le=1, description="share of the budget that burns in the long window, such as 2%")
    speed: Literal["fast", "slow"] = Field(default="fast", description="selects the severity")


WORKBOOK = tuple(
    Pair.model_validate({"long": long, "short": short, "budget": budget, "speed": speed})
    for long, short, budget, speed in (("1h", "5m", "2%", "fast"), ("6h", "30m", "5%", "fast"), ("3d", "6h", "10%", "slow"))
)


class Burn(NamedTuple):
    """How fast one pair burns, as multiples of the sustainable rate; None where a window is empty."""

    pair: Pair
    factor: float  # that it may burn at
    long: float | None
    short: float | None
    full: bool  # the long window is full

    @property
    def bad(self) -> bool:
        """Both windows burn too fast; not where only the rounding of sums is above the factor."""
        limit = self.factor * (1 + ROUNDING)
        return self.full and (self.long or 0.0) > limit and (self.short or 0.0) > limit


class Budget(NamedTuple):
    """Where an objective is at one instant: its pairs of windows, and the share of its budget that is left."""

    burns: tuple[Burn, ...]
    left: float

    @property
    def left_percent(self) -> int:
        """What is left, in whole percent."""
        return _percent(self.left)


class Spec(Rule):
    """The objective and its period."""

    objective: Share = Field(gt=0, lt=1, description="target share of good events, such as 99.9%", examples=["99.9%"])
    period: Duration = Field(default=parse_duration("30d"), description="period of the error budget")
    metric: str | None = Field(default=None, description="share of bad events, 0 to 1; default: the check's critical results")
    above: float | None = Field(default=None, description="a sample of the metric above this is a bad event")
    below: float | None = Field(default=None, description="a sample of the metric below this is a bad event")
    windows: tuple[Pair, ...] = Field(default=WORKBOOK, min_length=1, max_length=8, description="pairs of windows")
    severity: Severity | Tiers = Field(
        default=Tiers(),
        description="one severity for all pairs, or {fast: critical, slow: warning}",
        examples=[{"fast": "critical", "slow": "warning"}],
    )  # type: ignore[assignment]

    @model_validator(mode="after")
    def _makes_sense(self) -> "Spec":
        if (self.above is not None or self.below is not None) and self.metric is None:
            raise ValueError("above and below need a metric; set metric")
        if any(not timedelta(0) < pair.short < pair.long <= self.period for pair in self.windows):
            raise ValueError("the short window must be shorter than the long one, and the long one at most the period")
        return self

    def severity_of(self, pair: Pair) -> Severity:
        """How bad it is when this pair fires."""
        return self.severity if isinstance(self.severity, Severity) else getattr(self.severity, pair.speed)

    def factor(self, pair: Pair) -> float:
        """The burn rate that spends the pair's share of the budget in its long window."""
        return pair.budget * (self.period / pair.long)


def lookbacks(spec: Spec) -> tuple[Lookback, ...]:
    """The longest window."""
    return (Lookback(max(pair.long for pair in spec.windows)),)


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:
    """Burn rates of every pair of windows that end now, and what is left of the budget."""
    if view.newest.value is None:
        return Finding(None, False, None, view.newest.unknown_reason(Common.NO_RESULT), memory=memory)
    past = view.pasts[timedelta(0)]
    kept = _remember(spec, view.newest.value, past, view.at, memory)
    burns, left = budget(spec, past, view.at, kept)
    bad = [burn for burn in burns if burn.bad]
    facts = {"left": left, "period": spec.period.total_seconds()}
    if not bad and not any(burn.full for burn in burns):
        facts["window"] = min(pair.long for pair in spec.windows).total_seconds()
        return Finding(None, False, burns[0].long, Reason(Code.LEARNING, facts), memory=kept, learning=True)
    worst = nearest(spec, burns)
    facts |= {
        "rate": worst.long or 0.0, "window": worst.pair.long.total_seconds(), "limit": worst.factor,
        "short_rate": worst.short or 0.0, "short_window": worst.pair.short.total_seconds(),
    }  # fmt: skip
    reason = Reason(Code.BURNING if bad else Code.SUSTAINED, facts)
    severity = spec.severity_of(worst.pair)
    return Finding(bool(bad), not bad, worst.long, reason, severity, kept, score=_of_limit(worst))


def budget(spec: Spec, past: Past, at: datetime, memory: Mapping[str, Any]) -> Budget:
    """Where the objective is at `at`, by the samples of its longest window and what `evaluate` remembered last."""
    now = at.timestamp()
    since = memory.get("since", now)
    watched = _watched(spec, memory, since, now)
    burns = tuple(_burn(spec, pair, past, at, watched[pair.long.total_seconds()]) for pair in spec.windows)
    return Budget(burns, _budget_left(spec, memory.get("slots", {}), now - since))


def nearest(spec: Spec, burns: Sequence[Burn]) -> Burn:
    """The pair that a verdict is about: the one of the worst severity that burns too fast, else the nearest to it."""
    bad = [burn for burn in burns if burn.bad]
    return max(bad or burns, key=lambda burn: (spec.severity_of(burn.pair).rank if bad else 0, _of_limit(burn)))


def burn_down(spec: Spec, memory: Mapping[str, Any], at: datetime) -> list[tuple[datetime, float]]:
    """What was left, slot by slot, of the budget of the period that ends at `at`; the last is what `budget` says is left."""
    now, slots, size = at.timestamp(), memory.get("slots", {}), spec.period.total_seconds() / SLOTS
    since = memory.get("since", now)
    whole = _whole(spec, slots, now - since)
    numbers = sorted(map(int, slots))
    found = [(max(since, numbers[0] * size), 1.0)] if numbers else []
    bad: list[float] = []
    for number in numbers:
        bad.append(slots[str(number)][1])
        found.append((min((number + 1) * size, now), _left_of(spec, math.fsum(bad), whole)))
    return [(datetime.fromtimestamp(instant, UTC), left) for instant, left in found]


def _remember(spec: Spec, value: float, past: Past, at: datetime, memory: Mapping[str, Any]) -> dict[str, Any]:
    """The memory with one more sample: since when the series is watched, each long window of it, and the period's counts."""
    now = at.timestamp()
    since = min(memory.get("since", math.inf), past.times[0])
    watched = {str(length): begun for length, begun in _watched(spec, memory, since, now).items()}
    return {"since": since, "last": now, "watched": watched, "slots": _count(spec, memory.get("slots", {}), value, now)}


def _of_limit(burn: Burn) -> float:
    return (burn.long or 0.0) / burn.factor


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


def _burn(spec: Spec, pair: Pair, past: Past, at: datetime, since: float) -> Burn:
    long, short = (_rate(spec, past.span(length, at)) for length in (pair.long, pair.short))
    return Burn(pair, spec.factor(pair), long, short, full=at.timestamp() - since >= pair.long.total_seconds())


def _rate(spec: Spec, span: Span) -> float | None:
    return budget_burn(span.bad((spec.above, spec.below)), len(span), spec.objective) if len(span) else None


def _count(spec: Spec, slots: Mapping[str, Any], value: float, now: float) -> dict[str, list[float]]:
    """A sample counted into its slot of the period: samples, bad ones. Slots older than the period are dropped."""
    size = spec.period.total_seconds() / SLOTS
    slot = int(now // size)
    counted = {key: value for key, value in slots.items() if int(key) > slot - SLOTS}
    total, bad = counted.get(str(slot), (0, 0.0))
    counted[str(slot)] = [total + 1, round(bad + share(value, (spec.above, spec.below)), 6)]
    return counted


def _budget_left(spec: Spec, slots: Mapping[str, Any], observed: float) -> float:
    """Share of the period's budget that is left, 0 when it is overspent."""
    return _left_of(spec, math.fsum(slot[1] for slot in slots.values()), _whole(spec, slots, observed))


def _whole(spec: Spec, slots: Mapping[str, Any], observed: float) -> float:
    """How many samples the whole period has: what was not seen of it counts as good."""
    return math.fsum(slot[0] for slot in slots.values()) * max(1.0, spec.period.total_seconds() / max(observed, 1.0))


def _left_of(spec: Spec, bad: float, whole: float) -> float:
    return max(0.0, 1 - budget_burn(bad, whole, spec.objective))
