"""Datagrams to and from one checked address, UDP or ICMP, each with the moment at which the kernel took it.

A worker reads a datagram milliseconds late when it is busy; the kernel's own stamp keeps that out of round trips and clock
offsets. The socket is connected: what other addresses send does not reach it, and a refusal by ICMP does.
"""

import asyncio
import errno
import os
import socket
import struct
import sys
import time
from typing import NamedTuple, Self

from app.failure import Failed, Kind
from app.net.resolve import Endpoint
from app.sentence import lower_first

MAX_DATAGRAM = 65_535  # bytes of a datagram
STAMPED = 35 if sys.platform == "linux" else None  # SO_TIMESTAMPNS, as asm-generic/socket.h has it; Python does not name it
STAMP = struct.Struct("@qq")
MAX_WAIT = 60_000_000_000  # ns in the kernel's queue; a longer one is a clock that was set meanwhile


class Moment(NamedTuple):
    """One instant on both clocks, in nanoseconds."""

    wall: int  # since 1970, UTC
    monotonic: int  # of the monotonic clock: what durations are measured with

    @classmethod
    def now(cls) -> Self:
        return cls(time.time_ns(), time.monotonic_ns())


class Datagram(NamedTuple):
    """What came, and when."""

    data: bytes
    at: Moment


class Datagrams:
    """A socket connected to one endpoint; a context manager. Raises Failed, never OSError, but for the right to open it."""

    def __init__(self, to: Endpoint, kind: socket.SocketKind = socket.SOCK_DGRAM, protocol: int = 0) -> None:
        self._to = to
        self.socket = socket.socket(to.family, kind, protocol)
        try:
            self.socket.setblocking(False)
            if STAMPED is not None:
                self.socket.setsockopt(socket.SOL_SOCKET, STAMPED, 1)
            numeric = socket.getaddrinfo(to.address, to.port, to.family, flags=socket.AI_NUMERICHOST)  # keeps a %scope
            self.socket.connect(numeric[0][4])
        except OSError as error:
            self.socket.close()
            raise self._failure(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Moment:
        """Send one datagram; the moment just before."""
        at = Moment.now()
        try:
            self.socket.send(data)
        except BlockingIOError:
            pass  # the queue of the interface is full: lost, as on any wire
        except OSError as error:
            raise self._failure(error) from None
        return at

    async def receive(self) -> Datagram:
        """The next datagram. Waits for ever, and lets others run between two even when there is always a next one."""
        while True:
            await self._readable()
            try:
                data, ancillary, _, _ = self.socket.recvmsg(MAX_DATAGRAM, socket.CMSG_SPACE(STAMP.size))
            except BlockingIOError:  # the kernel woke us, then dropped it for its checksum
                continue
            except OSError as error:
                raise self._failure(error) from None
            return Datagram(data, _received_at(ancillary))

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self.socket, _wake, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self.socket)

    def _failure(self, error: OSError) -> Failed:
        if isinstance(error, ConnectionRefusedError):
            no_route = f"{self._to.address}: no route: rejected by the network or a firewall"
            return Failed(Kind.REFUSED, f"nothing is listening on UDP {self._to}" if self._to.port else no_route)
        message = os.strerror(error.errno) if error.errno else "cannot send"
        if isinstance(error, socket.gaierror):  # of an address: it names a zone that this machine has not
            message = str(error.strerror)
        where = str(self._to) if self._to.port else self._to.address
        kind = Kind.DENIED if error.errno in (errno.EPERM, errno.EACCES) else Kind.CONNECT
        return Failed(kind, f"{where}: {lower_first(message)}")


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def _received_at(ancillary: list[tuple[int, int, bytes]]) -> Moment:
    """Now, less what the datagram waited for us."""
    now = Moment.now()
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, STAMPED) and len(data) >= STAMP.size:
            seconds, nanoseconds = STAMP.unpack_from(data)
            waited = now.wall - (seconds * 1_000_000_000 + nanoseconds)
            if 0 <= waited < MAX_WAIT:
                return Moment(now.wall - waited, now.monotonic - waited)
    return now
