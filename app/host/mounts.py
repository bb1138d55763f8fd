"""Looks at files that may lie on a file server that is away: it costs one hanging thread for each place, not for each look."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from app.concurrency.threads import result
from app.failure import Failed, Kind

T = TypeVar("T")

_hanging: dict[str, Event] = {}  # place -> set when the look that hung returns


async def look(place: str, call: Callable[[], T], timeout: float) -> T:
    """What `call` returns or raises. `place` names what it looks at.

    Raises Failed: timeout, also at once while an earlier look at the same place has not returned.
    """
    earlier = _hanging.get(place)
    if earlier is not None and not earlier.is_set():
        raise Failed(Kind.TIMEOUT, f"{place} still hangs: is its file server away?")
    returned = Event()

    def work() -> T:
        try:
            return call()
        finally:
            returned.set()

    try:
        async with asyncio.timeout(timeout):
            found = await result(work)
    except TimeoutError:
        _hanging[place] = returned
        raise Failed(Kind.TIMEOUT, f"{place} hangs: is its file server away?") from None
    _hanging.pop(place, None)
    return found
