"""health.mysql against a real primary and its replica, and servers that are full, hang and lie; and what a session promises."""

import asyncio
import time
from contextlib import ExitStack
from typing import Any

import pymysql
import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from app.failure import Failed, Kind
from app.net import mysql
from app.net.mysql import parse
from tests.net.serve import Handler, hangs, slams
from tests.probes.run import against, measure, remembered
from tests.probes.servers.mariadb import Server
from tests.probes.servers.mysql import error, greeting, ok, packet

pytestmark = pytest.mark.xdist_group("mariadb")
health = plugins.probe_module("health.mysql")


def test_a_primary_is_measured(mariadb: Server) -> None:
    first = measure("health.mysql", url=mariadb.url("monitor", ""), role="primary")
    assert first.status == "ok", first.message
    assert first.metrics["read_only"] == 0
    assert 0 < first.metrics["connections_used_percent"] < 80
    assert first.metrics["threads_running"] >= 1
    assert "slow_queries_per_second" not in first.metrics
    mariadb.root("set long_query_time = 0", "select 1")
    second = measure("health.mysql", url=mariadb.url("monitor", ""), memory=remembered(first))
    assert second.metrics["slow_queries_per_second"] >= 0
    anew = measure("health.mysql", url=mariadb.url("monitor", ""), memory={**remembered(first), "uptime": 9e9})
    assert "slow_queries_per_second" not in anew.metrics


def test_a_wrong_role_is_critical(mariadb: Server, replica: Server) -> None:
    assert "expected a replica" in measure("health.mysql", url=mariadb.url("monitor", ""), role="replica").message
    reading = measure("health.mysql", url=replica.url("monitor", ""), role="primary")
    assert (reading.status, "it is read-only, expected a primary" in reading.message) == ("critical", True)


def test_a_replica_in_step_is_ok_and_one_that_stopped_is_critical(replica: Server) -> None:
    reading = measure("health.mysql", url=replica.url("monitor", ""), role="replica")
    assert reading.status == "ok", reading.message
    assert reading.metrics["lag_seconds"] >= 0
    assert {(one.metric, one.value) for one in reading.series} >= {("io_running", 1), ("sql_running", 1)}
    replica.root("stop slave io_thread")
    stopped = measure("health.mysql", url=replica.url("monitor", ""))
    replica.root("start slave io_thread")
    assert stopped.status == "critical"
    assert "channel default receives nothing (IO thread: no)" in stopped.message
    assert "lag_seconds" not in stopped.metrics


def test_a_replica_that_cannot_apply_says_why(mariadb: Server, replica: Server) -> None:
    replica.root("drop table shop.logbook")
    mariadb.root("insert into shop.logbook values (1)", "delete from shop.logbook")
    deadline = time.monotonic() + 5
    reading = measure("health.mysql", url=replica.url("monitor", ""))
    while reading.status == "ok" and time.monotonic() < deadline:
        reading = measure("health.mysql", url=replica.url("monitor", ""))
    assert reading.status == "critical", reading.message
    assert "applies nothing (SQL thread: no)" in reading.message
    assert "logbook" in reading.message


def test_a_user_who_may_not_see_the_replication_is_told_what_to_grant(mariadb: Server) -> None:
    reading = measure("health.mysql", url=mariadb.url())
    assert (reading.status, "slave monitor" in reading.message) == ("ok", True)
    assert measure("health.mysql", url=mariadb.url(), role="replica").status == "unknown"
    assert measure("health.mysql", url=mariadb.url(), warning_lag="1m").status == "unknown"
    counted = measure("health.mysql", url=mariadb.url("monitor", ""), min_replicas=1)
    assert (counted.status, "replication master admin" in counted.message) == ("unknown", True)


def test_a_primary_tells_of_replicas_that_are_gone(mariadb: Server, replica: Server) -> None:
    def primary(**with_: Any) -> Reading:
        return measure("health.mysql", url=mariadb.url("minder", ""), **with_)

    def until(status: str, said: str = "") -> Reading:
        deadline = time.monotonic() + 15
        while (reading := primary(min_replicas=1)).status != status:
            mariadb.root("flush binary logs")  # a primary sees that a replica has left when it sends it something
            assert time.monotonic() < deadline, reading.message
        assert said in reading.message
        return reading

    assert until("ok").metrics["replicas"] == 1
    replica.root("stop slave io_thread")
    try:
        until("critical", "0 replicas are connected, expected 1")
        assert "replicas" not in primary().metrics
    finally:
        replica.root("start slave io_thread")
    until("ok")


YES = {"name": "default", "io": "Yes", "sql": "Yes", "lag": 0.0, "error": ""}


@pytest.mark.parametrize(
    "channels, status, said",
    [
        ([{}], "ok", ""),
        ([{"io": "No", "lag": None}], "critical", "channel default receives nothing (IO thread: no)"),
        ([{"io": "No", "lag": 0.0}], "critical", "receives nothing"),
        ([{"io": "Connecting", "lag": None, "error": "refused"}], "critical", "(IO thread: connecting): refused"),
        ([{"io": "Preparing", "lag": None}], "critical", "preparing"),
        ([{"sql": "No", "lag": None}], "critical", "applies nothing (SQL thread: no)"),
        ([{"lag": None}], "unknown", "channel default: replication lag unknown"),
        ([{}, {"name": "b", "lag": None}], "unknown", "channel b: replication lag unknown"),
        ([{"lag": 90.0}, {"name": "b", "lag": None}], "warning", "replication lag 1 min 30 s"),
        ([{}, {"name": "b", "io": "No", "lag": None}], "critical", "channel b receives nothing"),
    ],
    ids=str,
)
def test_a_replica_that_does_not_follow_is_never_ok(channels: list[dict[str, Any]], status: str, said: str) -> None:
    seen = tuple(health.Channel(**(YES | one)) for one in channels)
    counters = {"threads_connected": 1.0, "threads_running": 1.0, "uptime": 9.0, "slow_queries": 0.0}
    state = health.State(counters, 100.0, read_only=True, channels=seen, replicas=None)
    found = list(health._findings(state, health._metrics(state), health.Target(url="mysql://x@h/")))
    assert health.worst(one for one, _ in found) == status
    assert said in "; ".join(text for _, text in found)


def test_a_full_server_is_told_and_one_that_takes_nobody_is_critical(mariadb: Server) -> None:
    assert measure("health.mysql", url=mariadb.url(), warning_percent=0.1).status == "warning"
    assert measure("health.mysql", url=mariadb.url(), critical_percent=0.1).status == "critical"
    with ExitStack() as held:
        while mariadb.held_one_more(held):
            pass
        reading = measure("health.mysql", url=mariadb.url())
    assert (reading.status, reading.message) == ("critical", "Too many connections")


def test_bad_credentials_cannot_be_told_and_show_no_password(mariadb: Server) -> None:
    for who, more in (("watch:wr0ng", ""), ("watch:pass-w0rd", "/nowhere"), ("secure:x", "?ssl-mode=DISABLED")):
        reading = measure("health.mysql", url=mariadb.url(who, more))
        assert (reading.status, "denied" in reading.message) == ("unknown", True)
        assert "wr0ng" not in reading.message


def test_tls_is_checked_when_the_url_says_so(mariadb: Server) -> None:
    trusted = f"?ssl-mode=VERIFY_IDENTITY&ssl-ca={mariadb.authority}"
    assert measure("health.mysql", url=mariadb.url("secure:x", trusted)).status == "ok"
    reading = measure("health.mysql", url=mariadb.url("secure:x", "?ssl-mode=VERIFY_CA"))
    assert (reading.status, "certificate rejected" in reading.message) == ("critical", True)
    assert measure("health.mysql", url=mariadb.url("secure:x", "?ssl-mode=VERIFY_CA&ssl-ca=/none")).status == "critical"


@pytest.mark.parametrize("url", ["mysql://x@127.0.0.1:1/x", "mysql://x@/x?socket=/no/such", "mysql://x@no.such.host.invalid/x"])
def test_nobody_there_is_critical(url: str) -> None:
    assert measure("health.mysql", url=url).status == "critical"


async def garbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 10)
    await hangs(reader, writer)


async def wants_a_file(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the login, and answers its first question with a request for a file of the client's."""
    writer.write(greeting())
    await reader.read(4096)
    writer.write(ok(2))
    while b"status" not in await reader.read(4096):
        writer.write(ok())
    writer.write(packet(1, b"\xfb/etc/passwd"))
    while sent := await reader.read(4096):
        assert b"root:" not in sent


async def wants_the_password(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the login, and asks for the password in clear text."""
    writer.write(greeting())
    await reader.read(4096)
    writer.write(packet(2, b"\xfemysql_clear_password\0"))
    assert b"s3cret" not in await reader.read(4096)


async def hangs_later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(greeting())
    await reader.read(4096)
    writer.write(ok(2))
    await hangs(reader, writer)


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"\0")
        await asyncio.sleep(0.01)


async def is_full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(error(0, 1040, "Too many connections"))
    await hangs(reader, writer)


async def blocks_us(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(error(0, 1130, "Host '10.0.0.1' is not allowed to connect"))
    await hangs(reader, writer)


@pytest.mark.parametrize(
    "server, status, told",
    [
        (hangs, "critical", "no session established within 0.4 s"),
        (slams, "critical", "closed the connection"),
        (garbles, "critical", ""),
        (wants_a_file, "critical", "does not speak the MySQL protocol"),
        (wants_the_password, "unknown", "clear text"),
        (hangs_later, "critical", "no session established within 0.4 s"),
        (drips, "critical", ""),
        (is_full, "critical", "Too many connections"),
        (blocks_us, "unknown", "not allowed"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_server_that_hangs_or_lies_is_told_in_time(server: Handler, status: str, told: str) -> None:
    started = time.monotonic()
    reading = against(server, "health.mysql", timeout=0.5, url="mysql://x:s3cret@127.0.0.1:PORT/x")
    assert (reading.status, told in reading.message) == (status, True), reading.message
    assert time.monotonic() - started < 1.5


def test_what_the_server_says_against_a_query_is_said(mariadb: Server) -> None:
    with pytest.raises(pymysql.err.ProgrammingError) as refused:
        asyncio.run(mysql.ask(mariadb.url(), 2, lambda session: session.rows("select * from nowhere")))
    assert "nowhere" in mysql.error_text(refused.value)
    with pytest.raises(Failed) as failed:
        asyncio.run(mysql.ask(mariadb.url(), 2, lambda session: session.rows("select repeat('x', 99999)"), max_bytes=9999))
    assert failed.value.kind is Kind.PROTOCOL


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://x@h/x",
        "mysql://h/x",
        "mysql://",
        "mysql://x@169.254.169.254/",
        "mysql://x@2852039166/",
        "mysql://x@h:99999/",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        health.Target(url=url)


def test_urls_are_read_as_their_owners_write_them() -> None:
    target = parse("mariadb://a%40b:p%2Fw@[::1]:3307/shop?ssl_mode=required")
    assert (target.host, target.port, target.username, target.password) == ("::1", 3307, "a@b", "p/w")
    assert (target.database, target.mode) == ("shop", "REQUIRED")
    assert parse("mysql://x@h").port == 3306
