"""Lines over time: what is to be drawn of a metric (the scene), and its geometry as SVG. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import pairwise
from math import ceil, floor, isfinite, log10
from zoneinfo import ZoneInfo

from app import figures
from app.walltime import instant

WIDTH, HEIGHT = 1000.0, 100.0  # the drawing's own units; the page stretches it
MOST, MANY, FEW = 150, 60, 2  # slices drawn of a line, of each of many lines, and how many are not many
MOST_STEPS, STEPS, EXACT = 4, (1.0, 2.0, 2.5, 5.0, 10.0), 1e-9  # between the values beside the drawing
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CLOCK_STEPS = (
    *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)), *(HOUR * n for n in (1, 2, 3, 6, 12)),
    *(DAY * n for n in (1, 2, 7, 14, 30, 60, 90)),
)  # fmt: skip
MOST_TIMES, LAST_TIME, MIDNIGHT = 8, 0.94, time(0)  # labels below the drawing; the share of it after which none begins
FAR = 2.0  # an expected band widens the drawing by so many times the height of the line at most

Points = Sequence[tuple[datetime, float]]
Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Spot:
    """What a line was like around one instant."""

    at: datetime
    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A series: its spots, oldest first."""

    spots: Sequence[Spot]
    name: str = ""
    key: str = ""  # by which it is chosen
    lasts: bool = True  # the last spot is how it is at the end


@dataclass(frozen=True, slots=True)
class Limit:
    """A level that a rule watches; `clear`: where it recovers."""

    value: float
    clear: bool = False
    of: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is to be drawn; the first curve is the one it is about where `alone`."""

    metric: str
    curves: Sequence[Curve]
    window: Stretch
    zone: ZoneInfo
    limits: Sequence[Limit] = ()
    firing: Sequence[Stretch] = ()
    pending: Sequence[Stretch] = ()
    band: Sequence[Spot] = ()  # where a rule expected it
    alone: bool = True
    title: str = ""  # what people call it; default: the metric


@dataclass(frozen=True, slots=True)
class Label:
    """A text at a place between 0 and 100 %."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time, in the drawing's units."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Line:
    """A curve as a path."""

    path: str
    name: str
    key: str
    last: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A limit as a height from the top."""

    y: float
    clear: bool
    text: str


@dataclass(frozen=True, slots=True)
class Cell:
    """What a line was at one of the rows; its height from the top, or None where it has no value."""

    y: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """The values at one place of the drawing, one of each line: what is read off it, and the same as a table."""

    at: datetime
    x: float
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """What the template draws."""

    lines: tuple[Line, ...]
    ribbon: str  # from the lowest to the highest of each slice; empty where each holds one sample
    expected: str  # the same of the band
    firing: tuple[Band, ...]
    pending: tuple[Band, ...]
    marks: tuple[Mark, ...]
    times: tuple[Label, ...]
    values: tuple[Label, ...]
    last: str
    summary: str  # the same in words
    rows: tuple[Row, ...]  # the same in numbers, oldest first


@dataclass(frozen=True, slots=True)
class Choice:
    """One series of a metric."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A graph, and what it is of. choices: the series there are, first those that stand out; none where there is but one."""

    check: str
    metric: str
    graph: Graph
    choices: tuple[Choice, ...] = ()
    chosen: str = ""
    more: int = 0  # series beyond the choices
    title: str = ""  # where it is not the metric itself that is drawn


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where an instant and a value stand."""

    window: Stretch
    low: float
    high: float
    span: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "span", (self.window[1] - self.window[0]).total_seconds())

    def across(self, at: datetime) -> float:
        return min(max(WIDTH * (at - self.window[0]).total_seconds() / self.span, 0.0), WIDTH)

    def down(self, value: float) -> float:
        return min(max(HEIGHT - HEIGHT * (value - self.low) / (self.high - self.low), -HEIGHT), 2 * HEIGHT)

    def stretches(self, spans: Sequence[Stretch]) -> tuple[Band, ...]:
        """Those within the window, made one where they overlap."""
        begin, end = self.window
        inside = merged([(a, b) for a, b in spans if b > begin and a < end])
        return tuple(Band(self.across(a), max(self.across(b) - self.across(a), 2.0)) for a, b in inside)


def sparkline(points: Points, start: datetime, end: datetime) -> str:
    """A path in a box of 100 x 24; empty for less than two points."""
    if len(points) < 2:
        return ""
    low, high = _range([value for _, value in points])
    span = (end - start).total_seconds()
    placed = [(100 * (at - start).total_seconds() / span, 22 - 20 * (value - low) / (high - low)) for at, value in points]
    return "M" + "L".join(f"{x:.0f} {y:.1f}" for x, y in placed)


def graph(scene: Scene) -> Graph | None:
    """The graph of one metric; None when no curve has two spots."""
    most = MOST if len(scene.curves) <= FEW else MANY
    drawn = [(one, gathered(one.spots, scene.window, most)) for one in scene.curves]
    drawn = [(one, spots) for one, spots in drawn if len(spots) > 1]
    if not drawn:
        return None
    band = gathered(scene.band, scene.window, MOST)
    ends = _ticks(*_bounds([spot for _, spots in drawn for spot in spots], scene.limits, band))
    frame = _Frame(scene.window, ends[0], ends[-1])
    lines = tuple(Line(_line(frame, spots), one.name, one.key, _last(scene.metric, one)) for one, spots in drawn)
    first = drawn[0][1]
    several = scene.alone and any(spot.high > spot.low for spot in first)
    marks = [Mark(frame.down(one.value), one.clear, _named(scene.metric, one)) for one in scene.limits]
    return Graph(
        lines,
        _ribbon(frame, first) if several else "",
        _ribbon(frame, band) if len(band) > 1 else "",
        frame.stretches(scene.firing),
        frame.stretches(scene.pending),
        tuple(marks),
        _times(*scene.window, scene.zone),
        tuple(Label(frame.down(value), figures.figure(scene.metric, value)) for value in ends),
        lines[0].last if scene.alone else "",
        _summary(scene, [spot for _, spots in drawn for spot in spots], lines),
        _rows(scene, frame, [spots for _, spots in drawn], most),
    )


def gathered(spots: Sequence[Spot], window: Stretch, most: int) -> list[Spot]:
    """At most `most` spots, one for each slice of the window; what was low and high in it stays so."""
    if len(spots) <= most:
        return list(spots)
    size = (window[1] - window[0]) / most
    slices: dict[int, list[Spot]] = {}
    for spot in spots:
        slices.setdefault((spot.at - window[0]) // size, []).append(spot)
    return [
        Spot(part[0].at, min(one.low for one in part), sum(one.mean for one in part) / len(part), max(one.high for one in part))
        for part in slices.values()
    ]


def merged(spans: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Overlapping stretches made one."""
    whole: list[tuple[datetime, datetime]] = []
    for begin, end in sorted(spans):
        if whole and begin <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((begin, end))
    return whole


def _bounds(spots: Sequence[Spot], limits: Sequence[Limit], band: Sequence[Spot]) -> tuple[float, float]:
    low, high = min(one.low for one in spots), max(one.high for one in spots)
    room = (high - low or abs(high) or 1.0) * FAR
    wanted = [low, high, *(one.value for one in limits)]
    wanted += [max(one.low, low - room) for one in band] + [min(one.high, high + room) for one in band]
    return _range(wanted, 0.0)


def _range(values: Sequence[float], room: float = 0.08) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low >= 0 and low < high / 2:
        low = 0.0
    if high == low:
        return low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    return low, high + (high - low) * room


def _ticks(low: float, high: float) -> list[float]:
    """Three to five round values, the first at or below `low`, the last at or above `high`."""
    if not (isfinite(high - low) and (high - low) / MOST_STEPS > 0):
        return [low, high]
    magnitude = 10.0 ** floor(log10((high - low) / MOST_STEPS))
    for step in (magnitude * factor for factor in STEPS):
        first, last = floor(low / step + EXACT), ceil(high / step - EXACT)
        if last - first <= MOST_STEPS:
            break
    found = [step * place for place in range(first, last + 1)]
    return found if len(found) > 1 and found[0] < found[-1] else [low, high]


def _runs(spots: Sequence[Spot]) -> Iterator[Sequence[Spot]]:
    """Parted where nothing came for four usual intervals: silence is not a straight line."""
    steps = sorted(b.at - a.at for a, b in pairwise(spots))
    usual = steps[len(steps) // 2] * 4
    begin = 0
    for place, (before, spot) in enumerate(pairwise(spots), 1):
        if spot.at - before.at > usual:
            yield spots[begin:place]
            begin = place
    yield spots[begin:]


def _line(frame: _Frame, spots: Sequence[Spot]) -> str:
    return "".join("M" + _through(frame, run, lambda spot: spot.mean) for run in _runs(spots))


def _ribbon(frame: _Frame, spots: Sequence[Spot]) -> str:
    """There along the highest, and back along the lowest."""
    return "".join(
        f"M{_through(frame, run, lambda spot: spot.high)}L{_through(frame, run[::-1], lambda spot: spot.low)}Z"
        for run in _runs(spots)
        if len(run) > 1
    )


def _through(frame: _Frame, spots: Sequence[Spot], value: Callable[[Spot], float]) -> str:
    return "L".join(f"{frame.across(one.at):.0f} {frame.down(value(one)):.1f}" for one in spots)


def _last(metric: str, curve: Curve) -> str:
    return figures.figure(metric, curve.spots[-1].mean if curve.lasts else None)


def _named(metric: str, limit: Limit) -> str:
    of = f" ({limit.of})" if limit.of else ""
    return f"{'clears at' if limit.clear else 'threshold'} {figures.figure(metric, limit.value)}{of}"


def _summary(scene: Scene, spots: Sequence[Spot], lines: Sequence[Line]) -> str:
    low, high = (figures.figure(scene.metric, end(one.low if end is min else one.high for one in spots)) for end in (min, max))
    now = f", now {lines[0].last}" if scene.alone else f", {len(lines)} series"
    limits = "".join(f", {_named(scene.metric, one)}" for one in scene.limits if not one.clear)
    return f"{scene.title or scene.metric} between {low} and {high}{now}{limits}"


def _rows(scene: Scene, frame: _Frame, lines: Sequence[Sequence[Spot]], most: int) -> tuple[Row, ...]:
    """What is drawn, slice by slice."""
    size = (scene.window[1] - scene.window[0]) / most
    slices: dict[int, dict[int, Spot]] = {}
    for number, spots in enumerate(lines):
        for spot in spots:
            slices.setdefault((spot.at - scene.window[0]) // size, {})[number] = spot
    rows = []
    for _, spots_of in sorted(slices.items()):
        at = max(spot.at for spot in spots_of.values())
        cells = tuple(_cell(scene.metric, frame, spots_of.get(number)) for number in range(len(lines)))
        rows.append(Row(at, frame.across(at), cells))
    return tuple(rows)


def _cell(metric: str, frame: _Frame, spot: Spot | None) -> Cell:
    if spot is None:
        return Cell(None, figures.figure(metric, None))
    around = [figures.figure(metric, end) for end in (spot.low, spot.high)] if spot.low < spot.high else []
    return Cell(frame.down(spot.mean), figures.figure(metric, spot.mean) + (f" ({' to '.join(around)})" if around else ""))


def _times(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[Label, ...]:
    """Round times of the wall clock, four to seven of them; the last ones leave room for their text."""
    length = end - start
    every = next((one for one in CLOCK_STEPS if length / one <= MOST_TIMES), CLOCK_STEPS[-1])
    form = "%H:%M" if every < DAY else "%d %b" if every < DAY * 30 else "%b %Y"
    wall = start.astimezone(zone).replace(tzinfo=None)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + every * ceil((wall - midnight) / every)
    labels = []
    while (share := (instant(at, zone) - start) / length) <= LAST_TIME:
        labels.append(Label(share * 100, f"{at:{form}}" if at.time() != MIDNIGHT or every >= DAY else f"{at:%d %b}"))
        at += every
    return tuple(labels)
