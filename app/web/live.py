"""Server-sent events: one LISTEN per process, fanned out to every open page. An event is only a noun; the page refreshes.

The listener starts with the first page and ends with the last one. When PostgreSQL is away it tries again every second,
and when it is back every page reloads its parts, since what was sent meanwhile is lost.
"""

import asyncio
from collections.abc import AsyncIterator

import psycopg
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app import log
from app.errors import Unavailable
from app.settings import settings
from app.web.route import pages
from app.web.visit import LogInFirst, visit

NOUNS = ("incidents", "pages", "checks", "config")
RETRY = 1.0  # seconds between two tries to reach PostgreSQL
QUIET = 15.0  # seconds after which a comment keeps proxies from hanging up
TOGETHER = 0.05  # seconds within which what belongs to one change comes
PAUSE = 2.0  # seconds between two events of one page: however much happens, it looks no more often
LONGEST = 900.0  # seconds; then the browser connects anew and shows its session again

logger = log.get(__name__)
router = pages()


class Reasons:
    """Why a page should refresh: each noun once, however often it came."""

    def __init__(self) -> None:
        self._nouns: set[str] = set()
        self._some = asyncio.Event()

    def add(self, noun: str) -> None:
        """One more."""
        self._nouns.add(noun)
        self._some.set()

    async def wait(self) -> None:
        """Until there is one."""
        await self._some.wait()

    def take(self) -> list[str]:
        """All there are, and none are left."""
        nouns = sorted(self._nouns)
        self._nouns.clear()
        self._some.clear()
        return nouns


class Wire:
    """The open pages of this process and the task that listens for them."""

    def __init__(self) -> None:
        self._open: set[Reasons] = set()
        self._task: asyncio.Task[None] | None = None

    def join(self) -> Reasons:
        """Those of one more page."""
        reasons = Reasons()
        self._open.add(reasons)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_listening())
        return reasons

    def leave(self, reasons: Reasons) -> None:
        """The page is gone; with the last one the listener ends."""
        self._open.discard(reasons)
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
                    logger.warning("live_listener_lost", error=str(error).partition("\n")[0])
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
            if noun in NOUNS:
                for reasons in self._open:
                    reasons.add(noun)


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
    reasons, end, recheck_at = wire.join(), clock() + LONGEST, clock() + QUIET
    quiet_until = clock()
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
                await asyncio.wait_for(reasons.wait(), QUIET)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            await asyncio.sleep(max(TOGETHER, quiet_until - clock()))
            quiet_until = clock() + PAUSE
            for one in reasons.take():
                yield f"event: {one}\ndata: {one}\n\n"
    finally:
        wire.leave(reasons)
