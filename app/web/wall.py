"""Times as people type them, in their own time zone. Pure."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.errors import Fault, Invalid
from app.walltime import instant, on_the_wall, parse_instant

MORNING = time(8)


def morning(now: datetime, zone: ZoneInfo) -> datetime:
    """The next 08:00 on the wall."""
    local = on_the_wall(now, zone)
    day = local.date() if local.time() < MORNING else local.date() + timedelta(days=1)
    return instant(datetime.combine(day, MORNING), zone)


def parse(text: str, zone: ZoneInfo, field: str) -> datetime:
    """What a browser's date and time field sends (`2026-11-23T09:30`), as an instant. Raises Invalid."""
    try:
        return parse_instant(text, zone)
    except ValueError as error:
        raise Invalid(f'{field}: "{text}" {error}', [Fault(field, str(error))]) from None


def reread(text: str, before: datetime, zone: ZoneInfo, field: str) -> datetime:
    """`before` where the field still says it, which has no seconds and no second 02:30; else as `parse`."""
    return before if text == write(before, zone) else parse(text, zone, field)


def write(at: datetime, zone: ZoneInfo) -> str:
    """The form a browser's date and time field takes."""
    return f"{on_the_wall(at, zone):%Y-%m-%dT%H:%M}"
