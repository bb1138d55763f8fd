"""Runs one rule over the results it has not seen, series by series. Pure."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.rules.book import Active
from app.rules.judge import judge, silent
from app.rules.model import Point, Standing, Verdict

ONE_SERIES = "{}"


@dataclass(frozen=True, slots=True)
class Step:
    """One series after one result: what was decided, and whether that changed anything."""

    series: str
    before: Standing
    after: Standing
    verdict: Verdict

    @property
    def changed(self) -> bool:
        return (self.before.state, self.before.firing) != (self.after.state, self.after.firing)


def series_name(labels: Mapping[str, str]) -> str:
    """The canonical name of a label set."""
    return json.dumps(dict(labels), sort_keys=True, ensure_ascii=False, separators=(",", ":")) if labels else ONE_SERIES


def over_results(
    rule: Active, standings: Mapping[str, Standing], points: Mapping[str, Sequence[Point]], times: Sequence[datetime]
) -> list[Step]:
    """Evaluate at each of `times` (results not seen yet, oldest first) every series that is known or has points.

    points: per series, oldest first, reaching back as far as the rule's window.
    """
    now_at = dict(standings)
    names = list(dict.fromkeys([*standings, *points])) or [ONE_SERIES]
    steps = []
    for at in times:
        for name in names:
            before = now_at.get(name, Standing())
            window = _window(rule, points.get(name, ()), at)
            finding = rule.kind.evaluate(rule.spec, window, before.memory, at)
            after, verdict = judge(before, finding, rule.patience, rule.spec.severity, at)
            now_at[name] = after
            steps.append(Step(name, before, after, verdict))
    return steps


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
