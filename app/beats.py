"""Signs of life: every pager, worker and beat says every few seconds that it is there; readiness and metrics read it."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, Table, Text, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from app import uptime
from app.db import connect, instant, metadata
from app.identity import me
from app.settings import settings

FRESH = {"pager": 5.0, "worker": 30.0, "beat": 30.0}  # seconds after which a process of that kind counts as gone
EVERY = 10.0  # seconds between two signs of a worker or beat

_not_before = 0.0  # time.monotonic before which no location is told of

process_beat = Table(
    "process_beat",
    metadata,
    Column("kind", Text, primary_key=True),  # pager, worker, beat
    Column("name", Text, primary_key=True),  # HOST:PID:START
    instant("seen_at", required=True),
    Column("detail", JSON, nullable=False, server_default="{}"),  # of a worker: {"queues": [...]}
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One process, and how long ago it was last heard of, in seconds."""

    kind: str
    name: str
    age: float
    detail: Mapping[str, Any]

    @property
    def alive(self) -> bool:
        return self.age <= FRESH.get(self.kind, EVERY)


def touch(db: Connection, kind: str, detail: Mapping[str, Any] | None = None) -> None:
    """Say that this process lives."""
    now = func.clock_timestamp()
    values = {"kind": kind, "name": me(), "seen_at": now, "detail": dict(detail or {})}
    statement = upsert(process_beat).values(values)
    fresh = {"seen_at": now, "detail": statement.excluded.detail}
    db.execute(statement.on_conflict_do_update(index_elements=["kind", "name"], set_=fresh))


def end(db: Connection, kind: str) -> None:
    """Say that this process ends."""
    db.execute(delete(process_beat).where(process_beat.c.kind == kind, process_beat.c.name == me()))


def forget(db: Connection, before: datetime) -> None:
    """Drop the processes that nobody has heard of since `before`."""
    db.execute(delete(process_beat).where(process_beat.c.seen_at < before))


def turn_back(db: Connection, now: datetime) -> None:
    """The clock was set back: a sign of life from ahead says nothing; whoever lives gives another."""
    db.execute(delete(process_beat).where(process_beat.c.seen_at > now))


def seen(db: Connection) -> list[Seen]:
    """Every process by kind and name."""
    age = func.extract("epoch", func.clock_timestamp() - process_beat.c.seen_at)
    query = select(process_beat.c.kind, process_beat.c.name, age, process_beat.c.detail)
    rows = db.execute(query.order_by(process_beat.c.kind, process_beat.c.name))
    return [Seen(row[0], row[1], max(float(row[2]), 0.0), row[3]) for row in rows]


def say(kind: str, detail: Mapping[str, Any] | None = None) -> None:
    """`touch` on a connection of its own that is closed again: the process may fork, or never need another. Never raises."""
    _alone(lambda db: touch(db, kind, detail))


def tick(locations: Iterable[str]) -> None:
    """Say that the checks of these locations are run. Not for a while after it failed: a worker's loop waits for it."""
    global _not_before
    if time.monotonic() < _not_before:
        return
    began = time.monotonic()
    said = _alone(lambda db: [uptime.tick(db, uptime.part_of(one)) for one in sorted(locations)])
    if not said:
        _not_before = time.monotonic() + 5 * (time.monotonic() - began)


def leave(kind: str) -> None:
    """`end` in the same way."""
    _alone(lambda db: end(db, kind))


def _alone(work: Callable[[Connection], object]) -> bool:
    """Whether it was done."""
    made = connect(settings().database, size=1)
    try:
        with suppress(SQLAlchemyError, OSError, RuntimeError), made.begin() as db:
            work(db)
            return True
        return False
    finally:
        made.dispose()


def keep_saying(kind: str, detail: Mapping[str, Any] | None = None) -> None:
    """`say` from a thread of its own until the process ends."""

    def forever() -> None:
        while True:
            say(kind, detail)
            threading.Event().wait(EVERY)

    threading.Thread(target=forever, name="beats", daemon=True).start()
