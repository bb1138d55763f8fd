"""Everything one batch of evaluations needs, fetched with one query each."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app import uptime
from app.catalog import store as catalog
from app.checks.model import Evaluation, excused, status_value
from app.checks.probe import Status
from app.checks.samples import store as samples
from app.checks.samples.store import ResultRecord
from app.downtime import Downtime, united
from app.reason import Reason
from app.rules import in_force, store
from app.rules.active import NOW, Active
from app.rules.evaluate import ONE_SERIES, NewPoints, Pasts
from app.rules.model import Point, SeriesState
from app.rules.past import Past
from app.rules.sample_cache import SampleCache, SampleRange

MAX_BACKLOG = timedelta(days=2)  # a check that was never evaluated starts with at most this much of its past


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about the checks that were claimed."""

    rules: Mapping[str, tuple[Active, ...]]  # by check
    results: Mapping[str, list[ResultRecord]]  # by check, not seen yet, oldest first
    evaluated_at: Mapping[str, datetime]  # by check: the newest instant that was judged
    states: Mapping[str, Mapping[str, SeriesState]]  # by rule, by series
    pasts: Mapping[SampleRange, Mapping[str, Past]]
    downtimes: Mapping[str, Sequence[Downtime]]  # by part: when Tocsin itself did not run
    last_ticks: Mapping[str, datetime]  # by part: when it ran last

    def observed_until(self, rule: Active, now: datetime) -> datetime:
        """Until when its silence is known: of a location, until its worker's last tick."""
        return min(now, self.last_ticks.get(uptime.part_of(rule.check.at), now)) if rule.check.at else now

    def downtimes_of(self, rule: Active) -> Sequence[Downtime]:
        """When nothing ran where the rule's check runs, oldest first."""
        local, remote = self.downtimes[uptime.CHECKS], self.downtimes[uptime.part_of(rule.check.at or "")]
        return local if local is remote else united(local, remote)

    def times(self, check: str) -> list[datetime]:
        """When its new results began."""
        return [one.at for one in self.results[check]]

    def ok_times(self, check: str) -> Set[datetime]:
        """Those of them whose run was ok or nearly so."""
        return {one.at for one in self.results[check] if one.status in (Status.OK, Status.WARNING)}

    def excused(self, check: str) -> Mapping[datetime, Reason]:
        """Those of them that are not about their target, with why: the prober was offline."""
        return {one.at: one.reason for one in self.results[check] if one.reason is not None and excused(one.reason)}

    def pasts_of(self, rule: Active) -> Mapping[str, Pasts]:
        """The history within the rule's lookback, by series."""
        if rule.metric is None and not rule.lookbacks:
            return {}
        found: dict[str, dict[timedelta, Past]] = defaultdict(dict)
        for back in rule.ranges:
            for series, past in self.pasts[SampleRange(rule.check_name, rule.metric, back)].items():
                found[series][back] = past
        for backs in found.values():
            for back in rule.ranges:
                backs.setdefault(back, _EMPTY)
        return found

    def new_points_of(self, rule: Active) -> Mapping[str, NewPoints]:
        """Its new results, by series and instant."""
        if rule.metric is None:
            return {ONE_SERIES: {one.at.timestamp(): _as_point(one) for one in self.results[rule.check_name]}}
        new_points = {}
        evaluated_at = self.evaluated_at[rule.check_name]
        for series, past in self.pasts[SampleRange(rule.check_name, rule.metric, NOW)].items():
            fresh = past.after(evaluated_at.timestamp())
            if len(fresh):
                pairs = zip(fresh.times, fresh.values, strict=True)
                new_points[series] = {at: Point(datetime.fromtimestamp(at, evaluated_at.tzinfo), value) for at, value in pairs}
        return new_points


_EMPTY = Past()


def load(db: Connection, claimed: Sequence[Evaluation], now: datetime, cache: SampleCache) -> Facts:
    """The facts about claimed checks."""
    evaluated_at = {one.name: one.evaluated_at or now - MAX_BACKLOG for one in claimed}
    rules = in_force.by_check(db)
    active = {name: rules.get(name, ()) for name in evaluated_at}
    results = samples.results_after(db, evaluated_at)
    states: dict[str, dict[str, SeriesState]] = defaultdict(dict)
    named = [rule.name for of_one in active.values() for rule in of_one]
    for (rule_name, series), state in store.states(db, named).items():
        states[rule_name][series] = state
    wanted: dict[SampleRange, timedelta] = {}
    for rule in (rule for name, of_one in active.items() if results[name] for rule in of_one):
        if rule.metric is not None or rule.lookbacks:
            for back, length in rule.ranges.items():
                sample_range = SampleRange(rule.check_name, rule.metric, back)
                wanted[sample_range] = max(wanted.get(sample_range, timedelta(0)), length)
    until = max([now, *(of_one[-1].at for of_one in results.values() if of_one)])  # a worker's clock may be ahead
    pasts = cache.fetch(db, catalog.version(db), wanted, evaluated_at, until) if wanted else {}
    locations = {rule.check.at or "" for of_one in active.values() for rule in of_one}
    downtimes = uptime.downtimes(db, {uptime.CHECKS, *map(uptime.part_of, locations)}, now)
    last_ticks = uptime.last_seen(db) if any(locations) else {}
    return Facts(active, results, evaluated_at, states, pasts, downtimes, last_ticks)


def _as_point(result: ResultRecord) -> Point:
    """A result as a rule sees it that reads statuses."""
    return Point(result.at, status_value(result.status), result.status, result.message, result.reason)
