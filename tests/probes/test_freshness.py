"""business.freshness on PostgreSQL, MariaDB and SQLite: ages, time zones, epochs, empty tables and the future."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import hangs
from tests.probes.run import Options, against, measure
from tests.probes.servers.mariadb import Server

Value = float | str | bytes | None  # what SQLite keeps
File = tuple[str, Callable[[Value], None]]

freshness = plugins.probe_module("business.freshness")
DAY: Options = {"critical_after": "1d"}


@pytest.fixture
def file(tmp_path: Path) -> File:
    """URL of a SQLite database, and a function that puts one value into its one table, of an odd name."""
    path = tmp_path / "import.db"
    with sqlite3.connect(path) as database:
        database.execute('create table "im`port ""1""" ("at-" )')
    database.close()

    def put(value: Value) -> None:
        with sqlite3.connect(path) as database:
            database.execute('insert into "im`port ""1""" values (?)', [value])
        database.close()

    return f"sqlite:///{path}", put


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def of(file: File, value: Value, **with_: Any) -> Reading:
    url, put = file
    put(value)
    return measure("business.freshness", url=url, table='im`port "1"', column="at-", **DAY | with_)


@pytest.mark.parametrize(
    "age, status",
    [(timedelta(minutes=5), "ok"), (timedelta(minutes=70), "warning"), (timedelta(days=2), "critical")],
    ids=["new", "late", "too late"],
)
def test_the_age_of_the_newest_row_is_judged(file: File, age: timedelta, status: str) -> None:
    reading = of(file, (datetime.now(UTC) - age).isoformat(), warning_after="1h")
    assert reading.status == status, reading.message
    assert reading.metrics["age_seconds"] == pytest.approx(age.total_seconds(), abs=5)
    assert reading.message.startswith("the newest row is ")


@pytest.mark.parametrize(
    "value, with_",
    [
        (lambda at: at.timestamp(), {}),
        (lambda at: int(at.timestamp() * 1000), {"epoch": "milliseconds"}),
        (lambda at: int(at.timestamp() * 1e6), {"epoch": "microseconds"}),
        (lambda at: at.strftime("%Y-%m-%d %H:%M:%S"), {}),
        (lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"), {}),
        (lambda at: (at + timedelta(hours=9)).strftime("%Y-%m-%d %H:%M:%S"), {"timezone": "Asia/Tokyo"}),
        (lambda at: (at + timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S+02:00"), {"timezone": "Asia/Tokyo"}),
    ],
    ids=["seconds", "milliseconds", "microseconds", "naive is UTC", "Z", "naive in its zone", "an offset beats the zone"],
)
def test_every_way_to_write_a_time_is_read(file: File, value: Callable[[datetime], Value], with_: Options) -> None:
    reading = of(file, value(ago(hours=3)), **with_)
    assert reading.metrics["age_seconds"] == pytest.approx(3 * 3600, abs=5)


def test_no_row_at_all_is_critical_unless_said_otherwise(file: File) -> None:
    url, _ = file
    for empty, status in (("critical", "critical"), ("ok", "ok")):
        reading = measure("business.freshness", url=url, table='im`port "1"', column="at-", empty=empty, **DAY)
        assert (reading.status, reading.metrics) == (status, {})
        assert "no rows" in reading.message
    never = measure("business.freshness", url=url, query="select 1 as at where 0", **DAY)
    assert never.status == "critical"


def test_a_row_from_the_future_is_said_and_a_skewed_clock_is_not(file: File) -> None:
    assert of(file, ago(seconds=-20).isoformat()).status == "ok"
    reading = of(file, ago(hours=-3).isoformat())
    assert (reading.status, "2 h 59 min in the future" in reading.message) == ("warning", True)
    assert reading.metrics["age_seconds"] < 0


@pytest.mark.parametrize(
    "with_, told",
    [
        ({"query": "select 'yesterday' as at"}, "not a time"),
        ({"query": "select 1e30 as at"}, "check `epoch`"),
        ({"query": "select 1 as a, 2 as b"}, "one time"),
        ({"query": "select 1 as a union select 2"}, "more than 1 row"),
        ({"query": "delete from x"}, ""),
        ({"table": "nowhere", "column": "at"}, "no such table"),
        ({"table": 'im`port "1"', "column": "nothing"}, "no such column"),
        ({"table": "x` where 1; --", "column": "a) --"}, "no such table"),
    ],
    ids=str,
)
def test_what_is_no_time_is_unknown(file: File, with_: Options, told: str) -> None:
    reading = measure("business.freshness", url=file[0], **DAY, **with_)
    assert (reading.status, told in reading.message) == ("unknown", True), reading.message


@pytest.mark.xdist_group("postgres")
def test_postgres_is_asked_by_table_and_by_query(server: str, orders: str) -> None:
    with psycopg.connect(server.format("postgres"), autocommit=True) as database:
        database.execute('create table if not exists "Im""port" (at timestamptz, "lo cal" timestamp, day date)')
        database.execute('truncate "Im""port"')
        database.execute(
            "insert into \"Im\"\"port\" values (now() - interval '1 h', now() at time zone 'Asia/Tokyo', '2000-01-01')"
        )
        database.execute('grant select on "Im""port" to watch')
    table = {"url": orders, "table": 'public.Im"port', **DAY}
    assert measure("business.freshness", column="at", **table).metrics["age_seconds"] == pytest.approx(3600, abs=5)
    local = measure("business.freshness", column="lo cal", timezone="Asia/Tokyo", **table)
    assert local.metrics["age_seconds"] == pytest.approx(0, abs=5)
    assert measure("business.freshness", column="day", **table).status == "critical"
    epoch = 'select extract(epoch from at) from "Im""port"'
    assert measure("business.freshness", url=orders, query=epoch, **DAY).status == "ok"
    assert measure("business.freshness", url=server.format("postgres"), query=epoch, **DAY).status == "unknown"
    assert "column" in measure("business.freshness", column='at") from "x', **table).message


@pytest.mark.xdist_group("mariadb")
def test_mysql_is_asked_and_its_moments_are_not_mistaken_for_local_times(mariadb: Server) -> None:
    mariadb.root(
        "set global time_zone = '+09:00'", "set time_zone = '+00:00'", "update shop.orders set seen = now(), at = now()"
    )
    try:
        for column in ("seen", "at"):
            reading = measure("business.freshness", url=mariadb.url(), table="shop.orders", column=column, **DAY)
            assert reading.metrics["age_seconds"] == pytest.approx(0, abs=5), (column, reading.message)
    finally:
        mariadb.root("set global time_zone = 'SYSTEM'")
    assert measure("business.freshness", url=mariadb.url(), table="or`ders", column="at", **DAY).status == "unknown"


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_hangs_is_unknown_in_time(scheme: str) -> None:
    url = f"{scheme}://x@127.0.0.1:PORT/x"
    assert against(hangs, "business.freshness", timeout=0.4, url=url, query="select 1", **DAY).status == "unknown"


@pytest.mark.parametrize(
    "with_",
    [
        {},
        {"table": "x"},
        {"table": "x", "column": "y", "query": "z"},
        {"query": "z", "timezone": "Mars/Olympus"},
        {"query": "z", "timezone": "../etc"},
        {"query": "z", "warning_after": "2d"},
        {"table": "x\0", "column": "y"},
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused(with_: Options) -> None:
    with pytest.raises(ValidationError):
        freshness.Target(**DAY, **with_)


@pytest.mark.parametrize(
    "value",
    ["'infinity'::timestamptz", "'-infinity'::timestamptz", "'infinity'::date", "'NaN'::float8", "'Infinity'::float8", "1e300"],
)
def test_a_time_that_is_none_is_unknown(orders: str, value: str) -> None:
    reading = measure("business.freshness", url=orders, query=f"select {value} as newest", **DAY)
    assert (reading.status, reading.metrics) == ("unknown", {}), reading.message
