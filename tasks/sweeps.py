"""What beat says: claim what is due and hand it to the line. Any number of beats may say it."""

import math

from celery import Task

from app import clock, deliver, line, measure
from app.celery import hint, task
from app.db import transaction
from app.escalation import store as escalations
from app.notify import store as pages
from app.plugins import FAMILIES

ARM = 6.0  # seconds; steps and pages due within this are armed to the moment; a sweep comes every 5 s


def dispatch(self: Task) -> None:
    """Send the family's due checks to its workers, a batch a task; the family is the first word of the task's name."""
    for batch in line.dispatch([self.name.partition(".")[0]]):
        hint(batch.probe, [list(batch.names)], queue=batch.queue, expires=5)


for _family in FAMILIES:
    task(f"{_family}.dispatch", bind=True)(dispatch)


@task("evaluate.sweep")
def evaluate(at: str | None = None) -> None:
    """Judge whatever nobody has judged yet, and let no check wait for a clock that was set back."""
    measure.pull_in()
    hint("evaluate.checks", [None, at])


@task("dedup.sweep")
def dedup(at: str | None = None) -> None:
    """Place whatever nobody has placed yet."""
    hint("dedup.alerts", [at])


@task("notify.sweep")
def notify() -> None:
    """Let go what senders that have ended had leased."""
    deliver.free_orphans()


@task("escalation.sweep")
def escalate() -> None:
    """Arm what falls due before the next sweep: the first to the moment, others that may follow it to the second."""
    with transaction() as db:
        now = clock.now(db)
        due = {"escalation.advance": escalations.next_due(db), "notify.send": pages.next_due(db)}
    for name, when in due.items():
        first = max((when - now).total_seconds(), 0.0) if when is not None else ARM
        for second in range(math.ceil(ARM - first)):
            hint(name, [], countdown=first + second)
