"""Judges results by the prober's own health. An edge: it asks the network, and has short transactions of its own."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.checks.model import Due, Result
from app.checks.prober import decide, store
from app.checks.prober.references import ask
from app.db import transaction
from app.log import get

log = get(__name__)


class Place(NamedTuple):
    """What is known of the prober's own network before a batch runs."""

    references: tuple[str, ...]
    offline: frozenset[str]  # locations that are cut off


class Outlook(NamedTuple):
    """Results as they are worth, and what changed about the place they were made at."""

    results: list[Result]
    location: str = ""
    answers: Mapping[str, bool] = {}
    offline: bool | None = None  # None: nothing is known about it


def place(db: Connection) -> Place:
    """What is known now."""
    references = catalog.platform(db).references
    return Place(references, frozenset(store.offline(db)) if references else frozenset())


async def look(results: Sequence[Result], due: Mapping[str, Due], place: Place, now: datetime) -> Outlook:
    """The results, those that failed excused if their place is cut off. Costs nothing while targets answer."""
    if not place.references:
        return Outlook(list(results))
    beyond = {one.check: host for one in results if (host := decide.target(due[one.check].check.with_)) is not None}
    location = next((due[one.check].check.at or "" for one in results), "")  # a batch is of one queue, so of one place
    bad = {one.check: beyond[one.check] for one in results if one.check in beyond and decide.failed(one)}
    noted = [one.at_host(bad.get(one.check)) for one in results]
    if not (bad or location in place.offline):
        return Outlook(noted)
    answers = await ask(place.references)
    others = await asyncio.to_thread(_unreachable, location, list(due), now) if bad and not any(answers.values()) else []
    if decide.cut_off(answers, {*bad.values(), *others}):
        log.warning("prober_offline", location=location, references=answers, unreachable=sorted(set(bad.values()))[:20])
        return Outlook([decide.excused(one, answers) if one.check in bad else one for one in noted], location, answers, True)
    return Outlook(noted, location, answers, False if any(answers.values()) else None)


def _unreachable(location: str, names: list[str], now: datetime) -> list[str]:
    with transaction() as db:
        return store.unreachable(db, location, names, now)


def note(db: Connection, outlook: Outlook, now: datetime) -> bool | None:
    """Keep what changed about a place: True it is cut off now, False it is back, None no news."""
    if outlook.offline is None:
        return None
    if outlook.offline:
        return True if store.went_off(db, outlook.location, outlook.answers, now) else None
    return False if store.came_back(db, outlook.location) else None


async def back(place: Place) -> list[Outlook]:
    """This place, where it answers again: for when no check runs that would notice."""
    if "" not in place.offline:
        return []
    answers = await ask(place.references)
    return [Outlook([], "", answers, False)] if any(answers.values()) else []


def forsaken(db: Connection) -> list[Outlook]:
    """The places whose alert nobody else would end: no check is of them any more, or there are no references to ask."""
    gone = store.forsaken(db) if catalog.platform(db).references else list(store.offline(db))
    return [Outlook([], location, {}, False) for location in gone]
