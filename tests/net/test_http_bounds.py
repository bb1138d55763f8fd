"""An HTTP request ends in time and in bounds, and believes only what it should, whatever the server does."""

import asyncio
import gzip
import socket
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest

from app.net.http import Failed, Kind
from tests.net.asking import failure, fetch, once
from tests.net.serve import Handler, certificate, context, drips, floods, hangs, ok, redirect, says, slams


@pytest.mark.parametrize("handler", [hangs, drips], ids=["silent", "dripping"])
def test_the_deadline_ends_everything(handler: Handler) -> None:
    started = time.monotonic()
    assert failure(handler, timeout=0.2) is Kind.TIMEOUT
    assert time.monotonic() - started < 1.5


def test_the_deadline_counts_over_redirects() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.15)
        writer.write(redirect("/again"))
        await writer.drain()

    started = time.monotonic()
    assert failure(slow, timeout=0.4, follow_redirects=20) is Kind.TIMEOUT
    assert time.monotonic() - started < 1.5


def test_a_full_backlog_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), pytest.raises(Failed) as failed:
            asyncio.run(once(f"http://127.0.0.1:{port}/", timeout=0.2))
    assert failed.value.kind is Kind.TIMEOUT


def test_an_endless_body_is_cut_and_says_so() -> None:
    response = fetch(floods, max_bytes=100_000)
    assert (len(response.body), response.truncated) == (100_000, True)


def bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(b"\0" * 200_000_000) + packer.flush()


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip"])
def test_a_compressed_bomb_is_cut_by_what_it_unpacks_to(encoding: str) -> None:
    packed = bomb() if encoding == "gzip" else gzip.compress(bomb())
    tracemalloc.start()
    try:
        response = fetch(says(ok(packed, f"Content-Encoding: {encoding}\r\n")), max_bytes=100_000)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert (len(response.body), response.truncated) == (100_000, True)


def test_a_compressed_body_is_unpacked() -> None:
    assert fetch(says(ok(gzip.compress(b"hello"), "Content-Encoding: gzip\r\n"))).text == "hello"


@pytest.mark.parametrize("charset", ["nonsense", "utf-16", "", "utf-8; charset=x", "base64", "idna", "punycode", "undefined"])
def test_a_wrong_charset_never_fails(charset: str) -> None:
    assert "Pay" in fetch(says(ok(b"Pay \xff", f"Content-Type: text/html; charset={charset}\r\n"))).text


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nBad\0Header: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 400_000,
    ],
    ids=["ssh", "nothing", "short", "nul", "negative", "no status", "bad chunk", "not gzip", "huge header"],
)
def test_what_is_not_http_is_a_protocol_failure(answer: bytes) -> None:
    assert failure(says(answer)) in (Kind.PROTOCOL, Kind.OTHER)


def test_refused_slammed_and_unknown_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for url, kind in ((f"http://127.0.0.1:{port}/", Kind.REFUSED), ("http://no.such.host.invalid/", Kind.DNS)):
        with pytest.raises(Failed) as failed:
            asyncio.run(once(url))
        assert failed.value.kind is kind, str(failed.value)
    assert failure(slams) is Kind.PROTOCOL


def test_a_certificate_is_believed_only_with_its_authority(tmp_path: Path) -> None:
    own = certificate(tmp_path)
    assert failure(says(ok()), context(own)) is Kind.TLS
    assert fetch(says(ok()), context(own), verify_tls=False).status == 200
    response = fetch(says(ok()), context(own), ca=str(own), certificate=True, fresh=True)
    assert response.timings.tls > 0
    assert response.certificate_expires is not None
    assert 89 < (response.certificate_expires.timestamp() - time.time()) / 86400 < 91
    assert failure(says(ok()), context(own), ca="/no/such/file") is Kind.BLOCKED


def test_a_certificate_for_another_name_or_an_old_one_is_refused(tmp_path: Path) -> None:
    for pem in (certificate(tmp_path, name="other.example"), certificate(tmp_path, days=-1)):
        assert failure(says(ok()), context(pem), ca=str(pem)) is Kind.TLS


def test_tls_on_a_plain_server_and_plain_on_a_tls_server_fail(tmp_path: Path) -> None:
    assert failure(says(ok()), scheme="https", timeout=0.3) in (Kind.TLS, Kind.TIMEOUT, Kind.PROTOCOL)
    assert failure(says(ok()), context(certificate(tmp_path)), scheme="http") is Kind.PROTOCOL
