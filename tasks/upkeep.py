"""Maintenance tasks: partitions ahead of time, retention, roll-ups, and the heartbeat to the outside watcher."""

from app import clock, line, measure, upkeep
from app.celery import task
from app.db import transaction
from app.queues import Upkeep


@task(Upkeep.PARTITIONS)
def partitions() -> None:
    """Make the day partitions of the coming days."""
    with transaction() as db:
        upkeep.make_partitions(db, clock.now(db))


@task(Upkeep.RETENTION)
def retention() -> None:
    """Drop what is older than the retention."""
    with transaction() as db:
        upkeep.drop_old(db, clock.now(db))
    upkeep.drop_old_signals()
    upkeep.drop_old_incidents()
    upkeep.drop_old_alerts()
    upkeep.drop_old_pages()
    upkeep.drop_old_audit()


@task(Upkeep.ROLLUP)
def rollup() -> None:
    """Roll up the samples of slices of time that are over."""
    with transaction() as db:
        upkeep.roll_up(db, clock.now(db))


@task(Upkeep.WATCH)
def watch() -> None:
    """Send the heartbeat to the outside watcher while healthy, and recheck locations that were offline."""
    upkeep.sign_of_life()
    measure.recheck_references()
    line.look_for_workers()
