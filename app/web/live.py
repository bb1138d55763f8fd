"""Server-sent events: one LISTEN per process, fanned out to every open page. An event is only a noun; the page looks itself.

The listener starts with the first page and ends with the last one. When PostgreSQL is away it tries again every second,
and when it is back every page reloads its parts, since what was sent meanwhile is lost.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app import log
from app.errors import Unavailable
from app.settings import settings
from app.web.route import pages
from app.web.visit import LogInFirst, visit

NOUNS = ("incidents", "pages", "checks")
RETRY = 1.0  # seconds between two tries to reach PostgreSQL
QUIET = 15.0  # seconds after which a comment keeps proxies from hanging up
LONGEST = 900.0  # seconds; then the browser connects anew and shows its session again

logger = log.get(__name__)
router = pages()


class Wire:
    """The open pages of this process and the task that listens for them."""

    def __init__(self) -> None:
        self._open: set[asyncio.Queue[str]] = set()
        self._task: asyncio.Task[None] | None = None

    def join(self) -> asyncio.Queue[str]:
        """A queue of nouns for one page."""
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
        self._open.add(queue)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_listening())
        return queue

    def leave(self, queue: asyncio.Queue[str]) -> None:
        """The page is gone; with the last one the listener ends."""
        self._open.discard(queue)
        if not self._open and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _keep_listening(self) -> None:
        lost = False
        while True:
            try:
                await self._listen(lost)
            except psycopg.Error as error:
                if not lost:
                    logger.warning("console_wire_lost", error=str(error).partition("\n")[0])
                lost = True
            await asyncio.sleep(RETRY)

    async def _listen(self, lost: bool) -> None:
        async with await psycopg.AsyncConnection.connect(settings().libpq, autocommit=True, connect_timeout=3) as listener:
            await listener.execute("listen console")
            if lost:
                self._wake_all(*NOUNS)
            async for notice in listener.notifies():
                self._wake_all(notice.payload)

    def _wake_all(self, *nouns: str) -> None:
        for noun in nouns:
            for queue in self._open:
                if noun in NOUNS:
                    with suppress(asyncio.QueueFull):  # that page has enough reasons to look
                        queue.put_nowait(noun)


wire = Wire()


@router.get("/live")
async def live(request: Request) -> Response:
    """The stream of one page."""
    await asyncio.to_thread(_check_session, request)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(request), media_type="text/event-stream", headers=headers)


def _check_session(request: Request) -> None:
    with visit(request):
        pass


async def _stream(request: Request) -> AsyncIterator[str]:
    clock = asyncio.get_running_loop().time
    queue, end, recheck_at = wire.join(), clock() + LONGEST, clock() + QUIET
    try:
        yield "retry: 2000\n\n"
        while clock() < end:
            if clock() > recheck_at:  # who has logged out meanwhile hears no more
                recheck_at = clock() + QUIET
                try:
                    await asyncio.to_thread(_check_session, request)
                except LogInFirst:
                    return
                except Unavailable:
                    pass
            try:
                noun = await asyncio.wait_for(queue.get(), QUIET)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            await asyncio.sleep(0.05)  # what belongs to one change comes within this time, and once
            nouns = {noun, *(queue.get_nowait() for _ in range(queue.qsize()))}
            for one in sorted(nouns):
                yield f"event: {one}\ndata: {one}\n\n"
    finally:
        wire.leave(queue)
