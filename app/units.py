"""Durations, ratios, counts and words as people write them: `30s`, `1h30m`, `2 of 3`, `40%`, `1 value`. Pure."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

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
    try:
        return timedelta(seconds=total)
    except OverflowError:
        raise ValueError(f"{text!r} is longer than any clock") from None


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


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{_WHOLE.pattern}$", "examples": ["30s", "5m", "1h30m"]}),
]


def counted(count: float, one: str, many: str = "") -> str:
    """`1 value`, `3 values`; `many` where a plural is not made by an s."""
    return f"{count:.0f} {one if count == 1 else many or f'{one}s'}"


def parse_percent(value: Any) -> float:
    """`40%` -> 0.4. Raises ValueError for anything that carries no percent sign."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a percentage; write 40%")
    return float(match[1]) / 100
