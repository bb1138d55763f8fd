"""Judges results by the prober's own health. An edge: it asks the network, and has short transactions of its own."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.checks.model import Due, Result
from app.checks.prober import decide, store
from app.checks.prober.references import ask
from app.db import transaction, wake
from app.log import get
from app.queues import Queue
from app.reason import Reason
from app.wording import text

log = get(__name__)


class Vantage(NamedTuple):
    """What is known of the prober's own network before a batch runs."""

    references: tuple[str, ...]
    offline: frozenset[str]  # locations that are cut off


class Verified(NamedTuple):
    """Results as they are worth, and what changed about the place they were made at."""

    results: list[Result]
    location: str = ""
    answers: Mapping[str, bool] = {}
    offline: bool | None = None  # None: nothing is known about it


def vantage(db: Connection) -> Vantage:
    """What is known now."""
    references = catalog.platform(db).references
    return Vantage(references, frozenset(store.offline(db)) if references else frozenset())


async def verify(results: Sequence[Result], due: Mapping[str, Due], vantage: Vantage, now: datetime) -> Verified:
    """The results, those that failed excused if their place is cut off. Costs nothing while targets answer."""
    if not vantage.references:
        return Verified(list(results))
    beyond = {one.check: host for one in results if (host := decide.target(due[one.check].check.with_)) is not None}
    location = next((due[one.check].check.at or "" for one in results), "")  # a batch is of one queue, so of one place
    bad = {one.check: beyond[one.check] for one in results if one.check in beyond and decide.failed(one)}
    noted = [one.at_host(bad.get(one.check)) for one in results]
    if not (bad or location in vantage.offline):
        return Verified(noted)
    answers = await ask(vantage.references)
    others = await asyncio.to_thread(_unreachable, location, list(due), now) if bad and not any(answers.values()) else []
    if decide.cut_off(answers, {*bad.values(), *others}):
        log.warning("prober_offline", location=location, references=answers, unreachable=sorted(set(bad.values()))[:20])
        reason = decide.silent(answers)
        excused = [decide.excused(_explained(one, reason), reason) if one.check in bad else one for one in noted]
        return Verified(excused, location, answers, True)
    return Verified(noted, location, answers, False if any(answers.values()) else None)


def _explained(result: Result, reason: Reason) -> Result:
    return replace(result, message=f"prober offline: {text(reason)}; the check reported: {result.message}")


def _unreachable(location: str, names: list[str], now: datetime) -> list[str]:
    with transaction() as db:
        return store.unreachable(db, location, names, now)


def note(db: Connection, verified: Verified, now: datetime) -> None:
    """Store what changed about a place, and wake the rules for it."""
    if verified.offline is None:
        return
    change = store.went_off if verified.offline else store.came_back
    if change(db, verified.location, verified.answers, now):
        wake(db, Queue.EVALUATE)


async def back(vantage: Vantage) -> list[Verified]:
    """This place, where it answers again: for when no check runs that would notice."""
    if "" not in vantage.offline:
        return []
    answers = await ask(vantage.references, fresh=0.0)
    return [Verified([], "", answers, False)] if any(answers.values()) else []


def orphaned(db: Connection) -> list[Verified]:
    """The places whose alert nobody else would end: no check is of them any more, or there are no references to ask."""
    gone = store.orphaned(db) if catalog.platform(db).references else list(store.offline(db))
    return [Verified([], location, {}, False) for location in gone]
