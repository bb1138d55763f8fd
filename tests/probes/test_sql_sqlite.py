"""business.sql on real SQLite files, in both journal modes, locked, broken and hanging: the same promises as on PostgreSQL."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.probes.run import measure

MODES = pytest.mark.parametrize("journal", ["delete", "wal"])


@pytest.fixture
def shop(tmp_path: Path, journal: str = "delete") -> Path:
    return made(tmp_path / "shop.db", journal)


def made(path: Path, journal: str) -> Path:
    with sqlite3.connect(path) as database:
        database.execute(f"pragma journal_mode = {journal}")
        database.executescript(
            """
            create table orders (id integer primary key, region text, amount real);
            insert into orders values (1, 'eu', 10), (2, 'us', 2.5), (3, 'us', null);
            create index by_region on orders (region);
            create view sly as select load_extension('/tmp/x') as n;
            """
        )
    database.close()
    return path


def ask(path: Path, query: str, **with_: Any) -> Reading:
    return measure("business.sql", url=f"sqlite:///{path}", query=query, **with_)


@MODES
def test_numbers_are_metrics_and_text_columns_are_labels(tmp_path: Path, journal: str) -> None:
    shop = made(tmp_path / "a shop's 100%.db", journal)
    before = sorted(os.listdir(tmp_path))
    reading = measure(
        "business.sql",
        url=f"sqlite:///{str(shop).replace('%', '%25')}",
        query="select region, count(*) as n, sum(amount) as amount from orders group by 1 order by 1",
    )
    assert (reading.status, reading.metrics) == ("ok", {"n": 1, "amount": 10}), reading.message
    assert [(one.metric, one.value, dict(one.labels)) for one in reading.series] == [
        ("n", 1, {"region": "eu"}),
        ("amount", 10, {"region": "eu"}),
        ("n", 2, {"region": "us"}),
        ("amount", 2.5, {"region": "us"}),
    ]
    assert set(os.listdir(tmp_path)) - set(before) <= {f"{shop.name}-wal", f"{shop.name}-shm"}


def test_what_a_writer_has_committed_is_seen_while_it_works(tmp_path: Path) -> None:
    shop = made(tmp_path / "shop.db", "wal")
    writer = sqlite3.connect(shop, isolation_level=None)
    writer.execute("insert into orders values (4, 'eu', 1)")
    writer.execute("begin immediate")
    writer.execute("delete from orders")
    assert ask(shop, "select count(*) as n from orders").metrics == {"n": 4}
    writer.close()


@pytest.mark.parametrize(
    "query, metrics",
    [
        (
            "with recursive few(n) as (select 1 union all select n + 1 from few where n < 5) select sum(n) as n from few",
            {"n": 15},
        ),
        (
            "select row_number() over (order by id) as n, json_extract('{\"a\": 7}', '$.a') as a from orders limit 1",
            {"n": 1, "a": 7},
        ),
        ("select unixepoch('now') > 1700000000 as n", {"n": 1}),
    ],
)
def test_every_form_of_a_question_is_asked(shop: Path, query: str, metrics: dict[str, float]) -> None:
    reading = ask(shop, query)
    assert (reading.status, reading.metrics) == ("ok", metrics), reading.message


@pytest.mark.parametrize(
    "query, metrics",
    [
        ("select sum(amount) as s from orders where 0", {}),
        ("select 1 as a where 0", {}),
        ("select 9e999 as a, 1 as b", {"b": 1}),
        ("select null as a", {}),
    ],
)
def test_what_has_no_value_is_unknown(shop: Path, query: str, metrics: dict[str, float]) -> None:
    reading = ask(shop, query)
    assert (reading.status, reading.metrics) == ("unknown", metrics), reading.message


@pytest.mark.parametrize(
    "query",
    [
        "delete from orders",
        "select 1 as n; delete from orders",
        "with gone as (select 1) delete from orders",
        "insert into orders values (4, '', 0) returning id",
        "create table x (id)",
        "create temp table x (id)",
        "drop table orders",
        "attach '/tmp/tocsin-must-not-be.db' as other",
        "vacuum into '/tmp/tocsin-must-not-be.db'",
        "vacuum",
        "pragma journal_mode = wal",
        "pragma user_version = 5",
        "select * from pragma_table_info('orders')",
        "select load_extension('/tmp/x') as n",
        "select * from sly",
        "select readfile('/etc/passwd') as t, 1 as n",
        "select fts3_tokenizer('x') as t, 1 as n",
        "begin exclusive",
        "savepoint x",
        "reindex",
        "analyze",
        "detach main",
    ],
)
def test_nothing_writes(shop: Path, query: str) -> None:
    before = shop.read_bytes()
    reading = ask(shop, query)
    assert reading.status == "unknown", reading.message
    assert shop.read_bytes() == before
    assert not os.path.exists("/tmp/tocsin-must-not-be.db")


ENDLESS = "with recursive all_of(n) as (select 1 union all select n + 1 from all_of) "


@pytest.mark.parametrize("query", [ENDLESS + "select count(*) as n from all_of", ENDLESS + "select n from all_of order by -n"])
def test_a_query_that_runs_too_long_is_interrupted(shop: Path, query: str) -> None:
    started = time.monotonic()
    reading = ask(shop, query, timeout=0.4)
    assert (reading.status, reading.message) == ("unknown", "the query did not finish within 0.32 s")
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "query, told",
    [
        (ENDLESS + "select n from all_of", "more than 100 rows"),
        ("select 1 as n, hex(zeroblob(60000)) as t from orders", "more than 262144 bytes"),
        ("select length(zeroblob(100000000)) as n", "too long"),
        ("select 'x' like '" + "%x" * 1000 + "' as n", "LIKE or GLOB pattern too complex"),
        ("select count(*) from orders", "unique name"),
        ("select nowhere as n from orders", "no such column"),
        ("selct 1", "syntax"),
        ("select 'x' as t", "no column is numeric"),
    ],
)
def test_what_cannot_be_measured_is_unknown_and_says_why(shop: Path, query: str, told: str) -> None:
    reading = ask(shop, query)
    assert reading.status == "unknown"
    assert told in reading.message


def test_a_locked_database_is_unknown_in_time(shop: Path) -> None:
    writer = sqlite3.connect(shop, isolation_level=None)
    writer.execute("begin exclusive")
    started = time.monotonic()
    reading = ask(shop, "select count(*) as n from orders", timeout=0.4)
    assert (reading.status, "locked by another process" in reading.message) == ("unknown", True), reading.message
    assert time.monotonic() - started < 1.5
    writer.close()


def test_what_is_no_database_is_unknown(tmp_path: Path) -> None:
    text, pipe, broken = tmp_path / "text", tmp_path / "pipe", tmp_path / "broken"
    text.write_text("not a database, and longer than a header\n" * 50)
    os.mkfifo(pipe)
    broken.write_bytes(made(tmp_path / "shop.db", "delete").read_bytes()[:4096] + bytes(20_000))
    for path, told in (
        (text, "not a SQLite database"),
        (pipe, "is not a file"),
        (tmp_path, "is not a file"),
        (tmp_path / "none", "No such file"),
        (broken, "malformed"),
    ):
        reading = ask(path, "select count(*) as n, max(region) as r from orders", timeout=1.0)
        assert (reading.status, told in reading.message) == ("unknown", True), reading.message
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "url", ["sqlite:///relative.db", "sqlite://", "sqlite:////a?mode=rw", "sqlite:///:memory:", "oracle://h/x"]
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("business.sql").Question(url=url, query="select 1 as n")
