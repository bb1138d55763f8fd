"""A real `tocsin web` with few descriptors: however many half-open requests there are, ordinary ones go on at once."""

import json
import os
import re
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from app.door import Server, TimeLimits
from tests.stack import free_port, until

DESCRIPTORS = 256  # of the web process; half of them may be connections
MANY = 2 * DESCRIPTORS
AT_ONCE = 10.0  # seconds an ordinary request may take on a busy machine
EVENT = {"events": [{"key": "k", "summary": "It burns", "service": "shop"}]}


@dataclass
class Web:
    """A running web process, what it writes, and a token and an integration's key that it takes."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    tls: Path | None = None
    token: str = ""
    key: str = ""

    def url(self, path: str) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{path}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=AT_ONCE)

    def post(self) -> None:
        """Both ways in work, each on a fresh connection and in time."""
        bearer = {"Authorization": f"Bearer {self.token}"}
        for path, headers in (("/api/v1/events", bearer), (f"/in/{self.key}", {})):
            began = time.monotonic()
            response = requests.post(self.url(path), json=EVENT, headers=headers, timeout=AT_ONCE, verify=False)
            assert response.status_code == 202, response.text
            assert time.monotonic() - began < AT_ONCE

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def known(running: Web, tmp_path: Path) -> Web:
    """The same process, with a token and a key of its database as it is now."""
    from app.db import transaction
    from app.people.model import SYSTEM
    from app.people.service import first_admin, make_token
    from app.signals.service import add

    with transaction() as db:
        first_admin(db, tmp_path, datetime.now(UTC))
        token = make_token(db, "admin", "test", SYSTEM, datetime.now(UTC))
        key = add(db, "in", "generic", None, SYSTEM, datetime.now(UTC))["key"]
    return replace(running, token=token, key=key)


@pytest.fixture(scope="module")
def process(engine: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture
def narrow(process: Web, clean: None, tmp_path: Path) -> Web:
    """A web process with few descriptors, on an empty database; who was in before is gone."""
    until(lambda: process.descriptors() < DESCRIPTORS // 4, 20)
    return known(process, tmp_path)


@contextmanager
def web(tmp_path: Path, soft: int = DESCRIPTORS, hard: int = DESCRIPTORS, tls: bool = False) -> Iterator[Web]:
    port = free_port()
    environ = {**os.environ, "TOCSIN_PORT": str(port)}
    if tls:
        words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout k.pem -out c.pem"
        subprocess.run(["openssl", *words.split()], cwd=tmp_path, check=True, capture_output=True)
        environ |= {"TOCSIN_TLS_CERT": str(tmp_path / "c.pem"), "TOCSIN_TLS_KEY": str(tmp_path / "k.pem")}
    with (tmp_path / "log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "web"],
            env=environ,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        )
    running = Web(port, started, tmp_path / "log", tmp_path / "c.pem" if tls else None)
    try:
        until(lambda: _alive(running), 30)
        yield running
    finally:
        started.terminate()
        started.wait(timeout=20)


def _alive(running: Web) -> bool:
    assert running.process.poll() is None
    with suppress(requests.ConnectionError):
        return requests.get(running.url("/healthz"), timeout=2, verify=False).ok
    return False


HEAD = b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
SLOW: dict[str, Callable[[bytes], bytes]] = {
    "no byte": lambda token: b"",
    "half a request line": lambda token: b"POST /api",
    "half a head": lambda token: HEAD % token,
    "a head and no body": lambda token: HEAD % token + b"Content-Length: 100000\r\n\r\n",
    "a trickle of a body": lambda token: HEAD % token + b'Content-Length: 100000\r\n\r\n{"ev',
    "a trickle of chunks": lambda token: HEAD % token + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "answered, and kept open": lambda token: b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "an answer nobody reads": lambda token: b"GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 4,
}


@pytest.fixture
def quiet_tls() -> None:
    """requests warns of certificates that nobody checks."""
    import urllib3

    urllib3.disable_warnings()


@pytest.mark.parametrize("how", SLOW)
def test_slow_clients_beyond_every_descriptor_do_not_stop_intake(narrow: Web, how: str) -> None:
    running = narrow
    with ExitStack() as held:
        running.post()
        for _ in range(MANY):
            line = held.enter_context(running.connect())
            with suppress(OSError):
                line.sendall(SLOW[how](running.token.encode()))
        running.post()
        for line in _lines(held):  # it goes on trickling, those it still has
            with suppress(OSError):
                line.send(b" ")
        running.post()
        assert running.descriptors() < DESCRIPTORS
    assert "internal_error" not in running.log.read_text()


def _lines(held: ExitStack) -> list[socket.socket]:
    return [one[1].__self__ for one in held._exit_callbacks]  # type: ignore[attr-defined]


def test_slow_tls_clients_do_not_stop_intake_either(clean: None, tmp_path: Path, quiet_tls: None) -> None:
    with web(tmp_path, tls=True) as started, ExitStack() as held:
        running = known(started, tmp_path)
        running.post()
        for number in range(MANY):
            line = held.enter_context(running.connect())
            with suppress(OSError):
                line.sendall(b"\x16\x03\x01\x02\x00" if number % 2 else b"")
        running.post()
        assert running.descriptors() < DESCRIPTORS
        context = ssl.create_default_context(cafile=str(running.tls))
        context.check_hostname = False
        with context.wrap_socket(running.connect()) as line:
            line.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert line.recv(1000).startswith(b"HTTP/1.1 200")


def test_requests_that_come_in_pieces_but_come_are_served_among_slow_ones(narrow: Web) -> None:
    body, running = json.dumps(EVENT).encode(), narrow
    with ExitStack() as held:
        for _ in range(DESCRIPTORS // 4):
            held.enter_context(running.connect()).sendall(b"POST / HTTP/1.1\r\n")
        with running.connect() as line:
            for piece in (HEAD % running.token.encode(), b"Content-Length: %d\r\n\r\n" % len(body), body[:20], body[20:]):
                line.sendall(piece)
                time.sleep(0.3)
            assert line.recv(1000).startswith(b"HTTP/1.1 202")


def test_the_soft_limit_is_raised_to_the_hard_one(clean: None, tmp_path: Path) -> None:
    with web(tmp_path, soft=128, hard=1024) as started, ExitStack() as held:
        running = known(started, tmp_path)
        limits = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE)
        assert limits == (1024, 1024)
        for _ in range(500):
            held.enter_context(running.connect()).sendall(b"GET /")
        running.post()
        assert running.descriptors() > 500


SHORT = TimeLimits(head=0.3, body=0.6, idle=1.2, unread=0.3)


@pytest.fixture
def door(server: object) -> Iterator[tuple[str, int]]:
    """A server of this process with short time limits; the address it listens at."""
    with listening(SHORT) as address:
        yield address


@contextmanager
def listening(limits: TimeLimits) -> Iterator[tuple[str, int]]:
    import threading

    import uvicorn

    from app.server import create

    config = uvicorn.Config(
        create(), host="127.0.0.1", port=0, log_config=None, ws="none", timeout_graceful_shutdown=1, loop="uvloop"
    )
    running = Server(config, 1024, limits)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    until(lambda: running.started, 20)
    yield running.servers[0].sockets[0].getsockname()
    running.should_exit = True
    thread.join(timeout=10)


def heard(door: tuple[str, int], *pieces: bytes) -> bytes:
    """All that a client hears that says these pieces and then nothing, until it is closed."""
    said = b""
    with socket.create_connection(door, timeout=20) as line:
        for piece in pieces:
            line.sendall(piece)
        with suppress(ConnectionResetError):
            while data := line.recv(65_536):
                said += data
    return said


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "pieces, expected",
    [
        ((), []),
        ((b"GE",), [b"408"]),
        ((b"POST /ping/x HTTP/1.1\r\nHost: x\r\n",), [b"408"]),
        ((b"POST /in/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",), [b"408"]),
        ((b"POST /in/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",), [b"408"]),
        ((GET,), [b"200"]),
        ((GET, GET, GET), [b"200", b"200", b"200"]),
        ((GET, GET[:9]), [b"200", b"408"]),
        ((b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",), [b"408"]),
        ((b"\0\1\2\3\r\n",), [b"400"]),
    ],
    ids=[
        "no byte: closed without a word", "two bytes", "half a head", "half a body", "a chunk too few", "a request",
        "three at once", "a request, then half of one", "half a body without a token", "no HTTP",
    ],
)  # fmt: skip
def test_a_client_that_does_not_go_on_is_told_and_closed(
    door: tuple[str, int], pieces: tuple[bytes, ...], expected: list[bytes]
) -> None:
    said = heard(door, *pieces)
    assert re.findall(rb"HTTP/1\.1 (\d+)", said) == expected


def test_a_trickle_of_bytes_buys_no_time_and_an_upload_does(server: object) -> None:
    head = b"POST /in/x HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n"

    def sent(door: tuple[str, int], piece: bytes, pieces: int) -> bytes:
        with socket.create_connection(door, timeout=10) as line, suppress(ConnectionError):
            line.sendall(head)
            for _ in range(pieces):
                line.sendall(piece)
                time.sleep(0.1)  # the client's own slowness
            return line.recv(1000)
        return b"closed"

    with listening(replace(SHORT, slowest=10_000)) as door:
        assert sent(door, b" ", 40) == b"closed"
        assert sent(door, b" " * 10_000, 40).startswith(b"HTTP/1.1 404")
