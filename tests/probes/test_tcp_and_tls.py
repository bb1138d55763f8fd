"""health.tcp and security.tls against servers that behave, fail, hang and lie."""

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import Handler, certificate, context, hangs, serve, slams
from tests.probes.run import against, measure, measured


async def ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await reader.read(1)


async def chatters(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"blah " * 2000)
        await writer.drain()


def tcp(handler: Handler, **with_: Any) -> Reading:
    return against(handler, "health.tcp", host="127.0.0.1", port="PORT", **with_)


def test_an_open_port_is_ok_and_timed() -> None:
    reading = tcp(hangs)
    assert reading.status == "ok"
    assert 0 < reading.metrics["seconds"] < 5


def test_what_it_says_is_compared() -> None:
    assert tcp(ssh, expect="SSH-2.0").status == "ok"
    reading = tcp(ssh, expect="220 ", timeout=0.3)
    assert (reading.status, "'220 ' did not arrive" in reading.message) == ("critical", True)


def test_what_is_sent_first_is_answered() -> None:
    async def pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+PONG\r\n" if await reader.readline() == b"PING\r\n" else b"-ERR\r\n")
        await writer.drain()

    assert tcp(pong, send="PING\r\n", expect="+PONG").status == "ok"


@pytest.mark.parametrize(
    "handler, told", [(hangs, "did not arrive"), (slams, "without sending data"), (chatters, "received 'blah")]
)
def test_not_saying_it_is_critical(handler: Handler, told: str) -> None:
    reading = tcp(handler, expect="SSH", timeout=0.5)
    assert reading.status == "critical"
    assert told in reading.message or "broke" in reading.message


def test_refused_is_critical_and_blocked_is_unknown() -> None:
    assert measure("health.tcp", host="127.0.0.1", port=1).message == "127.0.0.1:1 refused the connection"
    assert measure("health.tcp", host="no.such.host.invalid", port=1).status == "critical"
    for host in ("169.254.169.254", "[::ffff:a9fe:a9fe]", "2852039166", "a b", "h:80", "h/x", ""):
        with pytest.raises(ValidationError):
            plugins.probe_module("health.tcp").Target(host=host, port=80)


def test_a_name_that_means_metadata_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    reading = measure("health.tcp", host="rebound.example", port=80)
    assert reading.status == "unknown"
    assert "metadata" in reading.message


def test_a_name_that_is_never_resolved_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    never = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait(5) and [])
    reading = measure("health.tcp", host="slow.example", port=80, timeout=0.2)
    never.set()
    assert reading.status == "critical"
    assert "was not resolved" in reading.message


def test_the_second_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> Reading:
        async with serve(ssh) as port:
            answers = [(socket.AF_INET, 1, 6, "", (ip, port)) for ip in ("127.0.0.9", "127.0.0.1")]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
            return await measured("health.tcp", host="two.example", port=port, expect="SSH")

    assert asyncio.run(story()).status == "ok"


def test_tcp_over_tls_is_verified(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    reading = tcp(ssh, tls=context(pem), use_tls=True, expect="SSH")
    assert (reading.status, "certificate rejected" in reading.message) == ("critical", True)
    assert tcp(ssh, tls=context(pem), use_tls=True, verify_tls=False, expect="SSH").status == "ok"
    assert tcp(slams, use_tls=True, verify_tls=False, timeout=1).status == "critical"
    assert tcp(hangs, use_tls=True, verify_tls=False, timeout=0.3).status == "critical"


def shown(pem: Path | None, handler: Handler = hangs, **with_: Any) -> Reading:
    return against(
        handler,
        "security.tls",
        tls=context(pem) if pem else None,
        host="127.0.0.1",
        port="PORT",
        timeout=with_.pop("timeout", 6.0),
        **with_,
    )


def test_a_server_that_takes_the_connection_and_shakes_no_hands_is_said_to() -> None:
    reading = shown(None, timeout=1.0)
    assert (
        reading.status,
        "accepted the connection, but the TLS handshake did not finish within 0.3 s" in reading.message,
    ) == (
        "critical",
        True,
    ), reading.message


def test_a_good_certificate_is_ok(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    reading = shown(pem, ca=str(pem))
    assert reading.status == "ok", reading.message
    assert 89 < reading.metrics["certificate_days"] < 91
    assert reading.metrics["chain_valid"] == reading.metrics["name_matches"] == 1
    assert reading.metrics["old_protocol"] == 0
    assert reading.metrics["tls_version"] == 1.3


def test_a_chain_to_the_given_authority_is_believed(tmp_path: Path) -> None:
    authority = certificate(tmp_path, name="ca.example", days=900)
    server = certificate(tmp_path, issuer=authority)
    assert shown(server, ca=str(authority)).status == "ok"
    assert shown(server).status == "critical"


@pytest.mark.parametrize("days, status", [(20, "warning"), (6, "critical"), (-3, "critical"), (22, "ok")])
def test_the_days_left_are_judged(tmp_path: Path, days: int, status: str) -> None:
    pem = certificate(tmp_path, days=days)
    reading = shown(pem, ca=str(pem))
    assert reading.status == status, reading.message
    assert days - 1 < reading.metrics["certificate_days"] < days + 1
    assert shown(pem, verify=False).status == status


def test_distrust_and_a_wrong_name_are_critical_and_said(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    reading = shown(pem)
    assert reading.status == "critical"
    assert "chain is not trusted: self" in reading.message
    assert reading.metrics["chain_valid"] == 0
    other = certificate(tmp_path, name="other.example")
    reading = shown(other, ca=str(other))
    assert (reading.status, "not for 127.0.0.1" in reading.message, reading.metrics["name_matches"]) == ("critical", True, 0)
    assert shown(other, ca=str(other), server_name="other.example").status == "ok"
    assert shown(pem, verify=False).status == "ok"
    assert shown(pem, ca="/no/such/bundle").status == "unknown"


@pytest.mark.parametrize(
    "name, pattern, fits",
    [
        ("a.example", "*.example", True),
        ("a.b.example", "*.example", False),
        ("example", "*.example", False),
        ("A.Example.", "a.example", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.2", "10.0.0.1", False),
        ("10.0.0.1", "*.0.0.1", False),
    ],
)
def test_names_match_as_browsers_match_them(tmp_path: Path, name: str, pattern: str, fits: bool) -> None:
    pem = certificate(tmp_path, name=pattern)
    made = x509.load_pem_x509_certificate(pem.read_bytes())
    assert plugins.probe_module("security.tls").matches(name, made) is fits


@pytest.mark.parametrize("handler", [slams, ssh, hangs])
def test_a_server_without_tls_is_critical(handler: Handler) -> None:
    assert shown(None, handler, timeout=1.0).status == "critical"


def test_an_old_protocol_is_told(tmp_path: Path) -> None:
    """A server that answers a TLS 1.1 hello in kind; its real side is TLS 1.3."""
    pem = certificate(tmp_path)

    async def story(version: int) -> Reading:
        async with serve(hangs, context(pem)) as real:

            async def front(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                first = await reader.read(5000)
                if first[9:11] == b"\x03\x02":  # the hello offers TLS 1.1 at best
                    body = struct.pack("!H", version) + bytes(32) + b"\0" + b"\x00\x2f" + b"\0"
                    hello = b"\x02" + len(body).to_bytes(3) + body
                    writer.write(struct.pack("!BHH", 22, version, len(hello)) + hello)
                    await reader.read(100)
                    return
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", real)
                inner_writer.write(first)

                async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                    while data := await source.read(65536):
                        sink.write(data)
                    sink.transport.abort()

                try:
                    await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))
                finally:
                    inner_writer.transport.abort()

            async with serve(front) as port:
                return await measured("security.tls", 6.0, host="127.0.0.1", port=port, ca=str(pem))

    for version, name in ((0x0302, "TLS 1.1"), (0x0301, "TLS 1.0")):
        reading = asyncio.run(story(version))
        assert reading.status == "warning", reading.message
        assert name in reading.message
        assert reading.metrics["old_protocol"] == 1
    assert asyncio.run(story(0x0303)).status == "ok"
