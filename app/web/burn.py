"""A burn-rate rule drawn: how fast each pair of windows burns and what is left of the budget, as the rule itself reckons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection

from app.checks.samples import store as samples
from app.rules.active import Active
from app.rules.kinds import burn_rate
from app.rules.kinds.burn_rate import Budget, Pair
from app.rules.model import SeriesStatus
from app.rules.past import Past
from app.units import format_duration
from app.web.graph import Curve, Drawn, Limit, Scene, Spot, Stretch, graph

POINTS = 120  # drawn of a line: the rule judges so many instants anew
SAMPLES = 60_000  # read at most: of a check that runs every few seconds, a shorter time is drawn
SHORTEST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Burning:
    """One series of a burn-rate rule. pairs: a graph for each pair of windows that has something to show, in declared order."""

    budget: Budget  # at the end of what is drawn
    pairs: tuple[Drawn, ...]
    worst: Drawn | None  # of `pairs`: the one that a verdict then is about
    left: Drawn | None  # what is left of the budget, where the newest verdict is drawn


def burning(
    db: Connection, rule: Active, series: SeriesStatus, window: Stretch, zone: ZoneInfo, firing: Sequence[Stretch] = ()
) -> Burning | None:
    """One series of a rule up to its newest verdict; None when the rule is of another kind, or has not seen a result yet."""
    if rule.kind is not burn_rate or not series.memory:
        return None
    end, longest = min(window[1], series.at), max(one.length for one in rule.lookbacks)
    longest_drawn = max(rule.check.every * SAMPLES - longest, SHORTEST)
    start = max(min(window[0], end - SHORTEST), end - longest_drawn)
    past = Past()
    for at, value in samples.values(db, rule.check_name, rule.metric, orjson.loads(series.series), start - longest, end):
        past.add(at, value)
    instants = [end - (end - start) * place / POINTS for place in range(POINTS - 1, -1, -1)]
    budgets = [burn_rate.budget(rule.spec, past, at, series.memory) for at in instants]
    frame = _Frame(rule, (start, end), zone, firing)
    drawn = [frame.pair(place, pair, instants, budgets) for place, pair in enumerate(rule.spec.windows)]
    nearest = burn_rate.nearest(rule.spec, budgets[-1].burns)
    worst = next((one for one, burn in zip(drawn, budgets[-1].burns, strict=True) if burn is nearest), None)
    left = frame.left(series) if end == series.at else None
    return Burning(budgets[-1], tuple(filter(None, drawn)), worst, left)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the graphs of one rule share."""

    rule: Active
    window: Stretch
    zone: ZoneInfo
    firing: Sequence[Stretch]

    def pair(self, place: int, pair: Pair, instants: Sequence[datetime], budgets: Sequence[Budget]) -> Drawn | None:
        """How fast both windows of a pair burned, beside the rate at which it fires."""
        names = [format_duration(length) for length in (pair.long, pair.short)]
        burns = [(at, budget.burns[place]) for at, budget in zip(instants, budgets, strict=True)]
        rates = ([(at, burn.long) for at, burn in burns], [(at, burn.short) for at, burn in burns])
        curves = tuple(_curve(f"over {name}", line) for name, line in zip(names, rates, strict=True))
        limits = (Limit(self.rule.spec.factor(pair)),)
        title = f"Burn rate over {names[0]} and {names[1]}"
        return self._drawn(Scene("burn_rate", curves, self.window, self.zone, limits, self.firing, alone=False, title=title))

    def left(self, series: SeriesStatus) -> Drawn | None:
        """What was left of the budget of the period that ends now."""
        spec, at = self.rule.spec, series.at
        found = [(when, 100 * left) for when, left in burn_rate.burn_down(spec, series.memory, at)]
        curve = Curve([Spot(when, left, left, left) for when, left in found])
        title = f"Error budget left over {format_duration(spec.period)}"
        window = (at - spec.period, at)
        return self._drawn(Scene("budget_left_percent", (curve,), window, self.zone, (), self.firing, title=title))

    def _drawn(self, scene: Scene) -> Drawn | None:
        made = graph(scene)
        return Drawn(self.rule.check_name, scene.metric, made, title=scene.title) if made else None


def _curve(name: str, line: Sequence[tuple[datetime, float | None]]) -> Curve:
    spots = [Spot(at, rate, rate, rate) for at, rate in line if rate is not None]
    return Curve(spots, name, lasts=line[-1][1] is not None)
