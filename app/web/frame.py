"""The frame of every page: open incidents, who is on call, whether Tocsin itself is monitored."""

import time
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.incidents import store as incidents
from app.incidents.model import IncidentState
from app.notify import store as pages
from app.oncall import service as oncall
from app.people.model import Person
from app.settings import settings

KEPT = 5.0  # seconds the on-call hint is kept: it is on every page, and schedules take milliseconds to resolve

_on_call: tuple[int, float, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """The facts of the frame."""

    open: int
    triggered: int
    acknowledged: int
    unread: int  # pages in the visitor's inbox
    on_call: tuple[str, ...]  # logins, each once
    mine: bool  # whether the visitor holds a pager
    watched: bool
    version: int  # of the configuration


def load(db: Connection, person: Person, now: datetime) -> Frame:
    """The frame for this person, now."""
    counts = incidents.count_open(db)
    holding = _holding(db, now)
    return Frame(
        sum(counts.values()),
        counts.get(IncidentState.TRIGGERED, 0),
        counts.get(IncidentState.ACKNOWLEDGED, 0),
        pages.count_unseen(db, person.login),
        holding,
        person.login in holding,
        settings().watcher_url is not None,
        catalog.version(db),
    )


def _holding(db: Connection, now: datetime) -> tuple[str, ...]:
    global _on_call
    version, kept = catalog.version(db), _on_call
    if kept is None or kept[0] != version or time.monotonic() - kept[1] > KEPT:
        users = chain.from_iterable(on.users for on in oncall.who(db, now).values())
        kept = _on_call = (version, time.monotonic(), tuple(dict.fromkeys(users)))
    return kept[2]


def invalidate() -> None:
    """Forget the cached frame: a schedule was changed here."""
    global _on_call
    _on_call = None
