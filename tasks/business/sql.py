"""What one SELECT on a PostgreSQL, MySQL or SQLite database answers: orders per minute, unpaid invoices, users signed up.

Metrics: each numeric column of the first row, under the column's name. With text columns, or more rows than one, every row
also gives one value per numeric column, labelled with the text columns (or its number). No row gives no metric. It is ok when
it ran, unless `warning_*` or `critical_*` judge the first metric; when it could not run it is unknown, never critical.
The query cannot write: READ ONLY transaction (SQLite: the file is opened so), one statement, a role without dangerous rights,
and an end in time.
"""

import math
import re
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

from app.checks.probe import CannotTell, Field, Reading, Run, Series, Spec, Status, own_reader, probe
from app.net.failure import Failed
from app.net.sql import Limits, SqlUrl, ask
from app.net.sql.answer import Row

# What a database calls a column that the query does not name: PostgreSQL `?column?`, the others the expression itself.
NAMELESS = re.compile(r"^\?column\?$|^[\d'\"-]|\(")
NUMBERS = (int, float, Decimal, timedelta)  # bool is an int


class Question(Spec):
    """What is asked of which database."""

    url: SqlUrl | None = Field(
        default=None,
        description="postgresql://, mysql:// or mariadb:// URL of a role that may only read, or sqlite:////absolute/path; "
        "unset = Tocsin's own database, as tocsin_reader",
    )
    query: str = Field(min_length=1, max_length=20_000, description="one SELECT; every column has a name")
    max_rows: int = Field(default=100, ge=1, le=1000, description="rows that are read; more are an error")
    max_bytes: int = Field(default=262_144, ge=1, le=16_777_216, description="bytes that are read; more are an error")
    warning_below: float | None = Field(default=None, description="first metric below this warns")
    critical_below: float | None = Field(default=None, description="first metric below this is critical")
    warning_above: float | None = Field(default=None, description="first metric above this warns")
    critical_above: float | None = Field(default=None, description="first metric above this is critical")


@probe(on_timeout=Status.UNKNOWN)
async def measure(spec: Question, run: Run) -> Reading:
    limits = Limits(run.timeout, spec.max_rows, spec.max_bytes)
    try:
        answer = await ask(spec.url or own_reader(), spec.query, limits)
    except Failed as failed:
        raise CannotTell(str(failed)) from None
    if not answer.rows:
        return Reading(Status.OK, "no rows")
    return _reading(answer.names, answer.rows, spec)


def _reading(names: list[str], rows: list[Row], spec: Question) -> Reading:
    kinds = [_kind(name, [row[index] for row in rows]) for index, name in enumerate(names)]
    if len(set(names)) != len(names) or any(NAMELESS.search(name) for name in names):
        raise CannotTell("every column needs a name of its own: select count(*) as orders")
    if "number" not in kinds:
        raise CannotTell("no column is a number, so there is nothing to measure")
    metrics = _numbers(names, kinds, rows[0])
    series: list[Series] = []
    if "text" in kinds or len(rows) > 1:
        for position, row in enumerate(rows, 1):
            labels = {
                name: str(value)
                for name, kind, value in zip(names, kinds, row, strict=True)
                if kind == "text" and value is not None
            }
            if "text" not in kinds:
                labels = {"row": str(position)}
            series += [Series(name, value, labels) for name, value in _numbers(names, kinds, row).items()]
    first = names[kinds.index("number")]
    status = _judge(metrics.get(first), spec)
    told = f"{first} {metrics[first]:g}" if first in metrics else f"{first} has no value"
    return Reading(status, told if len(rows) == 1 else f"{told}; {len(rows)} rows", metrics, tuple(series))


def _kind(name: str, values: list[Any]) -> str:
    known = [value for value in values if value is not None]
    if any(isinstance(value, date | datetime | time_of_day) for value in known):
        raise CannotTell(f'column "{name}" is a time; write extract(epoch from now() - {name}) as {name}_seconds')
    if known and not all(isinstance(value, NUMBERS) for value in known):
        return "text"
    return "number"  # also a column of nothing but NULL: a sum over no rows


def _numbers(names: list[str], kinds: list[str], row: Row) -> dict[str, float]:
    """The finite numbers of a row; NULL and NaN are no value."""
    found = {}
    for name, kind, value in zip(names, kinds, row, strict=True):
        if kind == "number" and value is not None:
            number = value.total_seconds() if isinstance(value, timedelta) else float(value)
            if math.isfinite(number):
                found[name] = number
    return found


def _judge(value: float | None, spec: Question) -> Status:
    if value is None:
        return Status.OK
    for low, high, status in (
        (spec.critical_below, spec.critical_above, Status.CRITICAL),
        (spec.warning_below, spec.warning_above, Status.WARNING),
    ):
        if (low is not None and value < low) or (high is not None and value > high):
            return status
    return Status.OK
