"""When a wall clock shows a time: the one rule for clock changes, how an instant is read, and how one is shown. Pure."""

import re
from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import WithJsonSchema

Stamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]  # an instant as RFC 3339 text
SECOND = timedelta(seconds=1)
YEARS = range(1970, 2200)  # the zone database is a guess outside
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)? ?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_EXAMPLE = "2026-11-02T09:00:00+01:00"


def parse_instant(text: str, zone: ZoneInfo | None = None) -> datetime:
    """RFC 3339 as people type it (`2026-11-02T09:00+01:00`, `2026-11-02 08:00Z`) -> the instant in UTC.

    Without an offset it is what the wall clock in `zone` shows, and refused where there is no zone. Raises ValueError with the
    rest of a sentence that begins with what was typed. Everything that takes a time from outside reads it here.
    """
    try:
        at = datetime.fromisoformat(text.upper()) if _INSTANT.fullmatch(text.upper()) else None
    except ValueError:
        at = None
    if at is None:
        raise ValueError(f"is not a time; write {_EXAMPLE if zone is None else '2026-11-02T09:00'}")
    if at.year not in YEARS:
        raise ValueError(f"is not within the years {YEARS.start} to {YEARS.stop - 1}")
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    if zone is None:
        raise ValueError(f"has no offset; write {_EXAMPLE}")
    return instant(at, zone)


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which `wall` (naive) is reached in `zone`.

    A time that exists twice is its first; one that does not exist is the first instant that does exist after it,
    which is the clock change itself, even where a whole day is missing (Pacific/Apia, 2011-12-30).
    """
    local = wall.replace(tzinfo=zone, fold=0)
    at = local.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    # In a gap fold=0 reads the clock as before the change, so `at` is too late; fold=1 as after it: too early.
    before = local.replace(fold=1).astimezone(UTC)
    seconds = range((at - before) // SECOND + 1)
    return before + bisect_left(seconds, True, key=lambda n: on_the_wall(before + n * SECOND, zone) > wall) * SECOND


def on_the_wall(at: datetime, zone: ZoneInfo) -> datetime:
    """What the clock in `zone` shows at `at`, naive."""
    return at.astimezone(zone).replace(tzinfo=None)


def midnight(day: datetime) -> datetime:
    """The beginning of the wall clock's day."""
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def utc(at: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError for a time without an offset."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no offset, so it is ambiguous")
    return at.astimezone(UTC)


def stamp(at: datetime) -> str:
    """An instant where nobody's zone is known, in a terminal or a log: `2026-11-02 08:00:00Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def short_date(day: date) -> str:
    """`Mon 23 Nov`."""
    return f"{day:%a} {day.day} {day:%b}"


def short_day(at: datetime, zone: ZoneInfo) -> str:
    """The same of the day of an instant."""
    return short_date(at.astimezone(zone))


def clock(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`14:05` today, `Tue 24 Nov 14:05` otherwise, with the year when it is another one."""
    local, today = at.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    year = f" {local.year}" if local.year != today.year else ""
    return f"{short_day(at, zone)}{year} {local:%H:%M}"


def exact(at: datetime, zone: ZoneInfo) -> str:
    """The whole moment: `Mon 23 Nov 2026 14:05:09 CET`."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y %H:%M:%S %Z}"
