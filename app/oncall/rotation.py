"""One layer on its own: whose turn it is between hand-overs, within its `only` times. Pure."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.oncall.model import Layer, Only, Shift, Source, Span
from app.oncall.notation import Unit
from app.walltime import instant, midnight, on_the_wall

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The hand-overs of a layer, counted from 0."""

    first: datetime  # wall clock, naive
    anchor: datetime  # the same as an instant
    step: timedelta
    elapsed: bool  # `step` is elapsed time, else distance on the wall
    zone: ZoneInfo

    def handover(self, turn: int) -> datetime:
        """When turn number `turn` begins, UTC. Never earlier than the one before, but possibly at the same instant."""
        if self.elapsed:
            return self.anchor + turn * self.step
        return instant(self.first + turn * self.step, self.zone)

    def turn(self, at: datetime) -> int:
        """The last turn begun at or before `at` (UTC); negative before the first."""
        if self.elapsed:
            return (at - self.anchor) // self.step
        guess = (on_the_wall(at, self.zone) - self.first) // self.step
        # Where the clock was set back, it shows a time again that it showed at a hand-over before. It is never the other way
        # round: `instant` is the first at which the clock shows a time or a later one, so what it shows has begun.
        while self.handover(guess + 1) <= at:
            guess += 1
        return guess


def rotation(layer: Layer, zone: ZoneInfo) -> Rotation:
    """With a weekday in `handoff` the first hand-over is on the first such day on or after `start`."""
    wait = 0 if layer.handoff.weekday is None else (layer.handoff.weekday - layer.start.weekday()) % 7
    first = _wall(layer.start + wait * DAY, layer.handoff.at)
    return Rotation(first, instant(first, zone), layer.every.length, layer.every.unit is Unit.HOURS, zone)


def turns(layer: Layer, zone: ZoneInfo, start: datetime, end: datetime) -> list[Shift]:
    """Who holds this layer within [start, end) (UTC), were it alone: sorted, disjoint, one per turn or `only` range."""
    hands = rotation(layer, zone)
    low = max(start, hands.anchor)
    high = end if layer.until is None else min(end, instant(_wall(layer.until), zone))
    if low >= high:
        return []
    shifts = _rotate(layer, hands, low, high)
    return within(shifts, open_times(layer.only, zone, low, high)) if layer.only else shifts


def _rotate(layer: Layer, hands: Rotation, low: datetime, high: datetime) -> list[Shift]:
    users, shifts = layer.users, []
    if len(set(users)) == 1:
        return [Shift(users[0], low, high, Source.LAYER, layer.name)]
    turn, begun = hands.turn(low), low
    while begun < high:
        over = min(hands.handover(turn + 1), high)
        if over > begun:
            shifts.append(Shift(users[turn % len(users)], begun, over, Source.LAYER, layer.name))
        turn, begun = turn + 1, over
    return shifts


def open_times(
    ranges: Sequence[Only], zone: ZoneInfo, start: datetime, end: datetime, closed: Callable[[date], bool] = lambda _: False
) -> list[Span]:
    """When any of these ranges is open around [start, end): sorted and disjoint, may reach beyond either end.

    closed: days on which no range begins.
    """
    # A range lasts until the next day; a day more on either side covers any clock change.
    day = midnight(on_the_wall(start, zone)) - 2 * DAY
    last = on_the_wall(end, zone)
    spans = []
    while day <= last:
        for only in ranges if not closed(day.date()) else ():
            if day.weekday() in only.weekdays:
                begin = day + only.from_
                spans.append(Span(instant(begin, zone), instant(begin + only.length, zone)))
        day += DAY
    return _united(spans)


def _united(spans: list[Span]) -> list[Span]:
    united: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if span.end <= span.start:  # lost in a clock change
            continue
        if united and span.start <= united[-1].end:
            united[-1] = Span(united[-1].start, max(span.end, united[-1].end))
        else:
            united.append(span)
    return united


def within(shifts: Sequence[Shift], spans: Sequence[Span]) -> list[Shift]:
    """What of `shifts` lies within `spans`; each sorted and disjoint."""
    ends = [span.end for span in spans]
    kept = []
    for shift in shifts:
        at = bisect_right(ends, shift.start)
        while at < len(spans) and spans[at].start < shift.end:
            kept.append(shift.between(spans[at].start, spans[at].end))
            at += 1
    return kept


def _wall(day: date, at: timedelta = timedelta()) -> datetime:
    return datetime.combine(day, time.min) + at
