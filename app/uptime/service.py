"""A part says that it runs. Works in the caller's transaction."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from app import clock
from app.downtime import Tick, between
from app.uptime import store
from app.uptime.model import EVERY, gap_of


def runs(db: Connection, part: str, now: datetime) -> bool:
    """Whether somebody has just said that this part runs: then nobody else need."""
    last = store.ticked_at(db, part)
    return last is not None and timedelta(0) <= now - last < timedelta(seconds=EVERY / 2)


def tick(db: Connection, part: str, at: datetime | None = None) -> Tick:
    """Say that this part runs; `at` stands for the database's time.

    The time is read once the row is held: who was stopped in between would take its own pause for a clock that was set back.
    """
    if runs(db, part, at or clock.now(db)):
        return Tick()
    last = store.hold(db, part)
    now = at or clock.asked(db)
    found = between(last, now, gap_of(part))
    store.save_tick(db, part, now, anew=found.downtime is not None)
    if found.set_back:
        store.clock_set_back(db, now)
    if found.downtime is not None:
        store.add(db, part, found.downtime)
    return found
