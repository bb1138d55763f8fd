"""Runs one rule over the results it has not seen, series by series. Pure."""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isfinite

from app.catalog.model import Severity
from app.downtime import Downtime
from app.log import get
from app.reason import Code, Reason
from app.rules.active import Active
from app.rules.judge import judge, judge_missing, skip_run
from app.rules.model import Finding, Point, SeriesState, Timing, Verdict, View
from app.rules.past import Past

ONE_SERIES = "{}"
Pasts = Mapping[timedelta, Past]  # by how far back
NewPoints = Mapping[float, Point]  # the results of one series that were not seen yet, by instant in seconds since 1970

log = get(__name__)


def series_name(labels: Mapping[str, str]) -> str:
    """The canonical name of a label set."""
    return json.dumps(dict(labels), sort_keys=True, ensure_ascii=False, separators=(",", ":")) if labels else ONE_SERIES


def alert_key(alertname: str, series: str) -> str:
    """The key of the alert of one series of a rule; that of a rule with but one series is the rule's name."""
    return alertname if series == ONE_SERIES else f"{alertname}{series}"


def series_of(alertname: str, key: str) -> str:
    """The series that an alert with this key is of: what `alert_key` was given."""
    series = key.removeprefix(alertname)
    return series if key.startswith(alertname) and series.startswith("{") else ONE_SERIES


TOO_MANY = series_name({"too_many_series": "true"})  # the series of the alert about a rule's label sets
NO_PAST: Pasts = {timedelta(0): Past()}


@dataclass(frozen=True, slots=True)
class Transition:
    """One series after one result: what was decided, and whether that changed anything."""

    series: str
    before: SeriesState
    after: SeriesState
    verdict: Verdict
    gone: bool = False  # nothing of the series is left: its state is dropped

    @property
    def changed(self) -> bool:
        return (self.before.state, self.before.firing) != (self.after.state, self.after.firing)


def over_results(
    rule: Active,
    known: Mapping[str, SeriesState],
    new_points: Mapping[str, NewPoints],
    pasts: Mapping[str, Pasts],
    times: Sequence[datetime],
    ok_times: Set[datetime] = frozenset(),
    excused: Mapping[datetime, Reason] | None = None,
    downtimes: Sequence[Downtime] = (),
) -> list[Transition]:
    """Evaluate every series that is known or has new points at each of `times` (new results, oldest first).

    pasts: per series the values within the rule's lookback, new points included. ok_times: those of `times` whose run was ok or
    warning; a series with labels that is missing in such a run has ended, as it has where others of its metric are present.
    excused: those of `times` with a result that is not about the target, with why; they decide and count nothing.
    downtimes: when Tocsin itself did not run, oldest first.
    """
    current = dict(known)
    steps: list[Transition] = []
    for at in times:
        instant = at.timestamp()
        fresh = {name: of_one[instant] for name, of_one in new_points.items() if instant in of_one}
        of_run = _over_run(rule, current, _Run(at, fresh, at in ok_times, (excused or {}).get(at), downtimes), pasts)
        for step in of_run:
            if step.gone:
                current.pop(step.series, None)
            else:
                current[step.series] = step.after
        steps += of_run
    return steps


@dataclass(frozen=True, slots=True)
class _Run:
    """What one run brought."""

    at: datetime
    fresh: Mapping[str, Point]  # by series
    ok: bool
    excused: Reason | None  # why the result is not about the target
    downtimes: Sequence[Downtime]


def _over_run(rule: Active, states: Mapping[str, SeriesState], run: _Run, pasts: Mapping[str, Pasts]) -> list[Transition]:
    """Every series that is known, then as many new ones as there is room for, by name: whoever evaluates takes the same."""
    max_series = rule.spec.max_series
    known = sorted(name for name in states if name != TOO_MANY)
    steps = [_over_series(rule, name, states[name], run, pasts) for name in known[:max_series]]
    lasting = sum(not step.gone for step in steps)
    new = sorted(name for name in run.fresh if name not in states) or ([] if known else [ONE_SERIES])
    taken = new[: max_series - lasting]
    steps += [_over_series(rule, name, SeriesState(), run, pasts) for name in taken]
    if run.fresh or run.ok:
        judged = lasting + len(taken)
        left_out = len(known[max_series:]) + len(new) - len(taken)
        steps += overflow(states.get(TOO_MANY, SeriesState()), judged, left_out, run.at)
    return steps


def _over_series(rule: Active, name: str, before: SeriesState, run: _Run, pasts: Mapping[str, Pasts]) -> Transition:
    if run.excused is not None:
        return Transition(name, before, *skip_run(before, rule.severity, run.at, run.excused))
    ended = bool(run.fresh) or (run.ok and name != ONE_SERIES)
    finding, gone = _find(rule, name, before, run.fresh.get(name), pasts.get(name, NO_PAST), run, ended)
    return Transition(
        name, before, *judge(before, finding, replace(rule.timing, downtimes=run.downtimes), rule.severity, run.at), gone
    )


def over_silence(
    rule: Active, known: Mapping[str, SeriesState], at: datetime, never_ran: bool, downtimes: Sequence[Downtime] = ()
) -> list[Transition]:
    """Every known series when no result has come."""
    steps = []
    timing, run = replace(rule.timing, downtimes=downtimes), _Run(at, {}, False, None, downtimes)
    for name, before in (known or {ONE_SERIES: SeriesState()}).items():
        if name == TOO_MANY:
            continue
        if rule.awaits:
            finding, gone = _find(rule, name, before, None, NO_PAST, run, ended=False)
            after, verdict = judge(before, finding, timing, rule.severity, at)
            steps.append(Transition(name, before, after, verdict, gone))
        else:
            never_evaluated = never_ran and before.known_at is None
            since = replace(before, known_at=at - timing.no_data_after) if never_evaluated else before
            after, verdict = judge_missing(since, timing, rule.severity, at)
            steps.append(Transition(name, before, after, verdict))
    return steps


def _find(
    rule: Active, name: str, before: SeriesState, newest: Point | None, pasts: Pasts, run: _Run, ended: bool
) -> tuple[Finding, bool]:
    """What the rule finds at one instant, and whether the series is over.

    ended: this run names others, or is well, and does not name this series: what is left in the window still counts.
    """
    at = run.at
    if rule.awaits:
        found = _finding(rule, View(at, newest or Point(at, None), pasts, rule.check.every, run.downtimes), before)
        gone = (
            rule.kind.gone(rule.spec, found.memory, at.timestamp(), name != ONE_SERIES, ended) if found.value is None else None
        )
        return (Finding(False, True, None, gone), True) if gone else (found, False)
    if newest is None and ended and rule.metric is not None:
        newest = _last(rule, pasts, at)
        if newest is None:
            kept = before.known_at is not None and at - before.known_at < rule.keeps
            return Finding(False, True, None, Reason(Code.SERIES_ENDED), memory=before.memory if kept else {}), not kept
    newest = newest or Point(at, None, unknown=Reason(Code.NO_METRIC))
    return _finding(rule, View(at, newest, pasts, rule.check.every, run.downtimes), before), False


def _last(rule: Active, pasts: Pasts, at: datetime) -> Point | None:
    """The newest value that a window still holds."""
    length = max((one.length for one in rule.lookbacks if not one.back), default=timedelta(0))
    span = pasts[timedelta(0)].span(length, at)
    return Point(at, span.values[-1]) if len(span) else None


def _finding(rule: Active, view: View, before: SeriesState) -> Finding:
    if view.newest.value is not None and not isfinite(view.newest.value):
        view = replace(view, newest=replace(view.newest, value=None, unknown=Reason(Code.NOT_A_NUMBER)))
    try:
        found: Finding = rule.kind.evaluate(rule.spec, view, before.memory)
    except OverflowError:
        return Finding(None, False, None, Reason(Code.TOO_LARGE), memory=before.memory)
    except Exception as error:  # a plug-in's own error: this rule is unknown, the others are not
        log.exception("rule_failed", rule=rule.name)
        reason = Reason(Code.RULE_BROKE, {"error": f"{type(error).__name__}: {error}"})
        return Finding(None, False, None, reason, memory=before.memory)
    return _finite(found)


def _finite(found: Finding) -> Finding:
    """The finding without an infinity or what is no number: neither can be shown, stored or compared."""
    if not all(isfinite(one) for one in (found.value, *found.reason.facts.values()) if isinstance(one, float)):
        return Finding(None, False, None, Reason(Code.TOO_LARGE), memory=found.memory)
    if found.score is not None and not isfinite(found.score):
        found = replace(found, score=None)
    if found.band is not None and not all(map(isfinite, (found.band.low, found.band.expected, found.band.high))):
        found = replace(found, band=None)
    return found


def overflow(before: SeriesState, judged: int, left_out: int, at: datetime) -> list[Transition]:
    """The alert that some label sets are not judged, and its end."""
    if not (left_out or before.firing):
        return []
    reason = Reason(Code.TOO_MANY_SERIES, {"series": judged + left_out, "left_out": left_out})
    finding = Finding(left_out > 0, not left_out, float(judged + left_out), reason)
    return [Transition(TOO_MANY, before, *judge(before, finding, _AT_ONCE, Severity.WARNING, at), gone=not left_out)]


_AT_ONCE = Timing(timedelta(0), "keep", timedelta.max)
