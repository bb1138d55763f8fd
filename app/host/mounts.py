"""Looks at files that may lie on a file server that is away: it costs one hanging thread for each place, not for each look."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from app.concurrency.threads import result
from app.failure import Failed, Kind

T = TypeVar("T")

_hanging: dict[str, Event] = {}  # place -> set when the look that hung returns


async def access(path: str, call: Callable[[], T], timeout: float) -> T:
    """What `call` returns or raises. `place` names what it looks at.

    Raises Failed: timeout, also at once while an earlier look at the same place has not returned.
    """
    pending = _hanging.get(path)
    if pending is not None and not pending.is_set():
        raise Failed(Kind.TIMEOUT, f"{path} still hangs: is its file server away?")
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
        raise Failed(Kind.TIMEOUT, f"{path} hangs: is its file server away?") from None
    _hanging.pop(path, None)
    return found
