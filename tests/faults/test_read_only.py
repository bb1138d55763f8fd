"""A database that takes nothing for a moment, as every failover looks: 503 meanwhile, and well again without a restart."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from app import clock
from app.db import _sqlstate, engine, transaction
from app.errors import Unavailable
from app.settings import settings


@pytest.fixture
def admin(clean: None) -> Iterator[psycopg.Connection]:
    """A session that may always write."""
    url = settings().libpq
    engine().dispose()  # what other tests left in the pool is another session than the one a test means
    with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as session:
        yield session
        session.execute(f"alter database {session.info.dbname} reset default_transaction_read_only")
        engine().dispose()


SESSIONS = 16  # that a pool holds at most


def write() -> None:
    with transaction() as db:
        db.execute(text("insert into uptime (part, since, seen_at) values (gen_random_uuid()::text, now(), now())"))


def write_with_each() -> None:
    """By every session that others of this process may have left in the pool: they take turns."""
    for _ in range(SESSIONS):
        write()


def test_sessions_opened_while_it_was_read_only_are_not_kept(admin: psycopg.Connection) -> None:
    name = admin.info.dbname
    engine().dispose()
    admin.execute(f"alter database {name} set default_transaction_read_only = on")
    with pytest.raises(Unavailable):
        write()
    admin.execute(f"alter database {name} reset default_transaction_read_only")
    write()


def test_a_session_that_became_read_only_is_closed_at_once(admin: psycopg.Connection) -> None:
    write()
    with engine().connect() as kept:
        kept.execute(text("set session characteristics as transaction read only"))
        kept.commit()
    with pytest.raises(Unavailable, match="read-only"):
        write_with_each()
    write_with_each()


@pytest.mark.parametrize(
    "fault", ["select pg_terminate_backend(pg_backend_pid())", "do $$ begin raise 'no' using errcode = '53100'; end $$"]
)
def test_sessions_that_are_ended_and_a_full_disk_are_the_database_away(admin: psycopg.Connection, fault: str) -> None:
    with pytest.raises(Unavailable), transaction() as db:
        db.execute(text(fault))
    write()


def test_a_mistake_of_ours_is_still_a_mistake(admin: psycopg.Connection) -> None:
    from sqlalchemy.exc import ProgrammingError

    with pytest.raises(ProgrammingError) as raised, transaction() as db:
        db.execute(text("select * from nowhere"))
    assert _sqlstate(raised.value) == "42P01"


def test_nobody_answers_is_the_database_away_too(no_database: None) -> None:
    with pytest.raises(Unavailable), transaction() as db:
        clock.now(db)
