"""One bar a day, each made of parts: the geometry as SVG, and the same in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from app.units import counted
from app.walltime import short_date
from app.web.graph import Label

HEIGHT, ROOM = 100.0, 0.22  # the drawing is as many units wide as it has days, and so much of each stays free
MOST_LABELS = 6
ROUND = (1, 2, 4, 5, 8, 10)


@dataclass(frozen=True, slots=True)
class Part:
    """What a bar is made of: how it looks, what it is called, how many there are on each day."""

    style: str
    name: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """On all days."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Block:
    """One part of one day."""

    style: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One day."""

    x: float
    blocks: tuple[Block, ...]
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """One day in the table beside the drawing."""

    day: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Days:
    """A drawing, what it says in words, and the same as a table."""

    bars: tuple[Bar, ...]
    width: float  # of a bar
    values: tuple[Label, ...]
    times: tuple[Label, ...]
    parts: tuple[Part, ...]
    summary: str
    table: tuple[Line, ...]


def draw(what: str, days: Sequence[date], parts: Sequence[Part]) -> Days:
    """The first part stands at the bottom. what: one of the things that are counted, like `page`."""
    totals = [sum(counts) for counts in zip(*(part.counts for part in parts), strict=True)]
    top = axis(max(totals, default=0))
    bars = [_bar(place, day, parts, totals[place], top, what) for place, day in enumerate(days)]
    return Days(
        tuple(bars),
        1 - ROOM,
        (Label(0, str(top)), *([Label(50, str(top // 2))] if top % 2 == 0 else [])),
        _times(days),
        tuple(parts),
        _summary(what, days, parts, totals),
        tuple(Line(short_date(day), tuple(part.counts[place] for part in parts)) for place, day in enumerate(days)),
    )


def axis(most: int) -> int:
    """The round number that the axis ends with, at least `most`."""
    size = 1
    while True:
        for step in ROUND:
            if step * size >= most:
                return step * size
        size *= 10


def _bar(place: int, day: date, parts: Sequence[Part], total: int, top: int, what: str) -> Bar:
    blocks, y = [], HEIGHT
    for part in parts:
        height = HEIGHT * part.counts[place] / top
        y -= height
        if height:
            blocks.append(Block(part.style, y, height))
    of = ", ".join(f"{part.counts[place]} {part.name}" for part in parts if part.counts[place])
    return Bar(place + ROOM / 2, tuple(blocks), f"{short_date(day)}: {counted(total, what)}{f' ({of})' if of else ''}")


def _times(days: Sequence[date]) -> tuple[Label, ...]:
    every = -(-len(days) // MOST_LABELS)
    return tuple(Label(100 * place / len(days), f"{days[place].day} {days[place]:%b}") for place in range(0, len(days), every))


def _summary(what: str, days: Sequence[date], parts: Sequence[Part], totals: Sequence[int]) -> str:
    most = max(range(len(days)), key=lambda place: totals[place])
    of = ", ".join(f"{part.total} {part.name}" for part in parts)
    peak = f"; most on {short_date(days[most])}: {totals[most]}" if totals[most] else ""
    return f"{counted(sum(totals), what)} in {counted(len(days), 'day')} ({of}){peak}"
