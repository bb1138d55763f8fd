"""A PostgreSQL that somebody sent SIGTERM waits for every session to leave: the supervisor ends it and starts it again."""

import os
import signal
import time
from contextlib import closing

import psycopg

from app.supervisor import linger
from tests.supervisor.conftest import until


def test_a_server_that_waits_for_its_sessions_is_ended_and_comes_back(make_home):
    home = make_home(embedded=True)
    home.up()
    url = f"postgresql://tocsin@/tocsin?host={home.settings.sockets}"
    pid = home.row("postgres").pid
    with closing(psycopg.connect(url, autocommit=True)) as session:
        session.execute("select 1")
        os.kill(pid, signal.SIGTERM)
        until(lambda: home.row("postgres").state == "running" and home.row("postgres").pid not in (None, pid), 40)
    until(lambda: _answers(url), 20)
    log = (home.path / "log" / "tocsin.log").read_text()
    assert "waits for its sessions: ending it (SIGINT)" in log
    assert "received fast shutdown request" in log
    home.down()


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url) as session:
            return session.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_server_that_ends_quickly_is_left_alone(make_home):
    home = make_home(embedded=True)
    home.up()
    pid = home.row("postgres").pid
    os.kill(pid, signal.SIGTERM)
    until(lambda: home.row("postgres").pid not in (None, pid), 20)
    assert "waits for its sessions" not in (home.path / "log" / "tocsin.log").read_text()
    home.down()


class Waiting:
    """A child that has written its status, and goes on."""

    def __init__(self, path, status):
        from types import SimpleNamespace

        self.process = SimpleNamespace(pid=os.getpid())
        self.spec = SimpleNamespace(ready=f"pidfile://{path}", name="postgres")
        self.is_running = True
        path.write_text("\n".join([str(os.getpid()), *["x"] * 6, status]))


def test_each_step_is_taken_once_and_in_order(tmp_path, monkeypatch):
    sent, said = [], []
    monkeypatch.setattr(linger.os, "kill", lambda pid, number: sent.append(number))
    child = Waiting(tmp_path / "postmaster.pid", "stopping")
    watch = linger.Lingering(lambda text, red: said.append((text, red)))
    for now in (0, 1, 4.9, 5, 6, 14, 15, 16, 24, 25, 26, 1000):
        watch.look([child], 100.0 + now)
    assert sent == [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL]
    assert [red for _, red in said] == [True] * 3


def test_a_server_that_is_ready_again_starts_afresh(tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr(linger.os, "kill", lambda pid, number: sent.append(number))
    watch = linger.Lingering(lambda text, red: None)
    watch.look([Waiting(tmp_path / "p", "stopping")], 0.0)
    watch.look([Waiting(tmp_path / "p", "ready")], 4.0)
    watch.look([Waiting(tmp_path / "p", "stopping")], time.monotonic() + 6.0)
    assert sent == []
