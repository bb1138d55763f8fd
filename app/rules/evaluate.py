"""Runs one rule over the results it has not seen, series by series. Pure."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from app.log import get
from app.rules.book import Active
from app.rules.judge import judge, silent
from app.rules.model import Finding, Point, Standing, Verdict

ONE_SERIES = "{}"

log = get(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """One series after one result: what was decided, and whether that changed anything."""

    series: str
    before: Standing
    after: Standing
    verdict: Verdict
    gone: bool = False  # nothing of the series is left: it is forgotten

    @property
    def changed(self) -> bool:
        return (self.before.state, self.before.firing) != (self.after.state, self.after.firing)


def series_name(labels: Mapping[str, str]) -> str:
    """The canonical name of a label set."""
    return json.dumps(dict(labels), sort_keys=True, ensure_ascii=False, separators=(",", ":")) if labels else ONE_SERIES


def over_results(
    rule: Active,
    standings: Mapping[str, Standing],
    points: Mapping[str, Sequence[Point]],
    times: Sequence[datetime],
    well: Set[datetime] = frozenset(),
) -> list[Step]:
    """Evaluate at each of `times` (results not seen yet, oldest first) every series that is known or has points.

    points: per series, oldest first, reaching back as far as the rule's window. well: those of `times` whose run was ok or
    nearly so: a series with labels that such a run does not name has ended, as one has where others of its metric came.
    """
    now_at = dict(standings)
    names = list(dict.fromkeys([*standings, *points])) or [ONE_SERIES]
    came = {point.at for of_one in points.values() for point in of_one}
    steps = []
    for at in times:
        for name in names:
            before = now_at.get(name, Standing())
            window = _window(rule, points.get(name, ()), at)
            ended = at in came or (at in well and name != ONE_SERIES)
            if ended and window[-1].value is None and rule.metric is not None:
                window = window[:-1]
            finding = _finding(rule, window, before, at) if window else Finding(False, True, None, "the series has ended")
            after, verdict = judge(before, finding, rule.patience, rule.spec.severity, at)
            now_at[name] = after
            steps.append(Step(name, before, after, verdict, gone=not window))
    return steps


def _finding(rule: Active, window: Sequence[Point], before: Standing, at: datetime) -> Finding:
    try:
        found: Finding = rule.kind.evaluate(rule.spec, window, before.memory, at)
    except Exception as error:  # a plug-in's own mistake, or numbers beyond all bounds: this rule cannot tell, the others can
        log.exception("rule_broke", rule=rule.name)
        return Finding(None, False, None, f"the rule broke: {type(error).__name__}: {error}")
    return found


def over_silence(rule: Active, standings: Mapping[str, Standing], at: datetime, never_ran: bool) -> list[Step]:
    """Every known series when no result has come."""
    steps = []
    for name, before in (standings or {ONE_SERIES: Standing()}).items():
        known = Standing(known_at=at - rule.patience.silence) if never_ran else before
        after, verdict = silent(known, rule.patience, rule.spec.severity, at)
        steps.append(Step(name, before, after, verdict))
    return steps


def _window(rule: Active, points: Sequence[Point], at: datetime) -> Sequence[Point]:
    """The points in `(at - window, at]`; without a window the one at `at`, or one of no value when there is none."""
    end = bisect_right(points, at, key=lambda point: point.at)
    length = rule.kind.window(rule.spec)
    start = end - 1 if length is None else bisect_right(points, at - length, key=lambda point: point.at)
    window = points[max(start, 0) : end]
    if not window or window[-1].at != at:  # this result has no such value
        return [*window, Point(at, None, message="this result has no such metric")]
    return window
