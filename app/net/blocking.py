"""Waiting in asyncio for a call that blocks a thread of its own and may never return."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from app.net import threads

T = TypeVar("T")


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

    threads.start(job)
    return await asyncio.wrap_future(future)
