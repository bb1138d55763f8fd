"""Flower is closed: 401 on every path and method without the password; with it, it works."""

import http.client
import os
import signal
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import psutil
import pytest
from flower.urls import handlers

from app.supervisor.flower import is_admin
from tests.stack import free_port, until
from tests.supervisor.conftest import ROOT

SCRIPT = """
import sys
from pathlib import Path
from celery import Celery
from app.settings import Settings
from app.supervisor import flower
flower.run(Settings(home=Path(sys.argv[1]), flower_port=int(sys.argv[2])), Celery("throwaway", broker="memory://"))
"""
PATHS = sorted(
    {str(getattr(entry, "regex", entry[0] if isinstance(entry, tuple) else "")) for entry in handlers}
    | {"/", "/workers", "/worker/x", "/task/x", "/tasks", "/tasks/datatable", "/broker", "/metrics", "/healthcheck", "/login"}
    | {"/api/workers", "/api/tasks", "/api/task/types", "/api/queues/length", "/api/worker/shutdown/x", "/logout"}
    | {"/static/css/flower.css", "/static/../flower.py", "/favicon.ico", "/robots.txt", "/no/such/path", "//", "/%00", "*"}
)
Answer = tuple[int, Message, bytes]  # status, headers, body


class Door:
    """Flower of one home, for the whole module."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port

    def ask(
        self, path: str, password: str | None = None, method: str = "GET", user: str = "admin", scheme: str = "Basic"
    ) -> Answer:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        headers = {}
        if password is not None:
            headers["Authorization"] = f"{scheme} " + b64encode(f"{user}:{password}".encode()).decode()
        try:
            line.request(method, path.replace(" ", "%20"), headers=headers)
            answer = line.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            line.close()

    @property
    def password(self) -> str:
        return (self.home / "flower-password").read_text()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    home, port = tmp_path_factory.mktemp("flower"), free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "FLOWER_"))}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(home), str(port)], cwd=ROOT, env=env, stderr=subprocess.DEVNULL
    ) as run:
        opened = Door(home, port)

        def answers() -> Answer | None:
            try:
                return opened.ask("/")
            except OSError:
                return None

        until(answers, 20)
        yield opened
        run.send_signal(signal.SIGTERM)
        assert run.wait(5) == 0


def test_every_path_is_closed_without_the_password(door: Door) -> None:
    for path in PATHS:
        for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "BREW"):
            status, headers, body = door.ask(path, method=method)
            assert (status, headers["WWW-Authenticate"][:5]) == (401, "Basic"), (method, path)
            assert b"Flower" not in body


def test_every_path_is_closed_to_the_wrong_name_password_or_scheme(door: Door) -> None:
    for path in ("/", "/metrics", "/healthcheck", "/api/workers", "/static/css/flower.css", "/nope"):
        assert door.ask(path, "wrong")[0] == 401
        assert door.ask(path, "")[0] == 401
        assert door.ask(path, door.password, user="root")[0] == 401
        assert door.ask(path, door.password, scheme="Bearer")[0] == 401


def test_it_opens_with_the_password(door: Door) -> None:
    for path in ("/", "/workers", "/tasks", "/metrics", "/healthcheck", "/static/css/flower.css", "/api/workers"):
        assert door.ask(path, door.password)[0] == 200, path
    assert door.ask("/nope", door.password)[0] == 404


def test_the_password_is_private_and_it_listens_on_loopback_only(door: Door) -> None:
    assert stat.S_IMODE((door.home / "flower-password").stat().st_mode) == 0o600
    listening = {
        at.laddr.ip
        for at in psutil.net_connections("inet")
        if at.status == "LISTEN" and at.laddr and at.laddr.port == door.port
    }
    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Basic YWRtaW4", "Basic \xff", "Basic YWRtaW46eA== x"])
def test_a_broken_header_is_a_stranger(header: str) -> None:
    assert is_admin(header, b"admin:x") is False


def test_the_scheme_is_not_case_sensitive() -> None:
    assert is_admin("basic YWRtaW46eA==", b"admin:x") is True
