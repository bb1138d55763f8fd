"""HTTP requests for probes and channels: guarded, bounded in time and size, on libcurl.

    response = await fetch(Request("https://shop.example/checkout", timeout=5, fresh=True))

Only http and https, no proxy or .netrc from the environment, no cookies but the request's own; every address connected to
passes `guard`, on each redirect too. `timeout` ends everything, a body that drips included; `max_bytes` counts what was
unpacked, so that neither an endless body nor a compressed bomb fills memory. There is one driver per event loop; `close()`
ends the running loop's.
"""

import asyncio
import select
import selectors

import pycurl

from app.failure import Failed, Kind, NotSent
from app.net.address import literal
from app.net.curl import NUMERIC, Lookup, Transfer
from app.net.exchange import Request, Response, Timings
from app.net.options import LONGEST_IDLE, once
from app.net.redirect import follow
from app.net.resolve import Endpoint, resolve
from app.net.url import host_and_port, http_url

__all__ = ["Driver", "Failed", "Kind", "NotSent", "Request", "Response", "Timings", "close", "fetch"]

IDLE_HANDLES = 256  # kept for reuse; one costs a few kilobytes, making it 30 µs

KNOWN_NAMES = 1024
NEVER = float("inf")

# What to wait for, and what came, are the same numbers to libcurl and to `selectors`.
assert (
    (pycurl.POLL_IN, pycurl.POLL_OUT)
    == (pycurl.CSELECT_IN, pycurl.CSELECT_OUT)
    == (selectors.EVENT_READ, selectors.EVENT_WRITE)
)


async def fetch(request: Request) -> Response:
    """The answer to a request, whatever its status. Raises Failed when there is none."""
    ask = _driver().fetch
    return await (follow(request, ask) if request.follow_redirects else ask(request))


async def close() -> None:
    """End the running loop's driver: its connections and handles. The next `fetch` makes a new one."""
    driver = _drivers.pop(asyncio.get_running_loop(), None)
    if driver is not None:
        driver.close()


class Driver:
    """A libcurl multi handle under one event loop. Source: libcurl, "the multi_socket API".

    libcurl's sockets are watched by a selector of their own, and the loop watches that one: registering a socket with the
    loop itself costs ten times as much, and a fresh connection is registered, changed and forgotten.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due = NEVER  # when libcurl wants to be woken
        self._wake_scheduled = False  # a wake-up is already on the loop's list
        self._running: set[Transfer] = set()
        self._idle: list[Transfer] = []
        self._known: dict[tuple[str, int], tuple[Endpoint, ...]] = {}
        self._watched: set[int] = set()
        self._idle_sockets = select.poll()  # sockets that libcurl may use again,
        self._idle_since: dict[int, float] = {}  # and when each was done with
        self._sockets = selectors.DefaultSelector()
        loop.add_reader(self._sockets, self._ready)  # it has a fileno() on every system we run on
        self._closed = False
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._wake_in)

    async def fetch(self, request: Request) -> Response:
        """See `fetch`."""
        lookup = await self._look_up(request)
        transfer = self._idle.pop() if self._idle else Transfer()
        done: asyncio.Future[tuple[int, str]] = self._loop.create_future()
        try:
            transfer.prepare(request, lookup, done, fresh=once(request) and self._has_stale_connection())
            self._multi.add_handle(transfer.curl)
            self._running.add(transfer)
            code, message = await done
            return transfer.response(code, message, request)
        finally:
            self._release(transfer)

    def close(self) -> None:
        """Free everything; requests under way fail."""
        self._closed = True
        for transfer in tuple(self._running):
            _finish(transfer, pycurl.E_ABORTED_BY_CALLBACK, "the client was closed")
            self._multi.remove_handle(transfer.curl)
        self._multi.close()
        for transfer in self._idle:
            transfer.curl.close()
        self._idle.clear()
        self._wake_in(-1)
        if not self._loop.is_closed():
            self._loop.remove_reader(self._sockets)
        self._sockets.close()

    async def _look_up(self, request: Request) -> Lookup:
        """The addresses of the URL's host. When DNS fails, a channel uses the last known ones; a probe does not."""
        try:
            host, port = host_and_port(http_url(request.url))
        except ValueError as error:
            raise Failed(Kind.BLOCKED, str(error)) from None
        if request.socket is not None or literal(host) is not None:
            return NUMERIC
        started = self._loop.time()
        known = None if request.fresh else self._known.get((host, port))
        try:
            found = await resolve(host, port, request.timeout / 2 if known else request.timeout)
        except Failed as failed:
            if known is None or failed.kind is Kind.BLOCKED:
                raise
            found = known
        if not request.fresh and (known or len(self._known) < KNOWN_NAMES):
            self._known[host, port] = found
        return Lookup.of(host, port, found, self._loop.time() - started)

    def _release(self, transfer: Transfer) -> None:
        if transfer in self._running:
            self._running.discard(transfer)
            if not self._closed:
                self._multi.remove_handle(transfer.curl)
        if len(self._idle) < IDLE_HANDLES and not (transfer.has_cookies or self._closed):
            self._idle.append(transfer)
        else:
            transfer.curl.close()

    def _has_stale_connection(self) -> bool:
        """Whether a kept connection may be closed: libcurl checks once a second, and what is sent on it is lost."""
        ended = False
        for fd, event in self._idle_sockets.poll(0):
            if event & select.POLLNVAL or self._loop.time() - self._idle_since[fd] > LONGEST_IDLE + 1:
                self._drop(fd)  # libcurl has closed it; somebody else's socket may have got its number
            else:
                ended = True
        return ended

    def _drop(self, fd: int) -> None:
        if self._idle_since.pop(fd, None) is not None:
            self._idle_sockets.unregister(fd)

    def _watch(self, what: int, fd: int, _multi: object, _data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            self._watched.discard(fd)
            self._sockets.unregister(fd)
            self._idle_sockets.register(fd, select.POLLIN)
            self._idle_since[fd] = self._loop.time()
        elif fd in self._watched:
            self._sockets.modify(fd, what)
        else:
            self._watched.add(fd)
            self._sockets.register(fd, what)
            self._drop(fd)

    def _wake_in(self, milliseconds: int) -> None:
        if milliseconds == 0:
            if not self._wake_scheduled:
                self._wake_scheduled = True
                self._loop.call_soon(self._wake)
            return
        self._due = self._loop.time() + milliseconds / 1000 if milliseconds > 0 else NEVER
        if self._timer is not None and self._timer.when() > self._due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and self._due < NEVER:  # one that rings too early arms the next
            self._timer = self._loop.call_at(self._due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._loop.time() >= self._due:
            self._due = NEVER
            self._socket_action(pycurl.SOCKET_TIMEOUT, 0)
        elif self._due < NEVER:
            self._timer = self._loop.call_at(self._due, self._on_timer)

    def _wake(self) -> None:
        self._wake_scheduled = False
        if not self._closed:
            self._socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _ready(self) -> None:
        for key, events in self._sockets.select(0):
            self._socket_action(key.fd, events)

    def _socket_action(self, fd: int, events: int) -> None:
        _, running = self._multi.socket_action(fd, events)
        if running < len(self._running):
            self._collect()

    def _collect(self) -> None:
        more = 1
        while more:
            more, finished, failed = self._multi.info_read()
            for curl in finished:
                _finish(curl.transfer, pycurl.E_OK, "")
            for curl, code, message in failed:
                _finish(curl.transfer, code, message)


def _finish(transfer: Transfer, code: int, message: str) -> None:
    if not transfer.done.done():
        transfer.done.set_result((code, message))


_drivers: dict[asyncio.AbstractEventLoop, Driver] = {}


def _driver() -> Driver:
    loop = asyncio.get_running_loop()
    driver = _drivers.get(loop)
    if driver is None:
        for closed_loop in [known for known in _drivers if known.is_closed()]:
            _drivers.pop(closed_loop).close()
        driver = _drivers[loop] = Driver(loop)
    return driver
