"""A PostgreSQL that somebody sent SIGTERM waits for every session to leave: the supervisor ends it and starts it again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from app.supervisor import linger
from app.supervisor.child import Child
from app.supervisor.plan import Spec
from tests.stack import until
from tests.supervisor.conftest import MakeHome


def test_a_server_that_waits_for_its_sessions_is_ended_and_comes_back(make_home: MakeHome) -> None:
    home = make_home(embedded=True)
    home.up()
    url = f"postgresql://tocsin@/tocsin?host={home.settings.sockets}"
    pid = home.pid("postgres")
    with closing(psycopg.connect(url, autocommit=True)) as session:
        session.execute("select 1")
        os.kill(pid, signal.SIGTERM)
        until(lambda: home.row("postgres").state == "running" and home.row("postgres").pid not in (None, pid), 40)
    until(lambda: _answers(url), 20)
    log = (home.path / "log" / "tocsin.log").read_text()
    assert "waits for open sessions; sending SIGINT" in log
    assert "received fast shutdown request" in log
    home.down()


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url) as session:
            return session.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_server_that_ends_quickly_is_left_alone(make_home: MakeHome) -> None:
    home = make_home(embedded=True)
    home.up()
    pid = home.pid("postgres")
    os.kill(pid, signal.SIGTERM)
    until(lambda: home.row("postgres").pid not in (None, pid), 20)
    assert "waits for its sessions" not in (home.path / "log" / "tocsin.log").read_text()
    home.down()


HEARS = """
import signal
asked = {signal.SIGINT, signal.SIGQUIT}
signal.pthread_sigmask(signal.SIG_BLOCK, asked)
print("here", flush=True)
while True:
    print(signal.sigwait(asked).name, flush=True)
"""


class Waiting(Child):
    """A process that writes down each signal and goes on, and the status file of a server that waits for its sessions."""

    def __init__(self, path: Path) -> None:
        super().__init__(Spec("postgres", "postgres", (sys.executable, "-c", HEARS), ready=f"pidfile://{path}"))
        self.path = path
        self.server = self.process = subprocess.Popen(self.spec.argv, stdout=subprocess.PIPE)
        assert self.heard() == "here"
        self.says("stopping")

    def says(self, status: str) -> None:
        self.path.write_text("\n".join([str(self.server.pid), *["x"] * 6, status]))

    def heard(self) -> str:
        """The next signal; empty when it has ended."""
        assert self.server.stdout is not None
        return self.server.stdout.readline().decode().strip()


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    child = Waiting(tmp_path / "postmaster.pid")
    with child.server:
        yield child
        child.server.kill()


def test_each_step_is_taken_once_and_in_order(waiting: Waiting) -> None:
    said: list[tuple[str, bool]] = []
    watch = linger.Lingering(lambda text, red: said.append((text, red)))
    heard = []
    for now in (0, 1, 4.9, 5, 6, 14, 15, 16, 24, 25, 26, 1000):
        before = len(said)
        watch.look([waiting], 100.0 + now)
        if len(said) > before:
            heard.append((now, waiting.heard()))
    assert heard == [(5, "SIGINT"), (15, "SIGQUIT"), (25, "")]
    assert waiting.server.wait(10) == -signal.SIGKILL
    assert [red for _, red in said] == [True] * 3


def test_a_server_that_is_ready_again_starts_afresh(waiting: Waiting) -> None:
    said: list[str] = []
    watch = linger.Lingering(lambda text, red: said.append(text))
    for now, status in ((0.0, "stopping"), (4.0, "ready"), (6.0, "stopping"), (10.9, "stopping")):
        waiting.says(status)
        watch.look([waiting], now)
    assert said == []
    watch.look([waiting], 11.0)
    assert waiting.heard() == "SIGINT"
