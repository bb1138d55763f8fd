"""Threads for calls that may hang and cannot be interrupted: every call gets one at once, however many hang already.

In a pool of fixed size a few dead names or mounts would stop every other probe, and in a standard one also the exit of the
process, which waits for its threads; these are daemons. An idle thread is used again, since starting one takes 150 µs.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
Job = Callable[[], None]

MOST_IDLE = 16


class Threads:
    """As many threads as there are calls under way, and a few that wait for the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle = 0
        self._jobs: SimpleQueue[Job] = SimpleQueue()

    def start(self, job: Job) -> None:
        """Run `job`, which must not raise, in a thread."""
        with self._lock:
            reuse = self._idle > 0
            self._idle -= reuse
        if reuse:
            self._jobs.put(job)
        else:
            threading.Thread(target=self._work, args=(job,), name="may-hang", daemon=True).start()

    def _work(self, job: Job) -> None:
        while True:
            job()
            with self._lock:
                if self._idle >= MOST_IDLE:
                    return
                self._idle += 1
            job = self._jobs.get()


_threads = Threads()


def start(job: Job) -> None:
    """Run `job`, which must not raise, in a thread of this process."""
    _threads.start(job)


async def result(call: Callable[[], T]) -> T:
    """What `call` returns or raises. When the waiting is cancelled the thread goes on: whoever cancels must end the call."""
    future: Future[T] = Future()

    def job() -> None:
        try:
            found = call()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
        else:
            if future.set_running_or_notify_cancel():
                future.set_result(found)

    start(job)
    return await asyncio.wrap_future(future)


def _anew() -> None:
    global _threads
    _threads = Threads()


os.register_at_fork(after_in_child=_anew)  # a child has the object, and none of its threads
