"""What changes something reaches the wire once, whatever becomes of the connection it was sent on."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from app.net import http
from tests.net.serve import certificate, context, ok, serve

Ending = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def whole(reader: asyncio.StreamReader) -> str:
    """One request with its body; its first line."""
    text = (await head(reader)).decode()
    for line in text.splitlines():
        if line.lower().startswith("content-length:"):
            await reader.readexactly(int(line.split(":")[1]))
    return text.splitlines()[0]


async def resets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def ends(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def breaks_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.")
    await writer.drain()
    writer.transport.abort()


class Kept:
    """A server that answers the first request of every connection and ends the second without an answer."""

    def __init__(self, ending: Ending) -> None:
        self.ending, self.seen = ending, list[str]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.append(await whole(reader))
        writer.write(ok())
        await writer.drain()
        self.seen.append(await whole(reader))
        await self.ending(reader, writer)


def second(server: Kept, method: str, body: bytes, tls: ssl.SSLContext | None = None) -> http.Response | http.Failed:
    """What becomes of the second request over the same connection."""

    async def both() -> http.Response | http.Failed:
        async with serve(server, tls) as port:
            url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
            try:
                await http.fetch(http.Request(f"{url}/first", method, body=body, timeout=5, verify_tls=False))
                try:
                    return await http.fetch(http.Request(f"{url}/second", method, body=body, timeout=5, verify_tls=False))
                except http.Failed as failed:
                    return failed
            finally:
                await http.close()

    return asyncio.run(both())


ENDINGS = {"a reset": resets, "an end": ends, "half a line": breaks_off}
BODIES = {"a page": b"x" * 900, "one octet": b"x", "much": b"x" * 1_500_000}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_what_changes_something_is_sent_once_over_a_connection_that_ends(method: str, body: bytes, ending: Ending) -> None:
    server = Kept(ending)
    got = second(server, method, body)
    assert isinstance(got, http.Failed)
    assert got.kind is http.Kind.PROTOCOL
    assert server.seen == [f"{method} /first HTTP/1.1", f"{method} /second HTTP/1.1"]


def test_the_same_over_tls(tmp_path: Path) -> None:
    server = Kept(resets)
    got = second(server, "POST", b"x" * 900, context(certificate(tmp_path)))
    assert isinstance(got, http.Failed)
    assert "before a response" in str(got)
    assert server.seen == ["POST /first HTTP/1.1", "POST /second HTTP/1.1"]


def test_what_has_no_body_goes_over_a_new_connection() -> None:
    server = Kept(resets)
    got = second(server, "POST", b"")
    assert isinstance(got, http.Response)
    assert server.seen == ["POST /first HTTP/1.1", "POST /second HTTP/1.1"]


@pytest.mark.parametrize("idle", [0.02, 0.3, 1.2])
def test_a_connection_that_ended_while_idle_is_seen_and_costs_no_attempt(idle: float) -> None:
    """Many servers end what is idle, and some after every answer, without a word: nothing was sent, so nothing is lost."""
    seen: list[str] = []

    async def one_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await whole(reader))
        writer.write(ok())
        await writer.drain()

    async def three() -> None:
        async with serve(one_each) as port:
            try:
                for _ in range(3):
                    request = http.Request(f"http://127.0.0.1:{port}/", "POST", body=b"x", timeout=5)
                    assert (await http.fetch(request)).status == 200
                    await asyncio.sleep(idle)
            finally:
                await http.close()

    asyncio.run(three())
    assert len(seen) == 3


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_connection_that_lives_is_used_again(tmp_path: Path, secure: bool) -> None:
    peers: list[object] = []

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await whole(reader)
            peers.append(writer.get_extra_info("peername"))
            writer.write(ok())
            await writer.drain()

    async def five() -> None:
        async with serve(keeps, context(certificate(tmp_path)) if secure else None) as port:
            try:
                for _ in range(5):
                    url = f"{'https' if secure else 'http'}://127.0.0.1:{port}/"
                    await http.fetch(http.Request(url, "POST", body=b"x", timeout=5, verify_tls=False))
            finally:
                await http.close()

    asyncio.run(five())
    assert len(peers) == 5
    assert len(set(peers)) == 1


def test_the_same_body_is_sent_whole_every_time_over_one_connection() -> None:
    bodies: list[bytes] = []

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            text = (await head(reader)).decode().lower()
            length = int(text.partition("content-length:")[2].splitlines()[0])
            bodies.append(await reader.readexactly(length))
            writer.write(ok())
            await writer.drain()

    async def three() -> None:
        async with serve(keeps) as port:
            try:
                for body in (b"a" * 70_000, b"a" * 70_000, b"b"):
                    await http.fetch(http.Request(f"http://127.0.0.1:{port}/", "POST", body=body, timeout=5))
            finally:
                await http.close()

    asyncio.run(three())
    assert bodies == [b"a" * 70_000, b"a" * 70_000, b"b"]
