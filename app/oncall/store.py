"""Reads and writes overrides and swaps."""

from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update

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
    query = (
        select(one.schedule, one.user_name, one.starts_at, one.ends_at, one.reason, one.made_at, one.kind, one.replaces, one.id)
        .where(one.removed_at.is_(None), one.starts_at < end, one.ends_at > start)
        .order_by(one.made_at, one.id)
    )
    if schedule is not None:
        query = query.where(one.schedule == schedule)
    return [
        Override(
            schedule=row.schedule,
            user=row.user_name,
            start=row.starts_at.astimezone(UTC),
            end=row.ends_at.astimezone(UTC),
            reason=row.reason,
            made_at=row.made_at.astimezone(UTC),
            kind=Kind(row.kind),
            replaces=row.replaces,
            id=row.id,
        )
        for row in db.execute(query)
    ]


def user_of(db: Connection, id_: int) -> str | None:
    """Who holds by this override; None when it is not in force."""
    return db.scalars(select(override.c.user_name).where(override.c.id == id_, override.c.removed_at.is_(None))).one_or_none()


def remove(db: Connection, id_: int, now: datetime) -> bool:
    """Take it out of force; False when there is none, or it was removed before."""
    statement = update(override).where(override.c.id == id_, override.c.removed_at.is_(None)).values(removed_at=now)
    return db.execute(statement).rowcount == 1
