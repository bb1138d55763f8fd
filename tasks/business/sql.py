"""What one SELECT on a PostgreSQL database answers: orders per minute, unpaid invoices, users signed up.

Metrics: each numeric column of the first row, under the column's name. With text columns, or more rows than one, every row
also gives one value per numeric column, labelled with the text columns (or its number). No row gives no metric. It is ok when
it ran, unless `warning_*` or `critical_*` judge the first metric; when it could not run it is unknown, never critical.
The query cannot write: READ ONLY transaction, one statement, a role without dangerous rights, and an end in time.
"""

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

import psycopg

from app.checks.probe import CannotTell, Field, Reading, Run, Series, Spec, Status, own_reader, probe
from app.net.failure import Failed
from app.net.postgres import ASK, DatabaseUrl, Session, session

# Rights with which a function call harms although the transaction is READ ONLY: run programs, write files, end sessions.
# COPY ... TO PROGRAM ran a shell in a READ ONLY transaction here, as superuser.
RIGHTS = """
select me.rolname, session_user <> current_user as disguised,
       case when me.rolsuper then array['superuser']
            else array_remove(array[case when me.rolcreaterole then 'createrole' end,
                                    case when me.rolreplication then 'replication' end], null)
              || array(select rolname::text from pg_roles
                        where rolname in ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files',
                                          'pg_signal_backend', 'pg_write_all_data')
                          and pg_has_role(me.oid, oid, 'member')) end as dangerous
  from pg_roles me where me.rolname = session_user
"""

# The first statement of the transaction: after it nothing can make the transaction writable any more.
LOCK_IN = """
select 1, set_config('statement_timeout', %(ms)s, true), set_config('lock_timeout', %(ms)s, true),
       set_config('idle_in_transaction_session_timeout', %(ms)s, true)
"""

Row = Sequence[Any]
NUMBERS = (int, float, Decimal, timedelta)  # bool is an int


class Question(Spec):
    """What is asked of which database."""

    url: DatabaseUrl | None = Field(
        default=None, description="postgresql:// URL of a role that may only read; unset = Tocsin's own, as tocsin_reader"
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
    try:
        async with session(spec.url or own_reader(), run.timeout) as database:
            await _refuse_danger(database)
            await database.set_autocommit(False)
            await database.set_read_only(True)
            await database.execute(LOCK_IN, {"ms": str(max(1, int(run.timeout * ASK * 1000)))})
            names, rows = await _ask(database, spec)
    except Failed as failed:
        raise CannotTell(str(failed)) from None
    except (psycopg.Error, UnicodeError) as error:
        raise CannotTell(f"the query failed: {str(error).strip().partition(chr(10))[0]}") from None
    if not rows:
        return Reading(Status.OK, "no rows")
    return _reading(names, rows, spec)


async def _refuse_danger(database: Session) -> None:
    row = await (await database.execute(RIGHTS)).fetchone()
    name, disguised, dangerous = row or ("?", True, [])
    if dangerous or disguised:
        what = ", ".join(dangerous) or "another identity"
        raise CannotTell(
            f'role "{name}" has dangerous rights ({what}); make one that may only read: '
            "create role watch login; grant pg_read_all_data to watch"
        )


async def _ask(database: Session, spec: Question) -> tuple[list[str], list[Row]]:
    """Column names and rows, one row at a time from the server. The extended protocol takes one statement only."""
    rows: list[Row] = []
    size = 0
    async with database.cursor() as cursor:
        stream = cursor.stream(spec.query.encode())
        try:
            async for row in stream:
                result = cursor.pgresult
                assert result is not None
                size += sum(len(result.get_value(0, column) or b"") for column in range(result.nfields))
                if len(rows) == spec.max_rows:
                    raise CannotTell(f"more than {spec.max_rows} rows; aggregate, or add a limit")
                if size > spec.max_bytes:
                    raise CannotTell(f"more than {spec.max_bytes} bytes; select less")
                rows.append(row)
        finally:
            await stream.aclose()  # type: ignore[attr-defined]  # a generator; cancels what still runs
        return [column.name for column in cursor.description or ()], rows


def _reading(names: list[str], rows: list[Row], spec: Question) -> Reading:
    kinds = [_kind(name, [row[index] for row in rows]) for index, name in enumerate(names)]
    if len(set(names)) != len(names) or "?column?" in names:
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
