"""Which step is next and when, and every promise made."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from app.db import instant, metadata, one_of
from app.escalation.model import Due, EscalationStatus, ObligationState

escalation = Table(
    "escalation",
    metadata,
    Column("incident", BigInteger, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    instant("due_at"),
    Column("due", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", JSONB),  # why it is so: a Reason
    Column("held", Text),
    Column("priority", SmallInteger, nullable=False, server_default=text("0")),  # see app.priority
    Index("escalation_held_idx", "incident", postgresql_where=text("held is not null")),
    Index("escalation_due_idx", "priority", "due_at", postgresql_where=text("due_at is not null")),
    one_of("state", EscalationStatus),
    one_of("due", Due),
)

obligation = Table(
    "obligation",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("incident", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("step", Integer),
    Column("target", Text, nullable=False),
    Column("user_name", Text),
    Column("state", Text, nullable=False, server_default=ObligationState.OPEN),
    instant("made_at", required=True),
    instant("ended_at"),
    Column("reason", JSONB),  # why it is so: a Reason
    Index(None, "incident"),
    Index("obligation_escalated_idx", "incident", postgresql_where=text("step > 1 or round > 0")),
    Index("obligation_unmet_idx", "state", "id", postgresql_where=text("state in ('fallback', 'breached')")),
    Index("obligation_open_idx", "made_at", postgresql_where=text("state = 'open'")),
    one_of("state", ObligationState),
)
