"""A process that is stopped in the middle of an answer keeps its rows from nobody for long."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, text

from app import line
from app.db import end_frozen, session_name, transaction
from tests.stack import until

# Waits half a second for an answer that may be far larger than a socket's buffers.
READER = """
import sys, psycopg
with psycopg.connect(sys.argv[1], application_name=sys.argv[2]) as db:
    db.execute("with wait as materialized (select pg_sleep(0.5))"
               " select repeat('x', 2000) from wait, generate_series(1, %s)" % sys.argv[3])
    sys.stdin.read()
"""
STATE = "select state || ' ' || wait_event from pg_stat_activity where application_name = :name"


@contextmanager
def stopped(engine: Engine, name: str, rows: int) -> Iterator[None]:
    """A process that was stopped while it waited for an answer of so many rows of 2 kB."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [sys.executable, "-c", READER, url, name, str(rows)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            until(lambda: state(name) == "active PgSleep")
            os.kill(process.pid, signal.SIGSTOP)
            yield
        finally:
            process.kill()


def state(name: str) -> str | None:
    with transaction() as db:
        found: str | None = db.execute(text(STATE), {"name": name}).scalar_one_or_none()
    return found


def end(seconds: float) -> int:
    with transaction() as db:
        return end_frozen(db, seconds)


@pytest.mark.usefixtures("clean")
def test_what_a_frozen_process_was_about_to_read_is_taken_from_it(engine: Engine) -> None:
    name = session_name("frozen")
    with stopped(engine, name, 1000):
        until(lambda: state(name) == "active ClientWrite")
        line.free_frozen()
        assert state(name), "it may yet read on"
        assert end(0.1) == 1
        until(lambda: state(name) is None)
        assert end(0.1) == 0


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    "name, rows, shown", [("psql", 1000, "active ClientWrite"), ("tocsin idle", 1, "idle in transaction ClientRead")]
)
def test_other_programs_and_who_has_its_answer_are_left_alone(engine: Engine, name: str, rows: int, shown: str) -> None:
    with stopped(engine, name, rows):
        until(lambda: state(name) == shown)
        assert end(0.0) == 0
        assert state(name) == shown
