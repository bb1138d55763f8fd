"""PostgreSQL, the truth: one small pool per process, short READ COMMITTED transactions, no network inside one."""

import math
import os
import select as polling
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakSet

import orjson
import psycopg
from psycopg.sql import quote
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Engine,
    MetaData,
    case,
    create_engine,
    event,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import DataError, DBAPIError, DisconnectionError, InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app import refusal
from app.begun import Begun, begun
from app.errors import Busy, Invalid, TocsinError, Unavailable
from app.identity import me
from app.queues import Queue
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
SESSION = "-c timezone=UTC -c lock_timeout=2s -c statement_timeout=10s -c idle_in_transaction_session_timeout=10s"
ANSWER = 12.0  # seconds for an answer of the server; more than its own statement_timeout
# SQLSTATEs (PostgreSQL, appendix A) after which a session is of no use, as every failover looks: read-only; shut down, starting
# up, closed for idling; connection lost. Each later session of the pool would say the same, so all are closed.
STALE = ("25006", "57P01", "57P02", "57P03", "57P05", "08")
# Out of disk or memory, I/O error, time-out, deadlock, damaged page: nothing is wrong with what was asked.
AWAY = (*STALE, "53", "58", "57014", "40", "XX001", "XX002")
FROZEN = ANSWER - 1  # seconds after which whoever does not take an answer is frozen: no statement lasts so long
# A server that waits for its client to read looks at no time-out, and keeps every lock of the transaction meanwhile.
_END_FROZEN = text("""
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = current_database() and usename = current_user and application_name like 'tocsin %'
  and state = 'active' and wait_event = 'ClientWrite' and state_change < clock_timestamp() - make_interval(secs => :seconds)
""")
# Asked for by every transaction with its beginning, in one round trip: sessions are in autocommit mode. Versions begin with 1;
# there may be no table of them yet, so they are asked for once somebody has found it.
_BEGIN_FIRST = "select clock_timestamp(), null; begin"
_BEGIN = "select clock_timestamp(), (select coalesce(max(id), 0) from config_version); begin"
SOON = 0.1  # seconds within which an answer says what time it is
BUSY = "55P03"  # another transaction held a row beyond the lock time-out
DEADLOCK = "40P01"  # each of two transactions waited for the other
_engines: dict[tuple[int, str], Engine] = {}  # by process id and URL
_set_up: WeakSet[Engine] = WeakSet()  # whose databases have versions of the configuration
Hinter = Callable[[Queue, float, datetime | None], object]  # a stage, in how many seconds it has work, and as of when
_hinter: list[Hinter] = []  # at most one: of the process that is an edge to Celery


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
    key = (os.getpid(), settings().database)
    found = _engines.get(key)
    if found is None:
        for inherited in [one for one in _engines if one[0] != key[0]]:
            _engines.pop(inherited).dispose(close=False)
        found = connect(key[1])
        event.listen(found, "do_connect", _open)
        event.listen(found, "begin", _begin)
        found = _engines.setdefault(key, found)
    return found


def connect(url: str, size: int = 4) -> Engine:
    """An engine with Tocsin's session settings for `url` (SQLAlchemy form)."""
    made = create_engine(
        url,
        pool_size=size,
        max_overflow=12,
        pool_timeout=5,
        hide_parameters=True,
        json_serializer=dumps,
        json_deserializer=orjson.loads,
        connect_args={
            "options": SESSION,
            "application_name": session_name(me()),
            "target_session_attrs": "read-write",  # a standby, or a primary on its way down, takes nothing
            "client_encoding": "utf8",  # a database made without a locale would answer in bytes
            "connect_timeout": 3,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
    )
    event.listen(made, "checkout", _fit)
    event.listen(made, "connect", _mark_process)
    times = _Disposed()
    event.listen(made, "engine_disposed", times.disposed)
    event.listen(made, "connect", times.connected)
    event.listen(made, "checkin", times.returned)
    return made


class _Disposed:
    """Closes the sessions that were in use when their pool was disposed, as they come back: nobody else would."""

    def __init__(self) -> None:
        self.times = 0

    def disposed(self, _: Any) -> None:
        self.times += 1

    def connected(self, _: Any, record: Any) -> None:
        record.info["disposed"] = self.times

    def returned(self, session: Any, record: Any) -> None:
        if session is not None and record.info.get("disposed") != self.times:
            record.invalidate()


class Session(psycopg.Connection[Any]):
    """Gives up on a server that has stopped answering: it holds its sockets open while it is frozen, and libpq waits for ever.

    The server ends every statement itself before; only migrations take longer, in sessions of their own.
    """

    answer = ANSWER

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Let psycopg wait, but no longer than `answer`. Raises OperationalError; the session is then closed."""
        try:
            return super().wait(gen, interval, self.answer if timeout is None else timeout)
        except psycopg.errors._WaitTimeout:
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server has not responded within {self.answer:g} s") from None


def _open(_: Any, __: Any, args: Any, named: Any) -> Session:
    return Session.connect(*args, **named, autocommit=True)  # `_begin` begins


def _begin(db: Connection) -> None:
    asked = time.monotonic()
    at, version = db.exec_driver_sql(_BEGIN if db.engine in _set_up else _BEGIN_FIRST).one()
    heard = time.monotonic()  # by whoever was stopped in between: too late to say what time it is
    db.info["begun"] = Begun(at.astimezone(UTC), heard if heard - asked < SOON else -math.inf, version)


def limit_lock_wait(db: Connection) -> None:
    """Wait for no row in this transaction: somebody holds one for long, and there is other work."""
    db.execute(text("set local lock_timeout = '100ms'"))


def end_frozen(db: Connection, seconds: float = FROZEN) -> int:
    """End the sessions of our processes that have stopped reading in the middle of an answer so long ago; how many."""
    return int(db.execute(_END_FROZEN, {"seconds": seconds}).scalar_one())


def session_name(process: str) -> str:
    """The application name of the sessions of this process: who has none has ended, see `app.notify.flight`."""
    return f"tocsin {process}"


@contextmanager
def transaction(as_of: datetime | None = None) -> Iterator[Connection]:
    """One transaction: committed at the end, rolled back on any error; then whom it wakes is hinted at, `as_of` as well.

    Raises Unavailable when PostgreSQL is away or takes nothing, Busy (an Unavailable) when somebody held a row for too long,
    Unusable (another) when it refuses the log-in.
    """
    made = engine()
    try:
        with made.begin() as db:
            ours: Begun = db.info["begun"]
            ours.says = True
            yield db
            _commit(db, ours.notices)
    except PoolTimeout as error:
        raise Unavailable("the database does not respond: every connection of this process is in use") from error
    except PendingRollbackError as error:  # somebody went on after the session was lost
        raise Unavailable("the database does not respond: it has ended the session") from error
    except DBAPIError as error:
        state = _sqlstate(error)
        if state.startswith(STALE) or error.connection_invalidated:
            made.dispose()
        if state in (BUSY, DEADLOCK):
            raise Busy(f"the database is busy: {refusal.first_line(error)}") from error
        if isinstance(error, OperationalError | InterfaceError) or state.startswith(AWAY):
            raise refusal.database(error) from error
        raise
    for hinter in _hinter:
        for queue, seconds in ours.woken:
            hinter(queue, seconds, as_of)


def _commit(db: Connection, notices: Iterable[tuple[str, str]]) -> None:
    """All that a transaction says goes with its commit, in one round trip.

    To a COMMIT after an error that somebody has swallowed, PostgreSQL says ROLLBACK, which is no error. That would be a lie.
    """
    session: Any = db.connection.dbapi_connection
    if session.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
        raise RuntimeError("an earlier error has ended this transaction, and nothing of it can be committed")
    said = [f"notify {channel}, {quote(payload)}; " for channel, payload in notices]
    db.exec_driver_sql("".join(said).replace("%", "%%") + "commit")


def know_version(db: Connection, version: int) -> None:
    """This version of the configuration counts from now on; later transactions of this process begin with theirs."""
    if ours := begun(db):
        ours.version = version
        _set_up.add(db.engine)


def as_ours(error: Exception) -> TocsinError | None:
    """What an error of the database means for whoever asked; None for one that is a bug."""
    if refusal.is_not_set_up(error):
        return Unavailable(refusal.NOT_SET_UP)
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return Unavailable("the database does not respond; try again in a moment")
    if isinstance(error, DataError | UnicodeError):  # the last net: whoever reads it in the log adds the check it lacks
        return Invalid("a value in the request cannot be stored (a NUL, or a number or time out of range)")
    return None


def _sqlstate(error: DBAPIError) -> str:
    """PostgreSQL's five characters; empty when it said none (it was not reached). Source: PostgreSQL, appendix A."""
    return getattr(error.orig, "sqlstate", None) or ""


def has_ended(error: Exception) -> bool:
    """Whether an error has ended the transaction it came from: PostgreSQL has refused a statement."""
    return bool(getattr(getattr(error, "orig", None), "sqlstate", None))


def hint_by(hinter: Hinter | None) -> None:
    """From now on this process hints at the stages that its transactions wake, after the commit; None: it does not.

    hinter: must not raise, nor wait for long.
    """
    _hinter[:] = [hinter] if hinter else []


def wake(db: Connection, stage: Queue, seconds: float = 0.0) -> None:
    """When this transaction commits, `stage` has something to look at, or will have in so many `seconds`.

    The pagers are notified at once; in a process that knows Celery, a hint follows the commit. Both may be lost: rows are due.
    """
    if not seconds:
        _notify(db, "line", f"{stage}:{me()}")
    if ours := begun(db):
        ours.woken[stage, math.ceil(seconds * 100) / 100] = None


def let_sleep(db: Connection, stage: Queue) -> None:
    """This transaction has done itself what it was to wake `stage` for."""
    if ours := begun(db):
        ours.woken.pop((stage, 0.0), None)
        ours.notices.pop(("line", f"{stage}:{me()}"), None)


def refresh(db: Connection, noun: str) -> None:
    """When this transaction commits, open consoles look anew at `noun`: incidents, checks, pages or config."""
    _notify(db, "console", noun)


def _notify(db: Connection, channel: str, payload: str) -> None:
    ours = begun(db)
    if ours and ours.says:
        ours.notices[channel, payload] = None
    else:
        db.execute(select(func.pg_notify(channel, payload)))


def move_back(db: Connection, columns: Iterable[Column[datetime]], by: timedelta, now: datetime) -> None:
    """The clock was set back: what of these columns of one table lies ahead moves back by as much, but not behind `now`."""
    named = list(columns)
    moved = {one.name: case((one > now, func.greatest(one - by, now)), else_=one) for one in named}
    db.execute(update(named[0].table).where(or_(*(one > now for one in named))).values(moved))


def _mark_process(_: Any, record: Any) -> None:
    record.info["pid"] = os.getpid()


def _fit(session: psycopg.Connection[Any], record: Any, _: Any) -> None:
    """A session from the pool is this process's, and its server has said nothing since: a lost one has, or is gone.

    Looking costs no round trip, as a ping does. Whoever asks gets another session then.
    """
    if record.info["pid"] != os.getpid():
        raise RuntimeError("a database connection crossed a fork; make the engine in the child")
    if not session.closed:
        waiting = polling.poll()
        waiting.register(session.pgconn.socket, polling.POLLIN)
        if not waiting.poll(0):
            return
    raise DisconnectionError("the server has ended this session")
