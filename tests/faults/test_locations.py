"""A worker elsewhere, with its own home, over TCP: it alone runs the checks of its location; while it is away nobody does."""

import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from tests.stack import Stack, running, until

QUEUE = "health@eu-west"
CONFIG = """
users: {ada: {}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada"}]}}
routes: [{policy: p}]
checks:
  there: {probe: health.disk, at: eu-west, every: 1s, with: {path: /}}
  here: {probe: health.disk, every: 1s, with: {path: /}}
"""


@contextmanager
def tunnel(path: Path) -> Iterator[int]:
    """A port of loopback that leads to a Unix socket, as `ssh -L PORT:PATH` makes one."""

    class Line(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as other, suppress(OSError):
                other.connect(str(path))
                back = threading.Thread(target=_pour, args=(other, self.request), daemon=True)
                back.start()
                _pour(self.request, other)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Line) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()


def _pour(source: socket.socket, into: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65_536):
            into.sendall(chunk)
    with suppress(OSError):
        into.shutdown(socket.SHUT_WR)


@contextmanager
def worker(stack: Stack, home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`tocsin worker -Q health@eu-west` as on another machine: its own home, two URLs, the same secret key."""
    sockets = Settings(home=stack.home).sockets
    with ExitStack() as open_:
        database = open_.enter_context(tunnel(sockets / ".s.PGSQL.5432"))
        broker = open_.enter_context(tunnel(sockets / "valkey.sock"))
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        environ |= {
            "TOCSIN_HOME": str(home),
            "TOCSIN_DATABASE_URL": f"postgresql://tocsin@127.0.0.1:{database}/tocsin",
            "TOCSIN_BROKER_URL": f"redis://127.0.0.1:{broker}/0",
            "TOCSIN_SECRET_KEY": (stack.home / "secret-key").read_text().strip(),
        }
        command = [sys.executable, "-m", "app.cli", "worker", "-Q", QUEUE, "-c", "1"]
        process = subprocess.Popen(command, env=environ, cwd=stack.root, start_new_session=True)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def checks(stack: Stack) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in stack.call("GET", "/api/v1/checks")[1]["items"]}


def missing(stack: Stack) -> list[str]:
    found: list[str] = stack.status()["missing"]
    return found


def firing(stack: Stack) -> list[str]:
    return [one["labels"]["alertname"] for one in stack.call("GET", "/api/v1/alerts?state=firing")[1]["items"]]


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("slow_stack")
def test_only_the_worker_of_a_location_runs_its_checks_and_its_absence_is_told(tmp_path: Path) -> None:
    with running(CONFIG) as stack:
        until(lambda: checks(stack)["here"]["status"] == "ok", 30)
        assert checks(stack)["there"]["status"] is None
        assert f"worker:{QUEUE}" in missing(stack)
        assert stack.status()["ready"]  # pages leave all the same
        with worker(stack, tmp_path / "elsewhere") as process:
            until(lambda: checks(stack)["there"]["status"] == "ok", 30)
            until(lambda: f"worker:{QUEUE}" not in missing(stack), 10)
            ran = json.loads(stack.tocsin("checks", "run", "there", "--json").stdout)
            assert (ran["status"], ran["queue"]) == ("ok", QUEUE)
            assert firing(stack) == []
            os.killpg(process.pid, signal.SIGKILL)  # the power goes
            process.wait()
            last = checks(stack)["there"]["at"]
            until(lambda: firing(stack) == ["NoWorker"], 60)
        assert checks(stack)["there"]["at"] == last  # nobody stood in for it
        assert checks(stack)["here"]["status"] == "ok"
        until(lambda: f"worker:{QUEUE}" in missing(stack), 60)
        (alert,) = stack.call("GET", "/api/v1/alerts?state=firing")[1]["items"]
        assert "eu-west" in alert["summary"], alert
