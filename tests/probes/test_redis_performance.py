"""performance.redis against real Valkeys, primary and replica, and servers that are slow, hang and lie."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from app.net.redis import session
from app.supervisor.binaries import valkey
from tests.net.serve import Handler, hangs, slams
from tests.probes.run import Options, against, measure, remembered
from tests.probes.test_redis import fake, info

NAME = "performance.redis"
QUICK = ("--slowlog-log-slower-than", "0", "--repl-diskless-sync-delay", "0")
redis = plugins.probe_module(NAME)


@contextmanager
def running(*options: str) -> Iterator[int]:
    """A Valkey of the test's own; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [valkey(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp", *options]
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL)
    try:
        while not answers(port):
            assert process.poll() is None, "Valkey did not start"
        yield port
    finally:
        process.kill()
        process.wait(10)


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def tell(port: int, *commands: str) -> list[Any]:
    async def story() -> list[Any]:
        async with session(f"redis://127.0.0.1:{port}", 5) as server:
            return [await server.ask(*command.split()) for command in commands]

    return asyncio.run(story())


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[int, int]]:
    """Ports of a primary and of a replica that follows it."""
    with running(*QUICK) as primary, running("--replicaof", f"127.0.0.1 {primary}") as replica:
        deadline = time.monotonic() + 10
        while "master_link_status:up" not in tell(replica, "INFO replication")[0]:
            assert time.monotonic() < deadline, "the replica does not follow"
        yield primary, replica


def lie(answers: Mapping[str, bytes] | Handler, **with_: Any) -> Reading:
    handler = answers if callable(answers) else fake(answers)
    return against(handler, NAME, url="redis://127.0.0.1:PORT/0", **with_)


def test_tocsins_own_broker_is_the_default() -> None:
    reading = measure(NAME)
    assert reading.status == "ok", reading.message
    assert 0 < reading.metrics["ping_p50_seconds"] <= reading.metrics["ping_p95_seconds"] <= reading.metrics["ping_max_seconds"]
    assert 0 < reading.metrics["memory_used_percent"] < 100


def test_rates_are_counted_between_two_runs(pair: tuple[int, int]) -> None:
    url = f"redis://127.0.0.1:{pair[0]}"
    first = measure(NAME, url=url)
    assert "hit_percent" not in first.metrics
    assert "commands_per_second" not in first.metrics
    tell(pair[0], "SET a 1", "GET a", "GET a", "GET a", "GET none")
    second = measure(NAME, url=url, memory=remembered(first))
    assert second.metrics["hit_percent"] == 75
    assert second.metrics["commands_per_second"] > 0
    assert second.metrics["evicted_per_second"] == 0
    assert second.metrics["new_slow_commands"] > 0
    anew = measure(NAME, url=url, memory={**remembered(first), "uptime_in_seconds": 9e9})
    assert "commands_per_second" not in anew.metrics


def test_primary_and_replica_say_how_far_they_are_apart(pair: tuple[int, int]) -> None:
    primary, replica = (measure(NAME, url=f"redis://127.0.0.1:{port}") for port in pair)
    assert (primary.status, replica.status) == ("ok", "ok")
    assert primary.metrics["replicas"] == 1
    assert [dict(one.labels) for one in primary.series] == [{"replica": f"127.0.0.1:{pair[1]}"}]
    assert replica.metrics["lag_seconds"] >= 0
    assert replica.metrics["replica_lag_bytes"] >= 0


def test_a_replica_without_its_primary_is_critical() -> None:
    with running("--replicaof", "127.0.0.1 1") as port:
        reading = measure(NAME, url=f"redis://127.0.0.1:{port}")
    assert (reading.status, "disconnected from its primary" in reading.message) == ("critical", True)


@pytest.mark.parametrize(
    "values, lag, lacking",
    [
        ({"master_link_status": "up", "master_last_io_seconds_ago": 2}, 2, None),
        ({"master_link_status": "down", "master_last_io_seconds_ago": -1, "master_link_down_since_seconds": 90}, 90, None),
        ({"master_link_status": "down", "master_last_io_seconds_ago": -1, "master_link_down_since_seconds": -1}, None, None),
        ({"master_link_status": "down", "slave_read_repl_offset": 5, "slave_repl_offset": 5}, None, "replica_lag_bytes"),
    ],
    ids=str,
)
def test_a_replica_cut_off_is_never_in_step(values: dict[str, object], lag: int | None, lacking: str | None) -> None:
    reading = lie(info(role="slave", **values))
    assert reading.metrics.get("lag_seconds") == lag
    assert lacking not in reading.metrics
    assert reading.status == ("ok" if values["master_link_status"] == "up" else "critical")


def test_what_is_not_told_is_no_metric_and_a_limit_on_it_never_ok() -> None:
    told = lie(info(instantaneous_ops_per_sec="x"))
    assert not {"operations_per_second", "fragmentation_ratio", "clients", "blocked_clients"} & set(told.metrics)
    for limit in ("warning_fragmentation", "warning_evicted_per_second", "warning_blocked_clients"):
        reading = lie(info(), **{limit: 5})
        assert (reading.status, reading.message) == ("unknown", f"{limit} has no effect: the server does not report it")
    assert lie({"PING": b"+PONG\r\n", "INFO": b"$-1\r\n"}).status == "unknown"


def test_an_account_of_a_real_server_that_may_only_ping(pair: tuple[int, int]) -> None:
    tell(pair[0], "ACL SETUSER pinger on >s3cret +ping")
    url = f"redis://pinger:s3cret@127.0.0.1:{pair[0]}"
    assert (measure("health.redis", url=url).status, measure(NAME, url=url).status) == ("ok", "unknown")
    assert "ACL SETUSER pinger +info" in measure(NAME, url=url).message


def test_keys_that_are_evicted_warn_when_asked_for() -> None:
    first = lie(info(maxmemory=110))
    assert first.metrics["memory_used_percent"] == pytest.approx(90.9, abs=0.1)
    memory = {**remembered(first), "at": remembered(first)["at"] - 10}
    reading = lie(info(evicted_keys=50), memory=memory, warning_evicted_per_second=1)
    assert (reading.status, "keys evicted" in reading.message) == ("warning", True), reading.message
    assert reading.metrics["evicted_per_second"] == pytest.approx(5, abs=1)
    assert lie(info(evicted_keys=50), memory=memory).status == "ok"


@pytest.mark.parametrize(
    "values, with_, status",
    [
        ({}, {}, "ok"),
        ({"used_memory": 1 << 30, "used_memory_rss": 3 << 30}, {}, "warning"),
        ({"used_memory": 1 << 20, "used_memory_rss": 9 << 20}, {}, "ok"),
        ({"blocked_clients": 9}, {"warning_blocked_clients": 8}, "warning"),
        ({"blocked_clients": 9}, {}, "ok"),
        ({"master_repl_offset": 99_000_000, "slave0": "ip=10.0.0.1,port=1,state=online,offset=1000,lag=1"}, {}, "warning"),
        ({"slave0": "rubbish", "used_memory": "nan", "instantaneous_ops_per_sec": "x"}, {}, "ok"),
    ],
    ids=str,
)
def test_what_the_server_tells_is_judged(values: dict[str, object], with_: Options, status: str) -> None:
    assert lie(info(**values), **with_).status == status


def test_slow_answers_are_told() -> None:
    assert lie(info(), warning_seconds=1e-9).status == "warning"
    reading = lie(info(), critical_seconds=1e-9)
    assert (reading.status, "PING takes" in reading.message) == ("critical", True)


@pytest.mark.parametrize("handler", [hangs, slams, fake({"PING": b"+PONG\r\n", "INFO": b"nonsense\r\n"})])
def test_a_server_that_hangs_or_lies_is_critical_in_time(handler: Handler) -> None:
    started = time.monotonic()
    assert lie(handler, timeout=0.4).status == "critical"
    assert time.monotonic() - started < 1.5


def test_who_may_not_ask_cannot_tell(pair: tuple[int, int]) -> None:
    assert lie({"PING": b"-NOAUTH Authentication required.\r\n"}).status == "unknown"
    assert lie({"PING": b"-LOADING the dataset\r\n"}).status == "critical"
    assert measure(NAME, url="redis://127.0.0.1:1").status == "critical"
    with pytest.raises(ValidationError):
        redis.Target(url="redis://169.254.169.254")
