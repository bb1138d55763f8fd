"""PostgreSQL, the truth: one small pool per process, short READ COMMITTED transactions, no network inside one."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import CheckConstraint, Column, Connection, DateTime, Engine, MetaData, create_engine, event, text
from sqlalchemy.exc import OperationalError

from app.errors import Unavailable
from app.settings import settings

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

# Every session is in UTC and gives up soon: a hung lock or a lost peer must not hold a page.
SESSION = (
    "-c timezone=UTC -c lock_timeout=2s -c statement_timeout=10s -c idle_in_transaction_session_timeout=10s"
    " -c application_name={name}"
)
_engines: dict[int, Engine] = {}


def dumps(value: Any) -> str:
    """JSON as the database stores it."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def instant(name: str, *, required: bool = False, key: bool = False) -> Column[datetime]:
    """A column of aware instants; `key` makes it part of the primary key."""
    return Column(name, DateTime(timezone=True), nullable=not (required or key), primary_key=key)


def one_of(column: str, allowed: Iterable[str]) -> CheckConstraint:
    """The CHECK that a state column holds one of its states."""
    return CheckConstraint(f"{column} in ({', '.join(repr(str(one)) for one in allowed)})", name=column)


def engine() -> Engine:
    """This process's engine. One inherited over fork would read another process's answers, so it is made anew per pid."""
    pid = os.getpid()
    if pid not in _engines:
        for inherited in _engines.values():
            inherited.dispose(close=False)
        _engines.clear()
        _engines[pid] = connect(settings().database)
    return _engines[pid]


def connect(url: str, size: int = 4) -> Engine:
    """An engine with Tocsin's session settings for `url` (SQLAlchemy form)."""
    made = create_engine(
        url,
        pool_size=size,
        max_overflow=12,
        pool_pre_ping=True,
        pool_timeout=5,
        hide_parameters=True,
        json_serializer=dumps,
        json_deserializer=orjson.loads,
        connect_args={
            "options": SESSION.format(name="tocsin"),
            "client_encoding": "utf8",  # a database made without a locale would answer in bytes
            "connect_timeout": 3,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
    )
    event.listen(made, "checkout", _same_process)
    event.listen(made, "connect", _mark_process)
    return made


@contextmanager
def transaction() -> Iterator[Connection]:
    """One transaction: committed at the end, rolled back on any error. Raises Unavailable when PostgreSQL is away."""
    try:
        with engine().begin() as db:
            yield db
    except OperationalError as error:
        raise Unavailable(f"the database does not answer: {_first_line(error)}") from error


def notify(db: Connection, channel: str, payload: str = "") -> None:
    """Wake listeners of `channel` when this transaction commits."""
    db.execute(text("select pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload})


def wake_line(db: Connection, stage: str) -> None:
    """Tell the pagers, when this transaction commits, that `stage` has something to look at, and which process says so."""
    notify(db, "line", f"{stage}:{os.getpid()}")


def _mark_process(_: Any, record: Any) -> None:
    record.info["pid"] = os.getpid()


def _same_process(_: Any, record: Any, __: Any) -> None:
    if record.info["pid"] != os.getpid():
        raise RuntimeError("a database connection crossed a fork; make the engine in the child")


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
