"""What beat says: look at what is due, whoever should have. Any number of beats may say it."""

from celery import Task

from app import deliver, line, measure
from app.celery import hint, task
from app.plugins import FAMILIES


def dispatch(self: Task) -> None:
    """Send the family's due checks to its workers, a batch a task; the family is the first word of the task's name."""
    for batch in line.dispatch([self.name.partition(".")[0]]):
        hint(batch.probe, [list(batch.names)], queue=batch.queue, expires=5)


for _family in FAMILIES:
    task(f"{_family}.dispatch", bind=True)(dispatch)


@task("evaluate.sweep")
def evaluate() -> None:
    """Judge whatever nobody has judged yet, and let no check wait for a clock that was set back."""
    measure.pull_in()
    line.evaluate()


@task("dedup.sweep")
def dedup() -> None:
    """Place whatever nobody has placed yet."""
    line.dedup()


@task("notify.sweep")
def notify() -> None:
    """Let go what senders that have ended had leased."""
    deliver.free_orphans()


@task("escalation.sweep")
def escalate() -> None:
    """Arm what falls due before the next sweep."""
    line.arm()
