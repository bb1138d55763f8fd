"""Evaluates what is new and says it as signals: load, decide, save, in the caller's transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection

from app.checks import store as checks
from app.checks.probe import Status
from app.rules import book, store
from app.rules.book import Active
from app.rules.evaluate import ONE_SERIES, Step, over_results, over_silence, series_name
from app.rules.model import NO_DATA_INTERVALS, Point, Rule, Standing, State
from app.rules.summary import render
from app.signals.model import Said, Signal

LONG_AGO = timedelta(days=2)  # a check that was never evaluated starts with at most this much of its past


def sync(db: Connection, rules: Mapping[str, Rule], now: datetime) -> None:  # noqa: ARG001
    """Forget where rules stand that are not in force any more, so that a later one of that name starts fresh."""
    known = [active.name for of_one in book.by_check(db).values() for active in of_one]
    store.forget(db, known)


def evaluate(db: Connection, now: datetime, limit: int = 500, names: Sequence[str] | None = None) -> tuple[list[Signal], int]:
    """Judge every check with something new; the signals that follow, and how many checks were looked at."""
    claimed = checks.claim_evaluation(db, now, limit, names)
    if not claimed:
        return [], 0
    facts = _load(db, claimed, now)
    signals, saved, gone, kept, done = [], [], [], [], []
    for row in claimed:
        times = [result["at"] for result in facts.results[row["name"]]]
        for rule in facts.rules.get(row["name"], ()):
            steps = _steps(rule, row, facts, times, now)
            latest = {step.series: step for step in steps}
            lasting = [step for step in latest.values() if not step.gone]
            saved += [((rule.name, step.series), row["name"], step.after, step.verdict) for step in lasting]
            gone += [(rule.name, name) for name, step in latest.items() if step.gone]
            kept += [((rule.name, step.series), step.verdict) for step in steps if step.changed]
            news = [_signal(rule, step, last=latest[step.series] is step) for step in steps]
            signals += [signal for signal in news if signal is not None]
        done.append((row["name"], times[-1] if times else row["evaluated_at"], _again(row, times, now)))
    store.save(db, saved)
    store.drop(db, gone)
    store.keep(db, kept)
    checks.evaluated(db, done)
    return signals, len(claimed)


class _Facts:
    """Everything one batch needs, fetched with one query each."""

    def __init__(self) -> None:
        self.rules: Mapping[str, tuple[Active, ...]] = {}
        self.results: Mapping[str, list[Mapping[str, Any]]] = {}
        self.standings: dict[str, dict[str, Standing]] = defaultdict(dict)  # rule -> series -> standing
        self.points: dict[tuple[str, str], dict[str, list[Point]]] = defaultdict(dict)  # check, metric -> series -> points


def _load(db: Connection, claimed: Sequence[Mapping[str, Any]], now: datetime) -> _Facts:
    facts = _Facts()
    names = [row["name"] for row in claimed]
    facts.rules = book.by_check(db)
    since = {row["name"]: row["evaluated_at"] or now - LONG_AGO for row in claimed}
    facts.results = checks.results_after(db, since)
    active = {name: facts.rules.get(name, ()) for name in names}
    for (rule, series), standing in store.standings(db, [one.name for rules in active.values() for one in rules]).items():
        facts.standings[rule][series] = standing
    reading = {name: [rule for rule in rules if rule.metric] for name, rules in active.items() if facts.results[name]}
    metrics = sorted({rule.metric for rules in reading.values() for rule in rules if rule.metric})
    if metrics:
        longest = {name: max(rule.kind.window(rule.spec) or timedelta(0) for rule in r) for name, r in reading.items() if r}
        for one in checks.samples_after(db, {name: since[name] - length for name, length in longest.items()}, metrics):
            of_metric = facts.points[one["check_name"], one["metric"]]
            of_metric.setdefault(series_name(one["labels"]), []).append(Point(one["at"], one["value"]))
    return facts


def _steps(rule: Active, row: Mapping[str, Any], facts: _Facts, times: Sequence[datetime], now: datetime) -> list[Step]:
    standings = facts.standings[rule.name]
    if times:
        well = {one["at"] for one in facts.results[row["name"]] if one["status"] in (Status.OK, Status.WARNING)}
        return over_results(rule, standings, _points(rule, row["name"], facts), times, well)
    if row["paused"]:
        return []
    return over_silence(rule, standings, now, never_ran=row["at"] is None)


def _points(rule: Active, check: str, facts: _Facts) -> Mapping[str, Sequence[Point]]:
    if rule.metric is not None:
        return facts.points[check, rule.metric]
    results = facts.results[check]
    return {ONE_SERIES: [Point(one["at"], None, Status(one["status"]), one["message"]) for one in results]}


def _again(row: Mapping[str, Any], times: Sequence[datetime], now: datetime) -> datetime | None:
    """When to look even without a result: after it has been silent for its intervals; once, until the next result."""
    if not times:
        return None
    silence = timedelta(milliseconds=row["every"] * NO_DATA_INTERVALS)
    return max(times[-1] + silence, now)


def _signal(rule: Active, step: Step, last: bool) -> Signal | None:
    said = _said(step, last)
    if said is None:
        return None
    spec, verdict = rule.spec, step.verdict
    labels = {**rule.check.labels, **spec.labels, **({} if step.series == ONE_SERIES else orjson.loads(step.series))}
    facts = {"value": verdict.value, "check": rule.check_name, "rule": rule.alertname, "because": verdict.because}
    summary = render(spec.summary, facts, labels) if spec.summary else f"{rule.alertname}: {verdict.because}"
    return Signal(
        source=rule.source,
        key=rule.alertname if step.series == ONE_SERIES else f"{rule.alertname}{step.series}",
        said=said,
        summary=summary[:1024],
        severity=verdict.severity,
        alertname=rule.alertname,
        service=rule.check.service,
        family=spec.family or rule.check.family,
        check=rule.check_name,
        labels=labels,
        starts_at=verdict.at,
        value=verdict.value,
        because="recovered" if said is Said.RESOLVED else verdict.because,
        runbook=spec.runbook,
        shadow=spec.mode == "shadow",
    )


def _said(step: Step, last: bool) -> Said | None:
    """What this step says of the alert; None when it says nothing new.

    An alert that is on is said again by the last step of every evaluation: it keeps its value current, and an alert that
    was ended or was not to page (a rule in shadow, a file taken back) is on again when its rule says so.
    """
    before, after = step.before, step.after
    if after.firing:
        was = before.memory.get("critical")
        return Said.FIRING if last or not before.firing or was != after.memory.get("critical") else None
    if after.state is State.PENDING:
        return Said.PENDING if before.state is not State.PENDING else None
    if before.firing or before.state is State.PENDING:
        return Said.RESOLVED
    return None
