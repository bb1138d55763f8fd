"""Runs a rule over recorded samples with the evaluator that runs live, from an empty memory. Pure: no database."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from app.checks.model import MISSED
from app.checks.probe import Status
from app.review.recorded import Sample, by_instant
from app.rules.active import Active
from app.rules.book import Book
from app.rules.combine import over_members
from app.rules.evaluate import TOO_MANY, Pasts, Transition, over_results, over_silence
from app.rules.kinds import status
from app.rules.model import Point, SeriesState
from app.rules.past import Past

PUNCTUAL = 0.95  # intervals without one, after which a label set that is awaited was missed while others came
FEWEST = 3  # distances between samples that say how coarse a recording is


@dataclass(slots=True)
class _Memory:
    """The state of every series of one rule, and what was seen of it."""

    states: dict[str, SeriesState] = field(default_factory=dict)
    pasts: dict[str, Pasts] = field(default_factory=dict)
    judged: dict[str, datetime] = field(default_factory=dict)  # when each series was last

    def due(self, points: Mapping[str, Point], at: datetime, away: timedelta) -> dict[str, SeriesState]:
        """The states of series that came, or have not for so long. In a recording each may have beats of its own."""
        return {
            series: one
            for series, one in self.states.items()
            if series in points or series == TOO_MANY or at - self.judged[series] >= away
        }


class Replay:
    """One rule, and those it is made of, over one recording."""

    def __init__(self, rule: Active, book: Book) -> None:
        known = {one.name: one for one in book.rules}
        self.rule = rule
        self.parts = [known[name] for name in _parts(rule, known)]
        self._memory: dict[str, _Memory] = defaultdict(_Memory)

    def run(self, samples: Sequence[Sample]) -> Iterator[Transition]:
        """A step for each sample, oldest first, and for each interval that a rule misses a sample in."""
        interval = _interval(self.rule, samples)
        last: datetime | None = None
        for at, points in by_instant(samples):
            if self.rule.awaits and last is not None:
                yield from self._missed(last, at, interval)
            steps = self._at(at, points, interval)
            yield from (step for step in steps if step.series in points or self.rule.awaits or self.rule.members)
            last = at

    def _missed(self, last: datetime, until: datetime, interval: timedelta) -> Iterator[Transition]:
        memory = self._memory[self.rule.name]
        while until - last >= interval * MISSED:
            last += interval
            steps = over_silence(self.rule, memory.states, last, never_ran=False)
            _keep(memory, steps)
            yield from steps

    def _at(self, at: datetime, points: Mapping[str, Point], interval: timedelta) -> list[Transition]:
        steps: list[Transition] = []
        for part in self.parts:
            memory = self._memory[part.name]
            if part.members:
                steps = over_members(part, {name: self._memory[name].states for name in (part.name, *part.members)}, at)
            else:
                news = {series: {at.timestamp(): point} for series, point in points.items()}
                _add(part, memory, points)
                well = {at} if any(one.status in (Status.OK, Status.WARNING) for one in points.values()) else set()
                due = memory.due(points, at, interval * (PUNCTUAL if part.awaits else MISSED))
                steps = over_results(part, due, news, memory.pasts, [at], well)
            _keep(memory, steps)
        return steps


def _add(rule: Active, memory: _Memory, points: Mapping[str, Point]) -> None:
    """Remember the values, no longer than the rule looks back."""
    longest = max((back + length for back, length in rule.ranges.items()), default=timedelta(0))
    for series, point in points.items():
        if series not in memory.pasts:
            memory.pasts[series] = dict.fromkeys(rule.ranges, Past())
        past = next(iter(memory.pasts[series].values()))
        if point.value is not None:
            past.add(point.at, point.value)
        past.trim(point.at - longest)


def _keep(memory: _Memory, steps: Sequence[Transition]) -> None:
    for step in steps:
        memory.judged[step.series] = step.verdict.at
        if step.gone:
            memory.states.pop(step.series, None)
        else:
            memory.states[step.series] = step.after


def _parts(rule: Active, known: Mapping[str, Active]) -> list[str]:
    """The rule's name after those of all it is made of."""
    found: dict[str, None] = {}
    for member in rule.members:
        found |= dict.fromkeys(_parts(known[member], known))
    return [*found, rule.name]


def _interval(rule: Active, samples: Sequence[Sample]) -> timedelta:
    """How far apart samples are: what the check says, or the recording where all of it is coarser."""
    times = sorted({sample.point.at for sample in samples})
    gaps = [after - before for before, after in pairwise(times)]
    return max(rule.check.every, min(gaps)) if len(gaps) >= FEWEST else rule.check.every


def reads_results(rule: Active) -> bool:
    """Whether the rule's samples are results (ok, critical) rather than numbers."""
    return rule.kind is status
