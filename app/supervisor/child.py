"""One process kept: started in a session of its own, seen to die, started again after a pause that grows if it dies at once."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from app.supervisor import folders, leftovers
from app.supervisor.deathsig import dies_with_us
from app.supervisor.exits import EXIT_PERMANENT, EXIT_TEMPORARY
from app.supervisor.forks import Forked, Forks
from app.supervisor.output import follow
from app.supervisor.plan import STEP, Spec
from app.supervisor.state import Process

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before a restart
LINES = 50  # of its output in which a reason is looked for
SETTLED = 10.0  # seconds after which a death counts as the first one again


class Child:
    """A row of the plan and the process that plays it now."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.state = "waiting"
        self.restarts = 0
        self.ready = asyncio.Event()
        self.exited = asyncio.Event()
        self.lacks: tuple[str, ...] = (spec.name,)
        self.said: deque[str] = deque(maxlen=LINES)  # its last lines
        self.worked = False  # one of its lives lasted
        self.reason = ""  # why it ended, until it is ready again
        self.status: int | None = None  # how it ended last
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self.start_time: float | None = None
        self._since = 0.0
        self._pause = 0.0

    @property
    def is_running(self) -> bool:
        """Whether its process has been started and not been seen to end."""
        return self.process is not None and not self.exited.is_set()

    def start(self, env: Mapping[str, str], forks: Forks, each: Callable[[str], None]) -> None:
        """Start it; `each` gets its output by lines. Raises OSError or Unusable when it cannot be started at all."""
        self.make_room()
        source, target = os.pipe()
        try:
            self.process = self._fork(forks, target) or self._execute(env, target)
        except OSError:
            os.close(source)
            raise
        finally:
            os.close(target)
        self.said.clear()
        follow(source, each)
        self.exited.clear()
        self.state, self.lacks = "starting", (self.spec.name,)
        self.start_time = leftovers.started(self.process.pid)
        self._since = time.monotonic()

    def _fork(self, forks: Forks, output: int) -> Forked | None:
        spec = self.spec
        return None if spec.words is None else forks.fork(spec.words, " ".join(spec.argv), spec.stop, output)

    def _execute(self, env: Mapping[str, str], output: int) -> subprocess.Popen[bytes]:
        spec = self.spec
        identity = {} if spec.account is None else {"user": spec.account[0], "group": spec.account[1], "extra_groups": ()}
        process: subprocess.Popen[bytes] = subprocess.Popen(
            spec.argv,
            cwd=spec.cwd,
            env={**(env if spec.inherits else {}), **spec.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=dies_with_us(spec.stop),
            **identity,  # type: ignore[call-overload]
        )
        return process

    def make_room(self) -> None:
        """Make the folders it works in, and the link that leads to it. Raises OSError or Unusable."""
        for folder in self.spec.folders:
            folders.anew(Path(folder))
        if self.spec.given and self.spec.account is not None:
            folders.given(Path(self.spec.given), *self.spec.account)
        if self.spec.link:
            path, target = self.spec.link
            folders.link(Path(path), Path(target))

    @property
    def is_cut_off(self) -> bool:
        """Whether it runs and nobody can reach it any more: its socket was removed."""
        return self.is_running and self.state == "running" and bool(self.spec.socket) and not os.path.exists(self.spec.socket)

    def reap(self) -> bool:
        """See whether it has died; if so, kill what is left of its group while its pid still cannot be anybody else's."""
        if self.process is None or self.exited.is_set() or not _is_dead(self.process):
            return False
        self.signal_group(signal.SIGKILL)
        self.status = self.process.wait()
        self.worked = self.worked or time.monotonic() - self._since >= SETTLED
        self.exited.set()
        return True

    def pause(self) -> float:
        """Seconds to wait before starting it again; grows while it keeps dying young."""
        young = time.monotonic() - self._since < SETTLED
        self._pause = min(LONGEST_PAUSE, self._pause * 2) if young and self._pause else FIRST_PAUSE
        return self._pause

    @property
    def is_hopeless(self) -> bool:
        """Whether it ended in a way that waiting does not change, or too often without having been ready.

        What has worked once is never given up: a stack that pages without its broker is not ended for its console.
        """
        if self.worked and self.spec.kind != STEP:
            return False
        if self.status == EXIT_PERMANENT:
            return True
        return self.status != EXIT_TEMPORARY and not self.ready.is_set() and 0 < self.spec.tries <= self.restarts

    def stop(self) -> None:
        """Ask it to end; a pool's children are its own business."""
        self.state = "stopping"
        if self.process is not None and self.is_running:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.process.pid, self.spec.stop)  # Popen.send_signal would reap behind our back

    def signal_group(self, number: int) -> None:
        """Send a signal to it and to all its children; only while it is not reaped."""
        if self.process is not None and self.is_running:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def row(self) -> Process:
        """How `status` shows it."""
        pid = self.process.pid if self.process is not None and self.is_running else None
        return Process(self.spec.name, self.spec.kind, pid, self.state, self.restarts, self.start_time if pid else None)


def _is_dead(process: subprocess.Popen[bytes] | Forked) -> bool:
    """Ask without reaping where the system can: a zombie keeps its pid and group id from being given away."""
    if sys.platform == "linux" or isinstance(process, Forked):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return process.poll() is not None
