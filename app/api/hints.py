"""Hints to Celery after a commit, without waiting for the broker: one thread says them, and equal ones are said once.

The rows are the truth and the pager sees them anyway; so a hint that is lost, late or merged with another costs nothing.
Celery is imported by that thread on the first hint: a console nobody posts to never pays for it.
"""

import threading
import time
from contextlib import suppress

LATER = 0.1  # seconds; a pager heard of it at the commit, and both at once would only get in each other's way

_waiting: dict[str, None] = {}  # as a set that keeps its order; there are only so many tasks, so it is bounded
_something = threading.Event()
_starting = threading.Lock()
_thread: threading.Thread | None = None


def say(task: str) -> None:
    """Tell a worker to look, soon; never blocks, never raises."""
    global _thread
    _waiting[task] = None
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
                task, _ = next(iter(_waiting)), None
                del _waiting[task]
                hint(task)
