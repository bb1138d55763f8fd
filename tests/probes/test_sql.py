"""business.sql answers with numbers, and nothing that is asked of it can write, run long or read much."""

import time
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import hangs
from tests.probes.run import Options, against, measure

pytestmark = pytest.mark.xdist_group("postgres")


def ask(url: str, query: str, **with_: Any) -> Reading:
    return measure("business.sql", url=url, query=query, **with_)


def test_the_first_rows_numbers_are_metrics(orders: str) -> None:
    reading = ask(orders, "select count(*) as orders, sum(amount) as amount, true as open, interval '1 min' as age from orders")
    assert reading.status == "ok"
    assert reading.metrics == {"orders": 3, "amount": 12.5, "open": 1, "age": 60}
    assert reading.series == ()
    assert reading.message == "orders 3"


def test_text_columns_are_labels(orders: str) -> None:
    reading = ask(orders, "select region, count(*) as n, sum(amount) as amount from orders group by 1 order by 1")
    assert reading.metrics == {"n": 1, "amount": 10}
    assert [(one.metric, one.value, dict(one.labels)) for one in reading.series] == [
        ("n", 1, {"region": "eu"}),
        ("amount", 10, {"region": "eu"}),
        ("n", 2, {"region": "us"}),
        ("amount", 2.5, {"region": "us"}),
    ]


def test_rows_without_text_are_numbered(orders: str) -> None:
    reading = ask(orders, "select id from orders order by 1 limit 2")
    assert [(one.value, dict(one.labels)) for one in reading.series] == [(1, {"row": "1"}), (2, {"row": "2"})]


@pytest.mark.parametrize(
    "query, metrics, told",
    [
        ("select sum(amount) as s from orders where false", {}, "s has no value: NULL, NaN or infinite"),
        ("select null as s", {}, "s has no value"),
        ("select 'NaN'::float8 as a, 'infinity'::numeric as b, 1 as c", {"c": 1}, "a has no value"),
        ("select 1e400::numeric as a, 2 as b", {"b": 2}, "a has no value"),
        ("select 1 as a, null::int as b", {"a": 1}, "a 1; b has no value"),
        ("select '-infinity'::float8 as a", {}, "a has no value"),
        ("select 1 as a where false", {}, "no rows"),
        ("select null::text as t, 1 as a", {"a": 1}, "t has no value"),
        ("select n, null::int as a from generate_series(1, 3) as n", {"n": 1}, "a has no value in 3 of 3 rows"),
    ],
)
@pytest.mark.parametrize("limits", [{}, {"critical_above": 100}, {"warning_below": 0}], ids=str)
def test_null_nan_and_no_rows_are_no_value_and_never_ok(
    orders: str, query: str, metrics: dict[str, float], told: str, limits: Options
) -> None:
    reading = ask(orders, query, **limits)
    assert (reading.status, reading.metrics) == ("unknown", metrics), reading.message
    assert told in reading.message


@pytest.mark.parametrize(
    "query, limits, status, told",
    [
        ("select null::int as a, 5 as b", {"critical_above": 1}, "unknown", "a has no value"),
        ("select 5 as a, null::int as b", {"critical_above": 1}, "critical", "a 5 is above 1; b has no value"),
        (
            "select id, amount from orders order by 1",
            {"critical_above": 9},
            "ok",
            "id 1; 3 rows; amount has no value in 1 of 3",
        ),
        ("select amount, id from orders order by 2", {}, "ok", "amount has no value in 1 of 3 rows"),
        ("select amount, id from orders order by 2", {"critical_above": 99}, "unknown", "amount has no value in 1 of 3 rows"),
        ("select amount, id from orders order by 2 desc", {"critical_above": 9}, "critical", "amount of 3 10 is above 9"),
        ("select region, amount from orders order by id", {"warning_below": 3}, "warning", "amount of us 2.5 is below 3"),
        (
            "select 'eu' as region, n from generate_series(1, 2) n",
            {"warning_above": 0},
            "warning",
            "n of eu (row 2) 2 is above",
        ),
    ],
)
def test_each_row_is_judged_and_what_cannot_be_judged_is_never_ok(
    orders: str, query: str, limits: Options, status: str, told: str
) -> None:
    reading = ask(orders, query, **limits)
    assert (reading.status, told in reading.message) == (status, True), reading.message


@pytest.mark.parametrize("empty", ["ok", "unknown", "warning", "critical"])
def test_no_row_is_what_the_check_says_it_is(orders: str, empty: str) -> None:
    assert ask(orders, "select id from orders where id > 100", empty=empty, critical_above=1).status == empty
    assert ask(orders, "select null::int as a", empty=empty).status == "unknown"  # a row without a value is none


@pytest.mark.parametrize(
    "query, told",
    [
        ("select count(*) from nowhere", "nowhere"),
        ("selct 1", "syntax"),
        ("select 'x' as t", "no column is numeric"),
        ("select 1, 2", "unique name"),
        ("select 1 as a, 2 as a", "unique name"),
        ("select now() as t, 1 as n", "extract(epoch"),
        ("select * from generate_series(1, 200) as n", "more than 100 rows"),
        ("select 1 as n, repeat('x', 300000) as t", "more than 262144 bytes"),
        ("", ""),
        (";", ""),
        ("listen x", ""),
    ],
)
def test_what_cannot_be_measured_is_unknown_and_says_why(orders: str, query: str, told: str) -> None:
    try:
        reading = ask(orders, query)
    except ValidationError:
        return
    assert reading.status == "unknown", reading.message
    assert told in reading.message


@pytest.mark.parametrize(
    "query",
    [
        "delete from orders",
        "with gone as (delete from orders returning 1) select count(*) as n from gone",
        "commit; delete from orders",
        "select 1 as a; delete from orders",
        "rollback; delete from orders",
        "set transaction read write",
        "set session characteristics as transaction read write",
        "select set_config('transaction_read_only', 'off', false) as t, 1 as n",
        "select sneak() as n",
        "select nextval('numbers') as n",
        "do $$ begin commit; delete from orders; end $$",
        "do $$ begin delete from orders; end $$",
        "copy orders to program 'id'",
        "copy orders from stdin",
        "copy orders to stdout",
        "truncate orders",
        "drop table orders",
        "create table x()",
        "select 1 as n into x",
        "commit",
        "end",
        "lock orders",
        "vacuum orders",
        "begin read write",
        "prepare transaction 'x'",
        "select lo_create(0) as n",
        "select pg_read_file('/etc/passwd') as t, 1 as n",
        "select * from orders for update",
        "explain analyze delete from orders",
        "call nothing()",
        "reset all",
        "set role postgres",
        "load 'x'",
    ],
)
def test_nothing_writes(orders: str, server: str, query: str) -> None:
    reading = ask(orders, query)
    assert reading.status == "unknown", reading.message
    with psycopg.connect(server.format("postgres")) as database:
        assert database.execute("select count(*) from orders").fetchone() == (3,)
        assert database.execute("select last_value, is_called from numbers").fetchone() == (1, False)


@pytest.mark.parametrize(
    "role, right",
    [
        ("postgres", "superuser"),
        ("runner", "pg_execute_server_program"),
        ("killer", "pg_signal_backend"),
        ("maker", "createrole"),
    ],
)
def test_a_role_with_dangerous_rights_is_refused_and_told_what_to_do(server: str, role: str, right: str) -> None:
    reading = ask(server.format(role), "select 1 as n")
    assert reading.status == "unknown"
    assert f'role "{role}" has dangerous privileges ({right})' in reading.message
    assert "create role watch" in reading.message


@pytest.mark.parametrize(
    "query",
    [
        "select pg_sleep(20) as t, 1 as n",
        "select set_config('statement_timeout', '0', false) as t, pg_sleep(20) as u, 1 as n",
        "select count(*) as n from generate_series(1, 1000000000) a, generate_series(1, 1000000000) b",
        "select set_config('statement_timeout', '0', true) as t, n, pg_sleep(2)::text as u from generate_series(1, 50) as n",
    ],
)
def test_a_query_that_runs_too_long_is_cancelled(orders: str, server: str, query: str) -> None:
    started = time.monotonic()
    reading = ask(orders, query, timeout=0.5)
    assert reading.status == "unknown", reading.message
    assert time.monotonic() - started < 2
    with psycopg.connect(server.format("postgres")) as database:
        running = "select count(*) from pg_stat_activity where usename = 'watch' and state = 'active'"
        deadline = time.monotonic() + 3
        while database.execute(running).fetchone() != (0,):
            assert time.monotonic() < deadline, "the server still works on it"


def test_rows_without_end_are_cut(orders: str) -> None:
    started = time.monotonic()
    assert "more than 100 rows" in ask(orders, "select generate_series(1, 1000000000000) as n").message
    assert time.monotonic() - started < 8, "all of them would take hours"


def test_a_frozen_server_is_left_in_time(orders: str) -> None:
    reading = against(hangs, "business.sql", timeout=0.4, url="postgresql://x@127.0.0.1:PORT/x", query="select 1 as n")
    assert reading.status == "unknown"
    assert measure("business.sql", url="postgresql://x@127.0.0.1:1/x", query="select 1 as n").status == "unknown"


@pytest.mark.parametrize(
    "limits, status",
    [
        ({"warning_below": 4}, "warning"),
        ({"critical_below": 4, "warning_below": 9}, "critical"),
        ({"warning_above": 2}, "warning"),
        ({"critical_above": 2.5}, "critical"),
        ({"warning_below": 3, "warning_above": 3}, "ok"),
    ],
    ids=str,
)
def test_it_judges_only_when_asked(orders: str, limits: Options, status: str) -> None:
    assert ask(orders, "select count(*) as n from orders", **limits).status == status


def test_a_wrong_setting_is_refused() -> None:
    question = plugins.probe_module("business.sql").Question
    for with_ in (
        {"query": 1},
        {"url": "postgresql://h/x"},
        {"url": "postgresql://169.254.169.254/x", "query": "q"},
        {"url": "postgresql://h/x", "query": ""},
        {"query": "select 1 as n", "critical_above": float("nan")},
        {"query": "select 1 as n", "warning_below": "nan"},
        {"query": "select 1 as n", "warning_above": "inf"},
    ):
        with pytest.raises(ValidationError):
            question.model_validate(with_)


def test_tocsins_own_database_is_the_default() -> None:
    reading = measure("business.sql", query="select 7 as n")
    assert (reading.status, reading.metrics) == ("ok", {"n": 7}), reading.message
