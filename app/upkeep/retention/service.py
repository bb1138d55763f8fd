"""Removes what is older than its retention: calls as they came, incidents with all that belongs to them, and the audit log.

In slices, each a transaction of its own: a night of a storm is millions of rows, more than one statement may take. A run that
is killed leaves whole slices; the next one goes on. What is not done in the time a run has goes next time.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app import clock, log
from app.db import limit_lock_wait, transaction
from app.errors import Busy
from app.settings import settings
from app.signals import store as signals
from app.upkeep.model import ROOTS, SLICE, WHILE
from app.upkeep.retention import store

logger = log.get(__name__)
Slice = Callable[[Connection, datetime, int], int]


def drop_old_signals(slice_: int = SLICE, within: float = WHILE) -> int:
    """Remove calls as they came; how many."""
    return _sliced(signals.delete_old, settings().retain_signals_days, slice_, within)


def drop_old_audit(slice_: int = SLICE, within: float = WHILE) -> int:
    """Remove lines of the audit log; how many."""
    return _sliced(store.remove_audit, settings().retain_audit_days, slice_, within)


def drop_old_pages(slice_: int = SLICE, within: float = WHILE) -> int:
    """Remove messages that are about no incident; how many."""
    return _sliced(store.remove_pages, settings().retain_incidents_days, slice_, within)


def drop_old_alerts(slice_: int = SLICE, within: float = WHILE) -> int:
    """Remove ended alerts that never had an incident; how many."""
    end, removed = time.monotonic() + within, 0
    last: int | None = 0
    while last is not None and time.monotonic() < end:
        with transaction() as db:
            gone, last = store.remove_alerts(db, _before(db, settings().retain_incidents_days), last, slice_)
        removed += gone
    return removed


def drop_old_incidents(slice_: int = SLICE, within: float = WHILE) -> int:
    """Remove resolved incidents with all that belongs to them; how many. None that is open, or that something open refers to.

    An incident and those that were merged into it are one: their age counts from the end of the last.
    """
    end, removed = time.monotonic() + within, 0
    after: store.Position | None = store.Position()
    while after is not None and time.monotonic() < end:
        try:
            with transaction() as db:
                limit_lock_wait(db)
                gone, after = _incidents(db, after, slice_)
        except Busy as error:  # somebody holds a row of one: the line goes before us
            logger.info("retention_waits", error=str(error))
            break
        removed += gone
    return removed


def _incidents(db: Connection, after: store.Position, slice_: int) -> tuple[int, store.Position | None]:
    """One slice: how many incidents were removed, and where to go on; None at the end."""
    before = _before(db, settings().retain_incidents_days)
    families = store.old_families(db, before, after, ROOTS)
    if not families:
        return 0, None
    old = store.removable(db, families, before)
    taken, rows = 0, 0
    for size in store.sizes(db, old):
        if taken and rows + size >= slice_:
            break
        taken, rows = taken + 1, rows + size
    some = old[:taken]
    if some and not store.remove(db, some, slice_):
        return 0, after  # more belongs to one than a slice has
    removed = sum(len(one.members) for one in some)
    return removed, some[-1].end if taken < len(old) else families[-1].end


def _sliced(remove: Slice, days: int, slice_: int, within: float) -> int:
    end, removed = time.monotonic() + within, 0
    while time.monotonic() < end:
        with transaction() as db:
            found = remove(db, _before(db, days), slice_)
        removed += found
        if found < slice_:
            break
    return removed


def _before(db: Connection, days: int) -> datetime:
    return clock.now(db) - timedelta(days=days)
