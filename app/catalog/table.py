"""What the configuration declares, one row a thing, and every version of it that was ever in force."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Identity, Integer, Table, Text, UniqueConstraint, text

from app.db import instant, metadata

# `spec` is json, not jsonb: jsonb forgets the order of keys, and contacts are used in the order they were written.
declaration = Table(
    "declaration",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("origin", Text, nullable=False, server_default=""),
    UniqueConstraint("kind", "position"),
)

config_version = Table(
    "config_version",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    instant("applied_at", required=True),
    Column("applied_by", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("files", JSON, nullable=False),
    Column("changes", JSON, nullable=False),
    Column("in_force", Boolean, nullable=False, server_default=text("true")),
)
