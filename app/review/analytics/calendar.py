"""Days, nights and weekends as instants, whatever the clocks of a zone do; the range before. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.errors import Fault, Invalid
from app.review.analytics.model import LONGEST, USUAL, Clock, Range
from app.walltime import instant, midnight, on_the_wall

NIGHT_FROM, NIGHT_TO = time(22), time(7)
SATURDAY = 5
DAY, MOMENT = timedelta(days=1), timedelta(microseconds=1)


def asked(days: int | None, start: datetime | None, end: datetime | None, zone: ZoneInfo, now: datetime) -> Range:
    """The range from `start` to `end` (default: now), or the last so many days until `end`. Raises Invalid."""
    if days is not None and start is not None:
        raise Invalid("give `days` or `from`, not both", [Fault("days", "is given together with `from`")])
    end = end or now
    return range_of(start or _first(days or USUAL, end, zone), end, zone)


def _first(days: int, end: datetime, zone: ZoneInfo) -> datetime:
    """When the first of so many days began, the last moment before `end` being in the last of them."""
    return instant(midnight(on_the_wall(end - MOMENT, zone)) - (days - 1) * DAY, zone)


def range_of(start: datetime, end: datetime, zone: ZoneInfo) -> Range:
    """[start, end) with its days, and the same hours as many days earlier. Raises Invalid."""
    if start >= end:
        raise Invalid("the range is empty: `from` must be before `to`", [Fault("from", "is not before `to`")])
    first, final = on_the_wall(start, zone), on_the_wall(end, zone)
    count = (on_the_wall(end - MOMENT, zone).date() - first.date()).days + 1
    if count > LONGEST:
        raise Invalid(
            f"the range is {count} days long; at most {LONGEST} are allowed",
            [Fault("from", f"is more than {LONGEST} days earlier")],
        )
    days = tuple(first.date() + n * DAY for n in range(count))
    back = count * DAY
    return Range(
        start=start,
        end=end,
        before_start=instant(first - back, zone),
        before_end=instant(final - back, zone),
        zone=zone,
        days=days,
    )


def midnights(of: Range) -> tuple[datetime, ...]:
    """When each of its days begins; the place of the last one that is not after an instant, from 1, is that of its day."""
    return tuple(instant(datetime.combine(day, time()), of.zone) for day in of.days)


def clock(of: Range, zone: ZoneInfo) -> Clock:
    """The nights and weekends of a zone that touch the range or the one before."""
    days = list(_days(of.before_start, of.end, zone))
    nights = [at for day in days for at in (datetime.combine(day, NIGHT_FROM), datetime.combine(day + DAY, NIGHT_TO))]
    saturdays = [day for day in days if day.weekday() == SATURDAY]
    weekends = [datetime.combine(day + n * DAY, time()) for day in saturdays for n in (0, 2)]
    return Clock(tuple(instant(at, zone) for at in nights), tuple(instant(at, zone) for at in weekends))


def _days(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[date]:
    """Every day whose night or weekend may touch that time."""
    day, final = on_the_wall(start, zone).date() - 2 * DAY, on_the_wall(end, zone).date()
    while day <= final:
        yield day
        day += DAY
