"""Does a server still speak TLS 1.0 or 1.1? Asked with a hand-made hello, because today's OpenSSL no longer sends one.

Source: RFC 4346 7.4.1.2 (ClientHello), RFC 6066 3 (server name), RFC 8422 5.1 (curves), RFC 8996 (both are deprecated).
"""

import asyncio
import os
import struct

from app.net import tcp
from app.net.guard import literal

TLS_1_0, TLS_1_1 = 0x0301, 0x0302
NAMES = {TLS_1_0: "TLS 1.0", TLS_1_1: "TLS 1.1"}
HANDSHAKE, SERVER_HELLO = 22, 2

# What old servers have: ECDHE and plain RSA with AES-CBC, 3DES, RC4; and the marker that asks for secure renegotiation.
CIPHERS = (0xC014, 0xC013, 0xC00A, 0xC009, 0x0039, 0x0033, 0x0035, 0x002F, 0xC012, 0x000A, 0x0005, 0x00FF)
CURVES = (0x001D, 0x0017, 0x0018, 0x0019)


async def old_protocol(host: str, port: int, server_name: str, timeout: float) -> str | None:
    """The old protocol that a server agrees to when it is offered TLS 1.1 at best; None when it refuses. Raises Failed."""
    reader, writer = await tcp.connect(host, port, timeout=timeout)
    try:
        async with asyncio.timeout(timeout):
            writer.write(client_hello(server_name))
            head = await reader.readexactly(11)  # record header, handshake header, version
    except (TimeoutError, OSError, asyncio.IncompleteReadError):
        return None  # it hung up or said nothing: it does not agree
    finally:
        await tcp.close(writer)
    kind, _, _, message = struct.unpack("!BHHB", head[:6])
    version: int = struct.unpack("!H", head[9:])[0]
    return NAMES.get(version) if (kind, message) == (HANDSHAKE, SERVER_HELLO) else None


def client_hello(server_name: str) -> bytes:
    """One TLS record with a hello that offers TLS 1.1 and below."""
    extensions = _extension(10, _sized(2, b"".join(struct.pack("!H", curve) for curve in CURVES)))
    extensions += _extension(11, _sized(1, b"\0"))
    if literal(server_name) is None:
        extensions += _extension(0, _sized(2, b"\0" + _sized(2, server_name.encode("idna"))))
    body = struct.pack("!H", TLS_1_1) + os.urandom(32) + _sized(1, b"")
    body += _sized(2, b"".join(struct.pack("!H", cipher) for cipher in CIPHERS))
    body += _sized(1, b"\0") + _sized(2, extensions)
    return struct.pack("!BH", HANDSHAKE, TLS_1_0) + _sized(2, b"\x01" + _sized(3, body))


def _extension(number: int, content: bytes) -> bytes:
    return struct.pack("!H", number) + _sized(2, content)


def _sized(width: int, content: bytes) -> bytes:
    return len(content).to_bytes(width) + content
