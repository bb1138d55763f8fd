"""Hours: named ranges of local time, such as `office`. When are they open, until when, and when do they open next? Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from app.holiday import Holiday, is_holiday
from app.oncall.model import Only, Span
from app.oncall.rotation import open_times
from app.people.model import Zone
from app.walltime import instant, midnight, on_the_wall, short_day, utc

DAY = timedelta(days=1)
# How far ahead is looked for the next opening or closing; most are near. Beyond the last, hours count as never changing.
REACHES = (timedelta(days=8), timedelta(days=60), timedelta(days=800))

Holidays = Annotated[tuple[Holiday, ...], BeforeValidator(lambda value: [value] if isinstance(value, str | date) else value)]


class Hours(Only):
    """A range of local time on each of `days` (default: every day), closed on holidays."""

    timezone: Zone | None = Field(default=None, description="time zone; default: defaults.timezone")
    holidays: Holidays = Field(
        default=(),
        description="days on which the hours are closed: public holidays of a country (FR) or region (DE-BY), a date,"
        " or a list",
        examples=["FR"],
    )

    def open_times(self, default: ZoneInfo, start: datetime, end: datetime) -> list[Span]:
        """When they are open around [start, end): sorted, disjoint, may reach beyond either end.

        A range that would begin on a holiday does not, and one that reaches into a holiday ends with the day before it.
        """
        zone = default if self.timezone is None else ZoneInfo(self.timezone)
        if not self.holidays:
            return open_times((self,), zone, start, end)
        spans = open_times((self,), zone, start, end, closed=lambda day: is_holiday(self.holidays, day))
        return [piece for span in spans for piece in _without(span, self.holidays, zone)]


def _without(span: Span, holidays: Sequence[str], zone: ZoneInfo) -> Iterator[Span]:
    """What of a span does not lie on a holiday; it spans days where ranges touch."""
    start, day = span.start, midnight(on_the_wall(span.start, zone))
    while start < span.end:
        following = instant(day + DAY, zone)
        if is_holiday(holidays, day.date()):
            start = following
        elif following >= span.end or is_holiday(holidays, (day + DAY).date()):
            yield Span(start, min(following, span.end))
            start = following
        day += DAY


def _covers(spans: Sequence[Span], at: datetime) -> bool:
    index = bisect_right(spans, at, key=lambda span: span.start) - 1
    return index >= 0 and at < spans[index].end


@dataclass(frozen=True, slots=True)
class Timetable:
    """The declared hours by name; `zone` is that of those that name none."""

    named: Mapping[str, Hours]
    zone: ZoneInfo

    def open_at(self, at: datetime) -> tuple[str, ...] | None:
        """The names of those that are open at `at`, in declared order; None where none are declared at all."""
        return tuple(name for name in self.named if self.is_open(name, at)) if self.named else None

    def is_open(self, name: str, at: datetime) -> bool:
        """Whether these are open at `at`."""
        at = utc(at)
        return any(span.start <= at < span.end for span in self.named[name].open_times(self.zone, at, at))

    def opens(self, name: str, at: datetime) -> datetime | None:
        """`at` itself while they are open, else when they open next; None when they never do, or are not declared."""
        if name not in self.named or self.is_open(name, at):
            return at if name in self.named else None
        return next((span.start for reach in REACHES for span in self.spans(name, at, at + reach)), None)

    def changes(self, name: str, at: datetime) -> datetime | None:
        """When they open or close next, after `at`; None when they never do, or are not declared."""
        for reach in REACHES if name in self.named else ():
            end = utc(at) + reach
            found = [bound for span in self.spans(name, at, end) for bound in (span.start, span.end) if utc(at) < bound < end]
            if found:
                return found[0]
        return None

    def spans(self, name: str, start: datetime, end: datetime) -> list[Span]:
        """When these are open within [start, end): sorted, disjoint, clipped."""
        start, end = utc(start), utc(end)
        spans = self.named[name].open_times(self.zone, start, end)
        return [Span(max(one.start, start), min(one.end, end)) for one in spans if one.start < end and one.end > start]

    def stretches(self, start: datetime, end: datetime) -> list[tuple[Span, tuple[str, ...]]]:
        """[start, end) cut where any hours open or close, each piece with the names of those that are open in it."""
        start, end = utc(start), utc(end)
        spans = {name: self.spans(name, start, end) for name in self.named}
        bounds = sorted({start, end, *(bound for found in spans.values() for one in found for bound in (one.start, one.end))})
        return [
            (Span(low, high), tuple(name for name, found in spans.items() if _covers(found, low)))
            for low, high in pairwise(bounds)
        ]

    def written(self, name: str, at: datetime, now: datetime) -> str:
        """How people of these hours write `at`: `09:00` within a day of `now`, else `Mon 23 Nov 09:00`."""
        hours = self.named.get(name)
        zone = self.zone if hours is None or hours.timezone is None else ZoneInfo(hours.timezone)
        local = at.astimezone(zone)
        return f"{local:%H:%M}" if at - now < DAY else f"{short_day(at, zone)} {local:%H:%M}"
