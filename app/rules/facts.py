"""Everything one batch of evaluations needs, fetched with one query each."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from app import uptime
from app.catalog import store as catalog
from app.checks.model import Evaluation
from app.checks.probe import Status
from app.checks.samples import store as samples
from app.downtime import Downtime, united
from app.rules import in_force, store
from app.rules.active import NOW, Active
from app.rules.evaluate import ONE_SERIES, News, Pasts
from app.rules.model import Point, SeriesState
from app.rules.past import Past
from app.rules.recall import RECALL, Stretch

LONG_AGO = timedelta(days=2)  # a check that was never evaluated starts with at most this much of its past


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about the checks that were claimed."""

    rules: Mapping[str, tuple[Active, ...]]  # by check
    results: Mapping[str, list[Mapping[str, Any]]]  # by check, not seen yet, oldest first
    seen: Mapping[str, datetime]  # by check: the newest instant that was judged
    states: Mapping[str, Mapping[str, SeriesState]]  # by rule, by series
    pasts: Mapping[Stretch, Mapping[str, Past]]
    away: Mapping[str, Sequence[Downtime]]  # by part: when Tocsin itself did not run
    ticked: Mapping[str, datetime]  # by part: when it ran last

    def heard_until(self, rule: Active, now: datetime) -> datetime:
        """Until when its silence is known: of a location, until its worker's last tick."""
        return min(now, self.ticked.get(uptime.part_of(rule.check.at), now)) if rule.check.at else now

    def away_of(self, rule: Active) -> Sequence[Downtime]:
        """When nothing ran where the rule's check runs, oldest first."""
        here, there = self.away[uptime.CHECKS], self.away[uptime.part_of(rule.check.at or "")]
        return here if here is there else united(here, there)

    def times(self, check: str) -> list[datetime]:
        """When its new results began."""
        return [one["at"] for one in self.results[check]]

    def well(self, check: str) -> Set[datetime]:
        """Those of them whose run was ok or nearly so."""
        return {one["at"] for one in self.results[check] if one["status"] in (Status.OK, Status.WARNING)}

    def excused(self, check: str) -> Mapping[datetime, str]:
        """Those of them that say nothing of their target, with why: the prober was cut off."""
        return {one["at"]: one["message"] for one in self.results[check] if one["excused"]}

    def pasts_of(self, rule: Active) -> Mapping[str, Pasts]:
        """What lies within the rule's reach, by series."""
        if rule.metric is None and not rule.reach:
            return {}
        found: dict[str, dict[timedelta, Past]] = defaultdict(dict)
        for back in rule.stretches:
            for series, past in self.pasts[Stretch(rule.check_name, rule.metric, back)].items():
                found[series][back] = past
        for backs in found.values():
            for back in rule.stretches:
                backs.setdefault(back, _EMPTY)
        return found

    def news_of(self, rule: Active) -> Mapping[str, News]:
        """Its new results, by series and instant."""
        if rule.metric is None:
            return {ONE_SERIES: {one["at"].timestamp(): _as_point(one) for one in self.results[rule.check_name]}}
        news = {}
        seen = self.seen[rule.check_name].timestamp()
        for series, past in self.pasts[Stretch(rule.check_name, rule.metric, NOW)].items():
            fresh = past.after(seen)
            if len(fresh):
                pairs = zip(fresh.times, fresh.values, strict=True)
                news[series] = {
                    at: Point(datetime.fromtimestamp(at, self.seen[rule.check_name].tzinfo), value) for at, value in pairs
                }
        return news


_EMPTY = Past()


def load(db: Connection, claimed: Sequence[Evaluation], now: datetime) -> Facts:
    """The facts about claimed checks."""
    seen = {one.name: one.evaluated_at or now - LONG_AGO for one in claimed}
    rules = in_force.by_check(db)
    active = {name: rules.get(name, ()) for name in seen}
    results = samples.results_after(db, seen)
    states: dict[str, dict[str, SeriesState]] = defaultdict(dict)
    named = [rule.name for of_one in active.values() for rule in of_one]
    for (rule_name, series), state in store.states(db, named).items():
        states[rule_name][series] = state
    wanted: dict[Stretch, timedelta] = {}
    for rule in (rule for name, of_one in active.items() if results[name] for rule in of_one):
        if rule.metric is not None or rule.reach:
            for back, length in rule.stretches.items():
                stretch = Stretch(rule.check_name, rule.metric, back)
                wanted[stretch] = max(wanted.get(stretch, timedelta(0)), length)
    until = max([now, *(of_one[-1]["at"] for of_one in results.values() if of_one)])  # a worker's clock may be ahead
    pasts = RECALL.look(db, catalog.version(db), wanted, seen, until) if wanted else {}
    places = {rule.check.at or "" for of_one in active.values() for rule in of_one}
    away = uptime.downtimes(db, {uptime.CHECKS, *map(uptime.part_of, places)}, now)
    ticked = uptime.last_seen(db) if any(places) else {}
    return Facts(active, results, seen, states, pasts, away, ticked)


def _as_point(result: Mapping[str, Any]) -> Point:
    """A result as a rule sees it that reads statuses; its value is 1 where it is critical."""
    status = Status(result["status"])
    value = None if status is Status.UNKNOWN else float(status is Status.CRITICAL)
    return Point(result["at"], value, status, result["message"])
