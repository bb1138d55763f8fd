"""The start of an SSH connection: identification, offered algorithms, and the host key with proof of ownership. No login.

Source: RFC 4253 (4.2 identification, 6 packets, 7 and 8 key exchange), RFC 8731 (Curve25519), RFC 5656 (NIST curves), RFC 8332
(RSA with SHA-2), RFC 8709 (Ed25519). Nothing is ever encrypted: the exchange proves the key, and then we disconnect.
"""

import asyncio
import os
import struct
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from app.failure import Failed, Kind
from app.net import tcp
from app.net.sshkey import EXCHANGES, Secret, proves

CLIENT_ID = b"SSH-2.0-Tocsin_1"
LONGEST_LINE = 255  # bytes of the identification, RFC 4253 4.2
MAX_NOTICE = 16_384  # bytes before it
MAX_PACKET = 35_000  # bytes of a packet, RFC 4253 6.1
DISCONNECT, IGNORE, DEBUG, KEXINIT, KEX_INIT, KEX_REPLY = 1, 2, 4, 20, 30, 31
BY_APPLICATION = 11


@dataclass(frozen=True, slots=True)
class Offers:
    """What the server can, by its names and in its order."""

    exchanges: tuple[str, ...]
    host_keys: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostKey:
    """A key the server has proved to own."""

    kind: str  # ssh-ed25519
    fingerprint: str  # SHA256:..., as ssh-keygen -l shows it


@dataclass(frozen=True, slots=True)
class Server:
    """What the server showed."""

    identification: str  # without SSH-2.0-
    notice: str  # text it sent before that
    banner_seconds: float
    offers: Offers
    key: HostKey | None  # None when it offers no key asked for, or no exchange we know


async def inspect_server(host: str, port: int, *, timeout: float, keys: Sequence[str] = ()) -> Server:
    """Connect, and ask for the first of these host key algorithms that is offered. Raises Failed, which says what hung."""
    end = asyncio.get_running_loop().time() + timeout
    session = _Session(await tcp.connect(host, port, timeout=timeout))
    try:
        async with asyncio.timeout_at(end):
            return await session.run(keys)
    except TimeoutError:
        raise Failed(Kind.TIMEOUT, f"{session.problem} within {timeout:.3g} s{session.received_text()}") from None
    except (asyncio.IncompleteReadError, OSError):
        raise Failed(Kind.PROTOCOL, f"it closed the connection: {session.problem}{session.received_text()}") from None
    except (ValueError, struct.error, IndexError, asyncio.LimitOverrunError):
        raise Failed(Kind.PROTOCOL, f"it does not speak SSH: {session.problem}{session.received_text()}") from None
    finally:
        await tcp.close(session.writer)


class _Session:
    """One connection. Whatever does not read as it must raises ValueError or struct.error."""

    def __init__(self, streams: tcp.Streams) -> None:
        self._reader, self.writer = streams
        self._received = b""
        self.problem = "no identification received"

    def received_text(self) -> str:
        """What was received instead, for a message."""
        return f", but {_text(self._received)!r}" if self._received else ""

    async def run(self, keys: Sequence[str]) -> Server:
        started = time.perf_counter()
        self.writer.write(CLIENT_ID + b"\r\n")
        identification, notice = await self._identification()
        seconds = time.perf_counter() - started
        self.problem = "no algorithms received"
        server_kexinit = await self._packet(KEXINIT)
        lists = _name_lists(server_kexinit)
        offers = Offers(lists[0], lists[1], _both(lists[2:4]), _both(lists[4:6]))
        self.problem = "no host key received"
        exchange = next((name for name in EXCHANGES if name in offers.exchanges), None)
        algorithm = next((name for name in keys if name in offers.host_keys), None)
        key = (
            await self._host_key(identification, server_kexinit, lists, exchange, algorithm) if exchange and algorithm else None
        )
        reason = b"tocsin: seen enough"
        await self._send(struct.pack("!BI", DISCONNECT, BY_APPLICATION) + _string(reason) + _string(b""))
        return Server(_text(identification[8:]), notice, seconds, offers, key)

    async def _identification(self) -> tuple[bytes, str]:
        """The line that begins with SSH-, and the lines before it, which a server may use for a notice."""
        while len(self._received) <= MAX_NOTICE:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as error:
                self._received += error.partial
                raise
            if line.startswith(b"SSH-"):
                bare = line.rstrip(b"\r\n")
                if len(line) > LONGEST_LINE or not bare.startswith((b"SSH-2.0-", b"SSH-1.99-")):
                    self._received = line
                    raise Failed(Kind.PROTOCOL, f"it does not speak SSH 2: it identifies itself as {_text(bare)!r}")
                notice, self._received = _text(self._received), b""
                return bare, notice
            self._received += line
        raise ValueError("it keeps sending data")

    async def _host_key(
        self, identification: bytes, server_kexinit: bytes, lists: list[tuple[str, ...]], exchange: str, algorithm: str
    ) -> HostKey:
        # Its own ciphers are offered back to it: none will be used, and all fit.
        names = [(exchange,), (algorithm,), *lists[2:8], (), ()]
        kexinit = bytes([KEXINIT]) + os.urandom(16) + b"".join(_string(",".join(one).encode()) for one in names) + bytes(5)
        secret = Secret.of(exchange)
        await self._send(kexinit)
        await self._send(bytes([KEX_INIT]) + _string(secret.public))
        key, public, signed = _strings((await self._packet(KEX_REPLY))[1:], 3)
        shared = secret.shared(public)
        parts = (CLIENT_ID, identification, kexinit, server_kexinit, key, secret.public, public)
        digest = sha256(b"".join(map(_string, parts)) + _string(_positive(shared))).digest()
        signed_by, signature = _strings(signed, 2)
        if not proves(algorithm, key, signed_by, signature, digest):
            raise Failed(Kind.PROTOCOL, "it presented a host key without proof of ownership: possible man in the middle")
        kind = next(_strings(key, 1)).decode()
        return HostKey(kind, "SHA256:" + b64encode(sha256(key).digest()).decode().rstrip("="))

    async def _packet(self, wanted: int) -> bytes:
        """The payload of the next packet that is neither IGNORE nor DEBUG."""
        while True:
            size, padding = struct.unpack("!IB", await self._reader.readexactly(5))
            if not padding + 1 < size <= MAX_PACKET:
                raise ValueError("not a packet")
            payload = (await self._reader.readexactly(size - 1))[: size - 1 - padding]
            if payload[0] == DISCONNECT:
                raise Failed(Kind.PROTOCOL, f"it disconnected: {_text(next(_strings(payload[5:], 1)))!r}")
            if payload[0] == wanted:
                return payload
            if payload[0] not in (IGNORE, DEBUG):
                raise ValueError("unexpected reply")

    async def _send(self, payload: bytes) -> None:
        padding = 8 - (len(payload) + 5) % 8
        padding += 8 if padding < 4 else 0
        self.writer.write(struct.pack("!IB", len(payload) + padding + 1, padding) + payload + bytes(padding))
        await self.writer.drain()


def _name_lists(server_kexinit: bytes) -> list[tuple[str, ...]]:
    return [tuple(filter(None, one.decode("ascii").split(","))) for one in _strings(server_kexinit[17:], 10)]


def _both(directions: list[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in directions for name in names))


def _strings(data: bytes, number: int) -> Iterator[bytes]:
    for _ in range(number):
        (size,) = struct.unpack_from("!I", data)
        if size > len(data) - 4:
            raise ValueError("a string longer than its packet")
        yield data[4 : 4 + size]
        data = data[4 + size :]


def _string(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data


def _positive(number: bytes) -> bytes:
    """An unsigned number as SSH's mpint writes it: no leading zeros, one where the first bit would mean a minus."""
    bare = number.lstrip(b"\0")
    return b"\0" + bare if bare[:1] > b"\x7f" else bare


def _text(data: bytes) -> str:
    return " ".join(data[:120].decode(errors="replace").split())
