"""`status` answers within three seconds whatever is dead, and says what it does not know."""

import asyncio
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.settings import Settings
from app.supervisor import readiness, stack
from app.supervisor.status import look
from tests.away import disk_with
from tests.stack import free_port


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        line.listen()
        yield line.getsockname()[1]


def test_a_stack_that_never_was_is_down(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "none", database_url=None, broker_url=None, watcher_url="https://example.org/ping")
    found = json.loads(look(settings).as_json())
    assert found == {
        "ready": False,
        "processes": [],
        "queues": dict.fromkeys(stack.QUEUES),
        "oldest_overdue_seconds": None,
        "oldest_overdue_unknown": "the stack is down",
        "watcher": "ok",
        "missing": [],
        "workers_elsewhere": [],
    }


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:{}/0", "amqp://guest@127.0.0.1:{}//"])
def test_servers_that_hang_are_given_up(tmp_path: Path, silent: int, broker: str) -> None:
    settings = Settings(
        home=tmp_path, database_url=f"postgresql://x@127.0.0.1:{silent}/x", broker_url=broker.format(silent), watcher_url=None
    )
    began = time.monotonic()
    found = look(settings)
    assert time.monotonic() - began < 3
    assert found.queues["notify"] is None
    assert (found.oldest_overdue_seconds, found.why_no_overdue) == (None, "the database did not respond within 2 s")
    assert found.watcher == "UNWATCHED"


@pytest.mark.parametrize(
    "host, tls, expected",
    [
        ("0.0.0.0", None, "http://127.0.0.1:8080/readyz"),
        ("::", None, "http://[::1]:8080/readyz"),
        ("10.0.0.5", "cert.pem", "https://10.0.0.5:8080/readyz"),
    ],
)
def test_the_console_is_asked_where_this_machine_reaches_it(host: str, tls: str | None, expected: str) -> None:
    assert stack.readyz(Settings(host=host, tls_cert=tls, port=8080)) == expected


async def answered(answer: bytes) -> tuple[str, ...]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    port = free_port()
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        return await readiness.missing("web", f"http://127.0.0.1:{port}/readyz", 0)
    finally:
        server.close()


@pytest.mark.parametrize(
    "answer, missing",
    [
        (b'HTTP/1.1 200 OK\r\n\r\n{"ready":true,"missing":[]}', ()),
        (b'HTTP/1.1 200 OK\r\n\r\n{"ready":true,"missing":["broker","worker:health"]}', ("broker", "worker:health")),
        (b'HTTP/1.1 503 No\r\n\r\n{"ready":false,"missing":[]}', ("web",)),
        (b"HTTP/1.1 200 OK\r\n\r\nfine", ()),
        (b"HTTP/1.1 500 Oops\r\n\r\nsorry", ("web",)),
        (b"", ("web",)),
    ],
)
def test_what_the_console_calls_missing_is_missing(answer: bytes, missing: tuple[str, ...]) -> None:
    assert asyncio.run(answered(answer)) == missing


def _home(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path,
        database_url=os.environ["TOCSIN_DATABASE_URL"],
        broker_url=os.environ["TOCSIN_BROKER_URL"],
        watcher_url=None,
    )


def test_workers_elsewhere_and_those_that_are_gone_are_listed(tmp_path: Path, clean: None) -> None:
    from app import beats
    from app.db import transaction
    from app.identity import me

    with transaction() as db:
        for name, queues, ago in (
            ("far:7:1", "health@paris", 3),
            ("lost:8:1", "health@rome", 300),
            ("dead:9:1", "health@paris", 300),
        ):
            beats.touch(db, "worker", {"queues": [queues]})
            db.execute(
                text("update process_beat set name = :name, seen_at = now() - make_interval(secs => :ago) where name = :me"),
                {"name": name, "ago": ago, "me": me()},
            )
    found = json.loads(look(_home(tmp_path), timeout=10).as_json())
    assert [(one["name"], one["queues"], one["state"]) for one in found["workers_elsewhere"]] == [
        ("far:7:1", ["health@paris"], "running"), ("lost:8:1", ["health@rome"], "gone")
    ]  # fmt: skip
    assert "worker:health@rome" in found["missing"]
    assert "worker:health@paris" not in found["missing"]


def test_a_worker_of_this_machine_that_has_just_died_is_no_worker_elsewhere(tmp_path: Path, clean: None) -> None:
    from app import beats
    from app.db import transaction

    with transaction() as db:
        beats.touch(db, "worker", {"queues": ["health"]})
        db.execute(text("update process_beat set name = regexp_replace(name, ':[0-9]+:', ':4194303:')"))
    assert look(_home(tmp_path), timeout=10).elsewhere == ()


def test_a_full_disk_is_named_though_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk_with(0, monkeypatch)
    found = look(Settings(home=tmp_path, database_url=None, broker_url=None, watcher_url=None))
    assert found.missing == ("database", "disk:full")


@pytest.mark.parametrize(
    "answer, missing", [(b"+PONG\r\n", ()), (b"-MISCONF Errors writing\r\n", ("broker", "broker:cannot-write"))]
)
def test_a_broker_that_cannot_write_says_so(tmp_path: Path, answer: bytes, missing: tuple[str, ...]) -> None:
    async def ask() -> tuple[str, ...]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(answer)
            writer.close()

        async with await asyncio.start_unix_server(serve, str(tmp_path / "s")):
            return await readiness.missing("broker", f"redis+socket://{tmp_path / 's'}", 0)

    assert asyncio.run(ask()) == missing
