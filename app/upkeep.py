"""Day partitions, retention, and the sign of life for the outside watcher."""

import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from app import beats, log, metrics, uptime
from app.checks.samples import rollup
from app.concurrency.loop import run
from app.db import transaction
from app.net import http
from app.people import store as people
from app.settings import settings

PARTITIONED = ("check_result", "sample", "verdict", "band", "rollup_5m")
AHEAD = 3  # days
WELL = 30.0  # seconds; with a row overdue for longer we are not well, and say nothing

logger = log.get(__name__)


def make_partitions(db: Connection, now: datetime) -> None:
    """One partition a table and day, from yesterday to AHEAD days from now; those that exist stay.

    A day whose first rows came while it had none (nothing ran for days) keeps them in the rest partition, and has none.
    """
    today = now.astimezone(UTC).date()
    for table in PARTITIONED:
        for offset in range(-1, AHEAD + 1):
            day = today + timedelta(days=offset)
            name = f"{table}_{day:%Y%m%d}"
            span = f"from ('{day}') to ('{day + timedelta(days=1)}')"
            taken = f"select exists (select 1 from {table}_rest where at >= '{day}' and at < '{day + timedelta(days=1)}')"
            if not db.execute(text(taken)).scalar_one():
                db.execute(text(f"create table if not exists {name} partition of {table} for values {span}"))


def drop_old(db: Connection, now: datetime) -> list[str]:
    """Drop the partitions of days before the retention, and answered "run now" requests; what was dropped."""
    names = list(db.scalars(text("select relname from pg_class where relkind = 'r' and relispartition")))
    old = []
    for table in PARTITIONED:
        days = settings().retain_rollups_days if table == "rollup_5m" else settings().retain_results_days
        limit = now.astimezone(UTC).date() - timedelta(days=days)
        dated = ((name, re.fullmatch(rf"{table}_(\d{{8}})", name)) for name in names)
        old += [name for name, day in dated if day and day[1] < f"{limit:%Y%m%d}"]
        db.execute(text(f"delete from {table}_rest where at < '{limit}'"))
    for name in old:
        db.execute(text(f"drop table {name}"))
    db.execute(text("delete from rollup_1h where at < :limit"), {"limit": now - timedelta(days=settings().retain_hours_days)})
    beats.forget(db, now - timedelta(days=1))
    uptime.forget(db, now - timedelta(days=settings().retain_results_days))
    people.forget_sessions(db, now)
    db.execute(text("delete from check_run where asked_at < :limit"), {"limit": now - timedelta(days=1)})
    return old


def roll_up(db: Connection, now: datetime) -> int:
    """Roll up samples whose slice of time is over; how many slices were written."""
    return rollup.roll_up(db, now)


def sign_of_life() -> bool:
    """Ping TOCSIN_WATCHER_URL if nothing is overdue; whether it was told."""
    url = settings().watcher_url
    if not url:
        return False
    with transaction() as db:
        overdue = metrics.oldest_overdue(db)
    if overdue > WELL:
        logger.warning("not_well", oldest_overdue_seconds=overdue)
        return False
    try:
        return 200 <= run(http.fetch(http.Request(url, timeout=5))).status < 300
    except http.Failed as failure:
        logger.warning("watcher_unreachable", error=str(failure))
        return False
