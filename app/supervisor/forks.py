"""The keeper's side of the fork server: starts it, asks it for processes, starts it again when it has died.

It is never needed: while it loads, hangs or is dead, and on other systems than Linux, processes are started as usual.
"""

import asyncio
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from app.supervisor import forkserver
from app.supervisor.deathsig import dies_with_us

SET_CHILD_SUBREAPER = 36  # linux/prctl.h
LOADING = 20.0  # seconds after which nobody waits for its imports any more
ANSWER = 3.0  # seconds in which it has to answer
PAUSE = 10.0  # seconds between two starts


class Forked:
    """A process that the fork server left to us: our child, as if we had started it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        """Its exit status, negative for a signal; call once, when it is dead."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Forks:
    """The fork server of one keeper."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.loaded = False
        self.settled = asyncio.Event()  # it has loaded, or will not
        self.process: subprocess.Popen[bytes] | None = None
        self.link: socket.socket | None = None
        self.began = 0.0

    def start(self) -> None:
        """Start it; it loads meanwhile."""
        if sys.platform != "linux":
            return
        self.began = time.monotonic()
        self.settled.clear()
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "app.supervisor.forkserver", str(its.fileno()), " " * forkserver.ROOM]
        try:
            self.process = subprocess.Popen(
                command,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(its.fileno(),),
                preexec_fn=dies_with_us(signal.SIGKILL),
            )
        except OSError:
            ours.close()
            return
        finally:
            its.close()
        self.link = ours
        asyncio.get_running_loop().add_reader(ours, self._greeted)

    def _greeted(self) -> None:
        assert self.link is not None
        asyncio.get_running_loop().remove_reader(self.link)
        with suppress(OSError):  # it died while it loaded
            self.loaded = self.link.recv(len(forkserver.READY)) == forkserver.READY
        self.link.settimeout(ANSWER)
        self.settled.set()

    async def wait(self) -> None:
        """Wait until it has loaded, if that is worth it; the first who waits starts it: many a start fails before that."""
        if not self.began:
            self.start()
        left = self.began + LOADING - time.monotonic()
        if self.process is not None and left > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.settled.wait(), left)

    def fork(self, words: Sequence[str], title: str, stop: int, output: int) -> Forked | None:
        """A process that runs `tocsin WORDS` and writes to `output`; None when it has to be started in the usual way.

        title: what `ps` shows. stop: the signal it gets when the keeper dies.
        """
        if self.link is None or not self.loaded:
            return None
        asked = {"words": list(words), "title": title, "stop": stop, "keeper": os.getpid()}
        wait, go = os.pipe()
        adopt(True)
        try:
            socket.send_fds(self.link, [json.dumps(asked).encode()], [output, wait])
            pid = int.from_bytes(self.link.recv(4), "big")
            if pid:
                os.write(go, forkserver.GO)
                return Forked(pid)
        except OSError:
            pass
        finally:
            adopt(False)
            os.close(wait)
            os.close(go)
        self.stop()
        return None

    def look(self) -> None:
        """Start it again when it has died; call about once a second."""
        if self.process is not None and self.process.poll() is not None:
            self.stop()
        if self.process is None and self.began and time.monotonic() - self.began > PAUSE:
            self.start()

    def stop(self) -> None:
        """End it; what it left to us stays."""
        self.loaded = False
        self.settled.set()
        if self.link is not None:
            asyncio.get_running_loop().remove_reader(self.link)
            self.link.close()
            self.link = None
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def adopt(wanted: bool) -> None:
    """Whether orphans below us become our children (Linux)."""
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
