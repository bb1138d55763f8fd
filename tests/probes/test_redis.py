"""health.redis against the run's real Valkey, servers that hang and servers that lie."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from app.net.redis import parse
from tests.net.serve import Handler, certificate, context, hangs, serve, slams
from tests.probes.run import against, measure, measured, remembered

redis = plugins.probe_module("health.redis")


def fake(answers: Mapping[str, bytes], delay: float = 0.0) -> Handler:
    """A server that answers each command by its first word; what it does not know is an error."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            words = []
            for _ in range(int(head[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2].decode())
            writer.write(answers.get(words[0], b"-ERR unknown command\r\n"))
            await writer.drain()

    return handle


def info(**values: object) -> dict[str, bytes]:
    text = "".join(f"{name}:{value}\r\n" for name, value in {"used_memory": 100, "uptime_in_seconds": 9, **values}.items())
    return {"PING": b"+PONG\r\n", "INFO": f"${len(text)}\r\n{text}\r\n".encode()}


def lie(answers: Mapping[str, bytes] | Handler, **with_: Any) -> Reading:
    handler = answers if callable(answers) else fake(answers)
    return against(handler, "health.redis", url="redis://127.0.0.1:PORT/0", **with_)


def test_tocsins_own_broker_is_the_default() -> None:
    reading = measure("health.redis")
    assert reading.status == "ok", reading.message
    assert reading.metrics["used_memory_bytes"] > 0
    again = measure("health.redis", memory=remembered(reading))
    assert again.metrics["evicted_keys"] == again.metrics["rejected_connections"] == 0


@pytest.mark.parametrize(
    "url, status, said",
    [
        ("amqp://guest:s3cret@127.0.0.1:1//", "critical", "refused"),
        ("amqp://guest:s3cret@no.such.host.invalid//", "critical", "no.such.host.invalid"),
    ],
)
def test_a_broker_of_our_own_that_is_not_redis_is_looked_at(
    broker_is: Callable[[str], None], url: str, status: str, said: str
) -> None:
    broker_is(url)
    reading = measure("health.redis", timeout=3.0)
    assert (reading.status, said in reading.message, "s3cret" in reading.message) == (status, True, False), reading.message
    assert measure("performance.redis").status == "unknown"


NOPERM = b"-NOPERM this user has no permissions to run the 'info' command\r\n"


@pytest.mark.parametrize("refusal", [NOPERM, b"-ERR unknown command 'INFO'\r\n"], ids=["by its rights", "by its server"])
def test_an_account_that_may_only_ping_is_ok_and_says_what_it_lacks(refusal: bytes) -> None:
    reading = lie({"PING": b"+PONG\r\n", "INFO": refusal})
    assert (reading.status, set(reading.metrics)) == ("ok", {"seconds"}), reading.message
    assert "ACL SETUSER default +info" in reading.message
    assert lie({"PING": b"+PONG\r\n", "INFO": refusal}, warning_percent=50).status == "unknown"
    fast = against(fake({"PING": b"+PONG\r\n", "INFO": refusal}), "performance.redis", url="redis://127.0.0.1:PORT/0")
    assert (fast.status, "ACL SETUSER default +info" in fast.message) == ("unknown", True)
    assert set(fast.metrics) == {"ping_p50_seconds", "ping_p95_seconds", "ping_max_seconds"}


def test_info_of_a_server_that_loads_is_critical() -> None:
    assert lie({"PING": b"+PONG\r\n", "INFO": b"-LOADING Redis is loading\r\n"}).status == "critical"


@pytest.mark.parametrize(
    "values, status",
    [
        ({"role": "slave", "master_link_status": "up"}, "ok"),
        ({"role": "slave", "master_link_status": "down", "master_link_down_since_seconds": 7}, "critical"),
        ({"role": "slave", "master_link_status": "down", "master_link_down_since_seconds": -1}, "critical"),
        ({"role": "master", "master_link_status": "down"}, "ok"),
        ({"maxmemory": 1000, "used_memory": "junk"}, "unknown"),
    ],
    ids=str,
)
def test_a_replica_cut_off_is_critical_and_what_is_not_told_never_ok(values: dict[str, object], status: str) -> None:
    assert lie(info(**values)).status == status


@pytest.mark.parametrize(
    "values, status",
    [
        ({}, "ok"),
        ({"maxmemory": 1000}, "ok"),
        ({"maxmemory": 110}, "warning"),
        ({"maxmemory": 101}, "critical"),
        ({"maxmemory": 101, "maxmemory_policy": "allkeys-lru"}, "ok"),
        ({"rdb_last_bgsave_status": "err"}, "critical"),
        ({"aof_last_write_status": "err"}, "critical"),
        ({"used_memory": "junk"}, "ok"),
    ],
    ids=str,
)
def test_memory_and_saving_are_judged(values: dict[str, object], status: str) -> None:
    reading = lie(info(**values))
    assert reading.status == status, reading.message


def test_rejections_since_the_last_run_warn_and_a_restart_counts_anew() -> None:
    before = {"evicted_keys": 1.0, "rejected_connections": 2.0, "uptime_in_seconds": 5.0}
    reading = lie(info(rejected_connections=5, evicted_keys=1), memory=before)
    assert (reading.status, reading.metrics["rejected_connections"], reading.metrics["evicted_keys"]) == ("warning", 3, 0)
    anew = lie(info(rejected_connections=5, uptime_in_seconds=1), memory=before)
    assert "rejected_connections" not in anew.metrics


@pytest.mark.parametrize(
    "answers, status",
    [
        (hangs, "critical"),
        (slams, "critical"),
        ({"PING": b"-LOADING Redis is loading\r\n"}, "critical"),
        ({"PING": b"-NOAUTH Authentication required.\r\n"}, "unknown"),
        ({"PING": b"HTTP/1.1 400\r\n"}, "critical"),
        ({"PING": b"$99999999999\r\n"}, "critical"),
        ({"PING": b"$abc\r\n"}, "critical"),
        ({"PING": b"*1\r\n"}, "critical"),
        ({"PING": b"x" * 3_000_000}, "critical"),
        ({"PING": b"+PONG\r\n", "INFO": b"$5\r\nab"}, "critical"),
        ({"PING": b":1\r\n", "INFO": b"$-1\r\n"}, "ok"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:40]),
)
def test_a_server_that_fails_or_lies(answers: Mapping[str, bytes] | Handler, status: str) -> None:
    reading = lie(answers, timeout=0.5)
    assert reading.status == status, reading.message


def test_a_password_is_sent_and_not_shown() -> None:
    seen = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            seen.append(data)
            writer.write(b"-WRONGPASS invalid username-password pair\r\n")

    reading = against(handler=handle, name="health.redis", url="redis://ada:s3cret@127.0.0.1:PORT/3")
    assert seen == [b"*3\r\n$4\r\nAUTH\r\n$3\r\nada\r\n$6\r\ns3cret\r\n"]
    assert reading.status == "unknown"
    assert "s3cret" not in reading.message


def test_redis_over_tls_is_verified(tmp_path: Path) -> None:
    pem = certificate(tmp_path)

    def over_tls(query: str) -> Reading:
        async def story() -> Reading:
            async with serve(fake(info()), context(pem)) as port:
                return await measured("health.redis", url=f"rediss://127.0.0.1:{port}/0{query}")

        return asyncio.run(story())

    assert over_tls("").status == "critical"
    assert over_tls("?ssl_cert_reqs=none").status == "ok"


def test_nobody_there_is_critical() -> None:
    for url in ("redis://127.0.0.1:1", "unix:///no/such.sock", "redis+socket:///no/such.sock"):
        assert measure("health.redis", url=url).status == "critical"


@pytest.mark.parametrize(
    "url",
    ["redis://169.254.169.254", "http://h", "redis://", "redis://h:x", "redis://h/x", "redis://2852039166/0", "unix:///s?db=x"],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        redis.Target(url=url)


@pytest.mark.parametrize(
    "url, said",
    [
        ("redis://h", ("h", 6379, "", False, 0)),
        ("rediss://:p@h:7/2", ("h", 7, "", True, 2)),
        ("redis+socket:///a/b.sock?virtual_host=3", ("", 6379, "/a/b.sock", False, 3)),
        ("unix:///a%20b.sock?db=4", ("", 6379, "/a b.sock", False, 4)),
        ("redis://[::1]:5/1", ("::1", 5, "", False, 1)),
    ],
)
def test_urls_are_read_as_their_owners_write_them(url: str, said: tuple[str | int | bool, ...]) -> None:
    target = parse(url)
    assert (target.host, target.port, target.path, target.secure, target.database) == said
