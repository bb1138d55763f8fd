"""Callers that come at the same time share one piece of work: while it runs others wait, and the next takes all who wait.

This is group commit: one statement and one commit for many requests, without a delay for a request that comes alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")
R = TypeVar("R")


class Gather(Generic[T, R]):
    """Does what its callers ask for in threads, many at once. Belongs to one event loop.

    work: a result or an error for each of the items, in their order. What it raises is everybody's error.
    size: of an item; one piece of work takes items until `most` is reached, at least one.
    patience: seconds that who comes waits for the work under way; then more begins beside it, `at_once` pieces at most.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[R | Exception]],
        size: Callable[[T], int],
        most: int,
        at_once: int,
        patience: float,
    ) -> None:
        self._work, self._size, self._most, self._at_once, self._patience = work, size, most, at_once, patience
        self._impatient: asyncio.TimerHandle | None = None
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._threads: anyio.CapacityLimiter | None = None

    async def do(self, item: T) -> R:
        """Its result. Raises its error. Who is cancelled meanwhile is left out, if the work has not begun."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if not self._running:
            self._begin()
        elif self._impatient is None:
            self._impatient = asyncio.get_running_loop().call_later(self._patience, self._begin_beside)
        return await future

    def _begin_beside(self) -> None:
        self._impatient = None
        if self._waiting and len(self._running) < self._at_once:
            self._begin()

    def _begin(self) -> None:
        task = asyncio.create_task(self._run())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self) -> None:
        while taken := self._take():
            results: Sequence[R | Exception]
            try:
                results = await anyio.to_thread.run_sync(self._work, [item for item, _ in taken], limiter=self._limiter())
            except Exception as error:  # noqa: BLE001 - everybody who waits is told, and the next work begins
                results = [error] * len(taken)
            for (_, future), result in zip(taken, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def _take(self) -> list[tuple[T, asyncio.Future[R]]]:
        taken: list[tuple[T, asyncio.Future[R]]] = []
        size = 0
        while self._waiting and (not taken or size + self._size(self._waiting[0][0]) <= self._most):
            item, future = self._waiting.popleft()
            if not future.done():
                taken.append((item, future))
                size += self._size(item)
        return taken

    def _limiter(self) -> anyio.CapacityLimiter:
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(self._at_once)
        return self._threads
