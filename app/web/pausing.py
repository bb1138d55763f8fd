"""The end of a pause, as it is chosen in the console. Pure."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from app.errors import Fault, Invalid
from app.units import parse_duration
from app.walltime import clock
from app.web import wall


def end(typed: Mapping[str, str], now: datetime, zone: ZoneInfo) -> datetime | None:
    """`for`: a length, `morning`, or empty until it is resumed; `until`, if typed, goes before it. Raises Invalid."""
    if until := typed.get("until", "").strip():
        return wall.parse(until, zone, "until")
    wanted = typed.get("for", "")
    try:
        return wall.morning(now, zone) if wanted == "morning" else now + parse_duration(wanted) if wanted else None
    except ValueError as error:
        raise Invalid(f"pause: {error}", [Fault("for", str(error))]) from None


def said(name: str, until: datetime | None, otherwise: str, now: datetime, zone: ZoneInfo) -> str:
    """What the toast says."""
    return f"{name} paused {f'until {clock(until, now, zone)}' if until else otherwise}"
