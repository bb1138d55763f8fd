"""Runs one rule over the results it has not seen, series by series. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.catalog.model import Severity
from app.log import get
from app.rules.active import Active
from app.rules.judge import judge, pass_over, silent
from app.rules.model import Finding, Patience, Point, Standing, Verdict, View
from app.rules.past import Past

ONE_SERIES = "{}"
Pasts = Mapping[timedelta, Past]  # by how far back
News = Mapping[float, Point]  # the results of one series that were not seen yet, by instant in seconds since 1970

log = get(__name__)


def series_name(labels: Mapping[str, str]) -> str:
    """The canonical name of a label set."""
    return json.dumps(dict(labels), sort_keys=True, ensure_ascii=False, separators=(",", ":")) if labels else ONE_SERIES


TOO_MANY = series_name({"too_many_series": "true"})  # where the alert about a rule's label sets stands
NO_PAST: Pasts = {timedelta(0): Past()}


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


def over_results(
    rule: Active,
    standings: Mapping[str, Standing],
    news: Mapping[str, News],
    pasts: Mapping[str, Pasts],
    times: Sequence[datetime],
    well: Set[datetime] = frozenset(),
    excused: Mapping[datetime, str] | None = None,
) -> list[Step]:
    """Evaluate at each of `times` (results not seen yet, oldest first) every series that is known or has news.

    pasts: per series what lies within the rule's reach, news included. well: those of `times` whose run was ok or nearly so: a
    series with labels that such a run does not name has ended, as one has where others of its metric came. excused: those of
    `times` that say nothing of the target, with why: nothing is decided then, and nothing counted.
    """
    now_at = dict(standings)
    names, left_out = _within_cap(rule, standings, news)
    came = {instant for of_one in news.values() for instant in of_one}
    steps = []
    for at in times:
        instant = at.timestamp()
        for name in names:
            before = now_at.get(name, Standing())
            if excused and at in excused:
                after, verdict = pass_over(before, rule.severity, at, excused[at])
                now_at[name] = after
                steps.append(Step(name, before, after, verdict))
                continue
            ended = instant in came or (at in well and name != ONE_SERIES)
            finding, gone = _look(rule, name, before, news.get(name, {}).get(instant), pasts.get(name, NO_PAST), at, ended)
            after, verdict = judge(before, finding, rule.patience, rule.severity, at)
            now_at[name] = after
            steps.append(Step(name, before, after, verdict, gone))
    return steps + _overflow(standings.get(TOO_MANY, Standing()), len(names), left_out, times[-1:])


def over_silence(rule: Active, standings: Mapping[str, Standing], at: datetime, never_ran: bool) -> list[Step]:
    """Every known series when no result has come."""
    steps = []
    for name, before in (standings or {ONE_SERIES: Standing()}).items():
        if name == TOO_MANY:
            continue
        if rule.awaits:
            finding, gone = _look(rule, name, before, None, NO_PAST, at, ended=True)
            after, verdict = judge(before, finding, rule.patience, rule.severity, at)
            steps.append(Step(name, before, after, verdict, gone))
        else:
            known = Standing(known_at=at - rule.patience.silence) if never_ran else before
            after, verdict = silent(known, rule.patience, rule.severity, at)
            steps.append(Step(name, before, after, verdict))
    return steps


def _within_cap(rule: Active, standings: Mapping[str, Standing], news: Iterable[str]) -> tuple[list[str], int]:
    """The series that are judged, those known before first, and how many are left out."""
    names = [name for name in dict.fromkeys([*standings, *news]) if name != TOO_MANY] or [ONE_SERIES]
    most = rule.spec.max_series
    return names[:most], max(len(names) - most, 0)


def _look(
    rule: Active, name: str, before: Standing, newest: Point | None, pasts: Pasts, at: datetime, ended: bool
) -> tuple[Finding, bool]:
    """What the rule finds at one instant, and whether the series is over.

    ended: this run names others, or is well, and does not name this series: what is left in the window still counts.
    """
    if rule.awaits:
        found = _finding(rule, View(at, newest or Point(at, None), pasts, rule.check.every), before)
        return found, name != ONE_SERIES and found.bad is True and rule.kind.gone(rule.spec, found.memory, at.timestamp())
    if newest is None and ended and rule.metric is not None:
        newest = _last(rule, pasts, at)
        if newest is None:
            kept = before.known_at is not None and at - before.known_at < rule.keeps
            return Finding(False, True, None, "the series has ended", memory=before.memory if kept else {}), not kept
    newest = newest or Point(at, None, message="this result has no such metric")
    return _finding(rule, View(at, newest, pasts, rule.check.every), before), False


def _last(rule: Active, pasts: Pasts, at: datetime) -> Point | None:
    """The newest value that a window still holds."""
    length = max((one.length for one in rule.reach if not one.back), default=timedelta(0))
    span = pasts[timedelta(0)].span(length, at)
    return Point(at, span.values[-1]) if len(span) else None


def _finding(rule: Active, view: View, before: Standing) -> Finding:
    try:
        found: Finding = rule.kind.evaluate(rule.spec, view, before.memory)
    except Exception as error:  # a plug-in's own mistake, or numbers beyond all bounds: this rule cannot tell, the others can
        log.exception("rule_broke", rule=rule.name)
        return Finding(None, False, None, f"the rule broke: {type(error).__name__}: {error}", memory=before.memory)
    return found


def _overflow(before: Standing, judged: int, left_out: int, times: Sequence[datetime]) -> list[Step]:
    """The alert that some label sets are not judged, and its end."""
    if not times or not (left_out or before.firing):
        return []
    because = (
        f"too many series: {judged + left_out} label sets, of which {left_out} are not judged; raise max_series or select fewer"
    )
    finding = Finding(left_out > 0, not left_out, float(judged + left_out), because)
    after, verdict = judge(before, finding, _AT_ONCE, Severity.WARNING, times[-1])
    return [Step(TOO_MANY, before, after, verdict, gone=not left_out)]


_AT_ONCE = Patience(timedelta(0), "keep", timedelta.max)
