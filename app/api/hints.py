"""Hints to Celery after a commit, without waiting for the broker: one thread says them, and equal ones are said once.

The rows are the truth and the pager sees them anyway; so a hint that is lost, late or merged with another costs nothing.
Celery is imported by that thread on the first hint: a console nobody posts to never pays for it.
"""

import threading
import time
from contextlib import suppress
from datetime import datetime

from app.queues import Queue

LATER = 0.1  # seconds; a pager was notified at the commit, and both at once would only get in each other's way

_waiting: dict[Queue, None] = {}  # as a set that keeps its order
_something = threading.Event()
_starting = threading.Lock()
_thread: threading.Thread | None = None


def say(stage: Queue, seconds: float = 0.0, as_of: datetime | None = None) -> None:  # noqa: ARG001 - this process tells no stories
    """Tell a worker to look, soon; never blocks, never raises. What is due later is armed by a sweep."""
    global _thread
    if seconds:
        return
    _waiting[stage] = None
    _something.set()
    if _thread is None:
        with _starting:
            if _thread is None:
                _thread = threading.Thread(target=_forever, name="hints", daemon=True)
                _thread.start()


def _forever() -> None:
    from app.celery import hint

    while True:
        _something.wait()
        _something.clear()
        time.sleep(LATER)
        while _waiting:
            with suppress(KeyError):
                stage = next(iter(_waiting))
                del _waiting[stage]
                hint(stage.task)
