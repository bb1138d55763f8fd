"""Sends the pages that are due and keeps how that went: lease, ask once more, hand over, write down, whatever else goes wrong.

A transaction before the network and one for each slice of outcomes as they come; none while a provider answers.
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache, partial
from itertools import chain, repeat

from sqlalchemy import Connection

from app import clock
from app.concurrency.deadline import PULSE
from app.concurrency.pace import Turn
from app.db import limit_lock_wait, refresh, transaction, wake
from app.errors import Busy, Unavailable
from app.log import get
from app.notify import outcome
from app.notify import service as pages
from app.notify.compose import MessageContext
from app.notify.flight import FLIGHT
from app.notify.model import Claim
from app.notify.outcome import Sent
from app.notify.send import send_all
from app.notify.service import Job, Known
from app.queues import Queue
from app.reason import Reason
from app.settings import settings

PAGES = 64  # messages sent side by side
WAITS = (0.2, 0.5, 1.0, 2.0)  # seconds between two tries to write an outcome down; the last one repeats
LASTS = 1.0  # seconds between two renewals of what is in flight
LATE = Turn(1.0)  # for pages whose time, and leases whose time, has passed

log = get(__name__)


def claim_pages(limit: int = PAGES, now: datetime | None = None) -> list[Job]:
    """Lease the pages that are due; whoever holds a lease sends."""
    with FLIGHT.door():
        with transaction(now) as db:
            at = now or clock.now(db)
            late = now is not None or LATE.due()
            if late:
                outcome.expire(db, at)
            jobs = lease(db, at, limit, late=late)
        FLIGHT.took(job.claim for job in jobs)
    return jobs


def lease(db: Connection, at: datetime, limit: int = PAGES, *, late: bool = False, known: Known | None = None) -> list[Job]:
    """The same in the caller's transaction, which must be committed before anything is sent; FLIGHT, whose door they
    keep, must learn of it then.

    late: whether to look for leases that have run out.
    """
    jobs = pages.claim(db, MessageContext(settings().url, settings().key), at, limit, late=late, known=known)
    if len(jobs) >= limit:  # there may be more, and another sender may be free
        wake(db, Queue.NOTIFY)
    return jobs


async def send(jobs: Sequence[Job], now: datetime | None = None) -> None:
    """Send leased pages side by side and keep each outcome as it comes."""
    beside = [PULSE.during()] + ([_hold_leases(jobs)] if now is None else [])
    helping = [asyncio.create_task(one) for one in beside]
    writing: list[asyncio.Task[None]] = []
    try:
        async for sent in send_all(jobs, partial(_still_wanted, now=now)):
            writing.append(asyncio.create_task(_write_down(sent, now)))  # noqa: PERF401 - those made before an error count
        await asyncio.gather(*writing)
    finally:
        await asyncio.gather(*writing, return_exceptions=True)
        for task in helping:
            task.cancel()
        FLIGHT.landed(job.claim.id for job in jobs)


async def _still_wanted(claim: Claim, now: datetime | None) -> bool | Reason:
    def ask() -> bool | Reason:
        with transaction() as db:
            ours = pages.confirm(db, [claim], now or clock.now(db))
            return (ours[claim.id] or True) if claim.id in ours else False

    for pause in chain(WAITS, repeat(WAITS[-1])):
        try:
            return await asyncio.to_thread(ask)
        except Unavailable as error:  # nobody can say now; its lease is held meanwhile
            log.warning("page_delayed", page=claim.id, error=str(error))
            await asyncio.sleep(pause)
    return False


async def _write_down(sent: Sequence[Sent], now: datetime | None, apart: bool = False) -> None:
    """Keep outcomes until they are written: what a provider has taken must not be sent again because a row was held.

    One held incident holds up its own pages only; the leases of what waits are renewed meanwhile.
    """
    for pause in chain(WAITS, repeat(WAITS[-1])):
        try:
            await asyncio.to_thread(_record, sent, now, apart or pause > WAITS[0])
        except Unavailable as error:
            if isinstance(error, Busy) and len(sent) > 1:
                await _write_apart(sent, now)
                return
            log.warning("outcome_delayed", pages=[one.claim.id for one in sent], error=str(error))
            await asyncio.sleep(pause)
        except Exception:
            if len(sent) > 1:
                await _write_apart(sent, now)
            else:
                log.exception("outcome_lost", page=sent[0].claim.id)  # its lease runs out, and it is sent again
            return
        else:
            FLIGHT.landed(one.claim.id for one in sent)
            return


async def _write_apart(sent: Sequence[Sent], now: datetime | None) -> None:
    await asyncio.gather(*(_write_down([one], now, apart=True) for one in sent))


def _record(sent: Sequence[Sent], now: datetime | None, again: bool) -> None:
    with transaction(now) as db:
        if again:
            limit_lock_wait(db)  # many may wait for one row: none may keep the others waiting
        outcome.record(db, sent, now or clock.now(db))
        refresh(db, "pages")


async def _hold_leases(jobs: Sequence[Job]) -> None:
    """Renew the leases of what is in flight, as long as it is."""
    while True:
        await asyncio.sleep(LASTS)
        mine = FLIGHT.those(job.claim for job in jobs)
        try:
            await asyncio.get_running_loop().run_in_executor(_renewer(os.getpid()), _renew, mine)
        except Unavailable as error:
            log.warning("lease_not_renewed", pages=len(mine), error=str(error))
        except Exception:
            log.exception("lease_not_renewed", pages=len(mine))


@lru_cache(maxsize=1)
def _renewer(pid: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a fork has no thread of its parent's
    """A thread for renewals alone: outcomes that wait for a row may take every other."""
    return ThreadPoolExecutor(1, "renewer")


def _renew(claims: Sequence[Claim]) -> None:
    with transaction() as db:
        pages.renew(db, claims, clock.now(db))


def free_orphans() -> None:
    """Let go what senders that have ended had leased: it is sent two seconds later instead of when its leases run out."""
    with transaction() as db:
        if gone := pages.free_orphans(db, clock.now(db)):
            log.warning("leases_released", senders=gone)
