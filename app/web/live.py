"""Server-sent events: one LISTEN per process, fanned out to every open page. An event is only a noun; the page refreshes.

The listener starts with the first page and ends some time after the last one. A page says as of when it is: of what was
said after that, before its stream was open, it hears at once. When PostgreSQL is away the listener tries again every second,
and when it is back every page reloads its parts, since what was sent meanwhile is lost.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated

import psycopg
from fastapi import Query
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
LINGER = 60.0  # seconds the listener outlives the last page, which usually only goes to the next one

logger = log.get(__name__)
router = pages()


class Reasons:
    """Why a page should refresh: each noun once, however often it came. since: as of when the page is, if it said so."""

    def __init__(self, since: datetime | None) -> None:
        self.since = since
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

    def __init__(self, linger: float = LINGER) -> None:
        self._linger = linger
        self._open: set[Reasons] = set()
        self._task: asyncio.Task[None] | None = None
        self._heard: dict[str, datetime] = {}  # when each noun came last, or may have come unheard; by PostgreSQL's clock

    def join(self, since: datetime | None) -> Reasons:
        """Those of one more page, with what came since it was made."""
        reasons = Reasons(since)
        self._open.add(reasons)
        for noun, at in self._heard.items():
            if since is not None and at >= since:
                reasons.add(noun)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_listening())
        return reasons

    def leave(self, reasons: Reasons) -> None:
        """The page is gone; when no other comes for a while the listener ends."""
        self._open.discard(reasons)
        if not self._open:
            asyncio.get_running_loop().call_later(self._linger, self._end_if_alone)

    def _end_if_alone(self) -> None:
        if not self._open and self._task is not None:
            self._task.cancel()
            self._task = None
            self._heard.clear()

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
            asked = await listener.execute("select clock_timestamp() -- as of when it listens")
            began: datetime = (await asked.fetchall())[0][0]
            clock = asyncio.get_running_loop().time
            started = clock()
            self._heard = dict.fromkeys(NOUNS, began)
            for reasons in self._open:
                if lost or reasons.since is not None:
                    for noun in NOUNS:
                        reasons.add(noun)
            async for notice in listener.notifies():
                if (noun := notice.payload) in NOUNS:
                    self._heard[noun] = began + timedelta(seconds=clock() - started)
                    for reasons in self._open:
                        reasons.add(noun)


@router.get("/live")
async def live(request: Request, since: Annotated[str, Query()] = "") -> Response:
    """The stream of one page that is as of `since`."""
    await asyncio.to_thread(_check_session, request)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(request, _moment(since)), media_type="text/event-stream", headers=headers)


def _moment(since: str) -> datetime | None:
    """The time a page says; None where it says none, or not in our words."""
    try:
        read = datetime.fromisoformat(since)
    except ValueError:
        return None
    return read if read.tzinfo is not None else None


def _check_session(request: Request) -> None:
    with visit(request):
        pass


async def _stream(request: Request, since: datetime | None) -> AsyncIterator[str]:
    clock, wire = asyncio.get_running_loop().time, request.app.state.wire
    reasons, end, recheck_at = wire.join(since), clock() + LONGEST, clock() + QUIET
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
