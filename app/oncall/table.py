"""Overrides and swaps made by people; those in the files live with their schedule. Nothing is deleted, only removed."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Index, Table, Text, text

from app.db import metadata

override = Table(
    "override",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("schedule", Text, nullable=False),
    Column("user_name", Text, nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("replaces", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("made_by", Text),
    Column("removed_at", DateTime(timezone=True)),
    CheckConstraint("kind in ('override', 'swap')", name="kind"),
    CheckConstraint("(kind = 'swap') = (replaces is not null)", name="replaces"),
    CheckConstraint("ends_at > starts_at", name="forwards"),
    Index("override_in_force_idx", "schedule", "ends_at", postgresql_where=text("removed_at is null")),
)
