"""A transaction begins with the server's clock and the configuration's version, and commits with what it says."""

import math
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app import clock, db, uptime
from app.begun import begun
from app.catalog import store as catalog
from app.db import engine, let_sleep, refresh, transaction, wake
from app.errors import Unavailable
from app.queues import Queue
from app.settings import settings


def test_its_clock_is_the_servers_and_goes_on(clean: None) -> None:
    with transaction() as db:
        first = clock.now(db)
        asked = db.execute(text("select clock_timestamp()")).scalar_one()
        assert first <= asked <= clock.now(db) + timedelta(milliseconds=50)
        assert first.utcoffset() == timedelta(0)


def test_after_a_while_the_server_is_asked_again(clean: None) -> None:
    """A machine's clocks differ, and one of them may have stood still."""
    with transaction() as db:
        ours = begun(db)
        assert ours is not None
        db.info["begun"] = replace(ours, at=ours.at - timedelta(hours=1), monotonic=time.monotonic() - 2)
        assert clock.now(db) > ours.at


def test_it_takes_one_round_trip_to_begin_and_one_to_commit(clean: None) -> None:
    with transaction() as db:
        catalog.version(db)
    with psycopg.connect(settings().libpq, autocommit=True) as other:
        with transaction() as db:
            pid = db.execute(text("select pg_backend_pid()")).scalar_one()
            catalog.version(db), clock.now(db)
            state = other.execute("select state, query from pg_stat_activity where pid = %s", [pid]).fetchone()
            assert state == ("idle in transaction", "select pg_backend_pid()")
        assert other.execute("select state, query from pg_stat_activity where pid = %s", [pid]).fetchone() == ("idle", "commit")


def test_what_it_says_is_heard_once_and_only_when_it_commits(clean: None) -> None:
    with psycopg.connect(settings().libpq, autocommit=True) as ear:
        ear.execute("listen line; listen console")
        with suppress(ZeroDivisionError), transaction() as db:
            wake(db, Queue.EVALUATE)
            raise ZeroDivisionError
        with transaction() as db:
            wake(db, Queue.DEDUP)
            wake(db, Queue.DEDUP)
            wake(db, Queue.NOTIFY)
            let_sleep(db, Queue.NOTIFY)
            refresh(db, "it's 100% \\ ; commit -- ")
        heard = [(one.channel, one.payload.partition(":")[0]) for one in ear.notifies(timeout=0.5, stop_after=2)]
    assert heard == [("line", "dedup"), ("console", "it's 100% \\ ; commit -- ")]


def test_one_that_was_begun_without_us_says_it_at_once(clean: None) -> None:
    with psycopg.connect(settings().libpq, autocommit=True) as ear, engine().begin() as db:
        ear.execute("listen console")
        refresh(db, "checks")
        db.commit()
        assert [one.payload for one in ear.notifies(timeout=2, stop_after=1)] == ["checks"]


def test_whoever_goes_on_after_the_session_was_lost_hears_that_the_database_is_away(clean: None) -> None:
    def go_on() -> None:
        with transaction() as db:
            with suppress(DBAPIError):
                db.execute(text("select pg_terminate_backend(pg_backend_pid())"))
            db.execute(text("select 1"))

    with pytest.raises(Unavailable):
        go_on()


def test_a_session_that_is_not_this_processs_asks_by_itself(clean: None) -> None:
    made = db.connect(settings().database)
    with made.begin() as session, transaction() as ours:
        assert begun(session) is None
        assert catalog.version(session) == catalog.version(ours)
        assert abs(clock.now(session) - clock.now(ours)) < timedelta(seconds=1)
    made.dispose()


def test_one_that_an_error_has_ended_does_not_look_committed(clean: None) -> None:
    """PostgreSQL's answer to such a COMMIT is ROLLBACK, which is no error."""
    with pytest.raises(RuntimeError, match="ended"), transaction() as db, suppress(DBAPIError):
        db.execute(text("select 1 / 0"))
    with transaction() as db:
        assert db.execute(text("select 1")).scalar_one() == 1


def _fail_at_commit(how: str) -> None:
    with transaction() as db:
        db.execute(text("insert into odd values (1)"))
        if how == "refused":
            db.execute(text("insert into odd values (1)"))
        else:
            pid = db.execute(text("select pg_backend_pid()")).scalar_one()
            with psycopg.connect(settings().libpq, autocommit=True) as other:
                other.execute("select pg_terminate_backend(%s, 5000)", [pid])


@pytest.mark.parametrize("how", ["refused", "killed"])
def test_one_that_fails_at_its_commit_leaves_nothing_and_no_session_within_one(clean: None, how: str) -> None:
    with transaction() as db:
        db.execute(text("create table odd (a int unique deferrable initially deferred)"))
    try:
        with pytest.raises(IntegrityError if how == "refused" else Unavailable):
            _fail_at_commit(how)
        with psycopg.connect(settings().libpq, autocommit=True) as other:
            assert other.execute("select count(*) from odd").fetchone() == (0,)
            query = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'"
            assert other.execute(query).fetchone() == (0,)
    finally:
        with transaction() as db:
            db.execute(text("drop table odd"))


def test_whoever_hears_late_what_time_it_is_asks_again(clean: None) -> None:
    """A process that was stopped between the server's answer and its own look at a clock."""
    with transaction() as db:
        ours = begun(db)
        assert ours is not None
        db.info["begun"] = replace(ours, at=ours.at - timedelta(hours=1), monotonic=-math.inf)
        assert clock.now(db) > ours.at


def test_whoever_was_stopped_as_it_began_takes_its_own_pause_for_no_clock_that_was_set_back(clean: None) -> None:
    with transaction() as db:
        uptime.tick(db, uptime.INTAKE, clock.now(db) - timedelta(seconds=uptime.EVERY / 2))
    with transaction() as db:
        ours = begun(db)
        assert ours is not None
        db.info["begun"] = replace(ours, at=ours.at - timedelta(seconds=5))
        assert not uptime.tick(db, uptime.INTAKE).set_back
