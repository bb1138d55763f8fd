"""Reads and writes overrides and swaps."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from app.oncall.model import Kind, Override
from app.oncall.table import override


def add(db: Connection, made: Override, by: str | None) -> int:
    """Put it in force; its id. `made_at` must be set."""
    values = {
        "schedule": made.schedule,
        "user_name": made.user,
        "starts_at": made.start,
        "ends_at": made.end,
        "kind": made.kind.value,
        "replaces": made.replaces,
        "reason": made.reason,
        "made_at": made.made_at,
        "made_by": by,
    }
    id_: int = db.execute(insert(override).values(values).returning(override.c.id)).scalar_one()
    return id_


def overlapping(db: Connection, start: datetime, end: datetime, schedule: str | None = None) -> list[Override]:
    """Those in force that touch [start, end), of one schedule or of all, in the order they were made."""
    one = override.c
    query = select(override).where(one.removed_at.is_(None), one.starts_at < end, one.ends_at > start)
    if schedule is not None:
        query = query.where(one.schedule == schedule)
    return [_override(row) for row in db.execute(query.order_by(one.made_at, one.id))]


def get(db: Connection, id_: int) -> Override | None:
    """One that is in force."""
    return _one(db, _in_force(id_))


def lock(db: Connection, id_: int) -> Override | None:
    """The same, locked."""
    return _one(db, _in_force(id_).with_for_update())


def change(db: Connection, changed: Override) -> None:
    """Write who, when, why and by whom of one in force; when it was made, and so what it wins over, stays."""
    values = {
        "user_name": changed.user,
        "starts_at": changed.start,
        "ends_at": changed.end,
        "reason": changed.reason,
        "made_by": changed.made_by,
    }
    db.execute(update(override).where(override.c.id == changed.id, override.c.removed_at.is_(None)).values(values))


def remove(db: Connection, id_: int, now: datetime) -> bool:
    """Take it out of force; False when there is none, or it was removed before."""
    statement = update(override).where(override.c.id == id_, override.c.removed_at.is_(None)).values(removed_at=now)
    return db.execute(statement).rowcount == 1


def _in_force(id_: int) -> Select[Any]:
    return select(override).where(override.c.id == id_, override.c.removed_at.is_(None))


def _one(db: Connection, query: Select[Any]) -> Override | None:
    row = db.execute(query).one_or_none()
    return _override(row) if row else None


def _override(row: Row[Any]) -> Override:
    return Override(
        schedule=row.schedule,
        user=row.user_name,
        start=row.starts_at.astimezone(UTC),
        end=row.ends_at.astimezone(UTC),
        reason=row.reason,
        made_at=row.made_at.astimezone(UTC),
        kind=Kind(row.kind),
        replaces=row.replaces,
        id=row.id,
        made_by=row.made_by,
    )
