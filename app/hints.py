"""Hints said by a thread of their own, so that no commit waits for a broker that hangs; equal ones are said once.

The rows are the truth and the pager sees them anyway; so a hint that is lost, late or merged with another costs nothing.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from app.queues import Queue


class Hints:
    """Says `send(stage)` soon after `say(stage)`: after `later` seconds at the earliest."""

    def __init__(self, send: Callable[[Queue], object], later: float = 0.0) -> None:
        self._send, self._later = send, later
        self._waiting: dict[Queue, None] = {}  # as a set that keeps its order
        self._something = threading.Event()
        self._starting = threading.Lock()
        self._pid = 0  # whose thread there is: a fork has none of its parent's

    def add(self, stage: Queue) -> None:
        """Tell a worker to look, soon; never blocks, never raises."""
        self._waiting[stage] = None
        self._something.set()
        if self._pid != os.getpid():
            with self._starting:
                if self._pid != os.getpid():
                    self._pid = os.getpid()
                    threading.Thread(target=self._forever, name="hints", daemon=True).start()

    def _forever(self) -> None:
        while True:
            self._something.wait()
            self._something.clear()
            time.sleep(self._later)
            while self._waiting:
                with suppress(KeyError):
                    stage = next(iter(self._waiting))
                    del self._waiting[stage]
                    self._send(stage)
