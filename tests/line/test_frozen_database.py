"""A server process that is frozen keeps its socket open and never answers: whoever waits for it gives up."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import Engine

from app.db import Session, connect
from app.settings import settings


class Quick(Session):
    """Gives up sooner, so that the test is short."""

    answer = 0.5


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_statement_to_a_frozen_server_ends_in_an_error(engine: Engine) -> None:
    with Quick.connect(settings().libpq) as session:
        pid = session.info.backend_pid
        with frozen(pid):
            began = time.monotonic()
            with pytest.raises(psycopg.OperationalError, match=r"has not responded within 0\.5 s"):
                session.execute("select 1")
            assert 0.4 < time.monotonic() - began < 2
        assert session.closed


def test_the_application_waits_through_such_sessions(engine: Engine) -> None:
    with engine.connect() as db:
        session = db.connection.driver_connection
        assert isinstance(session, Session)
        assert session.answer > int(
            db.exec_driver_sql("select extract(epoch from current_setting('statement_timeout')::interval)").scalar_one()
        )


def test_a_long_answer_of_a_server_that_lives_is_waited_for() -> None:
    with Quick.connect(settings().libpq) as session:
        assert session.execute("select 1 from pg_sleep(0.3)").fetchone() == (1,)


def test_a_session_in_use_while_the_pool_is_given_up_is_closed_when_it_comes_back() -> None:
    made = connect(settings().database, size=1)
    with made.connect() as db:
        session = db.connection.driver_connection
        made.dispose()
        assert session is not None
        assert not session.closed
    assert session.closed
    with made.connect() as db:
        kept = db.connection.driver_connection
    assert kept is not None
    assert not kept.closed, "a later one is kept"
    made.dispose()
