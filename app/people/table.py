"""Who may log in, with what, and what they did."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Identity, Index, Integer, Table, Text, text

from app.db import instant, metadata

person = Table(
    "person",
    metadata,
    Column("login", Text, primary_key=True),
    Column("spec", JSON, nullable=False),  # people.model.User
    Column("declared", Boolean, nullable=False),  # owned by the configuration
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("password_hash", Text),
    Column("session_epoch", Integer, nullable=False, server_default=text("0")),  # +1 ends every session
    instant("created_at", required=True),
)

token = Table(
    "token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("login", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("secret_digest", Text, nullable=False),
    instant("created_at", required=True),
    instant("used_at"),
    instant("expires_at"),
    instant("revoked_at"),
    Index(None, "login"),
)

invitation = Table(
    "invitation",
    metadata,
    Column("secret_digest", Text, primary_key=True),
    Column("login", Text, nullable=False),
    Column("made_by", Text),
    instant("made_at", required=True),
    instant("expires_at", required=True),
    instant("used_at"),
)

# Sessions that have been used: so that people see theirs. What one may do hangs on its signed cookie, not on this row.
session = Table(
    "session",
    metadata,
    Column("id", Text, primary_key=True),
    Column("login", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("agent", Text, nullable=False),  # what the browser calls itself
    Column("address", Text, nullable=False),
    instant("began_at", required=True),
    instant("seen_at", required=True),  # to the minute
    Index(None, "login"),
)

# Sessions that were ended before their time; a session is a signed cookie, so that only these must have rows.
ended_session = Table(
    "ended_session",
    metadata,
    Column("id", Text, primary_key=True),
    instant("until", required=True),  # when the cookie would have ended by itself
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    instant("at", required=True),
    Column("actor", Text),  # a login; null is Tocsin itself
    Column("via", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Index(None, "object", "id"),
)

team = Table(
    "team",
    metadata,
    Column("name", Text, primary_key=True),
    Column("spec", JSON, nullable=False),  # people.model.Team
)
