"""Every probe that resolves a name by itself tries all addresses: two.example is ::1 and 127.0.0.1, which alone serves."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from app.checks.probe import Reading
from tests.net.serve import Handler, hangs, ok, says, serve
from tests.net.udp import serve_udp
from tests.probes.run import Options, measure, measured
from tests.probes.servers.mysql import error
from tests.probes.servers.nameservers import made
from tests.probes.test_ntp import says as tells_the_time
from tests.probes.test_redis_performance import running

TWO = "two.example"


@pytest.fixture(autouse=True)
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *words: Any, **named: Any) -> Any:
        if host != TWO:
            return real(host, port, *words, **named)
        six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", int(port), 0, 0))
        return [six, (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port)))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@contextmanager
def silent_six(port: int) -> Iterator[None]:
    """On ::1 somebody takes connections and says nothing."""
    with socket.create_server(("::1", port), family=socket.AF_INET6):
        yield


@contextmanager
def refused(_: int) -> Iterator[None]:
    yield


FIRST = pytest.mark.parametrize("first", [refused, silent_six], ids=["refuses", "is silent"])


@FIRST
@pytest.mark.parametrize("name", ["health.celery", "performance.celery"])
def test_celerys_broker_is_found_on_the_second_address(name: str, first: Callable[[int], AbstractContextManager[None]]) -> None:
    with running() as port, first(port):
        started = time.monotonic()
        reading = measure(name, url=f"redis://{TWO}:{port}/0", queues=["q"], timeout=6.0)
        assert time.monotonic() - started < 7
    assert "no worker" in reading.message, reading.message
    assert reading.metrics["workers"] == 0


async def greets_as_rabbitmq(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Waits for the protocol's header and refuses every version, as a broker of another one does."""
    assert (await reader.readexactly(8))[:4] == b"AMQP"
    writer.write(b"AMQP\0\0\x08\0")
    await writer.drain()


@pytest.mark.parametrize("name", ["health.celery", "performance.celery"])
@pytest.mark.parametrize("host, listens", [(TWO, "127.0.0.1"), ("[::1]", "::1")])
def test_rabbitmq_is_asked_on_the_second_address_and_on_ipv6_too(name: str, host: str, listens: str) -> None:
    asked = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        await greets_as_rabbitmq(reader, writer)

    async def story() -> Reading:
        async with serve(handle, host=listens) as port:
            return await measured(name, 2.0, url=f"amqp://u:p@{host}:{port}//", queues=["q"])

    assert asyncio.run(story()).status == "critical"
    assert asked


@contextmanager
def udp_six(port: int, *, listens: bool) -> Iterator[None]:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        if listens:
            taken.bind(("::1", port))
        yield


@pytest.mark.parametrize("listens", [False, True], ids=["refuses", "is silent"])
@pytest.mark.parametrize("name", ["health.ntp", "health.dns"])
def test_a_server_over_udp_is_asked_on_the_second_address(name: str, listens: bool) -> None:
    answers: dict[str, tuple[Callable[[bytes], list[bytes]], dict[str, Any]]] = {
        "health.ntp": (tells_the_time(), {"host": TWO}),
        "health.dns": (
            lambda query: [made(query, "www.shop.test. 60 IN A 192.0.2.10").to_wire()],
            {"query_name": "www.shop.test", "resolver": TWO},
        ),
    }
    server, with_ = answers[name]

    async def story() -> Reading:
        async with serve_udp(server) as port:
            with udp_six(port, listens=listens):
                return await measured(name, 2.0, port=port, **with_)

    reading = asyncio.run(story())
    assert reading.status == "ok", reading.message


def test_no_time_server_on_any_address_is_critical_and_each_is_named() -> None:
    with udp_six(0, listens=False):
        reading = measure("health.ntp", 2.0, host=TWO, port=1)
    assert reading.status == "critical"
    assert "[::1]:1" in reading.message
    assert "127.0.0.1:1" in reading.message


@FIRST
def test_postgresql_is_found_on_the_second_address(server: str, first: Callable[[int], AbstractContextManager[None]]) -> None:
    port = int(server.rpartition(":")[2].partition("/")[0])
    url = server.format("watch").replace("127.0.0.1", TWO)
    with first(port):
        for name, with_ in (
            ("health.postgres", {}),
            ("performance.postgres", {}),
            ("business.sql", {"query": "select 1 as n"}),
        ):
            reading = measure(name, 6.0, url=url, **with_)
            assert reading.status == "ok", reading.message


async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(error(0, 1040, "Too many connections"))
    await hangs(reader, writer)


async def pongs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1000):
        writer.write(b"+PONG\r\n")


async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 here\r\n")
    await hangs(reader, writer)


@pytest.mark.parametrize(
    "name, handler, with_, told",
    [
        ("health.tcp", greets, {"host": TWO, "port": "PORT", "expect": "220"}, "connected in"),
        ("health.redis", pongs, {"url": f"redis://{TWO}:PORT"}, "answered in"),
        ("health.smtp", greets, {"host": TWO, "port": "PORT"}, "no response to EHLO"),
        ("health.ssh", greets, {"host": TWO, "port": "PORT"}, "220 here"),
        ("health.mysql", full, {"url": f"mysql://x@{TWO}:PORT/x"}, "Too many connections"),
        ("health.http", says(ok()), {"url": f"http://{TWO}:PORT/"}, "200"),
        ("health.rabbitmq", says(ok(b"[]")), {"url": f"http://{TWO}:PORT"}, "/api/overview returned 200"),
        ("health.docker", says(ok(b"{}")), {"url": f"tcp://{TWO}:PORT"}, "its list of containers is invalid"),
        ("performance.http", says(ok()), {"url": f"http://{TWO}:PORT/"}, "first byte"),
        ("business.http_json", says(ok(b'{"a": 1}')), {"url": f"http://{TWO}:PORT/", "metrics": {"a": "$.a"}}, "a 1"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith(("health.", "perf", "busi")) else "",
)
def test_every_other_probe_finds_the_second_address(name: str, handler: Handler, with_: Options, told: str) -> None:
    async def story() -> Reading:
        async with serve(handler) as port:
            filled: Options = {
                key: port if value == "PORT" else value.replace("PORT", str(port)) if isinstance(value, str) else value
                for key, value in with_.items()
            }
            return await measured(name, 3.0, **filled)

    reading = asyncio.run(story())
    assert told in reading.message
