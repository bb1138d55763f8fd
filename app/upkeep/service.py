"""Makes partitions ahead of time, drops what is older than its retention, and says that we are well, if we are."""

import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from app import beats, log, metrics, uptime
from app.checks.demand import store as demand
from app.checks.samples import rollup
from app.checks.samples import store as samples
from app.concurrency.loop import run
from app.db import transaction
from app.net import http
from app.people import store as people
from app.settings import settings
from app.upkeep import store
from app.upkeep.model import AHEAD, BEATS_KEPT, DAILY, RUNS_KEPT, WELL

logger = log.get(__name__)


def make_partitions(db: Connection, now: datetime) -> None:
    """One partition a table and day, from yesterday to AHEAD days from now; those that exist stay.

    A day whose first rows came while it had none (nothing ran for days) keeps them in the rest partition, and has none.
    """
    today = now.astimezone(UTC).date()
    for table in DAILY:
        for offset in range(-1, AHEAD + 1):
            day = today + timedelta(days=offset)
            if not store.has_rest(db, table, day):
                store.make_partition(db, table, day)


def drop_old(db: Connection, now: datetime) -> list[str]:
    """Drop what is older than its retention; the partitions that were dropped."""
    known, old = store.partitions(db), []
    keeps = settings()
    for table in DAILY:
        days = keeps.retain_rollups_days if table == "rollup_5m" else keeps.retain_results_days
        limit = now.astimezone(UTC).date() - timedelta(days=days)
        dated = ((name, re.fullmatch(rf"{table}_(\d{{8}})", name)) for name in known)
        old += [name for name, day in dated if day and day[1] < f"{limit:%Y%m%d}"]
        store.delete_rest(db, table, limit)
    store.drop_partitions(db, old)
    samples.delete_hours(db, now - timedelta(days=keeps.retain_hours_days))
    beats.delete_old(db, now - BEATS_KEPT)
    uptime.delete_old(db, now - timedelta(days=keeps.retain_results_days))
    people.delete_expired_sessions(db, now)
    demand.delete_old(db, now - RUNS_KEPT)
    return old


def roll_up(db: Connection, now: datetime) -> int:
    """Roll up samples whose slice of time is over; how many slices were written."""
    return rollup.roll_up(db, now)


def sign_of_life() -> bool:
    """Ping TOCSIN_WATCHER_URL if nothing is overdue; whether it answered."""
    url = settings().watcher_url
    if not url:
        return False
    with transaction() as db:
        overdue = metrics.oldest_overdue(db)
    if overdue > WELL:
        logger.warning("unhealthy", oldest_overdue_seconds=overdue)
        return False
    try:
        return 200 <= run(http.fetch(http.Request(url, timeout=5))).status < 300
    except http.Failed as failure:
        logger.warning("watcher_unreachable", error=str(failure))
        return False
