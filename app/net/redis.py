"""Guarded Redis and Valkey sessions for probes: the wire protocol itself, on checked connections.

Not on redis-py 8.1: it takes a checked connection only through its privates, and an answer of any length (in 2 s a hostile
server filled 772 MiB of a worker). Source: Redis serialization protocol specification (RESP2).
"""

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import AfterValidator

from app.failure import Failed, Kind
from app.net import tcp, tls
from app.net.address import refuse_literal
from app.units import length
from app.urls import with_lower_scheme

MAX_REPLY = 1 << 20  # bytes of one answer
UNAVAILABLE = ("LOADING", "MASTERDOWN", "ERR max number of clients")  # it takes nobody now: down, not a configuration error
SOCKETS = ("redis+socket", "unix")
NETWORK = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}  # scheme -> over TLS


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL says."""

    host: str
    port: int
    path: str  # of a Unix socket; then host is empty
    secure: bool
    verify: bool
    username: str
    password: str
    database: int


def parse(url: str) -> Target:
    """Read redis://, rediss://, redis+socket:// and unix:// URLs. Raises ValueError; never quotes the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise ValueError("not a Redis URL; write redis://HOST:6379/0") from None
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    on_socket = parts.scheme in SOCKETS
    if not on_socket and (parts.scheme not in NETWORK or not parts.hostname):
        raise ValueError("not a redis://, rediss://, redis+socket:// or unix:// URL")
    number = options.get("virtual_host") or options.get("db") or ("" if on_socket else parts.path.strip("/")) or "0"
    if not number.strip("/").isdecimal():
        raise ValueError(f"{number!r} is not the number of a Redis database")
    if parts.hostname and not on_socket:
        refuse_literal(parts.hostname)
    return Target(
        host="" if on_socket else parts.hostname or "",
        port=port,
        path=unquote(parts.netloc.rpartition("@")[2] + parts.path) if on_socket else "",
        secure=NETWORK.get(parts.scheme, False),
        verify=options.get("ssl_cert_reqs", "required").lower().removeprefix("cert_") == "required",
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=int(number.strip("/")),
    )


def redis_url(text: str) -> str:
    """The URL, when it is a Redis one, its scheme in small letters. Raises ValueError."""
    parse(text)
    return with_lower_scheme(text)


RedisUrl = Annotated[str, AfterValidator(redis_url)]


class Session:
    """One connection; commands are sent one after another."""

    def __init__(self, streams: tcp.Streams) -> None:
        self._reader, self._writer = streams

    async def ask(self, *arguments: str) -> str | int | None:
        """The answer to a command that gives text or a number.

        Raises Failed: denied for an error, protocol for nonsense and from a server that takes nobody now.
        """
        encoded = [argument.encode() for argument in arguments]
        self._writer.write(
            b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(argument), argument) for argument in encoded)
        )
        try:
            await self._writer.drain()
            line = (await self._reader.readuntil(b"\r\n"))[:-2]
            return await self._answer(line[:1], line[1:])
        except (asyncio.IncompleteReadError, OSError):
            raise Failed(Kind.PROTOCOL, "it closed the connection") from None
        except (asyncio.LimitOverrunError, ValueError):
            raise Failed(Kind.PROTOCOL, "it does not speak the Redis protocol") from None

    async def _answer(self, prefix: bytes, rest: bytes) -> str | int | None:
        if prefix == b"+":
            return rest.decode()
        if prefix == b":":
            return int(rest)
        if prefix == b"-":
            error = rest[:200].decode(errors="replace")
            raise Failed(Kind.PROTOCOL if error.startswith(UNAVAILABLE) else Kind.DENIED, error)
        size = int(rest) if prefix == b"$" else MAX_REPLY + 1
        if size < 0:
            return None
        if size > MAX_REPLY:
            raise ValueError(size)
        return (await self._reader.readexactly(size + 2))[:-2].decode(errors="replace")


class Refused(Failed):
    """This account may not ask that."""

    def __init__(self, error: str) -> None:
        super().__init__(Kind.DENIED, error)


async def info(server: Session) -> dict[str, str]:
    """The fields of INFO, by name. Raises Refused where the account may not ask, Failed for the rest."""
    try:
        text = str(await server.ask("INFO"))
    except Failed as failed:
        if failed.kind is not Kind.DENIED:
            raise
        raise Refused(str(failed)) from None
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def number(fields: Mapping[str, str], name: str) -> float | None:
    """A number in INFO; None when it is missing or no number."""
    try:
        found = float(fields[name])
    except (KeyError, ValueError):
        return None
    return found if math.isfinite(found) else None


def cut_off(fields: Mapping[str, str]) -> str:
    """A message when a replica is disconnected from its primary; else empty."""
    if fields.get("role") != "slave" or fields.get("master_link_status") != "down":
        return ""
    since = number(fields, "master_link_down_since_seconds")
    how = "never connected" if since is None or since < 0 else f"for {length(since)}"
    return f"replica disconnected from its primary: {how}"


def grant(url: str, command: str) -> str:
    """What an administrator enters so that the account of a URL may run a command."""
    return f"ACL SETUSER {parse(url).username or 'default'} +{command}"


@asynccontextmanager
async def session(url: str, timeout: float) -> AsyncIterator[Session]:
    """A session, logged in and on the URL's database. Raises Failed; everything inside ends within `timeout` seconds."""
    target = parse(url)
    try:
        async with asyncio.timeout(timeout):
            streams = await _connect(target, timeout)
            try:
                opened = Session(streams)
                if target.password:
                    await opened.ask("AUTH", *filter(None, (target.username, target.password)))
                if target.database:
                    await opened.ask("SELECT", str(target.database))
                yield opened
            finally:
                await tcp.close(streams[1])
    except TimeoutError:
        raise Failed(Kind.TIMEOUT, f"no response within {timeout:.3g} s") from None


async def _connect(target: Target, timeout: float) -> tcp.Streams:
    if target.path:
        try:
            return await asyncio.open_unix_connection(target.path, limit=MAX_REPLY)
        except (ConnectionRefusedError, FileNotFoundError):
            raise Failed(Kind.REFUSED, f"nothing is listening on {target.path}") from None
        except OSError as error:
            raise Failed(Kind.DENIED, f"{target.path}: {error.strerror}") from None
    secured: ssl.SSLContext | None = tls.context(verify=target.verify) if target.secure else None
    return await tcp.connect(target.host, target.port, timeout=timeout, tls=secured)
