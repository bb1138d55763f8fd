"""Durations, ratios, counts and words as people write and read them: `30s`, `1h30m`, `1 h 30 min`, `40%`, `1 value`.

A duration has two forms: `format_duration` writes what a file or a command holds, and reads back as the same; `length` says how
long something took or is ago, to people. Pure.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

LONGEST = timedelta(days=36_525)  # a hundred years: no time that it is added to leaves the calendar
SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[wdhms])")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[wdhms]))+")


def parse_duration(text: object) -> timedelta:
    """`1h30m` -> timedelta. Raises ValueError with the forms that are understood."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration; write 30s, 5m, 1h30m, 2d or 1w")
    total = sum(float(number) * (0.001 if unit == "ms" else SECONDS[unit]) for number, unit in _PART.findall(text))
    if total > LONGEST.total_seconds():
        raise ValueError(f"{text!r} is longer than 100 years")
    return timedelta(seconds=total)


def format_duration(length: timedelta) -> str:
    """The shortest exact form that people use: 5400 s -> `1h30m`; 30 days -> `30d`, whole weeks -> `2w`; 0 -> `0s`."""
    left = round(length.total_seconds() * 1000)
    parts = []
    for unit, size in SECONDS.items():
        if unit == "w" and left % (size * 1000):
            continue
        count, left = divmod(left, size * 1000)
        if count:
            parts.append(f"{count}{unit}")
    if left:
        parts.append(f"{left}ms")
    return "".join(parts) or "0s"


def format_seconds(seconds: float) -> str:
    """The same of a number of seconds."""
    return format_duration(timedelta(seconds=seconds))


WRITTEN = f"^{_WHOLE.pattern}$"  # the pattern of a duration in a JSON Schema
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": WRITTEN, "examples": ["30s", "5m", "1h30m"]}),
]


_WORDS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def length(of: float | timedelta) -> str:
    """The two largest units that matter: `45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`; seconds only below ten minutes.

    `length` of static/console.js says the same while a page ticks.
    """
    left = int(abs(of.total_seconds() if isinstance(of, timedelta) else of))
    for index, (size, unit) in enumerate(_WORDS):
        if left >= size:
            count, rest = divmod(left, size)
            small = _WORDS[index + 1] if index < 3 else None
            lower = rest // small[0] if small and not (small[1] == "s" and count >= 10) else 0
            return f"{count} {unit} {lower} {small[1]}" if small and lower else f"{count} {unit}"
    return "0 s"


def measured(seconds: float) -> str:
    """A measured time, three digits of it: `250 ms`, `1.25 s`; a longer one as `length` says it."""
    if abs(seconds) < 0.9995:  # what is more has 1 s as its three digits
        return f"{seconds * 1000:.3g} ms" if seconds else "0 s"
    return f"{'-' if seconds < 0 else ''}{length(seconds)}" if abs(seconds) >= 120 else f"{seconds:.3g} s"


def counted(count: float, one: str, many: str = "") -> str:
    """`1 value`, `3 values`; `many` where a plural is not made by an s."""
    return f"{count:.0f} {one if count == 1 else many or f'{one}s'}"


def rounded(value: float, beside: float | None = None) -> str:
    """A figure of three digits: `0.033`, `1234`; of six where three would make it the same as what it is compared with."""
    text = f"{value:.0f}" if 999.5 <= abs(value) < 1e6 else f"{value:.3g}"
    return text if beside is None or value == beside or float(text) != beside else f"{value:.6g}"


BYTES = ("B", "kB", "MB", "GB", "TB", "PB")
BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def scaled(value: float, units: Sequence[str], step: int) -> str:
    """A figure of three digits in the largest unit that it fills, each unit `step` of the one before: `1.5 GB`."""
    at = 0
    while at < len(units) - 1 and abs(float(rounded(value))) >= step:  # as it is written: 999.7 kB is 1 MB
        value, at = value / step, at + 1
    return f"{rounded(value)} {units[at]}"


def binary(size: float) -> str:
    """A number of bytes as file systems count them: `1.5 KiB`."""
    return scaled(size, BINARY, 1024)


def parse_percent(value: Any) -> float:
    """`40%` -> 0.4. Raises ValueError for anything that carries no percent sign."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a percentage; write 40%")
    return float(match[1]) / 100
