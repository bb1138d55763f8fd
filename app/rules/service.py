"""Evaluates new results into signals: load, decide, save, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.catalog.model import Severity
from app.checks import store as checks
from app.checks.model import GRACE, MISSED, Evaluation, silent_after
from app.reason import Code, Reason
from app.rules import in_force, store
from app.rules.active import Active
from app.rules.announce import signal
from app.rules.combine import in_order, over_members
from app.rules.evaluate import Transition, over_results, over_silence
from app.rules.facts import Facts, load
from app.rules.judge import overdue_at
from app.rules.model import Rule, RuleState, SeriesState, Verdict
from app.rules.sample_cache import CACHE, SampleCache
from app.rules.store import SeriesKey
from app.signals.model import Signal

LARGE_BATCH = 1000  # series; judging more takes its time
MAX_LEASE = timedelta(seconds=60)  # longer than the longest lease of a run
RECHECK_INTERVAL = timedelta(seconds=5)  # for missing results, while no worker of the location ticks


def sync(db: Connection, rules: Mapping[str, Rule], now: datetime) -> None:  # noqa: ARG001
    """Forget the states of rules that are not in force any more, so that a later one of that name starts fresh."""
    store.prune(db, [active.name for active in in_force.book(db).rules])


def evaluate(db: Connection, now: datetime, limit: int = 500, cache: SampleCache = CACHE) -> tuple[list[Signal], int]:
    """Judge every check with something new; the signals that follow, and how many checks were evaluated."""
    claimed = checks.claim_evaluation(db, now, limit)
    if not claimed:
        return [], 0
    facts = load(db, claimed, now, cache)
    if sum(len(series) for series in facts.pasts.values()) > LARGE_BATCH:
        store.extend_idle_timeout(db)
    batch, done = _Batch(), []
    for check in claimed:
        rules = facts.rules.get(check.name, ())
        recheck_times: list[datetime] = []
        for rule in rules:
            transitions = _transitions(rule, check, facts, now)
            batch.add(rule, check.name, transitions)
            timing, observed = replace(rule.timing, downtimes=facts.downtimes_of(rule)), facts.observed_until(rule, now)
            due = [overdue_at(transition.after, timing, observed) for transition in transitions]
            recheck_times += [max(at, now + RECHECK_INTERVAL) for at in due if at > observed]
        next_at = _next_evaluation(check, rules, facts.times(check.name), recheck_times, now)
        done.append((check.name, _evaluated_until(check, facts), next_at))
    _combine(db, batch, now)
    store.save(db, batch.saved)
    store.drop(db, batch.gone)
    store.keep(db, batch.kept)
    store.keep_bands(db, batch.bands)
    checks.evaluated(db, done)
    return batch.signals, len(claimed)


def resolve_paused(db: Connection, check: str, now: datetime) -> list[Signal]:
    """A check is paused: drop the states of its rules and resolve its alerts; the signals."""
    rules = {rule.name: rule for rule in in_force.by_check(db).get(check, ())}
    states = store.states(db, list(rules))
    store.drop(db, list(states))
    verdict = Verdict(now, RuleState.OK, False, Severity.ERROR, None, (Reason(Code.CHECK_PAUSED),))
    transitions = [(rules[name], Transition(series, one, SeriesState(), verdict)) for (name, series), one in states.items()]
    found = [signal(rule, transition, last=True) for rule, transition in transitions]
    return [replace(one, reasons=verdict.reasons) for one in found if one is not None]


@dataclass(slots=True)
class _Batch:
    """What a batch decided, to be saved together."""

    signals: list[Signal] = field(default_factory=list)
    saved: list[tuple[SeriesKey, str, SeriesState, Verdict]] = field(default_factory=list)
    gone: list[SeriesKey] = field(default_factory=list)
    kept: list[tuple[SeriesKey, Verdict]] = field(default_factory=list)
    bands: list[tuple[SeriesKey, Verdict]] = field(default_factory=list)
    latest: dict[str, dict[str, SeriesState]] = field(default_factory=dict)  # rule -> series -> state, of this batch

    def add(self, rule: Active, check: str, transitions: Sequence[Transition]) -> None:
        """Add what one rule decided."""
        if not transitions:
            return
        latest = {one.series: one for one in transitions}
        lasting = {series: one for series, one in latest.items() if not one.gone}
        self.latest[rule.name] = {series: one.after for series, one in lasting.items()}
        self.saved += [((rule.name, series), check, one.after, one.verdict) for series, one in lasting.items()]
        self.gone += [(rule.name, series) for series, one in latest.items() if one.gone]
        self.kept += [((rule.name, one.series), one.verdict) for one in transitions if one.changed]
        self.bands += [((rule.name, one.series), one.verdict) for one in transitions if one.verdict.band is not None]
        new_signals = [signal(rule, one, last=latest[one.series] is one) for one in transitions]
        self.signals += [one for one in new_signals if one is not None]


def _transitions(rule: Active, check: Evaluation, facts: Facts, now: datetime) -> list[Transition]:
    states = facts.states.get(rule.name, {})
    name = check.name
    if times := facts.times(name):
        new_points, pasts = facts.new_points_of(rule), facts.pasts_of(rule)
        return over_results(
            rule, states, new_points, pasts, times, facts.ok_times(name), facts.excused(name), facts.downtimes_of(rule)
        )
    if check.paused or not _is_late(check, now):
        return []
    return over_silence(rule, states, facts.observed_until(rule, now), check.at is None, facts.downtimes_of(rule))


def _missing_from(last: datetime, check: Evaluation) -> datetime:
    """From when on it can be silence that no result came after `last`: not while somebody holds the check, nor GRACE after.

    Who hangs with a run holds it until its lease ends; leases that follow each other put silence off by MAX_LEASE at most.
    """
    return max(last, min(check.lease_until or last, last + MAX_LEASE)) + GRACE


def _is_late(check: Evaluation, now: datetime) -> bool:
    return check.at is None or now >= _missing_from(check.at, check)


def _combine(db: Connection, batch: _Batch, now: datetime) -> None:
    """Decide the rules that are made of those just decided. One transaction at a time, so that none misses what another saw."""
    composites = in_order(in_force.book(db).composites, set(batch.latest))
    if not composites:
        return
    store.lock_composites(db)
    known: dict[str, dict[str, SeriesState]] = {}
    wanted = {name for rule in composites for name in (rule.name, *rule.members)}
    for (name, series), state in store.states(db, sorted(wanted)).items():
        known.setdefault(name, {})[series] = state
    known |= {name: states for name, states in batch.latest.items() if name in wanted}
    for rule in composites:
        batch.add(rule, rule.check_name, over_members(rule, known, now))
        known[rule.name] = batch.latest.get(rule.name, {})


def _evaluated_until(check: Evaluation, facts: Facts) -> datetime | None:
    times = facts.times(check.name)
    return times[-1] if times else check.evaluated_at


def _next_evaluation(
    check: Evaluation, rules: Sequence[Active], times: Sequence[datetime], recheck_times: Sequence[datetime], now: datetime
) -> datetime | None:
    """When to look even without a result: once it has been silent for its intervals; each interval where a rule awaits one."""
    every = check.every
    if any(rule.awaits for rule in rules) and not check.paused:
        return max(times[-1] + max(every * MISSED, GRACE), now) if times else now + every
    if times:
        return max(times[-1] + silent_after(every), now)
    if check.at is not None and not _is_late(check, now):
        recheck_times = [*recheck_times, _missing_from(check.at, check)]
    return min(recheck_times, default=None)  # it was Tocsin that did not run: its time is yet to come
