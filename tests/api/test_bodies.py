"""Packed bodies are unpacked or refused by name, a bomb fills no memory, a half-sent body is nobody's bug."""

import bz2
import gzip
import json
import os
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest
from structlog.testing import capture_logs

from app.api.body import MEMBERS, Gunzip
from app.errors import Garbled, TooLarge
from app.signals.payload import BODY
from tests.api.conftest import Api
from tests.stack import until

EVENT = {"key": "packed", "summary": "Packed", "service": "shop"}
PLAIN = json.dumps({"events": [EVENT]}).encode()
PACKED = gzip.compress(PLAIN)
BOMB = gzip.compress(b" " * (BODY + 1))
JUST_FITS = gzip.compress(PLAIN + b" " * (BODY - len(PLAIN)))


@cache
def bomb() -> bytes:
    """256 MiB of zeros."""
    return gzip.compress(bytes(256 << 20), 1)


def _with_name(data: bytes) -> bytes:
    """A gzip file with the optional fields: name, comment."""
    packed = gzip.compress(data)
    return packed[:3] + b"\x18" + packed[4:10] + b"events.json\0all of them\0" + packed[10:]


@pytest.fixture
def key(api: Api) -> str:
    made: str = api.post("integrations", {"name": "in", "kind": "generic"}, 201)["key"]
    return made


BODIES = [
    pytest.param("gzip", PACKED, 202, id="gzip"),
    pytest.param("x-gzip", PACKED, 202, id="x-gzip is the same (RFC 9110)"),
    pytest.param("GZIP", PACKED, 202, id="names of encodings know no case"),
    pytest.param("gzip ,", PACKED, 202, id="empty list items count for nothing"),
    pytest.param("identity, gzip", PACKED, 202, id="identity is no encoding"),
    pytest.param("gzip", _with_name(PLAIN), 202, id="gzip with a file name"),
    pytest.param("gzip", gzip.compress(PLAIN[:9]) + gzip.compress(PLAIN[9:]), 202, id="two gzip members, as log shippers send"),
    pytest.param("gzip", JUST_FITS, 202, id="8 MiB unpacked"),
    pytest.param("identity", PLAIN, 202, id="identity"),
    pytest.param("", PLAIN, 202, id="no name"),
    pytest.param("deflate", zlib.compress(PLAIN), 415, id="deflate"),
    pytest.param("br", PLAIN, 415, id="brotli"),
    pytest.param("zstd", PLAIN, 415, id="zstd"),
    pytest.param("bzip2", bz2.compress(PLAIN), 415, id="bzip2"),
    pytest.param("utf-8", PLAIN, 415, id="a charset"),
    pytest.param("gzip, gzip", gzip.compress(PACKED), 415, id="packed twice"),
    pytest.param("gzip, br", PACKED, 415, id="packed by two"),
    pytest.param("gzip", PLAIN, 400, id="not packed at all"),
    pytest.param("gzip", zlib.compress(PLAIN), 400, id="zlib"),
    pytest.param("gzip", b"", 400, id="empty"),
    pytest.param("gzip", PACKED[:-1], 400, id="the last byte is missing"),
    pytest.param("gzip", PACKED[:12], 400, id="the head alone"),
    pytest.param("gzip", PACKED[:-8] + bytes(8), 400, id="a wrong checksum"),
    pytest.param("gzip", PACKED + b"garbage", 400, id="something behind it"),
    pytest.param("gzip", PACKED + bytes(512), 400, id="zeros behind it"),
    pytest.param("gzip", BOMB, 413, id="a byte more than 8 MiB unpacked"),
    pytest.param("gzip", bomb, 413, id="a bomb"),
    pytest.param("gzip", gzip.compress(b"{"), 422, id="no JSON inside"),
]  # fmt: skip


@pytest.mark.parametrize("coding, body, status", BODIES)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_packed_events_are_unpacked_or_refused_by_name(
    api: Api, key: str, coding: str, body: bytes | Callable[[], bytes], status: int, chunked: bool
) -> None:
    body = body if isinstance(body, bytes) else body()
    for path in ("events", f"/in/{key}"):
        data: bytes | Iterator[bytes] = iter([body[:7], body[7:]] if body else []) if chunked else body
        response = api.call("POST", path, data=data, headers={"Content-Encoding": coding})
        assert response.status_code == status, response.text
        assert response.headers.get("accept-encoding") == ("gzip" if status == 415 else None)
        assert response.headers["content-type"] == "application/json" if status == 202 else "application/problem+json"


def test_the_api_takes_packed_bodies_too(api: Api) -> None:
    packed = {"Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps({"labels": {"service": "shop"}}).encode())
    assert api.call("POST", "preview", data=body, headers=packed).json()["policy"] == "shop"
    assert api.call("POST", "preview", data=body[:-1], headers=packed).status_code == 400
    assert api.call("POST", "preview", data=body, headers={"Content-Encoding": "br"}).status_code == 415
    assert api.call("POST", "preview", data=BOMB, headers=packed).status_code == 413


def test_what_needs_no_body_does_not_ask_how_it_is_packed(api: Api) -> None:
    for coding in ("gzip", "br"):
        assert api.call("GET", "incidents", headers={"Content-Encoding": coding}).status_code == 200
        assert api.call("GET", "/healthz", None, headers={"Content-Encoding": coding}).status_code == 200
    api.raise_alerts(EVENT)


@pytest.mark.parametrize(
    "coding, body, status, kept",
    [
        ("gzip", gzip.compress(b"done"), 200, b"done"),
        ("gzip", gzip.compress(b"x" * 20_000), 200, b"x" * 10_000),
        ("gzip", gzip.compress(bytes(64 << 20)), 200, b""),
        ("gzip", b"", 200, b""),
        ("br", b"", 200, b""),
        ("gzip", b"done", 400, None),
        ("gzip", gzip.compress(b"done")[:-1], 400, None),
        ("br", b"done", 415, None),
    ],
    ids=["packed", "long", "a bomb: a ping all the same", "empty", "empty, other", "not packed", "cut", "another encoding"],
)
def test_pings_are_unpacked_as_well(api: Api, key: str, coding: str, body: bytes, status: int, kept: bytes | None) -> None:
    assert api.call("GET", f"/ping/{key}/job?create=1", None).status_code == 201
    response = api.call("POST", f"/ping/{key}/job", None, data=body, headers={"Content-Encoding": coding})
    assert response.status_code == status, response.text
    pings = api.get("heartbeats/job/pings")["items"]
    assert len(pings) == (1 if kept is None else 2)
    if kept:
        assert api.call("GET", f"heartbeats/job/pings/{pings[0]['n']}/body").content == kept


def test_a_console_form_that_is_packed_wrongly_is_told_so(api: Api) -> None:
    for coding, status in (("br", 415), ("gzip", 400)):
        headers = {
            "Content-Encoding": coding,
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        response = api.session.post(f"{api.url}/login", data=b"csrf=x&login=a", headers=headers)
        assert response.status_code == status
        assert response.headers["content-type"].startswith("text/html")


def test_a_bomb_costs_no_more_memory_than_the_limit() -> None:
    bomb = gzip.compress(bytes(16 * BODY))
    tracemalloc.start()
    reader = Gunzip()
    pieces = [bomb[at : at + 65_536] for at in range(0, len(bomb), 65_536)]
    with pytest.raises(TooLarge):
        [reader.unpack(piece, False) for piece in pieces]
    assert tracemalloc.get_traced_memory()[1] < 3 * BODY
    tracemalloc.stop()


def test_a_body_of_endless_empty_members_is_given_up() -> None:
    with pytest.raises(TooLarge):
        Gunzip().unpack(gzip.compress(b"") * (MEMBERS + 1), True)
    assert Gunzip().unpack(gzip.compress(b"a") * MEMBERS, True) == b"a" * MEMBERS


def test_any_cut_gives_the_same() -> None:
    data = os.urandom(3000) + b"a" * 3000
    packed = gzip.compress(data) + gzip.compress(data)
    for size in (1, 2, 7, 999, len(packed)):
        reader = Gunzip()
        pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
        out = [reader.unpack(piece, at == len(pieces) - 1) for at, piece in enumerate(pieces)]
        assert b"".join(out) == data * 2
    with pytest.raises(Garbled):
        Gunzip().unpack(packed[:-3], True)


HALF = [
    pytest.param(b"Content-Length: 500\r\n\r\n" + PLAIN[:20], id="half of what was announced"),
    pytest.param(b"Content-Length: 500\r\n\r\n", id="nothing of what was announced"),
    pytest.param(b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"eve\r\n", id="a chunk too few"),
    pytest.param(b"Transfer-Encoding: chunked\r\n\r\nff\r\n{\"eve", id="half a chunk"),
    pytest.param(b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{\"eve", id="no chunk at all"),
    pytest.param(b"Content-Encoding: gzip\r\nContent-Length: 500\r\n\r\n" + PACKED[:20], id="half of what is packed"),
    pytest.param(b"Expect: 100-continue\r\nContent-Length: 500\r\n\r\n", id="asked first, and gone"),
]  # fmt: skip


@pytest.mark.parametrize("rest", HALF)
@pytest.mark.parametrize(
    "path", ["/api/v1/events", "/in/KEY", "/ping/KEY/job", "/api/v1/preview", "/login", "/api/v1/config/plan"]
)
@pytest.mark.parametrize("how", ["closed", "half-closed", "reset"])
def test_a_half_sent_body_is_no_bug_of_ours(api: Api, key: str, path: str, rest: bytes, how: str) -> None:
    head = f"POST {path.replace('KEY', key)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.tokens['root']}\r\n"
    head += "Sec-Fetch-Site: same-origin\r\n"
    host, port = api.url.removeprefix("http://").split(":")
    with capture_logs() as logs:
        with socket.create_connection((host, int(port)), timeout=10) as line:
            line.sendall(head.encode() + rest)
            _settled(api)
            if how == "reset":
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            elif how == "half-closed":
                line.shutdown(socket.SHUT_WR)
                while line.recv(1000):
                    pass
        _settled(api)
    assert not [one for one in logs if one["log_level"] == "error"], logs
    assert api.get("alerts")["items"] == []


def _settled(api: Api) -> None:
    """The server's loop has seen to everything that came before this: it answers in turn."""
    for _ in range(4):
        assert api.get("/healthz", as_=None) == {"ok": True}


def test_many_large_bodies_at_once_are_put_off_and_small_ones_pass(api: Api) -> None:
    from app.api import body

    before = body.Body.held
    large = json.dumps({"events": [{**EVENT, "annotations": {"a": "x" * 4000}}] * 30}).encode()
    host, port = api.url.removeprefix("http://").split(":")
    unfinished = b"POST /in/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BODY + b" " * (BODY - 1)
    with ExitStack() as held:
        for _ in range(body.HELD // BODY + 1):
            held.enter_context(socket.create_connection((host, int(port)), timeout=10)).sendall(unfinished)
        until(lambda: body.Body.held > body.HELD, 20)
        response = api.call("POST", "events", data=large)
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert api.call("POST", "events", data=PLAIN).status_code == 202
    until(lambda: body.Body.held == before, 20)
    assert api.call("POST", "events", data=large).status_code == 202
