"""Every probe that asks over TCP, against servers that mean harm: an end in time, a reason, little memory, nothing left."""

import asyncio
import gzip
import os
import threading
import time
import tracemalloc
from contextlib import AsyncExitStack

import psutil
import pytest

from app.checks.model import Result
from app.net import http
from app.net.exchange import Response, Timings
from tests.net.serve import Handler, drips, floods, hangs, ok, says, serve, slams
from tests.probes.hostile import against, at, due, mutters, raves, resets, results, shouts, trickles
from tests.probes.run import Options

SERVERS = (drips, floods, hangs, raves, resets, shouts, slams, trickles)
URL = "http://127.0.0.1:PORT/"
HERE = {"host": "127.0.0.1", "port": "PORT"}
CHECKS = {
    "http": ("health.http", {"url": URL, "expect": {"body_contains": "Pay"}}),
    "https": ("health.http", {"url": "https://127.0.0.1:PORT/"}),
    "steps": ("health.http", {"steps": [{"url": URL, "take": {"a": "$.a"}, "expect": {"json": {"$.a": 1}}}]}),
    "phases": ("performance.http", {"url": URL, "samples": 3, "expect": {"body_contains": "Pay"}}),
    "scrape": ("performance.scrape", {"url": URL, "metrics": ["m"]}),
    "promql": ("performance.promql", {"url": URL, "query": "up"}),
    "http_json": ("business.http_json", {"url": URL, "metrics": {"a": "$.a"}}),
    "rabbitmq": ("health.rabbitmq", {"url": URL}),
    "docker": ("health.docker", {"url": "tcp://127.0.0.1:PORT"}),
    "headers": ("security.http_headers", {"url": URL}),
    "smtp": ("health.smtp", HERE),
    "smtps": ("health.smtp", {**HERE, "tls": "implicit"}),
    "ssh": ("health.ssh", HERE),
    "tcp": ("health.tcp", {**HERE, "expect": "PONG"}),
    "tcp in tls": ("health.tcp", {**HERE, "expect": "PONG", "use_tls": True}),
    "tls": ("security.tls", HERE),
    "starttls": ("security.tls", {**HERE, "starttls": "smtp"}),
    "ldap": ("security.tls", {**HERE, "starttls": "ldap"}),
    "postgres": ("security.tls", {**HERE, "starttls": "postgres"}),
    "dns": ("health.dns", {"query_name": "x.test", "resolver": "127.0.0.1", "port": "PORT", "transport": "tcp"}),
    "dns_drift": ("security.dns_drift", {"names": ["x.test"], "resolver": "127.0.0.1", "port": "PORT", "transport": "tcp"}),
}


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.__name__)
def test_it_ends_in_time_with_a_reason(server: Handler) -> None:
    async def story() -> list[Result]:
        async with serve(server) as port:
            dues = [due(probe, timeout="1s", name=name, **at(port, with_)) for name, (probe, with_) in CHECKS.items()]
            found = await results(dues)
            await http.close()
            return found

    for one in asyncio.run(story()):
        assert one.status in ("critical", "unknown") or (one.check, server) == ("headers", floods), (
            f"{one.check}: {one.message}"
        )
        assert one.seconds < 1.8, f"{one.check}: {one.seconds}"
        assert len(one.message) > 10, one.check
        assert "the probe failed" not in one.message, f"{one.check}: {one.message}"


def test_nothing_is_left_behind_by_five_hundred_of_them() -> None:
    async def story() -> tuple[tuple[int, ...], tuple[int, ...]]:
        async with AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(serve(server)) for server in (slams, resets, mutters)]
            for round_ in range(9):
                if round_ == 1:
                    before = state()
                dues = [due(probe, timeout="1s", name=f"{name} {port}", **at(port, with_))
                        for port in ports for name, (probe, with_) in CHECKS.items()]  # fmt: skip
                assert len(await results(dues)) == len(dues)
                await http.close()
            return before, state()

    def state() -> tuple[int, int, int, int]:
        me = psutil.Process()
        names = [thread.name for thread in threading.enumerate() if thread.name != "may-hang"]
        return me.num_fds(), len(names), len(me.children()), len(asyncio.all_tasks())

    before, after = asyncio.run(story())
    assert all(now <= then + 3 for then, now in zip(before, after, strict=True)), (before, after)


def bomb(unit: bytes, size: int = 12_000_000) -> bytes:
    wide = b'{"status":"success","data":{"resultType":"vector","result":[' + unit * (size // len(unit)) + b"1]}}"
    return ok(gzip.compress(wide, 1), "Content-Type: application/json\r\nContent-Encoding: gzip\r\n")


@pytest.mark.parametrize("unit", [b"[],", b'{"a":{}},', b'"ab",', b"1.5,"], ids=["lists", "objects", "texts", "numbers"])
def test_a_document_that_is_small_to_send_and_large_to_hold_is_not_read(unit: bytes) -> None:
    answer = bomb(unit)
    tracemalloc.start()
    try:
        began = time.monotonic()
        found = against(says(answer), "business.promql", url=URL, query="up")
        took, peak = time.monotonic() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.status, "lists and objects" in found.message) == ("unknown", True), found.message
    assert took < 3
    assert peak < 60_000_000, peak


@pytest.mark.parametrize(
    ("with_", "sent"),
    [
        ({"username": "jürgen", "password": "pässwörd"}, b"Basic asO8cmdlbjpww6Rzc3fDtnJk"),
        ({"token": "töken"}, "Bearer töken".encode("latin-1")),
        ({"headers": {"Authorization": "café"}}, "café".encode("latin-1")),
    ],
    ids=["a password", "a token", "a header"],
)
def test_letters_beyond_ascii_are_sent(with_: Options, sent: bytes) -> None:
    heads = []

    async def hears(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ok())

    assert against(hears, "health.http", url=URL, **with_).status == "ok"
    lines = [line.partition(b": ")[2] for line in heads[0].split(b"\r\n") if line.startswith(b"Authorization")]
    assert lines == [sent] or with_.get("username")
    if with_.get("username"):
        import base64

        assert base64.b64decode(lines[0][6:]).decode() == "jürgen:pässwörd"


def test_a_password_that_no_header_can_hold_is_our_mistake() -> None:
    found = against(says(ok()), "health.http", url=URL, username="a\0b", password="c")
    assert (found.status, "control character" in found.message) == ("unknown", True)


async def foreign(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What it sends is no text in any charset."""
    asked = await reader.readuntil(b"\r\n\r\n")
    if asked.startswith(b"GET / "):
        writer.write(b"HTTP/1.1 302 F\xff\r\nSet-Cookie: a=\xff\xe4\xfe\r\nLocation: /caf\xe9\xff\r\nContent-Length: 0\r\n\r\n")
    else:
        writer.write(ok(b"\xff\xfe", "Content-Type: text/html; charset=\xff\r\nX-A: \xff\r\n" if asked else ""))


def test_bytes_that_are_no_text_break_nothing() -> None:
    step = {"url": URL, "expect": {"header": {"x-a": "y"}}}

    async def story() -> Result:
        async with serve(foreign) as port:
            found = await results([due("health.http", steps=at(port, [{"url": URL}, step]))])
            await http.close()
            return found[0]

    found = asyncio.run(story())
    assert (found.status, "header x-a is" in found.message) == ("critical", True), found.message


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("latin-1", "é"),
        ("ISO-8859-15", "é"),
        ("windows-1252", "é"),
        ("koi8-u", "И"),
        ("utf-8-sig", "\ufffd"),
        ("punycode", "é"),
        ("zlib", "é"),
        ("no\0such", "é"),
        ("x" * 90_000, "é"),
    ],
    ids=lambda given: repr(given[:12]),
)
def test_a_charset_is_believed_if_it_is_one(charset: str, text: str) -> None:
    assert answer(charset).text == text


def test_charsets_that_are_none_are_not_remembered() -> None:
    import encodings

    before = len(encodings._cache)
    for number in range(100):
        assert answer(f"none-{number}-{os.getpid()}").text == "é"
    assert len(encodings._cache) == before


def answer(charset: str) -> Response:
    head = (b"HTTP/1.1 200 OK\r\n", f"Content-Type: text/html; charset={charset}\r\n".encode(), b"\r\n")
    return Response(200, URL, b"\xe9", False, Timings(0, 0, 0, 0, 0), 0, "", None, head)
