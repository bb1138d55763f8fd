"""Tasks of beat: process what is due and was missed. Any number of beats may run."""

from celery import Task

from app import deliver, line, measure
from app.celery import hint, task
from app.queues import CHECKS, Queue


def dispatch(self: Task) -> None:
    """Send the family's due checks to its workers, a batch a task; the family is the first word of the task's name."""
    for batch in line.dispatch([self.name.partition(".")[0]]):
        hint(batch.probe, [list(batch.names)], queue=batch.queue, expires=5)


for _family in CHECKS:
    task(_family.dispatch, bind=True)(dispatch)


@task(Queue.EVALUATE.sweep)
def evaluate() -> None:
    """Evaluate results that are not evaluated yet, and fix due times after the clock was set back."""
    measure.pull_in()
    line.evaluate()


@task(Queue.DEDUP.sweep)
def dedup() -> None:
    """Deduplicate signals that are not processed yet."""
    line.dedup()


@task(Queue.NOTIFY.sweep)
def release_leases() -> None:
    """Release the leases of senders that have ended."""
    deliver.free_orphans()


@task(Queue.ESCALATION.sweep)
def escalate() -> None:
    """Arm timers for what is due before the next sweep."""
    line.arm()
