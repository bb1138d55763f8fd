"""A deadline that knows when this process was stopped: what came meanwhile has come in time."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
STOPPED = 1.0  # seconds by which a deadline is missed when it is not the other side that was slow
GRACE = 1.0  # seconds to read what lies in our sockets then


def awake() -> float:
    """Seconds that never stop and never jump: they count while this process is stopped, and while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises TimeoutError when there is none within so many seconds; the work is cancelled then."""
    task, began = asyncio.ensure_future(work), awake()
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done and awake() - began > seconds + STOPPED:
            done, _ = await asyncio.wait({task}, timeout=GRACE)
        if not done:
            raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
