"""Guarded SMTP sessions: command and reply on a checked connection, within one deadline; says what hung and what was refused.

Not on aiosmtplib 5.1: it sends DATA and the message in one call, where we ask in between whether the page is still wanted, and
does not distinguish a hanging STARTTLS from a hanging handshake, nor detect data injected before TLS.

Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5), RFC 6531 (SMTPUTF8),
RFC 8314 (TLS from the first byte).
"""

import asyncio
import hmac
import re
import socket
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address

from app.failure import Failed, Kind, NotSent
from app.net import tcp
from app.net.resolve import Endpoint
from app.net.tls import chain

SMTPS = 465  # TLS from the first byte (RFC 8314 3.3)
LARGEST = 65_536  # bytes of one reply
QUIT_SHARE = 0.04  # of the time-out, for the answer to QUIT: a server that gets none logs a lost connection
LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: a code and the text of every line."""

    code: int
    lines: tuple[str, ...]

    def __str__(self) -> str:
        text = " ".join(" ".join(self.lines).split())
        return f"{self.code} {text[:200]}".rstrip()


class Refused(Failed):
    """The server refused the command: 4xx for now, 5xx for good."""

    def __init__(self, command_name: str, reply: Reply) -> None:
        super().__init__(Kind.DENIED, f"{command_name}: {reply}")
        self.code = reply.code


class NotOffered(Failed):
    """The server lacks what we need."""

    def __init__(self, message: str) -> None:
        super().__init__(Kind.PROTOCOL, message)


def from_the_first_byte(tls: str, port: int) -> bool:
    """Whether a server set up so is spoken to in TLS at once; on 465 it waits for that, and would never greet."""
    return tls == "implicit" or (tls == "auto" and port == SMTPS)


class Session:
    """One connection; a command is sent after the reply to the last. `command_name` is the one waited for, for messages."""

    def __init__(self, streams: tcp.Streams) -> None:
        self._reader, self._writer = streams
        self._handshaking = False  # neither clear nor encrypted: asyncio never tells the end of such a connection
        self._started = time.perf_counter()
        self.command_name = "our connection"  # by a greeting
        self._secret: tuple[str, ...] = ()  # in the last command
        self.greeting = Reply(0, ())
        self.greeting_seconds = 0.0
        self.offers: dict[str, str] = {}  # EHLO keyword -> its parameters

    @property
    def greeted(self) -> bool:
        """Whether its banner has come."""
        return self.greeting.code != 0

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The server's certificates (DER), its own first; none while nothing is encrypted."""
        secured: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return chain(secured) if secured else ()

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this very machine: nobody stands in between."""
        return ip_address(str(self._writer.get_extra_info("peername")[0]).partition("%")[0]).is_loopback

    async def greet(self, name: str | None) -> None:
        """Wait for the banner and introduce ourselves, as `name` or by our address. Raises Failed."""
        self.greeting = _expect(self.command_name, await self._reply(), 220)
        self.greeting_seconds = time.perf_counter() - self._started
        await self.hello(name)

    async def hello(self, name: str | None) -> None:
        """EHLO, or HELO where that is not known. Raises Failed."""
        client_name = name or _literal(self._writer.get_extra_info("sockname")[0])
        reply = await self._command(f"EHLO {client_name}", "EHLO")
        if reply.code in (500, 502):
            reply = Reply((await self.ask(f"HELO {client_name}", "HELO", 250)).code, ())
        keywords = (line.replace("=", " ", 1).partition(" ") for line in _expect("EHLO", reply, 250).lines[1:])
        self.offers = {word.upper(): rest for word, _, rest in keywords}

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> None:
        """Encrypt from here on; what was offered before counts no longer. Raises Failed."""
        await self.ask("STARTTLS", "STARTTLS", 220)
        if await self._waiting():  # it would be taken for an answer given under TLS (CVE-2011-0411)
            raise Failed(Kind.PROTOCOL, "it sent data before TLS started: possible man in the middle")
        self.command_name, self._handshaking = "the TLS handshake", True
        address, port = self._writer.get_extra_info("peername")[:2]
        try:
            await self._writer.start_tls(context, server_hostname=server_name)
        except OSError as error:
            raise tcp.connect_failure(Endpoint(socket.AF_UNSPEC, address, port), error) from None
        self._handshaking = False

    async def login(self, username: str, password: str) -> None:
        """AUTH, by PLAIN, LOGIN or CRAM-MD5. Raises Failed; Refused when the server does not take the password."""
        methods = self.offers.get("AUTH", "").upper().split()
        plain = b64encode(f"\0{username}\0{password}".encode()).decode()
        if "PLAIN" in methods:
            _expect("AUTH", await self._command(f"AUTH PLAIN {plain}", "AUTH", secret=(password, plain)), 235)
        elif "LOGIN" in methods:
            name, encoded_password = (b64encode(text.encode()).decode() for text in (username, password))
            await self.ask("AUTH LOGIN", "AUTH", 334)
            _expect("AUTH", await self._command(name, "AUTH"), 334)
            _expect("AUTH", await self._command(encoded_password, "AUTH", secret=(password, encoded_password)), 235)
        elif "CRAM-MD5" in methods:
            proof = _proof(password, (await self.ask("AUTH CRAM-MD5", "AUTH", 334)).lines[0])
            _expect("AUTH", await self._command(b64encode(f"{username} {proof}".encode()).decode(), "AUTH"), 235)
        else:
            offered = f"only AUTH {' '.join(methods)[:80]}" if methods else "no AUTH"
            raise NotOffered(f"it offers {offered} here; PLAIN or LOGIN is needed")

    async def data(self, mail: bytes, wanted: Callable[[], bool] = lambda: True) -> Reply:
        """The reply to a message, header and body, lines ended by CRLF, whose envelope was taken.

        wanted: asked when nothing but the message is left to send. Raises Failed; NotSent when it is not wanted.
        """
        await self.ask("DATA", "DATA", 354)
        if not wanted():
            raise NotSent
        await self._send("the message", re.sub(rb"(?m)^\.", b"..", mail) + b".\r\n")  # RFC 5321 4.5.2
        return _expect(self.command_name, await self._reply(), 250)

    async def ask(self, command: str, command_name: str, *good: int) -> Reply:
        """The reply to a command, which must have one of the codes. Raises Failed."""
        return _expect(command_name, await self._command(command, command_name), *good)

    async def quit(self, timeout: float) -> None:
        """Send QUIT; the reply does not matter."""
        with suppress(Failed, TimeoutError):
            async with asyncio.timeout(timeout):
                await self._command("QUIT", "QUIT")

    async def close(self) -> None:
        """Close the connection without waiting for the other side."""
        if self._handshaking:
            self._writer.transport.abort()
        else:
            await tcp.close(self._writer)

    async def _command(self, command: str, command_name: str, secret: tuple[str, ...] = ()) -> Reply:
        self._secret = secret
        await self._send(command_name, f"{command}\r\n".encode())
        return await self._reply()

    async def _send(self, command_name: str, octets: bytes) -> None:
        self.command_name = command_name
        try:
            self._writer.write(octets)
            await self._writer.drain()
        except OSError:
            raise Failed(Kind.PROTOCOL, f"connection lost before {command_name}") from None

    async def _reply(self) -> Reply:
        lines: list[str] = []
        size, code, more = 0, b"", b"-"
        try:
            while more == b"-":
                line = await self._reader.readuntil(b"\n")
                size += len(line)
                match = LINE.fullmatch(line.rstrip(b"\r\n"))
                if match is None or (code and match[1] != code) or size > LARGEST:
                    raise self._protocol_error(line)
                code, more = match[1], match[2]
                lines.append(self._without_secret((match[3] or b"").decode(errors="replace")))
        except asyncio.IncompleteReadError as error:
            received = f" after sending {self._shown(error.partial)!r}" if error.partial else ""
            raise Failed(Kind.PROTOCOL, f"it closed the connection on {self.command_name}{received}") from None
        except asyncio.LimitOverrunError:
            raise Failed(Kind.PROTOCOL, f"its response to {self.command_name} never ends") from None
        except OSError:
            raise Failed(Kind.PROTOCOL, f"connection lost during {self.command_name}") from None
        return Reply(int(code), tuple(lines))

    def _protocol_error(self, line: bytes) -> Failed:
        return Failed(Kind.PROTOCOL, f"it does not speak SMTP: it replied to {self.command_name} with {self._shown(line)!r}")

    def _shown(self, line: bytes) -> str:
        return self._without_secret(line.decode(errors="replace"))[:80].strip()

    def _without_secret(self, line: str) -> str:
        """The line without what was sent last, if that is secret: some servers repeat it."""
        for text in filter(None, self._secret):
            line = line.replace(text, "***")
        return line

    async def _waiting(self) -> bool:
        """Is there unread data?"""
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                return bool(await self._reader.read(1))
        return False


@asynccontextmanager
async def session(
    host: str, port: int, *, timeout: float, tls: ssl.SSLContext | None = None, server_name: str | None = None
) -> AsyncIterator[Session]:
    """A connection, not yet greeted, encrypted from the first byte when `tls` is given; QUIT is said at its end.

    Raises Failed; everything inside ends within `timeout` seconds (QUIT may take a little more), and it says what hung.
    """
    end = asyncio.get_running_loop().time() + timeout
    opened = Session(await tcp.connect(host, port, timeout=timeout, tls=tls, server_name=server_name))
    try:
        async with asyncio.timeout_at(end):
            yield opened
        await opened.quit(timeout * QUIT_SHARE)
    except TimeoutError:
        raise Failed(Kind.TIMEOUT, f"no response to {opened.command_name} within {timeout:.3g} s") from None
    finally:
        await opened.close()


def _expect(command_name: str, reply: Reply, *codes: int) -> Reply:
    if reply.code not in codes:
        raise Refused(command_name, reply)
    return reply


def _proof(password: str, challenge: str) -> str:
    """What CRAM-MD5 wants. Source: RFC 2195."""
    try:
        return hmac.new(password.encode(), b64decode(challenge, validate=True), "md5").hexdigest()
    except ValueError:
        raise Failed(Kind.PROTOCOL, f"it does not speak SMTP: its challenge is {challenge[:80]!r}") from None


def _literal(address: str) -> str:
    """Our address as EHLO takes it where there is no name. Source: RFC 5321 4.1.3."""
    return f"[IPv6:{address.partition('%')[0]}]" if ":" in address else f"[{address}]"
