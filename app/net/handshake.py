"""A TLS handshake that records what a server shows, also when it fails.

Python's own streams keep nothing of a handshake that fails. A server that wants a client's certificate breaks it off
after it has shown its own: what it showed counts as much as from one that ended. Source: RFC 5246 7.4 (messages in the
clear until TLS 1.2), RFC 8446 4.4.2 and 6.2 (TLS 1.3: the alert comes when the client holds the handshake for done).
"""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field

from app.failure import Failed, Kind
from app.net import tcp
from app.net.resolve import Endpoint
from app.net.starttls import Protocol, connect
from app.net.tls import chain, reason

CLOSED = "it closed the connection"
ALERT_TIMEOUT = 0.5  # seconds to wait for an alert of a TLS 1.3 server
MAX_KEPT = 262_144  # bytes kept of a handshake
HANDSHAKE, CHANGE_CIPHER = 22, 20
SERVER_HELLO, CERTIFICATE_REQUEST = 2, 13
VERSIONS = {0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2"}


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a server showed."""

    chain: tuple[bytes, ...]  # DER, its own certificate first: as verified, up to the authority, or else as sent
    version: str  # as Python names it: TLSv1.3
    refused: str = ""  # why it broke off after it had shown all this; empty: it did not
    wants_certificate: bool = (
        False  # for want of a client's certificate, or of another one; what closes without a word may mean that
    )


async def handshake(
    host: str, port: int, protocol: Protocol | None, context: ssl.SSLContext, name: str, timeout: float
) -> Handshake:
    """What a server shows to a client with this context, TLS asked for in the protocol if one is given.

    Raises Failed: also with kind TLS when the context does not accept what it shows, or it shows nothing.
    """
    end = asyncio.get_running_loop().time() + timeout
    reader, writer = await connect(host, port, protocol, timeout)
    client = _Client(reader, writer, context, name)
    try:
        async with asyncio.timeout_at(end):
            return await client.perform()
    except TimeoutError:
        message = f"{client.peer} accepted the connection, but the TLS handshake did not finish within {timeout:.3g} s"
        raise Failed(Kind.TIMEOUT, message) from None
    except OSError as error:
        raise tcp.connect_failure(client.peer, error) from None
    finally:
        await tcp.close(writer)


@dataclass
class _Client:
    """One handshake, its bytes pumped by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    context: ssl.SSLContext
    name: str
    received: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_hostname=self.name)
        family, (address, port) = self.writer.get_extra_info("socket").family, self.writer.get_extra_info("peername")[:2]
        self.peer = Endpoint(family, address, port)

    async def perform(self) -> Handshake:
        """Shake hands. Raises OSError, of which ssl.SSLError is one."""
        try:
            while True:
                try:
                    self.tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await self._exchange()
        except (ssl.SSLError, ConnectionError) as error:
            return self._aborted(error)
        self._send()
        shown, version = chain(self.tls), self.tls.version() or ""
        refused = await self._late_alert() if version == "TLSv1.3" else ""
        return Handshake(shown, version, refused, bool(refused) and refused != CLOSED)

    def _aborted(self, error: OSError) -> Handshake:
        """What it showed before it broke off. Raises the error when that is nothing, or when we broke off."""
        with suppress(OSError):
            self._send()  # our own alert: it need not wait for us
        shown = chain(self.tls)
        version, wants = _parse_plaintext(bytes(self.received))
        if isinstance(error, ssl.SSLCertVerificationError) or not (shown and version):
            raise error
        alert = _alert(error)
        if not wants and not alert:
            raise error
        return Handshake(shown, version, alert or CLOSED, wants)

    async def _late_alert(self) -> str:
        """The alert with which it ends a handshake that was done for us, or that it ends without one; empty when it goes on.

        What goes on sends a ticket for the next session, most often.
        """
        before = len(self.received)
        try:
            async with asyncio.timeout(ALERT_TIMEOUT):
                while len(self.received) == before:
                    try:
                        if self.tls.read(1):
                            return ""
                        return CLOSED
                    except ssl.SSLWantReadError:
                        await self._exchange()
                self.tls.read(1)
        except (TimeoutError, ssl.SSLWantReadError):
            return ""
        except (ssl.SSLError, ConnectionError) as error:
            return _alert(error) or CLOSED
        return ""

    async def _exchange(self) -> None:
        self._send()
        data = await self.reader.read(65_536)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        if len(self.received) < MAX_KEPT:
            self.received += data

    def _send(self) -> None:
        if self.outgoing.pending:
            self.writer.write(self.outgoing.read())


def _alert(error: OSError) -> str:
    """The alert in an error, as text: `unknown CA`."""
    return reason(error).partition(" alert ")[2] if isinstance(error, ssl.SSLError) else ""


def _parse_plaintext(received: bytes) -> tuple[str, bool]:
    """The version of the server's hello, and does it ask for a certificate; as far as its messages are not encrypted."""
    messages, at = bytearray(), 0
    while at + 5 <= len(received) and received[at] != CHANGE_CIPHER:
        size = int.from_bytes(received[at + 3 : at + 5])
        if received[at] == HANDSHAKE:
            messages += received[at + 5 : at + 5 + size]
        at += 5 + size
    version, wants, at = "", False, 0
    while at + 4 <= len(messages):
        kind, size = messages[at], int.from_bytes(messages[at + 1 : at + 4])
        if kind == SERVER_HELLO:
            version = VERSIONS.get(int.from_bytes(messages[at + 4 : at + 6]), "")
        wants = wants or kind == CERTIFICATE_REQUEST
        at += 4 + size
    return version, wants
