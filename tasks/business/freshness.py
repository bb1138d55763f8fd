"""Age of the newest row of a table: the import that stopped, the orders that no longer arrive.

Metrics: `age_seconds` of the newest row, negative if its time is in the future.

Warning and critical: older than `warning_after` and `critical_after`. `empty` sets the status if there is no row. A newest row
with a time in the future warns, since it would hide missing new rows. Unknown: the query fails. The query runs as in
`business.sql`: it cannot write.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import field_validator, model_validator

from app.checks.own import own_reader
from app.checks.probe import Duration, Field, Reading, Run, Spec, Status, Unknown, length, probe
from app.failure import Failed
from app.net.sql import Limits, SqlUrl, ask, quoted

NAME = r"^[^\x00-\x1f]+$"
PER_SECOND = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
SKEW = timedelta(minutes=1)  # clocks of two machines differ


class Target(Spec):
    """Where the newest row is found, and how old it may be."""

    url: SqlUrl | None = Field(
        default=None,
        description="postgresql://, mysql:// or mariadb:// URL with a read-only role, or sqlite:////absolute/path;"
        " unset = Tocsin's own database, as tocsin_reader",
    )
    table: str | None = Field(
        default=None, max_length=200, pattern=NAME, description="table, or schema.table; with `column`", examples=["orders"]
    )
    column: str | None = Field(
        default=None, max_length=100, pattern=NAME, description="column with the time of each row", examples=["created_at"]
    )
    query: str | None = Field(
        default=None,
        min_length=1,
        max_length=20_000,
        description="a SELECT that returns one time, instead of `table` and `column`",
    )
    warning_after: Duration | None = Field(
        default=None, description="age of the newest row above which it warns; unset = never"
    )
    critical_after: Duration = Field(description="age above which it is critical", examples=["30m"])
    empty: Literal["ok", "warning", "critical"] = Field(default="critical", description="status if there is no row")
    timezone: str = Field(default="UTC", description="time zone for times that have none, e.g. Europe/Berlin")
    epoch: Literal["seconds", "milliseconds", "microseconds"] = Field(
        default="seconds", description="unit of times that are numbers, counted from 1970"
    )

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is not a time zone; write Europe/Berlin or UTC") from None
        return name

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if (self.query is None) == (self.table is None) or (self.table is None) != (self.column is None):
            raise ValueError("write table and column, or query")
        if self.warning_after is not None and self.warning_after > self.critical_after:
            raise ValueError("warning_after is longer than critical_after")
        return self


@probe(on_timeout=Status.UNKNOWN)
async def measure(spec: Target, run: Run) -> Reading:
    url = spec.url or own_reader()
    try:
        answer = await ask(url, _query(spec, url), Limits(run.timeout, max_rows=1, max_bytes=16_384, utc=True))
    except Failed as failed:
        raise Unknown(str(failed)) from None
    if len(answer.names) != 1:
        raise Unknown(f"the query returned {len(answer.names)} columns; it must return one time: select max(created_at) ...")
    newest = answer.rows[0][0] if answer.rows else None
    if newest is None:
        return Reading(Status(spec.empty), f"no rows{f' in {spec.table}' if spec.table else ''}")
    return _reading(datetime.now(UTC) - _instant(newest, spec), spec)


def _query(spec: Target, url: str) -> str:
    if spec.query is not None:
        return spec.query
    assert spec.table is not None
    assert spec.column is not None
    return f"select max({quoted(url, spec.column, whole=True)}) as newest from {quoted(url, spec.table)}"


def _instant(value: Any, spec: Target) -> datetime:
    """A database's value as an instant. Raises Unknown."""
    try:
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return datetime.fromtimestamp(float(value) / PER_SECOND[spec.epoch], UTC)
        if isinstance(value, str):  # SQLite has no type for times
            value = datetime.fromisoformat(value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone comes next
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=ZoneInfo(spec.timezone))
    except (ValueError, OverflowError, OSError):
        pass
    raise Unknown(f"{str(value)[:40]!r} is not a time; check `epoch`")


def _reading(age: timedelta, spec: Target) -> Reading:
    metrics = {"age_seconds": age.total_seconds()}
    if age < -SKEW:
        return Reading(Status.WARNING, f"the newest row is {length(-age)} in the future: check `timezone`", metrics)
    text = f"the newest row is {length(max(age, timedelta(0)))} old"
    for limit, status in ((spec.critical_after, Status.CRITICAL), (spec.warning_after, Status.WARNING)):
        if limit is not None and age > limit:
            return Reading(status, f"{text}, limit {length(limit)}", metrics)
    return Reading(Status.OK, text, metrics)
