"""Runs checks and keeps what they found: those that are due, those that somebody asked for, and a try that is kept nowhere.

One short transaction before a batch and one for each slice of results as they come; none while a probe runs. A worker waits a
moment for its batch: what takes longer goes on beside the next one and is kept when it comes, so that a target that hangs holds
up no other check. If the worker ends before, the check's lease does, and it is run again.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from datetime import datetime, timedelta
from threading import Event

from app import clock
from app.checks import run
from app.checks import service as checks
from app.checks import store as check_store
from app.checks.model import Due, Result
from app.checks.prober import service as prober
from app.checks.prober.service import Vantage, Verified
from app.concurrency.loop import loop
from app.concurrency.loop import run as on_loop
from app.concurrency.pace import Turn
from app.db import refresh, transaction
from app.log import get
from app.plugins import FAMILIES

GRACE = timedelta(seconds=2)  # checks that late are run by whoever sees them
PULL_IN = Turn(5.0)  # for what a clock that was set back left for later
TIMEOUT = 0.25  # seconds a worker waits for its batch

log = get(__name__)


def batch(names: Sequence[str], asked: str | None) -> None:
    """What a message to a worker asks for: run these checks, or without names the check that somebody wants to try."""
    if asked and not names:
        try_out(asked)
    else:
        check(names, asked)


def check(names: Sequence[str], asked: str | None = None, now: datetime | None = None) -> list[str]:
    """Run these checks and keep their results as they come; the names that have one within a moment.

    asked: answer these runs on demand.
    """
    with transaction() as db:
        at = now or clock.now(db)
        due, vantage = checks.load(db, names, at), prober.vantage(db)
    return _for_a_moment(due, vantage, at, asked)


def check_overdue(now: datetime | None = None, limit: int = 50) -> list[str]:
    """Run the checks that nobody has claimed in time: with Celery gone, this is the prober."""
    with transaction() as db:
        at = now or clock.now(db)
        if now or PULL_IN.due():
            check_store.pull_in(db, at)
        due = checks.take_overdue(db, FAMILIES, at, GRACE, limit)
        vantage = prober.vantage(db) if due else None
    return _for_a_moment(due, vantage, at, None) if vantage else []


def pull_in() -> None:
    """Make due what a clock that was set back left for later."""
    with transaction() as db:
        check_store.pull_in(db, clock.now(db))


def try_out(asked: str, now: datetime | None = None) -> None:
    """Run the check that somebody wants to try, and answer; nothing of it is kept."""
    with transaction() as db:
        at = now or clock.now(db)
        due = checks.load_try(db, asked, at)
    if due:
        on_loop(_tried(due, at, asked))


def recheck_references(now: datetime | None = None) -> None:
    """Where this vantage is cut off: ask its references whether it is so still. What nobody watches from any more is over."""
    with transaction() as db:
        vantage, over = prober.vantage(db), prober.orphaned(db)
    for verified in [*over, *(on_loop(prober.back(vantage)) if vantage.offline else ())]:
        _keep(verified, None, now)


def _for_a_moment(due: Sequence[Due], vantage: Vantage, now: datetime, asked: str | None) -> list[str]:
    """Run checks; the names of those that have a result within the time a worker waits."""
    measured: list[str] = []
    late = Event()

    def keep(verified: Verified) -> None:
        names = _keep(verified, asked, None)
        if not late.is_set():
            measured.extend(names)

    if due:
        work = asyncio.run_coroutine_threadsafe(_measure(due, vantage, now, keep), loop())
        done, _ = wait([work], TIMEOUT)
        if done:
            work.result()
        else:
            late.set()
            work.add_done_callback(_lost)
    return measured[:]


def _lost(work: "Future[None]") -> None:
    if error := work.exception():  # their leases end, and they are run again
        log.error("late_results_dropped", error=repr(error))


async def _measure(due: Sequence[Due], vantage: Vantage, now: datetime, keep: Callable[[Verified], None]) -> None:
    by_name: Mapping[str, Due] = {one.name: one for one in due}
    async for results in run.run_batch(due, now):
        verified = await prober.verify(results, by_name, vantage, now)
        await asyncio.to_thread(keep, verified)


def _keep(verified: Verified, asked: str | None, now: datetime | None) -> list[str]:
    with transaction(now) as db:
        if asked is not None:
            checks.answer(db, asked, verified.results, clock.now(db))
        if verified.offline is not None:
            prober.note(db, verified, now or clock.now(db))
        refresh(db, "checks")
        return checks.record(db, verified.results) if verified.results else []


async def _tried(due: Sequence[Due], now: datetime, asked: str) -> None:
    async for results in run.run_batch(due, now):
        await asyncio.to_thread(_answer, results, asked)


def _answer(results: Sequence[Result], asked: str) -> None:
    with transaction() as db:
        checks.answer(db, asked, results, clock.now(db))
