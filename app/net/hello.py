"""Tests for TLS 1.0, TLS 1.1 and weak ciphers with a hand-made ClientHello: OpenSSL no longer offers them.

Source: RFC 4346 7.4.1.2 (ClientHello), RFC 6066 3 (server name), RFC 8422 5.1 (curves), RFC 8996 (both are deprecated).
"""

import asyncio
import os
import struct
from collections.abc import Sequence

from app.net import tcp
from app.net.address import literal
from app.net.starttls import Protocol, connect

TLS_1_0, TLS_1_1, TLS_1_2 = 0x0301, 0x0302, 0x0303
NAMES = {TLS_1_0: "TLS 1.0", TLS_1_1: "TLS 1.1"}
HANDSHAKE, SERVER_HELLO = 22, 2

# What old servers have: ECDHE and plain RSA with AES-CBC, 3DES, RC4; and the marker that asks for secure renegotiation.
RENEGOTIATION = 0x00FF
OLD = (0xC014, 0xC013, 0xC00A, 0xC009, 0x0039, 0x0033, 0x0035, 0x002F, 0xC012, 0x000A, 0x0005)
# Source: the IANA registry of TLS cipher suites; RFC 7465 (RC4), RFC 8429 and CVE-2016-2183 (3DES).
WEAK = {
    "RC4": (0xC011, 0xC007, 0x0005, 0x0004),
    "3DES": (0xC012, 0xC008, 0x0016, 0x0013, 0x000A),
    "DES": (0x0015, 0x0012, 0x0009),
    "export keys": (0x0003, 0x0006, 0x0008, 0x000B, 0x000E, 0x0011, 0x0014),
    "no encryption": (0xC010, 0xC006, 0x003B, 0x0002, 0x0001),
    "no authentication": (
        0xC019,
        0xC018,
        0xC017,
        0xC016,
        0xC015,
        0x00A7,
        0x00A6,
        0x006D,
        0x006C,
        0x003A,
        0x0034,
        0x001B,
        0x0018,
    ),
}
CURVES = (0x001D, 0x0017, 0x0018, 0x0019)
SIGNATURES = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0603, 0x0806, 0x0601, 0x0203, 0x0201)


async def old_protocol(host: str, port: int, server_name: str, timeout: float, starttls: Protocol | None = None) -> str | None:
    """The old protocol that a server agrees to when it is offered TLS 1.1 at best; None when it refuses. Raises Failed."""
    agreed = await _agreed(host, port, client_hello(server_name, TLS_1_1, OLD), timeout, starttls)
    return NAMES.get(agreed[0]) if agreed else None


async def weak_cipher(host: str, port: int, server_name: str, timeout: float, starttls: Protocol | None = None) -> str | None:
    """What is weak about the cipher that a server agrees to when it is offered only weak ones; None when it refuses them."""
    offered = tuple(cipher for ciphers in WEAK.values() for cipher in ciphers)
    agreed = await _agreed(host, port, client_hello(server_name, TLS_1_2, offered), timeout, starttls)
    return next((name for name, ciphers in WEAK.items() if agreed and agreed[1] in ciphers), None)


async def _agreed(host: str, port: int, hello: bytes, timeout: float, starttls: Protocol | None) -> tuple[int, int] | None:
    """Version and cipher that the server answers a hello with; None when it does not agree."""
    reader, writer = await connect(host, port, starttls, timeout)
    try:
        async with asyncio.timeout(timeout):
            writer.write(hello)
            head = await reader.readexactly(6)  # record header, kind of message
            if (head[0], head[5]) != (HANDSHAKE, SERVER_HELLO):
                return None  # most often an alert
            head += await reader.readexactly(38)  # length, version, random, length of the session id
            cipher = (await reader.readexactly(head[43] + 2))[-2:]
    except (TimeoutError, OSError, asyncio.IncompleteReadError):
        return None  # it closed the connection or sent nothing: not accepted
    finally:
        await tcp.close(writer)
    return int.from_bytes(head[9:11]), int.from_bytes(cipher)


def client_hello(server_name: str, version: int, ciphers: Sequence[int]) -> bytes:
    """One TLS record with a hello that offers this version at best, and these ciphers only."""
    extensions = _extension(10, _sized(2, _uint16s(CURVES))) + _extension(11, _sized(1, b"\0"))
    if version >= TLS_1_2:
        extensions += _extension(13, _sized(2, _uint16s(SIGNATURES)))
    if literal(server_name) is None:
        extensions += _extension(0, _sized(2, b"\0" + _sized(2, server_name.encode("idna"))))
    body = struct.pack("!H", version) + os.urandom(32) + _sized(1, b"")
    body += _sized(2, _uint16s((*ciphers, RENEGOTIATION))) + _sized(1, b"\0") + _sized(2, extensions)
    return struct.pack("!BH", HANDSHAKE, TLS_1_0) + _sized(2, b"\x01" + _sized(3, body))


def _uint16s(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"!{len(numbers)}H", *numbers)


def _extension(number: int, content: bytes) -> bytes:
    return struct.pack("!H", number) + _sized(2, content)


def _sized(width: int, content: bytes) -> bytes:
    return len(content).to_bytes(width) + content
