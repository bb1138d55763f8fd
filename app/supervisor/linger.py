"""A PostgreSQL that was asked to stop (SIGTERM: once every session has left) takes no new session, maybe for ever: end it.

Our own processes keep their sessions, so the server would wait for them, and they for it. The supervisor starts it again.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from app.supervisor.child import Child
from app.supervisor.readiness import pid_status

# Seconds since it was seen to wait for its sessions, and how it is stopped then: fast, immediately, at once.
STEPS = ((5.0, signal.SIGINT), (15.0, signal.SIGQUIT), (25.0, signal.SIGKILL))


class Lingering:
    """Watches the servers of a plan; call `look` about once a second while nothing is being stopped."""

    def __init__(self, say: Callable[[str, bool], None]) -> None:
        self.say = say
        self.since: dict[int, tuple[float, int]] = {}  # pid -> when it was first seen so, and the steps taken

    def look(self, children: Iterable[Child], now: float | None = None) -> None:
        """Take the next step against each server that has been ending for too long."""
        now = time.monotonic() if now is None else now
        for child in children:
            url = urlsplit(child.spec.ready)
            if url.scheme != "pidfile" or child.process is None or not child.is_running:
                continue
            pid = child.process.pid
            if pid_status(Path(url.path), pid) != "stopping":
                self.since.pop(pid, None)
                continue
            since, taken = self.since.setdefault(pid, (now, 0))
            if taken < len(STEPS) and now - since >= STEPS[taken][0]:
                number = STEPS[taken][1]
                self.say(f"{child.spec.name} is shutting down and waits for open sessions; sending {number.name}", True)
                self.since[pid] = (since, taken + 1)
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
