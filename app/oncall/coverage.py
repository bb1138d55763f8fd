"""How much of the coming days somebody holds the pager. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.oncall.model import Override, Schedule, Span
from app.oncall.resolve import Pageable, gaps


@dataclass(frozen=True, slots=True)
class Coverage:
    """`share` of the time that is covered, 0 to 1, and 1.0 exactly when there are no `gaps`."""

    share: float
    gaps: tuple[Span, ...]

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
) -> Coverage:
    """Coverage of `days` times 24 h from `start`. Raises ValueError when days < 1."""
    if days < 1:
        raise ValueError(f"coverage of {days} days says nothing; ask for at least 1")
    length = timedelta(days=days)
    open_ = tuple(gaps(schedule, zone, overrides, start, start + length, pageable))
    uncovered = sum((gap.end - gap.start for gap in open_), timedelta())
    return Coverage((length - uncovered) / length, open_)


def coverages(
    schedules: Mapping[str, Schedule],
    zone: ZoneInfo,
    overrides: Iterable[Override],
    start: datetime,
    days: int,
    pageable: Pageable = None,
) -> dict[str, Coverage]:
    """`coverage` of each schedule, in the given order; `overrides` may be of any schedule."""
    everyone = list(overrides)
    return {
        name: coverage(schedule, zone, [one for one in everyone if one.schedule == name], start, days, pageable)
        for name, schedule in schedules.items()
    }
