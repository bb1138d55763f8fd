"""Runs checks and keeps what they found: those that are due, those that somebody asked for, and a try that is kept nowhere.

One short transaction before a batch and one for each slice of results as they come; none while a probe runs.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from app import clock
from app.alerts import service as alerts
from app.catalog.model import Severity
from app.checks import run
from app.checks import service as checks
from app.checks.model import Due, Result
from app.checks.prober import decide
from app.checks.prober import service as prober
from app.checks.prober.service import Outlook, Place
from app.db import notify as wake
from app.db import transaction, wake_line
from app.net.loop import run as on_loop
from app.plugins import FAMILIES
from app.signals.model import Said, Signal

GRACE = timedelta(seconds=2)  # checks that late are run by whoever sees them
OFFLINE = "ProberOffline"  # the alert's name


def check(names: Sequence[str], asked: str | None = None, now: datetime | None = None) -> list[str]:
    """Run these checks and keep their results as they come; the names that have one. `asked`: answer these runs on demand."""
    with transaction() as db:
        at = now or clock.now(db)
        due, place = checks.load(db, names, at), prober.place(db)
    return on_loop(_measure(due, place, at, asked)) if due else []


def check_overdue(now: datetime | None = None, limit: int = 50) -> list[str]:
    """Run the checks that nobody has claimed in time: with Celery gone, this is the prober."""
    with transaction() as db:
        at = now or clock.now(db)
        due, place = checks.take_overdue(db, FAMILIES, at, GRACE, limit), prober.place(db)
    return on_loop(_measure(due, place, at)) if due else []


def try_out(asked: str, now: datetime | None = None) -> None:
    """Run the check that somebody wants to try, and answer; nothing of it is kept."""
    with transaction() as db:
        at = now or clock.now(db)
        due = checks.load_try(db, asked, at)
    if due:
        on_loop(_tried(due, at, asked))


def look_outside(now: datetime | None = None) -> None:
    """Where this place is cut off: ask its reference targets whether it is so still."""
    with transaction() as db:
        place = prober.place(db)
    for outlook in on_loop(prober.back(place)) if place.offline else ():
        _keep(outlook, None, now)


async def _measure(due: Sequence[Due], place: Place, now: datetime, asked: str | None = None) -> list[str]:
    by_name: Mapping[str, Due] = {one.name: one for one in due}
    measured: list[str] = []
    async for results in run.run_batch(due, now):
        outlook = await prober.look(results, by_name, place, now)
        measured += await asyncio.to_thread(_keep, outlook, asked, None)
    return measured


def _keep(outlook: Outlook, asked: str | None, now: datetime | None) -> list[str]:
    with transaction() as db:
        if asked is not None:
            checks.answer(db, asked, outlook.results, clock.now(db))
        if outlook.offline is not None:
            at = now or clock.now(db)
            changed = prober.note(db, outlook, at)
            if changed is not None and alerts.accept(db, [_said(outlook)], at):
                wake_line(db, "dedup")
        wake(db, "console", "checks")
        return checks.record(db, outlook.results) if outlook.results else []


def _said(outlook: Outlook) -> Signal:
    """The one alert there is when a place is cut off, or its end."""
    where = f" at {outlook.location}" if outlook.location else ""
    because = decide.silent(outlook.answers)
    return Signal(
        source="prober",
        key=outlook.location or "here",
        said=Said.FIRING if outlook.offline else Said.RESOLVED,
        summary=f"The prober{where} is offline: {because}; its checks of other hosts cannot tell",
        severity=Severity.ERROR,
        alertname=OFFLINE,
        family="health",
        labels={"location": outlook.location} if outlook.location else {},
        because=because if outlook.offline else "a reference target answers again",
    )


async def _tried(due: Sequence[Due], now: datetime, asked: str) -> None:
    async for results in run.run_batch(due, now):
        await asyncio.to_thread(_answer, results, asked)


def _answer(results: Sequence[Result], asked: str) -> None:
    with transaction() as db:
        checks.answer(db, asked, results, clock.now(db))
