"""Values of one SELECT on PostgreSQL, MySQL or SQLite: orders per minute, unpaid invoices, users signed up.

Metrics: each numeric column of the first row, under the column's name. If there are text columns, or more than one row, every
row also gives one value per numeric column, labelled with its text columns (or its row number).

Ok if every column has a value, unless the first metric exceeds `warning_*` or `critical_*` (if there are several rows, the
worst counts). `empty` sets the status if there is no row. NULL, NaN and infinity do not count as values. Unknown, never
critical: a column without any value, missing values in the column that has limits, or a query that fails. The query cannot
write: it runs in a READ ONLY transaction (SQLite: the file is opened read-only), as a single statement, with a role without
dangerous privileges, and with a timeout.
"""

import math
import re
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any, Literal

from app.checks.limits import Limits
from app.checks.own import own_reader
from app.checks.probe import Field, Reading, Run, Series, Spec, Status, Unknown, probe, worst
from app.failure import Failed
from app.net.sql import Limits as QueryLimits
from app.net.sql import SqlUrl, ask
from app.net.sql.answer import Row

# What a database calls a column that the query does not name: PostgreSQL `?column?`, the others the expression itself.
NAMELESS = re.compile(r"^\?column\?$|^[\d'\"-]|\(")
NUMBERS = (int, float, Decimal, timedelta)  # bool is an int


class Question(Limits, Spec):
    """The query, its database and its limits."""

    url: SqlUrl | None = Field(
        default=None,
        description="postgresql://, mysql:// or mariadb:// URL with a read-only role, or sqlite:////absolute/path;"
        " unset = Tocsin's own database, as tocsin_reader",
    )
    query: str = Field(
        min_length=1,
        max_length=20_000,
        description="one SELECT; every column must have a name",
        examples=["select count(*) as orders from orders"],
    )
    max_rows: int = Field(default=100, ge=1, le=1000, description="maximum number of rows; more are an error")
    max_bytes: int = Field(default=262_144, ge=1, le=16_777_216, description="maximum number of bytes; more are an error")
    empty: Literal["ok", "unknown", "warning", "critical"] = Field(
        default="unknown", description="status if there is no row: `ok` for queries that find problems"
    )


@probe(on_timeout=Status.UNKNOWN, metrics=lambda _: None)
async def measure(spec: Question, run: Run) -> Reading:
    limits = QueryLimits(run.timeout, spec.max_rows, spec.max_bytes)
    try:
        answer = await ask(spec.url or own_reader(), spec.query, limits)
    except Failed as failed:
        raise Unknown(str(failed)) from None
    if not answer.rows:
        return Reading(Status(spec.empty), "no rows")
    return _reading(answer.names, answer.rows, spec)


def _reading(names: list[str], rows: list[Row], spec: Question) -> Reading:
    kinds = [_kind(name, [row[index] for row in rows]) for index, name in enumerate(names)]
    if len(set(names)) != len(names) or any(NAMELESS.search(name) for name in names):
        raise Unknown("every column needs a unique name: select count(*) as orders")
    if "number" not in kinds:
        raise Unknown("no column is numeric, so there is nothing to measure")
    found = [_numbers(names, kinds, row) for row in rows]
    labels = [_labels(names, kinds, row, position) for position, row in enumerate(rows, 1)]
    several = "text" in kinds or len(rows) > 1
    series = [
        Series(name, value, row_labels) for row, row_labels in zip(found, labels, strict=True) for name, value in row.items()
    ]
    status, message = _judged([name for name, kind in zip(names, kinds, strict=True) if kind == "number"], found, labels, spec)
    return Reading(status, message, found[0], tuple(series) if several else ())


def _judged(
    columns: list[str], found: list[dict[str, float]], labels: list[dict[str, str]], spec: Question
) -> tuple[Status, str]:
    """The status and the message: values of the first column, and missing values of every column."""
    first, single = columns[0], len(found) == 1
    values: dict[str, float] = {}
    for position, (row, row_labels) in enumerate(zip(found, labels, strict=True), 1):
        if first in row:
            name = first if single else f"{first} of {', '.join(row_labels.values())}"
            values[f"{name} (row {position})" if name in values else name] = row[first]
    grade, reasons = spec.judge(values)
    summary = [f"{first} {found[0][first]:g}"] if first in found[0] else []
    missing = {name: count for name in columns if (count := sum(name not in row for row in found))}
    unknown = any(count == len(found) or (name == first and spec.judges) for name, count in missing.items())
    gap_texts = [f"{name} has no value{_of(count, len(found))}: NULL, NaN or infinite" for name, count in missing.items()]
    parts = [*(reasons or summary), *([] if single else [f"{len(found)} rows"]), *gap_texts]
    return worst([Status(grade), Status.UNKNOWN if unknown else Status.OK]), "; ".join(parts)


def _of(missing: int, rows: int) -> str:
    return f" in {missing} of {rows} rows" if rows > 1 else ""


def _labels(names: list[str], kinds: list[str], row: Row, position: int) -> dict[str, str]:
    """The text columns of a row, or its number."""
    if "text" not in kinds:
        return {"row": str(position)}
    columns = zip(names, kinds, row, strict=True)
    return {name: str(value) for name, kind, value in columns if kind == "text" and value is not None}


def _kind(name: str, values: list[Any]) -> str:
    known = [value for value in values if value is not None]
    if any(isinstance(value, date | datetime | time_of_day) for value in known):
        raise Unknown(f'column "{name}" is a time; write extract(epoch from now() - {name}) as {name}_seconds')
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
