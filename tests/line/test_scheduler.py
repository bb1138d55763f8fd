"""Beat: it wakes when a task is due, and meanwhile sleeps."""

import time

from app.celery import app
from app.scheduler import Scheduler


def test_beat_uses_it() -> None:
    assert app.conf.beat_scheduler == f"{Scheduler.__module__}:{Scheduler.__qualname__}"


def test_it_turns_no_more_often_than_something_is_due() -> None:
    """Celery's own turned about 80 times for each, in the 10 ms before."""
    scheduler = Scheduler(app=app, lazy=True)
    sent: list[str] = []
    scheduler.apply_entry = lambda entry, producer=None: sent.append(entry.task)
    scheduler.update_from_dict({"often": {"task": "often", "schedule": 0.1}})
    turns, end = 0, time.monotonic() + 1.0
    while time.monotonic() < end:
        turns += 1
        time.sleep(max(scheduler.tick(), 0))
    assert len(sent) >= 5
    assert turns <= 4 * len(sent)
