"""Where signals come in, and every call as it came."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from app.db import instant, metadata

integration = Table(
    "integration",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("service", Text),
    instant("created_at", required=True),
    Column("created_by", Text),
    instant("removed_at"),
)

integration_key = Table(
    "integration_key",
    metadata,
    Column("key_digest", Text, primary_key=True),
    Column("integration", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    instant("created_at", required=True),
    instant("expires_at"),  # set when rotated: two live for a while
    Index(None, "integration"),
)

signal = Table(
    "signal",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text),  # the sender's own, when it has one
    instant("received_at", required=True),
    Column("trace", Text, nullable=False),
    Column("events", Integer, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("problem", Text),
    Index("signal_event_key", "source", "event_id", unique=True, postgresql_where=text("event_id is not null")),
    Index(None, "received_at"),
    Index("signal_problem_idx", "id", postgresql_where=text("problem is not null")),
)
