"""A deadline that knows when this process was stopped: what came meanwhile has come in time."""

import asyncio
import math
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
STOPPED = 1.0  # seconds by which a deadline is missed when it is not the other side that was slow
GRACE = 1.0  # seconds to read what lies in our sockets then


def awake() -> float:
    """Seconds that never stop and never jump: they count while this process is stopped, and while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Pulse:
    """Whether this process was stopped since some moment: its loop looks several times a second while pages are sent."""

    def __init__(self) -> None:
        self._looked = 0.0
        self._stopped = -math.inf  # when it noticed last that it had been stopped
        self._wanted = 0

    async def during(self) -> None:
        """Look until cancelled."""
        if not self._wanted:
            self._looked = awake()
        self._wanted += 1
        try:
            while True:
                self.stopped_since(math.inf)
                await asyncio.sleep(STOPPED / 5)
        finally:
            self._wanted -= 1

    def stopped_since(self, moment: float) -> bool:
        """Whether it was stopped, or too busy to look, for STOPPED seconds after `moment` (as `awake` counts)."""
        now = awake()
        if self._wanted and now - self._looked > STOPPED:
            self._stopped = now
        self._looked = now
        return self._stopped > moment


PULSE = Pulse()
"""Of this process's loop that sends."""


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
