"""Which TCP ports of a few addresses take a connection: many tries side by side, all within one time."""

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from app.net.resolve import Endpoint
from app.sentence import lower_first

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: reset instead of a minute of TIME_WAIT for each port
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(slots=True)
class Scan:
    """What was found so far; a port counts as open when one of the addresses takes a connection on it."""

    open: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)  # by one address at least: the host is up
    tried: set[int] = field(default_factory=set)  # on every address, to an end
    last_error: str = ""  # the last network error, e.g. "no route to host"
    exhausted: str = ""  # why we gave up before the end: no more sockets


async def scan(
    addresses: tuple[Endpoint, ...], ports: Iterable[int], *, concurrency: int, connect_timeout: float, timeout: float
) -> Scan:
    """Try each port of each (checked) address; what was found within `timeout` seconds, which may not be all.

    connect_timeout: seconds after which a silent port counts as closed by a firewall.
    """
    found, waiting = Scan(), iter(ports)
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(_worker(waiting, addresses, connect_timeout, found))
    return found


async def _worker(ports: Iterator[int], addresses: tuple[Endpoint, ...], connect_timeout: float, found: Scan) -> None:
    for port in ports:
        for address in addresses:
            await _try(address, port, connect_timeout, found)
            await asyncio.sleep(0)  # without a route each try fails at once, and no other task would run
            if found.exhausted:
                return
        found.tried.add(port)


async def _try(address: Endpoint, port: int, timeout: float, found: Scan) -> None:
    try:
        with socket.socket(address.family, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(sock, (address.address, port))
            if sock.getsockname() != sock.getpeername():  # a socket that got this very port met itself
                found.open.add(port)
    except TimeoutError:
        pass
    except ConnectionRefusedError:
        found.refused.add(port)
    except OSError as error:
        message = lower_first(str(error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)))
        if error.errno in EXHAUSTED:
            found.exhausted = message
        else:
            found.last_error = message
