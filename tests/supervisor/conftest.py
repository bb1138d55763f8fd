"""One home each, everything in it ended and removed afterwards."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from app.settings import Settings
from app.supervisor import control, leftovers, postgres, stack, state, status
from tests.stack import free_port, until

ROOT = Path(__file__).parents[2]


class Home:
    """A home with its own port and, unless `embedded`, with servers that are said to be elsewhere."""

    def __init__(self, path: Path, embedded: bool = False, **env: str) -> None:
        self.path = path
        self.port = free_port()
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        self.env |= {"TOCSIN_HOME": str(path), "TOCSIN_PORT": str(self.port), **env}
        if not embedded:
            self.env |= {"TOCSIN_DATABASE_URL": "postgresql://127.0.0.1:1/none", "TOCSIN_BROKER_URL": "redis://127.0.0.1:1"}
        database, broker = self.env.get("TOCSIN_DATABASE_URL"), self.env.get("TOCSIN_BROKER_URL")
        self.settings = Settings(home=path, port=self.port, database_url=database, broker_url=broker, watcher_url=None)

    def run(self, command: str, **more: Any) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "tests.supervisor.stand_ins", command]
        options = {
            "cwd": ROOT,
            "env": self.env,
            "text": True,
            "timeout": 60,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
        }
        return subprocess.run(words, check=False, **{**options, **more})

    def start(self, command: str, **more: Any) -> "subprocess.Popen[str]":
        words = [sys.executable, "-m", "tests.supervisor.stand_ins", command]
        return subprocess.Popen(words, cwd=ROOT, env=self.env, text=True, **more)

    def up(self) -> str:
        done = self.run("detach")
        assert done.returncode == 0, done.stdout
        return done.stdout

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(status.look(self.settings).as_json())
        return found

    def down(self) -> bool:
        return control.down(self.settings)

    def row(self, name: str) -> state.Process:
        found = state.load(self.path)
        rows = {row.name: row for row in found.processes} if found else {}
        return rows.get(name, state.Process(name, "", None, "absent", 0))

    def pid(self, name: str) -> int:
        """Of a process that has one."""
        found = self.row(name).pid
        assert found is not None, name
        return found

    def supervisor(self) -> int:
        """Of the supervisor, which runs."""
        found = state.supervisor(self.path)
        assert found is not None
        return found

    def running(self) -> list[psutil.Process]:
        """Whatever still runs of this home, its supervisor included."""
        pid = state.supervisor(self.path)
        found = state.load(self.path)
        mine = leftovers.find(stack.mark(self.settings), found.processes if found else ())
        return [*mine, *([psutil.Process(pid)] if pid else [])]

    def remove(self) -> None:
        pid = state.supervisor(self.path)
        if pid:
            os.kill(pid, signal.SIGKILL)
            until(lambda: state.supervisor(self.path) is None)
        found = state.load(self.path)
        leftovers.end(stack.mark(self.settings), found.processes if found else (), timeout=0.3)
        if "TOCSIN_DATABASE_URL" not in self.env:
            shutil.rmtree(postgres.locate(self.path, self.settings.sockets).data, ignore_errors=True)
        for folder in self.settings.sockets.parent.glob(f"{self.settings.sockets.name}*"):
            shutil.rmtree(folder)


class MakeHome(Protocol):
    """Makes a home; the test's end removes it."""

    def __call__(self, name: str = "home", embedded: bool = False, **env: str) -> Home: ...


@pytest.fixture
def make_home(tmp_path: Path) -> Iterator[MakeHome]:
    made: list[Home] = []

    def make(name: str = "home", embedded: bool = False, **env: str) -> Home:
        made.append(Home(tmp_path / name, embedded, **env))
        return made[-1]

    yield make
    for home in made:
        home.remove()
