"""A header that may be a key stays with the origin it was meant for."""

import asyncio
from typing import Any

import pytest

from app.failure import Failed, Kind
from app.net import http
from tests.net.serve import ok, serve


async def story(*, away: bool, status: int = 302, method: str = "GET", **more: Any) -> list[bytes]:
    """What two servers were sent: the first redirects to the second (`away`) or to itself."""
    heard: list[bytes] = []
    ports: list[int] = []

    async def first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        heard.append(asked)
        target = f"http://127.0.0.1:{ports[0]}/there" if away else "/there"
        told = f"HTTP/1.1 {status} Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
        writer.write(ok() if b"/there" in asked.split(b"\r\n")[0] else told)
        await writer.drain()

    async def second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ok())
        await writer.drain()

    async with serve(second) as other, serve(first) as port:
        ports.append(other)
        headers = {"X-Api-Key": "hush", "Accept": "text/plain"}
        asked = http.Request(
            f"http://127.0.0.1:{port}/", method, headers, follow_redirects=3, username="u", password="p", **more
        )
        response = await http.fetch(asked)
        await http.close()
        assert (response.status, response.redirects) == (200, 1)
        assert response.timings.total > 0
    return heard


def test_it_is_not_sent_to_another_host_that_a_redirect_names() -> None:
    first, second = asyncio.run(story(away=True))
    assert b"X-Api-Key: hush" in first
    assert b"Authorization: Basic" in first
    assert b"hush" not in second
    assert b"Authorization" not in second
    assert b"Accept: text/plain" in second


def test_it_is_sent_again_to_the_same_origin() -> None:
    _, second = asyncio.run(story(away=False))
    assert b"X-Api-Key: hush" in second
    assert b"Authorization: Basic" in second


@pytest.mark.parametrize(
    "status,method,becomes",
    [
        (301, "POST", b"GET"),
        (302, "POST", b"GET"),
        (303, "PUT", b"GET"),
        (307, "POST", b"POST"),
        (308, "PUT", b"PUT"),
        (302, "PUT", b"PUT"),
    ],
    ids=str,
)
def test_the_method_changes_as_rfc_9110_says(status: int, method: str, becomes: bytes) -> None:
    _, second = asyncio.run(story(away=True, status=status, method=method, body=b"x"))
    assert second.startswith(becomes + b" ")


@pytest.mark.parametrize(
    "place,kind",
    [("http://169.254.169.254/", Kind.BLOCKED), ("file:///etc/passwd", Kind.BLOCKED), ("/again", Kind.TOO_MANY_REDIRECTS)],
    ids=str,
)
def test_it_ends_where_no_request_may_go(place: str, kind: Kind) -> None:
    async def loops() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()

        async with serve(handle) as port:
            try:
                await http.fetch(http.Request(f"http://127.0.0.1:{port}/", headers={"X-Api-Key": "k"}, follow_redirects=2))
            finally:
                await http.close()

    with pytest.raises(Failed) as failed:
        asyncio.run(loops())
    assert failed.value.kind is kind
