"""One event loop per process, in a thread of its own, for whoever works in batches outside of one: connections are kept."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
_loops: dict[int, asyncio.AbstractEventLoop] = {}
_making = threading.Lock()


def run(work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Run `work` on this process's loop and wait for its result. Not to be called from that loop.

    Raises TimeoutError when there is none within `timeout` seconds; the work goes on.
    """
    return begin(work).result(timeout)


def begin(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Run `work` on this process's loop without waiting."""
    return asyncio.run_coroutine_threadsafe(work, loop())


async def as_they_come(work: Iterable[Coroutine[Any, Any, T]], gather: float) -> AsyncIterator[list[T]]:
    """Do all of `work` side by side; results in batches as they come, each gathered for at most `gather` seconds."""
    waiting = {asyncio.create_task(one) for one in work}
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if waiting:
            more, waiting = await asyncio.wait(waiting, timeout=gather)
            done |= more
        yield [task.result() for task in done]


def loop() -> asyncio.AbstractEventLoop:
    """This process's loop, started on first use; one inherited over fork has no thread, so it is made anew per pid."""
    pid = os.getpid()
    with _making:
        if pid not in _loops:
            _loops.clear()
            made = asyncio.new_event_loop()
            threading.Thread(target=made.run_forever, name="loop", daemon=True).start()
            _loops[pid] = made
        return _loops[pid]
