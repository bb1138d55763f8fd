"""Datagrams are stamped by the kernel, come from one address only, and never go to a closed one; whatever probe sends them."""

import asyncio
import socket
import time

import pytest

from app.failure import Failed, Kind
from app.net.datagram import Datagrams, Moment
from app.net.resolve import Endpoint
from tests.net.udp import serve_udp
from tests.probes.run import Options, measure

ASKING: dict[str, Options] = {
    "health.dns": {"query_name": "a.test", "resolver": "rebound.example"},
    "health.icmp": {"host": "rebound.example"},
    "health.ntp": {"host": "rebound.example"},
    "security.dns_drift": {"names": ["a.test"], "resolver": "rebound.example"},
    "security.open_ports": {"host": "rebound.example"},
}


@pytest.mark.parametrize("name", ASKING)
def test_a_name_that_means_metadata_is_not_asked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    reading = measure(name, **ASKING[name])
    assert reading.status == "unknown"
    assert "metadata" in reading.message


def to(port: int) -> Endpoint:
    return Endpoint(socket.AF_INET, "127.0.0.1", port)


def test_a_busy_process_does_not_lengthen_a_round_trip() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        async def story() -> tuple[Moment, Moment]:
            with Datagrams(to(server.getsockname()[1])) as opened:
                opened.send(b"first")  # the kernel begins to stamp a moment after somebody wants it
                server.sendto(b"first", server.recvfrom(10)[1])
                await opened.receive()
                await asyncio.sleep(0.1)
                sent = opened.send(b"ping")
                server.sendto(b"pong", server.recvfrom(10)[1])
                time.sleep(0.5)  # the process is busy with something else
                return sent, (await opened.receive()).at

        sent, came = asyncio.run(story())
    assert 0 <= came.monotonic - sent.monotonic < 400_000_000
    assert 0 <= came.wall - sent.wall < 400_000_000


def test_what_another_address_sends_does_not_arrive() -> None:
    async def story() -> bytes:
        async with serve_udp(lambda _: [b"right"]) as port:
            with Datagrams(to(port)) as opened, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.sendto(b"forged", opened.socket.getsockname())
                opened.send(b"ping")
                return (await opened.receive()).data

    assert asyncio.run(story()) == b"right"


def test_nobody_there_is_told_by_the_kernel() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]

    async def story() -> None:
        with Datagrams(to(port)) as opened:
            opened.send(b"ping")
            async with asyncio.timeout(5):
                await opened.receive()

    with pytest.raises(Failed, match="nothing is listening on UDP") as failed:
        asyncio.run(story())
    assert failed.value.kind is Kind.REFUSED


def test_a_flood_leaves_time_for_others_and_ends_at_the_time_out() -> None:
    """Each datagram brings the next two, so there is always one to read."""

    async def story() -> int:
        async with serve_udp(lambda data: [data] * 2) as port:
            count = 0
            with Datagrams(to(port)) as opened:
                opened.send(b"x")
                try:
                    async with asyncio.timeout(0.2):
                        while True:
                            opened.send((await opened.receive()).data)
                            count += 1
                except TimeoutError:
                    return count

    assert asyncio.run(story()) > 10
