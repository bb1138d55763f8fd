"""The whole stack as a user starts it: `tocsin up --detach` in a home and on ports of its own."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from app.settings import Settings
from tests import forked

ROOT = Path(__file__).parents[1]
_PAIR = r'[\w.-]+=(?:[^\s"=\\]+|"(?:[^"\\]|\\.)*")'
_LEVEL = "(debug|info|warning|error|critical)"
LOG_LINE = re.compile(rf"ts=\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z level={_LEVEL} event=[^\s\"]+( {_PAIR})*")


_given: set[int] = set()


def free_port() -> int:
    """A TCP port nobody listens on just now, and that was not given out before."""
    while True:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = int(sock.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


def until(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true value of `what()`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.02)
    return found


@dataclass
class Stack:
    """A running stack."""

    home: Path
    environ: Mapping[str, str]
    port: int
    root: Path = ROOT  # whose code runs

    def tocsin(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command on it."""
        if self.root == ROOT:
            done = forked.tocsin(*words, env=self.environ, timeout=120)
        else:
            command = [sys.executable, "-m", "app.cli", *words]
            done = subprocess.run(command, cwd=self.root, env=dict(self.environ), capture_output=True, text=True)
        if check:
            done.check_returncode()
        return done

    def status(self) -> dict[str, Any]:
        """`tocsin status --json`."""
        found: dict[str, Any] = json.loads(self.tocsin("status", "--json", check=False).stdout)
        return found

    def pid(self, name: str) -> int:
        """The process of this name in the state file; 0 while it is not running."""
        return int(self._row(name).get("pid") or 0)

    def state(self, name: str) -> str:
        """What the state file says of it: `running` once it is ready, if it can be asked."""
        return str(self._row(name).get("state"))

    def _row(self, name: str) -> dict[str, Any]:
        state = json.loads((self.home / "run" / "state.json").read_text())
        return next((one for one in state["processes"] if one["name"] == name), {})

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a process of the stack, if it runs."""
        pid = self.pid(name)
        with suppress(ProcessLookupError):
            if pid:
                os.kill(pid, number)

    @property
    def sockets(self) -> str:
        """Where its database listens."""
        return str(Settings(home=self.home).sockets)

    @property
    def token(self) -> str:
        return (self.home / "admin-token").read_text().strip()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One API call; status 0 when nobody answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None
        except (OSError, HTTPException):  # killed before, or in the middle of the answer
            return 0, None

    def events(self, events: Sequence[Mapping[str, Any]], seconds: float = 60) -> None:
        """Post events as a sender does that retries until it hears 202."""
        until(lambda: self.call("POST", "/api/v1/events", {"events": list(events)})[0] == 202, seconds)


@contextmanager
def running(config: str, root: Path = ROOT, **more: str) -> Iterator[Stack]:
    """A stack with this configuration, of the code in `root`; nothing of it is left afterwards."""
    home = Path(tempfile.mkdtemp(prefix="tocsin-stack-"))
    home.chmod(0o711)
    (home / "config").mkdir()
    (home / "config" / "all.yaml").write_text(config)
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    environ |= {
        "TOCSIN_HOME": str(home / "home"),
        "TOCSIN_PORT": str(port),
        "TOCSIN_FLOWER_PORT": str(free_port()),
        "TOCSIN_CONFIG": str(home / "config"),
        **more,
    }
    stack = Stack(home / "home", environ, port, root)
    try:
        up = stack.tocsin("up", "--detach", check=False)
        assert up.returncode == 0, up.stdout + up.stderr
        yield stack
    finally:
        stack.tocsin("down", check=False)
        shutil.rmtree(home, ignore_errors=True)
