"""The line's Celery tasks, named QUEUE.WHAT. Each calls one stage; app/celery.py sends the hint for the next."""

from datetime import datetime

from app import line
from app.celery import task
from app.queues import Queue


def instant(at: object) -> datetime | None:
    """The instant to act as of (RFC 3339); None is the database's clock. Stories and drills use it."""
    return datetime.fromisoformat(at) if isinstance(at, str) else None


@task(Queue.EVALUATE.task)
def evaluate(at: object = None, *_: object) -> None:
    """Judge every check with something new. A hint of an older release, which waited over the upgrade, names checks first."""
    line.evaluate(instant(at))


@task(Queue.DEDUP.task)
def dedup(at: str | None = None) -> None:
    """Collapse what changed into incidents."""
    line.dedup(instant(at))


@task(Queue.ESCALATION.task)
def escalate(at: str | None = None) -> None:
    """Take the steps that are due; those due soon are armed by a countdown."""
    line.escalate(instant(at))


@task(Queue.NOTIFY.task)
def notify(at: str | None = None) -> None:
    """Send the pages that are due; a page that was not accepted is sent again when its retry is due."""
    line.notify(instant(at))
