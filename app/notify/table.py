"""Pages and their attempts; the key makes a second page for the same reason impossible."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, SmallInteger, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from app.db import instant, metadata, one_of
from app.notify.model import Kind, Outcome, PageState

page = Table(
    "page",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("incident", BigInteger),
    Column("obligation", BigInteger),
    Column("breached", BigInteger),  # the obligation in whose place it is
    Column("generation", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("step", Integer),
    Column("user_name", Text),
    Column("contact", Text),
    Column("channel", Text, nullable=False),
    Column("to", Text),
    Column("state", Text, nullable=False, server_default=PageState.QUEUED),
    Column("reasons", JSONB, nullable=False),
    instant("made_at", required=True),
    instant("due_at", required=True),
    instant("next_at", required=True),  # of the next attempt
    instant("expires_at", required=True),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    instant("lease_until"),
    Column("lease_owner", Text),  # the process that sends, as `identity.me` names it
    Column("contested", Boolean, nullable=False, server_default=text("false")),  # free once it runs out again
    Column("fence", Integer, nullable=False, server_default=text("0")),
    instant("ended_at"),
    instant("seen_at"),  # read in the inbox
    Column("priority", SmallInteger, nullable=False, server_default=text("0")),  # see app.priority
    Index("page_due_idx", "priority", "next_at", postgresql_where=text("state = 'queued'")),
    Index("page_channel_idx", "channel", "priority", "next_at", postgresql_where=text("state = 'queued'")),
    Index("page_lease_idx", "lease_until", postgresql_where=text("state = 'sending'")),
    Index("page_incident_idx", "incident"),
    Index("page_alone_idx", "ended_at", postgresql_where=text("incident is null")),
    Index("page_user_idx", "user_name", "id"),
    Index("page_inbox_idx", "user_name", "id", postgresql_where=text("channel = 'inbox'")),
    Index("page_unseen_idx", "user_name", postgresql_where=text("channel = 'inbox' and seen_at is null")),
    Index("page_test_idx", "user_name", "id", postgresql_where=text("kind = 'test'")),
    Index("page_failed_idx", "state", "id", postgresql_where=text("state in ('failed', 'expired')")),
    Index("page_obligation_idx", "obligation"),
    Index(
        "page_reached_idx",
        "ended_at",
        postgresql_include=["incident", "user_name"],
        postgresql_where=text(
            "kind = 'page' and user_name is not null and channel <> 'inbox' and state in ('accepted', 'delivered')"
        ),
    ),
    Index("page_arrived_idx", "channel", "ended_at", postgresql_where=text("state in ('accepted', 'delivered')")),
    Index(
        "page_trouble_idx",
        "channel",
        "next_at",
        postgresql_where=text(
            "state not in ('superseded', 'expired') and (attempts > 1 or attempts = 1 and state in ('queued', 'failed'))"
        ),
    ),
    one_of("kind", Kind),
    one_of("state", PageState),
)

page_attempt = Table(
    "page_attempt",
    metadata,
    Column("page", BigInteger, nullable=False),
    Column("n", Integer, nullable=False),
    instant("at", required=True),
    Column("outcome", Text, nullable=False, server_default=Outcome.UNKNOWN),
    Column("provider_id", Text),
    Column("error", Text),
    instant("ended_at"),
    UniqueConstraint("page", "n"),
    one_of("outcome", Outcome),
)
