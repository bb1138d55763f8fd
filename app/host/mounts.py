"""Calls that may hang on an unreachable file server: one thread hangs per path, not per call."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from app.concurrency.threads import result
from app.failure import Failed, Kind

T = TypeVar("T")

_hanging: dict[str, Event] = {}  # path -> set when the call that hung returns


async def access(path: str, call: Callable[[], T], timeout: float) -> T:
    """What `call` returns or raises. `path` names what it reads.

    Raises Failed: timeout, also at once while an earlier call for the same path has not returned.
    """
    pending = _hanging.get(path)
    if pending is not None and not pending.is_set():
        raise Failed(Kind.TIMEOUT, f"{path} still hangs: is its file server down?")
    finished = Event()

    def work() -> T:
        try:
            return call()
        finally:
            finished.set()

    try:
        async with asyncio.timeout(timeout):
            found = await result(work)
    except TimeoutError:
        _hanging[path] = finished
        raise Failed(Kind.TIMEOUT, f"{path} hangs: is its file server down?") from None
    _hanging.pop(path, None)
    return found
