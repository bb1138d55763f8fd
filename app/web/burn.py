"""How fast each pair of windows of a burn-rate rule burns, for people to look at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from app.checks.samples import store as samples
from app.rules.active import Active
from app.rules.evaluate import series_name
from app.rules.kinds import burn_rate
from app.rules.kinds.burn_rate import Pair, Spec, budget_burn

_LEFT = re.compile(r"(\d+)% of the \S+ budget left")
Events = list[tuple[datetime, float]]  # when, and how bad: 0 to 1


@dataclass(frozen=True, slots=True)
class Rate:
    """One pair of windows; rates as multiples of what the budget bears, None where nothing was seen."""

    pair: Pair
    factor: float
    long: float | None
    short: float | None
    full: bool

    @property
    def bad(self) -> bool:
        """Both windows burn too fast, so that the rule fires."""
        return self.full and (self.long or 0) > self.factor and (self.short or 0) > self.factor


@dataclass(frozen=True, slots=True)
class Burning:
    """What is left of the budget in percent, if it was said, and each pair."""

    left: int | None
    rates: tuple[Rate, ...]


def burning(db: Connection, rule: Active, standing: Mapping[str, Any], now: datetime) -> Burning | None:
    """The burn of one series of a rule; None when its kind is another."""
    if rule.kind is not burn_rate:
        return None
    longest = max(pair.long for pair in rule.spec.windows)
    found = samples.samples_between(db, [(rule.check_name, rule.metric, timedelta(0), now - longest, now)])
    events = [(at, _badness(rule.spec, value)) for _, _, _, at, value, labels in found if _is(labels, standing["series"])]
    since = standing["memory"].get("since", now.timestamp())
    rates = tuple(_rate(rule, pair, events, since, now) for pair in rule.spec.windows)
    said = _LEFT.search(standing["because"])
    return Burning(int(said[1]) if said else None, rates)


def _rate(rule: Active, pair: Pair, events: Events, since: float, now: datetime) -> Rate:
    def over(length: timedelta) -> float | None:
        bad = [value for at, value in events if at > now - length]
        return budget_burn(sum(bad), len(bad), rule.spec.objective) if bad else None

    full = now.timestamp() - since >= (pair.long - rule.check.every).total_seconds()
    return Rate(pair, rule.spec.factor(pair), over(pair.long), over(pair.short), full)


def _badness(spec: Spec, value: float) -> float:
    """As the rule counts a sample."""
    if spec.above is None and spec.below is None:
        return min(max(value, 0.0), 1.0)
    return float((spec.above is not None and value > spec.above) or (spec.below is not None and value < spec.below))


def _is(labels: Mapping[str, str], series: str) -> bool:
    return series_name(labels) == series
