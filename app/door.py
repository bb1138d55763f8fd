"""The door of the web process: how long a client may keep us waiting, and who has to go when every place is taken.

A connection costs a descriptor, so their number is limited and some descriptors are kept for the database, the broker and
files. Whoever keeps us waiting (for the rest of a head or a body, for the next request, for reading an answer) gives up its
place to a newcomer, the one that has done so longest first. So a thousand half-open requests end themselves, not the intake.
We accept connections ourselves: neither asyncio nor uvloop can refuse one before a descriptor is gone.
"""

import asyncio
import errno
import resource
import socket
import ssl
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app import log
from app.errors import Unavailable
from app.net.listening import listening

PROMPT = 3.0  # seconds that any client may need for a head or body: until then idle ones have to go first
OURS = 64  # descriptors kept for everything else
AT_ONCE = 64  # connections accepted before others get their turn; one that has to go frees its descriptor only then
MOST = 8_192  # connections, however many descriptors there are
RETRY = 0.05  # seconds until the next try when no descriptor was left
NONE_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How many seconds a client may keep us waiting."""

    head: float = 10.0  # for a request's head, TLS handshake included
    body: float = 30.0
    slowest: int = 16_384  # bytes of a body that buy one second more
    idle: float = 75.0  # between two requests
    unread: float = 30.0  # while it reads nothing of an answer


USUAL = TimeLimits()


def raise_descriptors() -> int:
    """Raise the soft limit of open files to the hard one; how many this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # some systems have a lower one that they do not tell
        return soft
    return hard if hard != resource.RLIM_INFINITY else MOST + OURS + AT_ONCE


def places(descriptors: int) -> int:
    """How many connections may be open at once."""
    return max(8, min(MOST, descriptors - OURS - AT_ONCE))


def _answer(status: int, title: str, detail: str, more: str = "") -> bytes:
    body = f'{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}"}}'
    head = f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{more}Connection: close\r\n\r\n{body}".encode()


LATE = _answer(408, "Request Timeout", "the request did not arrive in time")
FULL = _answer(503, "Service Unavailable", "too many connections; try again in a moment", "Retry-After: 2\r\n")


class Connection(HttpToolsProtocol):
    """One client. `since` is when it began to keep us waiting (time.monotonic)."""

    def __init__(self, door: "Door", sock: socket.socket, *config: Any) -> None:
        super().__init__(*config)
        self.door, self.sock = door, sock
        self.since = self.allowed = 0.0
        self.in_head = self.reading = self.answering = False  # a request's head; the whole of it; until it is answered

    def connection_lost(self, exc: Exception | None) -> None:
        """Its place is free."""
        self.door.leave(self)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.reading = self.in_head = True
        if not self.answering:
            self.door.wait(self, self.door.limits.head)

    def on_headers_complete(self) -> None:
        """The application is asked from now on."""
        super().on_headers_complete()
        self.in_head, self.answering = False, True
        self.door.wait(self, self.door.limits.body)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        super().on_body(body)
        self.allowed += len(body) / self.door.limits.slowest

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        super().on_message_complete()
        self.reading = False
        self._ours_or_idle()

    def on_response_complete(self) -> None:
        """The last byte of an answer, which may be before the last one of its request."""
        super().on_response_complete()
        self.answering = self.cycle is not None and not self.cycle.response_complete  # the next request was there already
        self._ours_or_idle()

    def pause_writing(self) -> None:
        """It does not read."""
        super().pause_writing()
        self.door.wait(self, self.door.limits.unread)

    def resume_writing(self) -> None:
        """It reads."""
        super().resume_writing()
        self._ours_or_idle()

    def _ours_or_idle(self) -> None:
        limits = self.door.limits
        if self.reading:
            self.door.wait(self, limits.head if self.in_head else limits.body)
        elif self.answering:
            self.door.serve(self)
        else:
            self.door.wait(self, limits.idle, idle=True)

    @property
    def waits_for_us(self) -> bool:
        """Whether it sends nothing because we have not taken what is there, or have not asked for more yet."""
        cycle = self.cycle
        unasked = cycle is not None and not cycle.response_complete and cycle.waiting_for_100_continue
        return unasked or (self.flow is not None and self.flow.read_paused)

    def late(self) -> None:
        """Its time is over: say so where it has begun to ask something, and close."""
        if self.transport is not None and self.reading and (self.in_head or not self.cycle.response_started):
            self.transport.write(LATE)
            self.transport.close()
            self._gone()
        else:
            self.drop()

    def drop(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()
        else:  # TLS is not agreed on yet, and ends with this
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        self._gone()

    def _gone(self) -> None:
        self.door.leave(self)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()


class Door:
    """Takes connections for one server, and knows which of them wait for what."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        tls: ssl.SSLContext | None,
        places: int,
        make: Callable[..., Connection],
        limits: TimeLimits = USUAL,
    ) -> None:
        self.sockets, self.tls, self.places, self.make, self.limits = sockets, tls, places, make, limits
        self.loop = asyncio.get_running_loop()
        self.open: set[Connection] = set()
        self.slow: OrderedDict[Connection, None] = OrderedDict()  # in the middle of something; the longest wait first
        self.idle: OrderedDict[Connection, None] = OrderedDict()  # between two requests
        self.tasks: set[asyncio.Task[None]] = set()
        self.dropped: Counter[str] = Counter()
        for sock in sockets:
            self.loop.add_reader(sock, self._accept, sock)
        self.sweeping = self.loop.call_later(1.0, self._sweep)

    def close(self) -> None:
        """Take no more; those who are in stay."""
        self.sweeping.cancel()
        for sock in self.sockets:
            self.loop.remove_reader(sock)
            sock.close()

    async def wait_closed(self) -> None:
        """What asyncio's servers have as well."""

    def wait(self, one: Connection, seconds: float, idle: bool = False) -> None:
        """It is the client's turn, for at most so long."""
        if one not in self.open:
            return
        self.serve(one)
        one.since, one.allowed = time.monotonic(), seconds
        (self.idle if idle else self.slow)[one] = None

    def serve(self, one: Connection) -> None:
        """It is our turn."""
        self.slow.pop(one, None)
        self.idle.pop(one, None)

    def leave(self, one: Connection) -> None:
        """It is gone."""
        self.open.discard(one)
        self.serve(one)

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                client, _address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in NONE_LEFT:
                    raise
                self._rest(sock)
                return
            client.setblocking(False)
            if len(self.open) >= self.places and not self._make_room():
                self._turn_away(client)
            else:
                self._let_in(client)

    def _let_in(self, client: socket.socket) -> None:
        with suppress(OSError):  # a Unix socket has no such thing
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one = self.make(self, client)
        self.open.add(one)
        self.wait(one, self.limits.head)
        task = self.loop.create_task(self._connect(one))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _connect(self, one: Connection) -> None:
        timeout = self.limits.head if self.tls else None
        try:
            await self.loop.connect_accepted_socket(lambda: one, one.sock, ssl=self.tls, ssl_handshake_timeout=timeout)
        except OSError:  # gone, or it does not speak TLS
            self.leave(one)
            one.sock.close()

    def _make_room(self) -> bool:
        """End whoever keeps us waiting longest; False when everybody waits for us."""
        slow = next((one for one in self.slow if not one.waits_for_us), None)
        idle = next(iter(self.idle), None)
        prompt = slow is not None and time.monotonic() - slow.since < PROMPT
        found = (idle or slow) if prompt or slow is None else slow
        if found is None:
            return False
        self.dropped["no_place"] += 1
        found.drop()
        return True

    def _turn_away(self, client: socket.socket) -> None:
        self.dropped["refused"] += 1
        with client, suppress(OSError):
            if self.tls is None:
                client.send(FULL)

    def _rest(self, sock: socket.socket) -> None:
        """No descriptor is left for what waits at the door: end somebody, and look again in a moment."""
        self._make_room()
        self.loop.remove_reader(sock)
        self.loop.call_later(RETRY, self._resume, sock)

    def _resume(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self.loop.add_reader(sock, self._accept, sock)

    def _sweep(self) -> None:
        self.sweeping = self.loop.call_later(1.0, self._sweep)  # first: whatever breaks below, the next one comes
        now = time.monotonic()
        for one in (*self.slow, *self.idle):
            if one.waits_for_us:
                one.since = now
            elif now - one.since > one.allowed:
                self.dropped["late"] += one.reading
                one.late()
        if self.dropped.total():
            logger.warning("connections_dropped", open=len(self.open), places=self.places, **self.dropped)
        self.dropped.clear()


class Server(uvicorn.Server):
    """uvicorn behind our door."""

    def __init__(self, config: uvicorn.Config, descriptors: int, limits: TimeLimits = USUAL) -> None:
        super().__init__(config)
        self.places, self.limits = places(descriptors), limits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen. Raises Unavailable when the port cannot be had."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise Unavailable("the console did not start; the log says why")
        found = sockets or _listen(self.config.host, self.config.port, self.config.backlog)
        made = Door(found, self.config.ssl, self.places, self._connection, self.limits)
        self.servers = [made]  # type: ignore[list-item]
        self.started = True
        logger.info("listening", address=f"{self.config.host}:{found[0].getsockname()[1]}", places=self.places)

    def _connection(self, door: Door, sock: socket.socket) -> Connection:
        return Connection(door, sock, self.config, self.server_state, self.lifespan.state)


def _listen(host: str, port: int, backlog: int) -> list[socket.socket]:
    try:
        made = listening(host, port, backlog)
    except OSError as error:
        why = f"cannot listen on port {port} of {host}: {error.strerror or error}"
        raise Unavailable(f"{why}; set TOCSIN_PORT or TOCSIN_HOST") from error
    for sock in made:
        sock.setblocking(False)
    return made
