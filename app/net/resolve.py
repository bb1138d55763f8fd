"""Names to checked addresses: ask once, check every answer, and connect to what was checked.

Each look-up has a thread of its own: the system's resolver takes 30 s and more when its servers are away, and cannot be
interrupted.
"""

import asyncio
import os
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from app.concurrency import threads
from app.failure import Failed, Kind
from app.net.address import literal
from app.net.guard import refusal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A checked numeric address."""

    family: socket.AddressFamily
    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def in_turn(items: Sequence[T], end: float) -> Iterator[tuple[T, float]]:
    """Each place with its share of the seconds until `end` (time.monotonic): a silent one leaves time for the next."""
    for left, item in zip(range(len(items), 0, -1), items, strict=True):
        yield item, max(0.0, end - time.monotonic()) / left


async def resolve(host: str, port: int, timeout: float) -> tuple[Endpoint, ...]:
    """Where `host` may be connected to, in the system's order of preference. Raises Failed: dns, timeout, blocked."""
    numeric = _numeric(host, port)
    if numeric:
        return _permitted(host, numeric)
    try:
        async with asyncio.timeout(timeout):
            found = await asyncio.wrap_future(_look_up(host, port))
    except TimeoutError:
        raise _timed_out(host, timeout) from None
    return _permitted(host, found)


def resolve_now(host: str, port: int, timeout: float) -> tuple[Endpoint, ...]:
    """`resolve` for code that blocks."""
    numeric = _numeric(host, port)
    if numeric:
        return _permitted(host, numeric)
    pending = _look_up(host, port)
    try:
        found = pending.result(timeout)
    except TimeoutError:
        pending.cancel()
        raise _timed_out(host, timeout) from None
    return _permitted(host, found)


def _numeric(host: str, port: int) -> tuple[Endpoint, ...]:
    ip = literal(host)
    if ip is None:
        return ()
    if ip.version == 4:
        return (Endpoint(socket.AF_INET, str(ip), port),)
    scope = host.strip("[]").partition("%")[1:]
    return (Endpoint(socket.AF_INET6, str(ip) + "".join(scope), port),)


def _permitted(host: str, found: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    refusals = [refusal(endpoint.address) for endpoint in found]
    permitted = tuple(endpoint for endpoint, why in zip(found, refusals, strict=True) if why is None)
    if not permitted:
        why = next((why for why in refusals if why), "it has no address")
        raise Failed(Kind.BLOCKED, why if literal(host) else f"{host}: {why}")
    return permitted


def _look_up(host: str, port: int) -> Future[tuple[Endpoint, ...]]:
    future: Future[tuple[Endpoint, ...]] = Future()

    def work() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = tuple(Endpoint(family, str(address[0]), port) for family, _, _, _, address in answers)
        except (OSError, UnicodeError) as error:
            if future.set_running_or_notify_cancel():
                future.set_exception(Failed(Kind.DNS, f"{host}: {_error_text(error)}"))
        else:
            if future.set_running_or_notify_cancel():
                future.set_result(found)

    threads.start(work)
    return future


def _error_text(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "not a name"


def _timed_out(host: str, timeout: float) -> Failed:
    return Failed(Kind.TIMEOUT, f"{host} was not resolved within {timeout:.3g} s")
