"""Lines over time as SVG geometry: sparklines and the graph of a metric with its limit and firing spans. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from app.web import words

WIDTH, HEIGHT = 1000.0, 100.0  # the drawing's own units; the page stretches it
MOST = 240  # points drawn

Points = Sequence[tuple[datetime, float]]


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
class Graph:
    """What the template draws."""

    line: str  # a path
    bands: tuple[Band, ...]  # while its alert fired
    limit: float | None  # heights, from the top
    clear: float | None
    times: tuple[Label, ...]
    values: tuple[Label, ...]
    last: str
    summary: str  # the same in words


def sparkline(points: Points, start: datetime, end: datetime) -> str:
    """A path in a box of 100 x 24; empty for less than two points."""
    if len(points) < 2:
        return ""
    low, high = _range([value for _, value in points])
    span = (end - start).total_seconds()
    placed = [(100 * (at - start).total_seconds() / span, 22 - 20 * (value - low) / (high - low)) for at, value in points]
    return "M" + "L".join(f"{x:.0f} {y:.1f}" for x, y in placed)


def graph(
    metric: str,
    points: Points,
    firing: Sequence[tuple[datetime, datetime]],
    limits: tuple[float | None, float | None],
    window: tuple[datetime, datetime],
    zone: ZoneInfo,
) -> Graph | None:
    """The graph of one metric over `window`; `limits` are threshold and clear. None for less than two points."""
    if len(points) < 2:
        return None
    start, end = window
    thin = thinned(points, MOST)
    low, high = _range([value for _, value in thin] + [one for one in limits if one is not None])
    span = (end - start).total_seconds()

    def across(at: datetime) -> float:
        return min(max(WIDTH * (at - start).total_seconds() / span, 0.0), WIDTH)

    def down(value: float) -> float:
        return HEIGHT - HEIGHT * (value - low) / (high - low)

    limit, clear = (None if one is None else down(one) for one in limits)
    spans = merged([(a, b) for a, b in firing if b > start and a < end])
    bands = tuple(Band(across(a), max(across(b) - across(a), 2.0)) for a, b in spans)
    values = tuple(Label(down(value), words.figure(metric, value)) for value in (low, (low + high) / 2, high))
    last, numbers = points[-1][1], [value for _, value in points]
    summary = (
        f"{metric} between {words.figure(metric, min(numbers))} and {words.figure(metric, max(numbers))}, "
        f"now {words.figure(metric, last)}" + (f", limit {words.figure(metric, limits[0])}" if limits[0] is not None else "")
    )
    path = _path([(across(at), down(value), at) for at, value in thin])
    return Graph(path, bands, limit, clear, _times(start, end, zone), values, words.figure(metric, last), summary)


def merged(spans: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Overlapping stretches made one."""
    whole: list[tuple[datetime, datetime]] = []
    for begin, end in sorted(spans):
        if whole and begin <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((begin, end))
    return whole


def thinned(points: Points, most: int) -> Points:
    """At most about `most` points that keep every peak: the least and the greatest of each slice."""
    if len(points) <= most:
        return points
    size = -(-len(points) * 2 // most)
    kept: list[tuple[datetime, float]] = []
    for begin in range(0, len(points), size):
        part = points[begin : begin + size]
        ends = {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
        kept += sorted(ends)
    return kept


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low >= 0 and low < high / 2:
        low = 0.0
    if high == low:
        return low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    return low, high + (high - low) * 0.08


def _path(placed: Sequence[tuple[float, float, datetime]]) -> str:
    """Broken where no sample came for four usual intervals: silence is not a straight line."""
    steps = sorted((b[2] - a[2] for a, b in pairwise(placed)))
    usual = steps[len(steps) // 2] * 4
    parts = [f"M{placed[0][0]:.0f} {placed[0][1]:.1f}"]
    for before, point in pairwise(placed):
        parts.append(f"{'M' if point[2] - before[2] > usual else 'L'}{point[0]:.0f} {point[1]:.1f}")
    return "".join(parts)


def _times(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[Label, ...]:
    length = end - start
    form = "%H:%M" if length <= timedelta(days=2) else "%d %b"
    return tuple(Label(share * 100, f"{(start + length * share).astimezone(zone):{form}}") for share in (0, 0.25, 0.5, 0.75))
