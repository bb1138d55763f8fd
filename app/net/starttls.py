"""Asks a server that begins in plain text to go on in TLS: SMTP, IMAP, POP3, FTP, LDAP, PostgreSQL.

Source: RFC 3207 (SMTP), RFC 3501 6.2.1 (IMAP), RFC 2595 4 (POP3), RFC 4217 (FTP), RFC 4511 4.14 (LDAP), and PostgreSQL's
SSLRequest. What a server sends before TLS is not trusted, and only read as far as needed.
"""

import asyncio
import re
import struct
from typing import Literal

from app.failure import Failed, Kind
from app.net import tcp

Protocol = Literal["smtp", "imap", "pop3", "ftp", "ldap", "postgres"]

LONGEST = 4096  # bytes of a line
MOST_LINES = 64
POSTGRES = struct.pack("!ii", 8, 80877103)
# LDAPMessage 1 {ExtendedRequest {requestName "1.3.6.1.4.1.1466.20037"}}
LDAP = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"
LDAP_RESULT = re.compile(rb"\x78.{1,5}?\x0a\x01(?P<code>.)", re.DOTALL)
# What the server must send, and our answer.
DIALOGUES: dict[str, tuple[tuple[bytes, bytes], ...]] = {
    "smtp": ((rb"220 ", b"EHLO tocsin.invalid\r\n"), (rb"250 ", b"STARTTLS\r\n"), (rb"220 ?", b"")),
    "imap": ((rb"\* OK", b"a STARTTLS\r\n"), (rb"a OK", b"")),
    "pop3": ((rb"\+OK", b"STLS\r\n"), (rb"\+OK", b"")),
    "ftp": ((rb"220 ", b"AUTH TLS\r\n"), (rb"234", b"")),
}
CONTINUATION = re.compile(rb"\d{3}-|\* (?!BYE)")  # more lines of the same answer


async def connect(host: str, port: int, protocol: Protocol | None, timeout: float) -> tcp.Streams:
    """A connection on which the next bytes are TLS's hello. Raises Failed."""
    end = asyncio.get_running_loop().time() + timeout
    reader, writer = await tcp.connect(host, port, timeout=timeout)
    if protocol is None:
        return reader, writer
    try:
        async with asyncio.timeout_at(end):
            await _negotiate(reader, writer, protocol)
    except TimeoutError:
        await tcp.close(writer)
        raise Failed(Kind.TIMEOUT, f"it did not agree to TLS within {timeout:.3g} s ({protocol})") from None
    except (OSError, EOFError, ValueError):
        await tcp.close(writer)
        raise Failed(Kind.PROTOCOL, f"it closed the connection before TLS ({protocol})") from None
    except BaseException:
        await tcp.close(writer)
        raise
    return reader, writer


async def _negotiate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: Protocol) -> None:
    if protocol == "postgres":
        writer.write(POSTGRES)
        reply = await reader.readexactly(1)
        accepted = reply == b"S"
    elif protocol == "ldap":
        writer.write(LDAP)
        reply = await reader.read(LONGEST)
        result = LDAP_RESULT.search(reply)
        accepted = result is not None and result["code"] == b"\0"
    else:
        reply, accepted = b"", True
        for wanted, answer in DIALOGUES[protocol]:
            reply = await _line(reader)
            accepted = re.match(wanted, reply) is not None
            if not accepted:
                break
            writer.write(answer)
    if not accepted:
        shown = "".join(char if char.isprintable() else " " for char in reply[:100].decode(errors="replace")).strip()
        raise Failed(Kind.TLS, f"no TLS: the request for TLS ({protocol}) was refused with {shown!r}")


async def _line(reader: asyncio.StreamReader) -> bytes:
    for _ in range(MOST_LINES):
        line = await reader.readline()
        if not line:
            raise EOFError
        if not CONTINUATION.match(line) or line.startswith(b"* OK"):
            return line[:LONGEST]
    raise EOFError
