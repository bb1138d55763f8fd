"""Guarded TCP and TLS for asyncio: resolve, check, connect to what was checked."""

import asyncio
import os
import socket
import time
from contextlib import suppress
from ssl import SSLCertVerificationError, SSLContext, SSLError

from app.failure import Failed, Kind, NoTls
from app.net.resolve import Endpoint, in_turn, resolve
from app.net.tls import reason
from app.sentence import lower_first

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

STREAM_LIMIT = 1 << 20  # bytes a reader may hold


async def connect(
    host: str, port: int, *, timeout: float, tls: SSLContext | None = None, server_name: str | None = None
) -> Streams:
    """A connection to the first address of `host` that takes one, within `timeout` seconds for everything.

    server_name: what TLS asks for and checks; `host` unless given. Raises Failed, never OSError.
    """
    end = time.monotonic() + timeout
    last: Failed | None = None
    for endpoint, seconds in in_turn(await resolve(host, port, timeout), end):
        problem = "did not accept a connection"
        try:
            async with asyncio.timeout(seconds):
                connection = await _connected(endpoint)
                problem = "accepted the connection, but the TLS handshake did not finish"
                name = (server_name or host) if tls else None
                return await asyncio.open_connection(sock=connection, ssl=tls, server_hostname=name, limit=STREAM_LIMIT)
        except TimeoutError:
            last = Failed(Kind.TIMEOUT, f"{endpoint} {problem} within {seconds:.3g} s")
        except OSError as error:
            last = connect_failure(endpoint, error)
    assert last is not None
    raise last


async def close(writer: asyncio.StreamWriter) -> None:
    """Close without waiting for the other side: the probe has all it needs."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def _connected(endpoint: Endpoint) -> socket.socket:
    """A connected socket."""
    opened = socket.socket(endpoint.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, (endpoint.address, endpoint.port))
    except BaseException:
        opened.close()
        raise
    return opened


def connect_failure(endpoint: Endpoint, error: OSError) -> Failed:
    """What a failed connection attempt means."""
    if isinstance(error, SSLCertVerificationError):
        return Failed(Kind.TLS, f"{endpoint}: certificate rejected: {error.verify_message}", error.verify_message)
    if isinstance(error, SSLError):
        return NoTls(f"{endpoint}: no TLS: {reason(error)}", reason(error))
    if isinstance(error, ConnectionRefusedError):
        return Failed(Kind.REFUSED, f"{endpoint} refused the connection")
    if isinstance(error, ConnectionError):  # reset or closed after it was taken
        return Failed(Kind.PROTOCOL, f"{endpoint} closed the connection immediately")
    message = os.strerror(error.errno) if error.errno else "cannot connect"
    if isinstance(error, socket.gaierror):  # of an address: it names a zone that this machine has not
        message = str(error.strerror)
    return Failed(Kind.CONNECT, f"{endpoint}: {lower_first(message)}")
