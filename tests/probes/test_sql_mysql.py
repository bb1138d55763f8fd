"""business.sql on a real MariaDB, and on servers that hang, lie and break off: the same promises as on PostgreSQL."""

import asyncio
import struct
import time
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import Handler, hangs
from tests.probes.run import Options, against, measure
from tests.probes.servers.mariadb import Server
from tests.probes.servers.mysql import greeting, ok, packet

pytestmark = pytest.mark.xdist_group("mariadb")


def ask(url: str, query: str, **with_: Any) -> Reading:
    return measure("business.sql", url=url, query=query, **with_)


def test_numbers_are_metrics_and_text_columns_are_labels(mariadb: Server) -> None:
    reading = ask(mariadb.url(), "select count(*) as orders, sum(amount) as amount, timediff('1:0', '0:30') as age from orders")
    assert (reading.status, reading.metrics) == ("ok", {"orders": 3, "amount": 12.5, "age": 1800}), reading.message
    by_region = "select region, count(*) as n, min(open) as open from orders group by region order by region"
    reading = ask(mariadb.url(), by_region)
    assert [(one.metric, one.value, dict(one.labels)) for one in reading.series] == [
        ("n", 1, {"region": "eu"}),
        ("open", 1, {"region": "eu"}),
        ("n", 2, {"region": "us"}),
        ("open", 0, {"region": "us"}),
    ]


@pytest.mark.parametrize(
    "query, metrics",
    [
        ("with few as (select 2 as a) select a from few", {"a": 2}),
        ("(select 3 as a) union (select 4)", {"a": 3}),
        ("\n  SELECT 5 as a, 'ü%s%' as t", {"a": 5}),
    ],
)
def test_every_form_of_a_question_is_asked(mariadb: Server, query: str, metrics: dict[str, float]) -> None:
    reading = ask(mariadb.url(), query)
    assert (reading.status, reading.metrics) == ("ok", metrics), reading.message


@pytest.mark.parametrize(
    "query",
    [
        "select sum(amount) as s from orders where false",
        "select 1 as a from orders where false",
        "select null as a",
        "select amount as a from orders where id = 3",
    ],
)
@pytest.mark.parametrize("limits", [{}, {"critical_above": 5}], ids=str)
def test_what_has_no_value_is_unknown(mariadb: Server, query: str, limits: Options) -> None:
    reading = ask(mariadb.url(), query, **limits)
    assert (reading.status, reading.metrics) == ("unknown", {}), reading.message


@pytest.mark.parametrize(
    "query, told",
    [
        ("select count(*) from nowhere", "nowhere"),
        ("select count(*) from orders", "unique name"),
        ("select 1", "unique name"),
        ("select 'x' as t", "no column is numeric"),
        ("select now() as t", "is a time"),
        ("select seq as n from seq_1_to_101", "more than 100 rows"),
        ("select 1 as n, repeat('x', 300000) as t", "more than 262144 bytes"),
        ("select", "syntax"),
    ],
)
def test_what_cannot_be_measured_is_unknown_and_says_why(mariadb: Server, query: str, told: str) -> None:
    reading = ask(mariadb.url(), query)
    assert reading.status == "unknown", reading.message
    assert told in reading.message


@pytest.mark.parametrize("who", ["watch:pass-w0rd", "writer"])
@pytest.mark.parametrize(
    "query",
    [
        "delete from orders",
        "select 1 as n; delete from orders",
        "select 1 as n; commit; delete from orders",
        "commit",
        "set session transaction read write",
        "set statement max_statement_time=0 for select sleep(20) as n",
        "select sneak() as n",
        "select hidden() as n",
        "select nextval(numbers) as n",
        "call wipe()",
        "call slip()",
        "begin not atomic commit; delete from orders; end",
        "execute immediate 'delete from orders'",
        "with gone as (select 1) delete from orders",
        "/*!50000 delete from orders */",
        "select 1 as n into outfile '/tmp/tocsin-must-not-be'",
        "select load_file('/etc/passwd') as t from nowhere",
        "load data local infile '/etc/passwd' into table orders",
        "create table x (id int)",
        "truncate orders",
        "kill 1",
        "lock tables orders write",
        "handler orders open",
        "do sleep(20)",
        "flush tables",
    ],
)
def test_nothing_writes(mariadb: Server, who: str, query: str) -> None:
    reading = ask(mariadb.url(who), query)
    assert reading.status == "unknown", reading.message
    assert mariadb.root("select count(*) from shop.orders") == ((3,),)
    assert mariadb.root("select count(*) from shop.logbook") == ((0,),)
    assert mariadb.root("select next_not_cached_value from shop.numbers") == ((1,),)


@pytest.mark.parametrize(
    "who, right",
    [
        ("root", "ALL PRIVILEGES"),
        ("writer", "INSERT"),
        ("filer", "FILE"),
        ("looker", "PROCESS"),
        ("giver", "GRANT OPTION"),
        ("columnist", "UPDATE"),
        ("roled", "INSERT"),
        ("copier", "REPLICATION SLAVE"),
    ],
)
def test_a_user_with_dangerous_rights_is_refused_and_told_what_to_do(mariadb: Server, who: str, right: str) -> None:
    reading = ask(mariadb.url(who, ""), "select 1 as n")
    assert reading.status == "unknown"
    assert right in reading.message
    assert "grant select on DATABASE.* to watch" in reading.message


@pytest.mark.parametrize(
    "query",
    [
        "select sleep(20) as n",
        "select count(*) as n from seq_1_to_1000000000 a, seq_1_to_1000000000 b",
        "select benchmark(1000000000, sha2('x', 512)) as n",
        "select get_lock('held', 20) as n",
    ],
)
def test_a_query_that_runs_too_long_is_killed(mariadb: Server, query: str) -> None:
    mariadb.root("select 1")
    with mariadb.held("select get_lock('held', 0)"):
        started = time.monotonic()
        reading = ask(mariadb.url(), query, timeout=0.6)
    assert reading.status == "unknown", reading.message
    assert "did not finish within 0.48 s" in reading.message
    assert time.monotonic() - started < 1.5
    running = "select count(*) from information_schema.processlist where user = 'watch' and info like 'select%'"
    deadline = time.monotonic() + 3
    while mariadb.root(running) != ((0,),):
        assert time.monotonic() < deadline, "the server still works on it"


def test_rows_without_end_are_cut(mariadb: Server) -> None:
    started = time.monotonic()
    assert "more than 100 rows" in ask(mariadb.url(), "select seq as n from seq_1_to_10000000").message
    assert "more than 1000 bytes" in ask(mariadb.url(), "select repeat('x', 99999) as t", max_bytes=1000).message
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("who, told", [("watch:wr0ng", "denied"), ("nobody:wr0ng", "denied")])
def test_bad_credentials_cannot_be_told_and_show_no_password(mariadb: Server, who: str, told: str) -> None:
    reading = ask(mariadb.url(who), "select 1 as n")
    assert (reading.status, told in reading.message.lower(), "wr0ng" in reading.message) == ("unknown", True, False)


async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the login and every statement, and ends in the middle of a result."""
    writer.write(greeting())
    await reader.read(4096)
    writer.write(ok(2))
    while query := await reader.read(4096):
        writer.write(packet(1, b"\x01") + struct.pack("<I", 50)[:3] + b"\x02def" if b"grants" in query else ok())
        if b"grants" in query:
            await hangs(reader, writer)


async def promises_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Packets that never end."""
    writer.write(greeting())
    await reader.read(4096)
    writer.write(ok(2))
    while query := await reader.read(4096):
        if b"grants" not in query:
            writer.write(ok())
            continue
        writer.write(packet(1, b"\x01"))
        for number in range(2, 200):
            writer.write(b"\xff\xff\xff" + bytes([number]) + bytes(1 << 20))
            await writer.drain()


@pytest.mark.parametrize("server", [hangs, breaks_off, promises_much], ids=lambda one: one.__name__)
def test_a_server_that_hangs_or_lies_is_left_in_time(server: Handler) -> None:
    started = time.monotonic()
    reading = against(server, "business.sql", timeout=0.5, url="mysql://x@127.0.0.1:PORT/x", query="select 1 as n")
    assert reading.status == "unknown", reading.message
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "url",
    ["mysql://h/x", "mysql://x@169.254.169.254/x", "mysql://x@h/x?charset=y", "mysql://x@h:y/x", "mysql://x@h/?ssl-mode=NO"],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("business.sql").Question(url=url, query="select 1 as n")
