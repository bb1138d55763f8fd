"""Rolls samples up into slices of 5 minutes and of 1 hour, each slice once it is over. In the caller's transaction."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.checks.samples import store

LATE = timedelta(minutes=2)  # a result is stored this long after it began at most: time-outs are 40 s
MOST = timedelta(days=1)  # rolled up in one go, after a long pause
LEVELS = ((timedelta(minutes=5), "sample", "rollup_5m"), (timedelta(hours=1), "rollup_5m", "rollup_1h"))


def roll_up(db: Connection, now: datetime) -> int:
    """Roll up what is over; how many slices were written. Nothing while somebody else is at it."""
    written = 0
    ready = now - LATE
    for size, source, target in LEVELS:
        since = store.claim_mark(db, target, now)
        if since is None:
            return written
        until = min(_floor(ready, size), since + MOST)
        if until > since:
            written += store.roll_up(db, source, target, size, since, until)
            store.move_mark(db, target, until)
        ready = until if until > since else since  # an hour is over when its five minutes are
    return written


def _floor(at: datetime, size: timedelta) -> datetime:
    """The start of the slice that holds `at`."""
    seconds = int(at.timestamp() // size.total_seconds() * size.total_seconds())
    return datetime.fromtimestamp(seconds, at.tzinfo)
