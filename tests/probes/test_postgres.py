"""health.postgres and performance.postgres against a real server, one that hangs and some that lie."""

import time
from contextlib import ExitStack
from datetime import timedelta

import psycopg
import pytest
from pydantic import ValidationError

from app import plugins
from tests.net.serve import Handler, hangs, slams
from tests.probes.run import against, measure, remembered

pytestmark = pytest.mark.xdist_group("postgres")
performance = plugins.probe_module("performance.postgres")

BOTH = pytest.mark.parametrize("name", ["health.postgres", "performance.postgres"])


@BOTH
def test_tocsins_own_database_is_the_default(name: str) -> None:
    reading = measure(name)
    assert reading.status == "ok", reading.message
    assert 0 < reading.metrics["seconds"] < 5


def test_health_is_measured(orders: str) -> None:
    reading = measure("health.postgres", url=orders)
    assert reading.status == "ok", reading.message
    assert 0 < reading.metrics["connections_used_percent"] < 80
    assert reading.metrics["in_recovery"] == 0


def test_a_full_server_and_a_wrong_role_are_told(orders: str) -> None:
    assert measure("health.postgres", url=orders, warning_percent=0.1).status == "warning"
    assert measure("health.postgres", url=orders, critical_percent=0.1).status == "critical"
    assert measure("health.postgres", url=orders, role="primary").status == "ok"
    assert "expected standby" in measure("health.postgres", url=orders, role="standby").message


def test_no_free_connection_is_critical(orders: str) -> None:
    with ExitStack() as held:
        while held_one_more(held, orders):
            pass
        reading = measure("health.postgres", url=orders)
    assert reading.status == "critical"
    assert "connection slots" in reading.message or "too many" in reading.message


def held_one_more(held: ExitStack, url: str) -> bool:
    try:
        held.enter_context(psycopg.connect(url))
    except psycopg.OperationalError:
        return False
    return True


@BOTH
def test_bad_credentials_cannot_be_told_and_show_no_password(name: str, server: str) -> None:
    reading = measure(name, url=server.format("locked:wr0ng"))
    assert reading.status == "unknown"
    assert "password authentication failed" in reading.message
    assert "wr0ng" not in reading.message
    assert measure(name, url=server.format("locked:right")).status == "ok"
    assert measure(name, url=server.format("watch").replace("/postgres", "/nowhere")).status == "unknown"


@BOTH
@pytest.mark.parametrize(
    "url", ["postgresql://x@127.0.0.1:1/x", "postgresql:///x?host=/no/such/folder", "postgresql://x@no.such.host.invalid/x"]
)
def test_nobody_there_is_critical(name: str, url: str) -> None:
    assert measure(name, url=url).status == "critical"


@BOTH
@pytest.mark.parametrize("handler", [hangs, slams])
def test_a_server_that_hangs_or_lies_is_critical_in_time(name: str, handler: Handler) -> None:
    started = time.monotonic()
    reading = against(handler, name, timeout=0.5, url="postgresql://x@127.0.0.1:PORT/x")
    assert reading.status == "critical", reading.message
    assert time.monotonic() - started < 2


@BOTH
@pytest.mark.parametrize(
    "url",
    [
        "mysql://x@h/x",
        "postgresql://x@169.254.169.254/x",
        "postgresql://x@h/x?hostaddr=169.254.169.254",
        "postgresql://x@a,2852039166/x",
        "postgresql:///x?service=s",
        "postgresql://h/x?nonsense=1",
        5,
    ],
)
def test_a_wrong_url_is_refused(name: str, url: str | int) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module(name).Target.model_validate({"url": url})


def test_what_happened_since_the_last_run_is_told(orders: str) -> None:
    first = measure("performance.postgres", url=orders)
    assert "deadlocks" not in first.metrics
    second = measure("performance.postgres", url=orders, memory=remembered(first))
    assert second.metrics["deadlocks"] == 0
    assert 0 <= second.metrics.get("cache_hit_percent", 100) <= 100
    anew = measure("performance.postgres", url=orders, memory={**remembered(first), "reset": 1.0})
    assert "deadlocks" not in anew.metrics


def test_a_role_that_sees_nothing_says_what_to_grant(server: str, orders: str) -> None:
    reading = measure("performance.postgres", url=orders)
    assert reading.status == "ok"
    assert 'grant pg_monitor to "watch"' in reading.message
    assert "longest_transaction_seconds" not in reading.metrics


def test_a_long_transaction_is_told(server: str) -> None:
    with psycopg.connect(server.format("writer")) as held:
        held.execute("select 1")
        reading = measure(
            "performance.postgres", url=server.format("postgres"), warning_transaction=timedelta(0), critical_transaction="6h"
        )
        assert reading.status == "warning"
        assert reading.metrics["longest_transaction_seconds"] > 0
        assert "longest transaction open for" in reading.message


def test_rates_are_counted_between_two_runs(server: str, orders: str) -> None:
    first = measure("performance.postgres", url=orders)
    assert not {name for name in first.metrics if name.endswith("_per_second")}
    with psycopg.connect(server.format("postgres"), autocommit=True) as database:
        for _ in range(20):
            database.execute("select 1")
        database.execute("select pg_stat_force_next_flush()")
    memory = {**remembered(first), "at": remembered(first)["at"] - 10}
    second = measure("performance.postgres", url=orders, memory=memory)
    assert second.metrics["commits_per_second"] >= 1.9
    assert second.metrics["deadlocks_per_second"] == second.metrics["temporary_bytes_per_second"] == 0
    assert measure("performance.postgres", url=orders, memory={"reset": remembered(first)["reset"]}).status == "ok"


def test_a_session_idle_in_its_transaction_is_counted(server: str) -> None:
    with psycopg.connect(server.format("writer")) as held:
        held.execute("select 1")
        metrics = measure("performance.postgres", url=server.format("postgres")).metrics
    assert metrics["idle_in_transaction"] == 1
    assert metrics["idle_in_transaction_seconds"] >= 0
    assert metrics["longest_query_seconds"] == 0
    assert 0 < metrics["transaction_ids_used_percent"] < 1


@BOTH
def test_sessions_of_others_are_counted_whoever_asks(name: str, server: str, orders: str) -> None:
    with ExitStack() as held:
        for _ in range(5):
            held.enter_context(psycopg.connect(server.format("postgres")))
        assert measure(name, url=orders).metrics["connections_used_percent"] >= 100 * 5 / 20, "of 20 that there can be"


def test_slow_statements_are_told_where_the_extension_is_loaded(server: str) -> None:
    with psycopg.connect(server.format("postgres"), autocommit=True) as database:
        if not database.execute("select 1 from pg_available_extensions where name = 'pg_stat_statements'").fetchone():
            pytest.skip("this PostgreSQL comes without pg_stat_statements")
        database.execute('create schema if not exists "of mine"')
        database.execute('create extension if not exists pg_stat_statements schema "of mine"')
        try:
            reading = measure("performance.postgres", url=server.format("postgres"), slow_statement="0s")
            loaded = database.execute("show shared_preload_libraries").fetchone() == ("pg_stat_statements",)
            assert ("slow_statements" in reading.metrics) is loaded
            assert reading.status == "ok", reading.message
        finally:
            database.execute("drop extension pg_stat_statements")


@pytest.mark.parametrize(
    "metrics, status",
    [
        ({"transaction_ids_used_percent": 41.0}, "warning"),
        ({"transaction_ids_used_percent": 80.0, "lag_seconds": 61.0}, "critical"),
        ({"lag_seconds": 59.0}, "ok"),
        ({"lag_seconds": 61.0}, "warning"),
        ({"lag_seconds": 601.0}, "critical"),
        ({"longest_transaction_seconds": 30_000.0, "lag_seconds": 61.0}, "critical"),
        ({}, "ok"),
    ],
    ids=str,
)
def test_lag_and_age_are_judged(metrics: dict[str, float], status: str) -> None:
    assert performance._judge(metrics, performance.Target())[0] == status
