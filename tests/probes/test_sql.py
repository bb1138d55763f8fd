"""business.sql answers with numbers, and nothing that is asked of it can write, run long or read much."""

import time

import psycopg
import pytest
from pydantic import ValidationError

from app import plugins
from tests.net.serve import hangs
from tests.probes.run import against, measure

pytestmark = pytest.mark.xdist_group("postgres")


def ask(url, query, **with_):
    return measure("business.sql", url=url, query=query, **with_)


def test_the_first_rows_numbers_are_metrics(orders):
    reading = ask(orders, "select count(*) as orders, sum(amount) as amount, true as open, interval '1 min' as age from orders")
    assert reading.status == "ok"
    assert reading.metrics == {"orders": 3, "amount": 12.5, "open": 1, "age": 60}
    assert reading.series == ()
    assert reading.message == "orders 3"


def test_text_columns_are_labels(orders):
    reading = ask(orders, "select region, count(*) as n, sum(amount) as amount from orders group by 1 order by 1")
    assert reading.metrics == {"n": 1, "amount": 10}
    assert [(one.metric, one.value, dict(one.labels)) for one in reading.series] == [
        ("n", 1, {"region": "eu"}),
        ("amount", 10, {"region": "eu"}),
        ("n", 2, {"region": "us"}),
        ("amount", 2.5, {"region": "us"}),
    ]


def test_rows_without_text_are_numbered(orders):
    reading = ask(orders, "select id from orders order by 1 limit 2")
    assert [(one.value, dict(one.labels)) for one in reading.series] == [(1, {"row": "1"}), (2, {"row": "2"})]


@pytest.mark.parametrize(
    "query, metrics",
    [
        ("select sum(amount) as s from orders where false", {}),
        ("select 'NaN'::float8 as a, 'infinity'::numeric as b, 1 as c", {"c": 1}),
        ("select 1e400::numeric as a, 2 as b", {"b": 2}),
        ("select 1 as a where false", {}),
        ("select null::text as t, 1 as a", {"a": 1}),
    ],
)
def test_null_nan_and_no_rows_are_no_value(orders, query, metrics):
    reading = ask(orders, query)
    assert (reading.status, reading.metrics) == ("ok", metrics), reading.message


@pytest.mark.parametrize(
    "query, told",
    [
        ("select count(*) from nowhere", "nowhere"),
        ("selct 1", "syntax"),
        ("select 'x' as t", "no column is a number"),
        ("select 1, 2", "name of its own"),
        ("select 1 as a, 2 as a", "name of its own"),
        ("select now() as t, 1 as n", "extract(epoch"),
        ("select * from generate_series(1, 200) as n", "more than 100 rows"),
        ("select 1 as n, repeat('x', 300000) as t", "more than 262144 bytes"),
        ("", ""),
        (";", ""),
        ("listen x", ""),
    ],
)
def test_what_cannot_be_measured_is_unknown_and_says_why(orders, query, told):
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
def test_nothing_writes(orders, server, query):
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
def test_a_role_with_dangerous_rights_is_refused_and_told_what_to_do(server, role, right):
    reading = ask(server.format(role), "select 1 as n")
    assert reading.status == "unknown"
    assert f'role "{role}" has dangerous rights ({right})' in reading.message
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
def test_a_query_that_runs_too_long_is_cancelled(orders, server, query):
    started = time.monotonic()
    reading = ask(orders, query, timeout=0.5)
    assert reading.status == "unknown", reading.message
    assert time.monotonic() - started < 2
    with psycopg.connect(server.format("postgres")) as database:
        running = "select count(*) from pg_stat_activity where usename = 'watch' and state = 'active'"
        deadline = time.monotonic() + 3
        while database.execute(running).fetchone() != (0,):
            assert time.monotonic() < deadline, "the server still works on it"


def test_rows_without_end_are_cut(orders):
    started = time.monotonic()
    assert "more than 100 rows" in ask(orders, "select generate_series(1, 1000000000000) as n").message
    assert time.monotonic() - started < 3


def test_a_frozen_server_is_left_in_time(orders):
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
def test_it_judges_only_when_asked(orders, limits, status):
    assert ask(orders, "select count(*) as n from orders", **limits).status == status


def test_a_wrong_setting_is_refused():
    question = plugins.probe_module("business.sql").Question
    for with_ in (
        {"query": 1},
        {"url": "postgresql://h/x"},
        {"url": "postgresql://169.254.169.254/x", "query": "q"},
        {"url": "postgresql://h/x", "query": ""},
    ):
        with pytest.raises(ValidationError):
            question.model_validate(with_)


def test_tocsins_own_database_is_the_default():
    reading = measure("business.sql", query="select 7 as n")
    assert (reading.status, reading.metrics) == ("ok", {"n": 7}), reading.message
