"""How a schedule is written: `1w`, `Mon 09:00`, `22:00`, `2026-11-02`. Parsed once, at the edge. Pure.

Every parser raises ValueError with the form that is understood, and lets through what is parsed already.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from app.walltime import YEARS

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LONGEST = timedelta(days=3660)  # between two hand-overs

_EVERY = re.compile(r"(\d{1,6})([hdw])")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_BOUND = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?")


class Unit(StrEnum):
    """What a rotation counts: elapsed hours, calendar days, calendar weeks."""

    HOURS = "h"
    DAYS = "d"
    WEEKS = "w"


@dataclass(frozen=True, slots=True)
class Every:
    """From one hand-over to the next: `12h`, `1d`, `2w`."""

    count: int
    unit: Unit

    @property
    def length(self) -> timedelta:
        """Elapsed time for hours; for days and weeks the distance on the wall's calendar."""
        hours = {Unit.HOURS: 1, Unit.DAYS: 24, Unit.WEEKS: 168}[self.unit]
        return timedelta(hours=self.count * hours)

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True, slots=True)
class Handoff:
    """The wall-clock time of a hand-over; `weekday` counts from Monday = 0, `at` from local midnight."""

    weekday: int | None
    at: timedelta

    def __str__(self) -> str:
        return ("" if self.weekday is None else f"{WEEKDAYS[self.weekday].title()} ") + write_time(self.at)


class Unquoted(ValueError):
    """A word that YAML reads as something else: quotes are missing."""


def text(value: object) -> object:
    """What YAML read as a number or a yes/no where a word is meant is refused; the rest is pydantic's to judge."""
    if isinstance(value, bool | int | float):
        raise Unquoted(f'{str(value).lower()} is not text; quote it: "{str(value).lower()}"')
    return value


def parse_every(value: object) -> Every:
    """`1w` -> Every(1, WEEKS)."""
    if isinstance(value, Every):
        return value
    match = _EVERY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a rotation interval; write 1w, 2d or 12h")
    every = Every(int(match[1]), Unit(match[2]))
    if every.count < 1:
        raise ValueError(f"{value!r} is too short; handoffs must be at least 1h apart")
    if every.length > LONGEST:
        raise ValueError(f"{value!r} is too long; handoffs must be at most ten years apart")
    return every


def parse_handoff(value: object) -> Handoff:
    """`Mon 09:00` -> Handoff(0, 9 h); `09:00` -> Handoff(None, 9 h)."""
    if isinstance(value, Handoff):
        return value
    day, space, clock = _word(value, "09:00").rpartition(" ")
    return Handoff(WEEKDAYS.index(parse_weekday(day)) if space else None, parse_time(clock))


def parse_weekday(value: object) -> str:
    """`Mon`, `monday` -> `mon`."""
    day = value.strip().lower() if isinstance(value, str) else ""
    if day in WEEKDAYS:
        return day
    if day in _FULL:
        return day[:3]
    raise ValueError(f"{value!r} is not a weekday; write one of {', '.join(WEEKDAYS)}")


def parse_time(value: object) -> timedelta:
    """`22:00` -> 22 h since local midnight."""
    if isinstance(value, timedelta):
        return value
    if value == "24:00":
        raise ValueError('"24:00" is only allowed in `to`; write "00:00"')
    match = _TIME.fullmatch(_word(value, "22:00"))
    if match is None:
        raise ValueError(f'{value!r} is not a time of day; write "22:00"')
    return timedelta(hours=int(match[1]), minutes=int(match[2]))


def parse_end(value: object) -> timedelta:
    """As `parse_time`, and `24:00` -> 24 h."""
    return timedelta(hours=24) if value == "24:00" else parse_time(value)


def write_time(at: timedelta) -> str:
    """22 h -> `22:00`; 24 h -> `24:00`."""
    hours, minutes = divmod(at // timedelta(minutes=1), 60)
    return f"{hours:02}:{minutes:02}"


def parse_date(value: object) -> date:
    """`2026-11-02`, as text or as YAML's own date; never a time, never a number."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        value = _from_iso(value).date()
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError(f"{value!r} is not a date; write 2026-11-02")
    _check_year(value)
    return value


def parse_bound(value: object) -> datetime:
    """`2026-12-24T18:00[:SS]` -> naive: a wall-clock time in the schedule's zone; with `Z` or `+01:00` -> aware."""
    if isinstance(value, str) and _BOUND.fullmatch(value):
        value = _from_iso(value)
    if not isinstance(value, datetime):
        raise ValueError(f'{value!r} is not a date and time; write "2026-12-24T18:00"')
    _check_year(value)
    return value


def write_bound(value: datetime) -> str:
    """The shortest exact form that `parse_bound` reads."""
    return value.isoformat(timespec="seconds" if value.second else "minutes")


def _word(value: object, example: str) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f'{value!r} is not text; quote it, as in "{example}"')


def _from_iso(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a valid date: {error}") from None


def _check_year(value: date) -> None:
    if value.year not in YEARS:
        raise ValueError(f"{value} is too far away; write a year from {YEARS.start} to {YEARS.stop - 1}")


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)})


Text = Annotated[str, BeforeValidator(text), Field(min_length=1)]
Between = Annotated[
    Every, BeforeValidator(parse_every), PlainSerializer(str, return_type=str), _schema("[1-9][0-9]*[hdw]", "1w", "1d", "12h")
]
HandoffTime = Annotated[
    Handoff,
    BeforeValidator(parse_handoff),
    PlainSerializer(str, return_type=str),
    _schema("([A-Za-z]+ )?[0-9]{2}:[0-9]{2}", "Mon 09:00", "09:00"),
]
Weekday = Annotated[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], BeforeValidator(parse_weekday)]
StartTime = Annotated[
    timedelta,
    BeforeValidator(parse_time),
    PlainSerializer(write_time, return_type=str),
    _schema("([01][0-9]|2[0-3]):[0-5][0-9]", "22:00"),
]
EndTime = Annotated[
    timedelta,
    BeforeValidator(parse_end),
    PlainSerializer(write_time, return_type=str),
    _schema("(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)", "06:00", "24:00"),
]
Day = Annotated[date, BeforeValidator(parse_date)]
Bound = Annotated[
    datetime,
    BeforeValidator(parse_bound),
    PlainSerializer(write_bound, return_type=str),
    _schema(_BOUND.pattern, "2026-12-24T18:00"),
]
