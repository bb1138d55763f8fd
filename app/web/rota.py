"""A schedule as a picture: layers above, final schedule below, gaps, overrides, days, clock changes, now. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.oncall.model import Shift, Span
from app.units import format_duration
from app.walltime import instant, midnight, on_the_wall


@dataclass(frozen=True, slots=True)
class Bar:
    """A shift, or a gap (`user` empty), as shares of the width in per cent."""

    x: float
    width: float
    user: str
    start: datetime
    end: datetime
    kind: str  # layer, override, swap, gap
    mine: bool


@dataclass(frozen=True, slots=True)
class Day:
    """A day's column; `change` says by how much clocks change in it: `-1h`."""

    x: float
    width: float
    name: str
    number: str
    weekend: bool
    change: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the picture."""

    name: str
    bars: tuple[Bar, ...]
    final: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A schedule over a stretch of days."""

    days: tuple[Day, ...]
    rows: tuple[Row, ...]
    now: float | None  # per cent, when it is within


def window(now: datetime, days: int, shift: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From midnight `shift` days from today, for so many days of the wall clock."""
    first = midnight(on_the_wall(now, zone)) + timedelta(days=shift)
    return instant(first, zone), instant(first + timedelta(days=days), zone)


def picture(
    layers: Mapping[str, Sequence[Shift]],
    final: Sequence[Shift],
    gaps: Sequence[Span],
    span: tuple[datetime, datetime],
    zone: ZoneInfo,
    me: str,
    now: datetime,
) -> Picture:
    """Place everything on one scale."""
    start, end = span
    total = (end - start).total_seconds()

    def share(at: datetime) -> float:
        return round(100 * (at - start).total_seconds() / total, 3)

    def bar(user: str, begin: datetime, finish: datetime, kind: str) -> Bar:
        left, right = share(max(begin, start)), share(min(finish, end))
        return Bar(left, round(right - left, 3), user, begin, finish, kind, user == me)

    rows = [Row(name, tuple(bar(s.user, s.start, s.end, "layer") for s in shifts)) for name, shifts in layers.items()]
    held = [bar(s.user, s.start, s.end, s.source.value) for s in final]
    open_ = [bar("", gap.start, gap.end, "gap") for gap in gaps]
    rows.append(Row("final", tuple(sorted(held + open_, key=lambda one: one.x)), final=True))
    return Picture(_days(start, end, zone, share), tuple(rows), share(now) if start <= now < end else None)


def _days(start: datetime, end: datetime, zone: ZoneInfo, share: Callable[[datetime], float]) -> tuple[Day, ...]:
    found, wall = [], midnight(on_the_wall(start, zone))
    at = start
    while at < end:
        following = instant(wall + timedelta(days=1), zone)
        width = round(share(min(following, end)) - share(at), 3)
        change = (following.astimezone(zone).utcoffset() or timedelta()) - (at.astimezone(zone).utcoffset() or timedelta())
        found.append(Day(share(at), width, f"{wall:%a}", f"{wall.day}", wall.weekday() >= 5, _signed(change)))
        wall, at = wall + timedelta(days=1), following
    return tuple(found)


def _signed(change: timedelta) -> str:
    return f"{'+' if change > timedelta(0) else '−'}{format_duration(abs(change))}" if change else ""
