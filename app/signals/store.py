"""The statements about integrations, their keys, and what came in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.signals.model import Integration, SealedIntegration
from app.signals.table import integration, integration_key, signal

_KEEP = text("""
insert into signal (source, payload, events, trace, problem, received_at)
select source, payload, events, trace, problem, :now
from jsonb_to_recordset(cast(:rows as jsonb)) as r(source text, payload jsonb, events int, trace text, problem text)
""")


def add(db: Connection, values: Mapping[str, Any]) -> bool:
    """Add an integration; False when the name is taken."""
    statement = upsert(integration).values(values).on_conflict_do_nothing().returning(integration.c.name)
    return db.execute(statement).scalar_one_or_none() is not None


def add_key(db: Connection, values: Mapping[str, Any]) -> None:
    """Store a key."""
    db.execute(insert(integration_key).values(values))


def expire_keys(db: Connection, name: str, at: datetime) -> None:
    """Let the keys of an integration end at `at`, unless they end before."""
    sooner = or_(integration_key.c.expires_at.is_(None), integration_key.c.expires_at > at)
    db.execute(update(integration_key).where(integration_key.c.integration == name, sooner).values(expires_at=at))


def by_key(db: Connection, key_digest: str, now: datetime) -> Integration | None:
    """The live integration with this live key."""
    alive = or_(integration_key.c.expires_at.is_(None), integration_key.c.expires_at > now)
    query = (
        select(integration)
        .join(integration_key, integration_key.c.integration == integration.c.name)
        .where(integration_key.c.key_digest == key_digest, alive, integration.c.removed_at.is_(None))
    )
    row = db.execute(query).one_or_none()
    return Integration(row.name, row.kind, row.service) if row else None


def listed(db: Connection, now: datetime) -> list[SealedIntegration]:
    """Live integrations by name, each with its newest live key, sealed."""
    alive = or_(integration_key.c.expires_at.is_(None), integration_key.c.expires_at > now)
    query = (
        select(integration, integration_key.c.sealed)
        .join(integration_key, integration_key.c.integration == integration.c.name)
        .where(integration.c.removed_at.is_(None), alive)
        .order_by(integration.c.name, integration_key.c.created_at)
    )
    rows = db.execute(query)
    newest = {row.name: SealedIntegration(name=row.name, kind=row.kind, sealed=row.sealed) for row in rows}
    return list(newest.values())


def keep_all(db: Connection, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Keep calls as they came; `payload` is JSON, as bytes."""
    written = [{**row, "payload": orjson.Fragment(row["payload"])} for row in rows]
    db.execute(_KEEP, {"rows": orjson.dumps(written).decode(), "now": now})


def delete_old(db: Connection, before: datetime, limit: int) -> int:
    """Drop the oldest calls that came before that, at most `limit`; how many."""
    oldest = select(signal.c.id).where(signal.c.received_at < before).order_by(signal.c.received_at).limit(limit)
    return db.execute(delete(signal).where(signal.c.id.in_(oldest))).rowcount
