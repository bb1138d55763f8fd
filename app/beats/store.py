"""The statements about signs of life."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.beats.model import Seen
from app.beats.table import process_beat
from app.identity import me


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


def delete_old(db: Connection, before: datetime) -> None:
    """Drop the processes that nobody has heard of since `before`."""
    db.execute(delete(process_beat).where(process_beat.c.seen_at < before))


def clock_set_back(db: Connection, now: datetime) -> None:
    """The clock was set back: a sign of life from ahead says nothing; whoever lives gives another."""
    db.execute(delete(process_beat).where(process_beat.c.seen_at > now))


def seen(db: Connection) -> list[Seen]:
    """Every process by kind and name."""
    age = func.extract("epoch", func.clock_timestamp() - process_beat.c.seen_at)
    query = select(process_beat.c.kind, process_beat.c.name, age, process_beat.c.detail)
    rows = db.execute(query.order_by(process_beat.c.kind, process_beat.c.name))
    return [Seen(row[0], row[1], max(float(row[2]), 0.0), row[3]) for row in rows]
