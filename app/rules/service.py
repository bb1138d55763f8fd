"""Evaluates what is new and says it as signals: load, decide, save, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.catalog.model import Severity
from app.checks import store as checks
from app.checks.model import Evaluation
from app.reason import Code, Reason
from app.rules import in_force, store
from app.rules.active import Active
from app.rules.announce import signal
from app.rules.combine import in_order, over_members
from app.rules.evaluate import Transition, over_results, over_silence
from app.rules.facts import Facts, load
from app.rules.judge import overdue_at
from app.rules.model import NO_DATA_INTERVALS, Rule, SeriesState, State, Verdict
from app.rules.store import SeriesKey
from app.signals.model import Signal

MANY = 1000  # series; judging more takes its time
LATE = timedelta(seconds=10)  # so late a run may be where a worker or the dispatch hangs, until somebody else has taken it
HELD = timedelta(seconds=60)  # longer than the longest lease of a run
LOOK_AGAIN = timedelta(seconds=5)  # at what is silent, once nobody says that somebody listens
UNPUNCTUAL = 1.5  # intervals after which a result that did not come is missed


def sync(db: Connection, rules: Mapping[str, Rule], now: datetime) -> None:  # noqa: ARG001
    """Forget the states of rules that are not in force any more, so that a later one of that name starts fresh."""
    store.forget(db, [active.name for active in in_force.book(db).rules])


def evaluate(db: Connection, now: datetime, limit: int = 500) -> tuple[list[Signal], int]:
    """Judge every check with something new; the signals that follow, and how many checks were looked at."""
    claimed = checks.claim_evaluation(db, now, limit)
    if not claimed:
        return [], 0
    facts = load(db, claimed, now)
    if sum(len(series) for series in facts.pasts.values()) > MANY:
        store.take_time(db)
    work, done = _Work(), []
    for check in claimed:
        rules = facts.rules.get(check.name, ())
        silent_until: list[datetime] = []
        for rule in rules:
            steps = _steps(rule, check, facts, now)
            work.take(rule, check.name, steps)
            patience, heard = replace(rule.patience, away=facts.away_of(rule)), facts.heard_until(rule, now)
            due = [overdue_at(step.after, patience, heard) for step in steps]
            silent_until += [max(at, now + LOOK_AGAIN) for at in due if at > heard]
        done.append((check.name, _seen(check, facts), _again(check, rules, facts.times(check.name), silent_until, now)))
    _combine(db, work, now)
    store.save(db, work.saved)
    store.drop(db, work.gone)
    store.keep(db, work.kept)
    store.keep_bands(db, work.bands)
    checks.evaluated(db, done)
    return work.signals, len(claimed)


def fall_silent(db: Connection, check: str, now: datetime) -> list[Signal]:
    """A check is paused: its rules forget their states, and what was on is over; the signals that say so."""
    rules = {rule.name: rule for rule in in_force.by_check(db).get(check, ())}
    states = store.states(db, list(rules))
    store.drop(db, list(states))
    over = Verdict(now, State.OK, False, Severity.ERROR, None, (Reason(Code.CHECK_PAUSED),))
    steps = [(rules[name], Transition(series, one, SeriesState(), over)) for (name, series), one in states.items()]
    found = [signal(rule, step, last=True) for rule, step in steps]
    return [replace(one, reasons=over.reasons) for one in found if one is not None]


@dataclass(slots=True)
class _Work:
    """What a batch decided, to be saved together."""

    signals: list[Signal] = field(default_factory=list)
    saved: list[tuple[SeriesKey, str, SeriesState, Verdict]] = field(default_factory=list)
    gone: list[SeriesKey] = field(default_factory=list)
    kept: list[tuple[SeriesKey, Verdict]] = field(default_factory=list)
    bands: list[tuple[SeriesKey, Verdict]] = field(default_factory=list)
    latest: dict[str, dict[str, SeriesState]] = field(default_factory=dict)  # rule -> series -> state, of this batch

    def take(self, rule: Active, check: str, steps: Sequence[Transition]) -> None:
        """Add what one rule decided."""
        if not steps:
            return
        latest = {step.series: step for step in steps}
        lasting = {series: step for series, step in latest.items() if not step.gone}
        self.latest[rule.name] = {series: step.after for series, step in lasting.items()}
        self.saved += [((rule.name, series), check, step.after, step.verdict) for series, step in lasting.items()]
        self.gone += [(rule.name, series) for series, step in latest.items() if step.gone]
        self.kept += [((rule.name, step.series), step.verdict) for step in steps if step.changed]
        self.bands += [((rule.name, step.series), step.verdict) for step in steps if step.verdict.band is not None]
        news = [signal(rule, step, last=latest[step.series] is step) for step in steps]
        self.signals += [one for one in news if one is not None]


def _steps(rule: Active, check: Evaluation, facts: Facts, now: datetime) -> list[Transition]:
    states = facts.states.get(rule.name, {})
    name = check.name
    if times := facts.times(name):
        news, pasts = facts.news_of(rule), facts.pasts_of(rule)
        return over_results(rule, states, news, pasts, times, facts.well(name), facts.excused(name), facts.away_of(rule))
    if check.paused or not _is_late(check, now):
        return []
    return over_silence(rule, states, facts.heard_until(rule, now), check.at is None, facts.away_of(rule))


def _silent_from(last: datetime, check: Evaluation) -> datetime:
    """From when on it can be silence that no result came after `last`: not while somebody holds the check, nor LATE after.

    Who hangs with a run holds it until its lease ends; leases that follow each other put silence off by HELD at most.
    """
    return max(last, min(check.lease_until or last, last + HELD)) + LATE


def _is_late(check: Evaluation, now: datetime) -> bool:
    return check.at is None or now >= _silent_from(check.at, check)


def _combine(db: Connection, work: _Work, now: datetime) -> None:
    """Decide the rules that are made of those just decided. One transaction at a time, so that none misses what another saw."""
    composites = in_order(in_force.book(db).composites, set(work.latest))
    if not composites:
        return
    store.one_at_a_time(db)
    known: dict[str, dict[str, SeriesState]] = {}
    wanted = {name for rule in composites for name in (rule.name, *rule.members)}
    for (name, series), state in store.states(db, sorted(wanted)).items():
        known.setdefault(name, {})[series] = state
    known |= {name: of_one for name, of_one in work.latest.items() if name in wanted}
    for rule in composites:
        work.take(rule, rule.check_name, over_members(rule, known, now))
        known[rule.name] = work.latest.get(rule.name, {})


def _seen(check: Evaluation, facts: Facts) -> datetime | None:
    times = facts.times(check.name)
    return times[-1] if times else check.evaluated_at


def _again(
    check: Evaluation, rules: Sequence[Active], times: Sequence[datetime], silent_until: Sequence[datetime], now: datetime
) -> datetime | None:
    """When to look even without a result: once it has been silent for its intervals; each interval where a rule awaits one."""
    every = check.every
    if any(rule.awaits for rule in rules) and not check.paused:
        return max(times[-1] + max(every * UNPUNCTUAL, LATE), now) if times else now + every
    if times:
        return max(times[-1] + max(every * NO_DATA_INTERVALS, LATE), now)
    if check.at is not None and not _is_late(check, now):
        silent_until = [*silent_until, _silent_from(check.at, check)]
    return min(silent_until, default=None)  # it was Tocsin that did not run: its time is yet to come
