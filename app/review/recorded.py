"""Recorded samples as a file holds them: `timestamp,value[,label...]`, one sample a line. Pure."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

from app.checks.model import status_value
from app.checks.probe import Status
from app.errors import Fault, Invalid
from app.rules.evaluate import series_name
from app.rules.model import Point
from app.walltime import parse_instant

FIRST = ("timestamp", "value")
CODES = (Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN)  # by number, as monitoring plugins count them
MOST_FAULTS = 20
WALL = ZoneInfo("UTC")  # what a time without an offset is meant in


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: the series it belongs to, and the result as a rule sees it."""

    series: str
    point: Point


def read(lines: Iterable[str], of_status: bool) -> list[Sample]:
    """The samples, oldest first. Raises Invalid with each line that is wrong.

    The first line names the columns: `timestamp,value` and any labels. Times are RFC 3339 or `YYYY-MM-DD HH:MM:SS` in UTC; an
    empty value is unknown. of_status: values are results, by word (`critical`) or number (0 ok to 3 unknown).
    """
    rows = csv.reader(lines)
    try:
        header = _header(next(rows, []))
        samples, faults = _samples(rows, header, of_status)
    except csv.Error as error:
        raise Invalid(f"line {rows.line_num} is not valid CSV: {error}") from None
    if faults:
        raise Invalid("1 invalid line" if len(faults) == 1 else f"{len(faults)} invalid lines", faults[:MOST_FAULTS])
    return sorted(samples, key=lambda sample: sample.point.at)


def by_instant(samples: Iterable[Sample]) -> Iterator[tuple[datetime, dict[str, Point]]]:
    """What came at each instant, by series; a series that came twice is given twice."""
    for at, group in groupby(samples, key=lambda sample: sample.point.at):
        found: dict[str, Point] = {}
        for sample in group:
            if sample.series in found:
                yield at, found
                found = {}
            found[sample.series] = sample.point
        yield at, found


def _header(row: list[str]) -> list[str]:
    header = [name.strip() for name in row]
    if tuple(header[:2]) != FIRST:
        raise Invalid("the first line must name the columns: timestamp,value, then any labels")
    if "" in header or len(set(header)) < len(header):
        raise Invalid("the first line must give each column a different name")
    return header


def _samples(rows: Any, header: list[str], of_status: bool) -> tuple[list[Sample], list[Fault]]:
    """The samples, and each line that is wrong. A quoted text may go over several lines; the first of them is named."""
    samples, faults, line = [], [], rows.line_num + 1
    for row in rows:
        try:
            if row:
                samples.append(_sample(header, row, of_status))
        except ValueError as error:
            faults.append(Fault(f"line {line}", str(error)))
        line = rows.line_num + 1
    return samples, faults


def _sample(header: list[str], row: list[str], of_status: bool) -> Sample:
    if len(row) != len(header):
        raise ValueError(f"{len(row)} columns; the first line names {len(header)}")
    at, text = _instant(row[0].strip()), row[1].strip()
    labels = {name: value for name, value in zip(header[2:], row[2:], strict=True) if value}
    return Sample(series_name(labels), _result(at, text) if of_status else Point(at, _number(text)))


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text, WALL)
    except ValueError as error:
        raise ValueError(f"{text!r} {error}") from None


def _number(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text.replace("_", "?"))  # Python's own 1_000 is not everybody's
    except ValueError:
        raise ValueError(f"{text!r} is not a number; leave it empty where the value is unknown") from None
    return value if isfinite(value) else None


def _result(at: datetime, text: str) -> Point:
    """A result: `critical`, or 2."""
    status = next((one for number, one in enumerate(CODES) if text.lower() in (one.value, str(number), f"{number}.0")), None)
    if text and status is None:
        raise ValueError(f"{text!r} is not a result; write {', '.join(one.value for one in CODES)}, or 0 to 3")
    status = status or Status.UNKNOWN
    return Point(at, status_value(status), status, status.value)
