"""How much of the coming days somebody is on call. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.oncall.model import Override, Schedule, Span
from app.oncall.needs import common
from app.oncall.resolve import Pageable, gaps


@dataclass(frozen=True, slots=True)
class Coverage:
    """`share` of the time asked for that is covered, 0 to 1, and 1.0 exactly when there are no `gaps`."""

    share: float
    gaps: tuple[Span, ...]
    needed: timedelta | None = None  # how much of the time is asked for, where routes need only some hours; None: all of it

    @property
    def percent(self) -> float:
        """For people and `--fail-under`: two decimals, and 100.0 only where there is no gap at all."""
        return min(round(self.share * 100, 2), 99.99) if self.gaps else 100.0


def coverage(
    schedule: Schedule,
    zone: ZoneInfo,
    overrides: Iterable[Override],
    start: datetime,
    days: int,
    pageable: Pageable = None,
    needed: Sequence[Span] | None = None,
) -> Coverage:
    """Coverage of `days` times 24 h from `start`, or of the `needed` part of it. Raises ValueError when days < 1."""
    if days < 1:
        raise ValueError(f"days is {days}; must be at least 1")
    length = timedelta(days=days)
    open_ = tuple(gaps(schedule, zone, overrides, start, start + length, pageable))
    if needed is None:
        return Coverage((length - _sum(open_)) / length, open_)
    asked, open_ = _sum(needed), tuple(common(open_, needed))
    return Coverage((asked - _sum(open_)) / asked if asked else 1.0, open_, asked)


def _sum(spans: Iterable[Span]) -> timedelta:
    return sum((one.end - one.start for one in spans), timedelta())


def coverages(
    schedules: Mapping[str, Schedule],
    zone: ZoneInfo,
    overrides: Iterable[Override],
    start: datetime,
    days: int,
    pageable: Pageable = None,
    needed: Mapping[str, Sequence[Span]] | None = None,
) -> dict[str, Coverage]:
    """`coverage` of each schedule, in the given order; `overrides` may be of any schedule. needed: see `needs`."""
    everyone, parts = list(overrides), needed or {}
    return {
        name: coverage(one, zone, [o for o in everyone if o.schedule == name], start, days, pageable, parts.get(name))
        for name, one in schedules.items()
    }
