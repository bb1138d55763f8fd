"""One format for whatever a process says, from its first line to its last; nothing secret in it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import LOG_LINE, free_port, running, until

TOCSIN = (sys.executable, "-m", "app.cli")
CONFIG = "users: {admin: {role: admin}}\nplatform: {owners: [admin]}\nroutes: []\n"


def lines_of(words: tuple[str, ...], ready: str, **environ: str) -> list[str]:
    """All that a process says until it has said `ready`, and then until it has ended."""
    more = {"TOCSIN_PORT": str(free_port()), "TOCSIN_FLOWER_PORT": str(free_port()), **environ}
    with subprocess.Popen(
        words, env={**os.environ, **more}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        try:
            for line in process.stdout:
                lines.append(line.removesuffix("\n"))
                if ready in line:
                    break
            process.send_signal(signal.SIGTERM)
            lines += process.stdout.read().splitlines()
        finally:
            process.kill()
    return lines


@pytest.mark.parametrize(
    "words, ready, process",
    [
        ((*TOCSIN, "web"), "event=listening", "web"),
        ((*TOCSIN, "pager"), "event=pager_started", "pager"),
        ((*TOCSIN, "beat"), "event=beat_started", "beat"),
        ((*TOCSIN, "worker", "-Q", "notify,dedup", "-c", "1"), "event=worker_ready", "worker"),
        ((*TOCSIN, "worker", "-Q", "security", "-c", "2"), "event=worker_ready", "worker"),
        ((*TOCSIN, "flower"), "event=listening", "flower"),
        ((sys.executable, "-m", "celery", "-A", "app", "worker", "-Q", "security", "-c", "1"), "worker_ready", "worker"),
    ],
    ids=["web", "pager", "beat", "line", "checks", "flower", "celery"],
)
def test_every_line_of_every_process_has_the_one_format(clean: None, words: tuple[str, ...], ready: str, process: str) -> None:
    lines = lines_of(words, ready)
    assert any(ready in line for line in lines), lines
    assert [line for line in lines if not LOG_LINE.fullmatch(line)] == []
    assert all(f" process={process}" in line for line in lines)


def test_each_migration_that_runs_is_an_event(tmp_path: Path) -> None:
    from sqlalchemy import create_engine, text

    url = os.environ["TOCSIN_DATABASE_URL"]
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as db:
        db.execute(text("drop database if exists test_log with (force)"))
        db.execute(text("create database test_log"))
    try:
        (tmp_path / "all.yaml").write_text(CONFIG)
        environ = {**os.environ, "TOCSIN_HOME": str(tmp_path / "home"), "TOCSIN_CONFIG": str(tmp_path)}
        environ["TOCSIN_DATABASE_URL"] = re.sub(r"/test_\d+\?", "/test_log?", url)
        said = [subprocess.run([*TOCSIN, "prepare"], env=environ, capture_output=True, text=True, check=True) for _ in range(2)]
    finally:
        with admin.connect() as db:
            db.execute(text("drop database if exists test_log with (force)"))
        admin.dispose()
    first, second = (one.stderr.splitlines() for one in said)
    assert all(LOG_LINE.fullmatch(line) for line in (*first, *second) if not line.startswith("! ")), first
    numbers = [line.partition("revision=")[2][:4] for line in first if "event=migrated" in line]
    assert numbers == sorted(path.name[:4] for path in Path("app/migrations/versions").glob("[0-9]*.py"))
    assert not [line for line in second if "event=migrated" in line]


NASTY = """
import sys, threading, warnings, logging
from app import log
log.setup("x")
warnings.warn("two\\nlines", stacklevel=1)
logging.getLogger("lib").warning('says "%s"', "a\\nb\\x1b[31m")
log.get("m").info("event", text="a=b", password="hush", none=None, yes=True, empty="", url="postgresql://u:hush@h/d")
class Bad:
    def __del__(self): raise ValueError("in del")
bad = Bad(); del bad
thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join()
log.get("m").exception("boom", exc_info=ValueError("several\\nlines"))
raise RuntimeError("the end")
"""


def test_warnings_and_what_nobody_caught_are_one_line_each() -> None:
    said = subprocess.run([sys.executable, "-c", NASTY], capture_output=True, text=True, check=False)
    lines = said.stderr.splitlines()
    assert [line for line in lines if not LOG_LINE.fullmatch(line)] == []
    events = [line.split("event=")[1].split(" ")[0] for line in lines]
    assert events == ["py.warnings", "lib", "event", "unraisable", "uncaught", "boom", "uncaught"]
    assert "hush" not in said.stderr
    assert 'empty=""' in lines[2]
    assert "yes=true" in lines[2]
    assert "RuntimeError: the end" in lines[-1]
    assert said.returncode == 1


def test_a_whole_stack_speaks_one_format(tmp_path: Path) -> None:
    with running(CONFIG) as stack:
        stack.kill("worker-line")
        until(lambda: stack.status()["ready"], 40)
        stack.call("POST", "/api/v1/events", {"events": [{"key": "x", "summary": "y"}]})
        until(lambda: stack.call("GET", "/api/v1/incidents")[1]["items"], 20)
        stack.tocsin("down")
        log = (stack.home / "log" / "tocsin.log").read_text()
    bare = [line.partition(" | ")[2] for line in log.splitlines()]
    assert [line for line in bare if not LOG_LINE.fullmatch(line)] == []
    names = {line.partition(" | ")[0].strip() for line in log.splitlines()}
    assert names == {
        "postgres", "valkey", "prepare", "web", "worker-line", "worker-checks", "pager", "beat", "flower", "tocsin"
    }  # fmt: skip
    assert "event=migrated" in log
    assert f"url=http://127.0.0.1:{stack.port}" in log
