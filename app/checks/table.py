"""What is due, what was found, and the samples that rules read (partitioned by day)."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from app.checks.probe import Status
from app.db import instant, metadata, one_of

check_state = Table(
    "check_state",
    metadata,
    Column("name", Text, primary_key=True),
    Column("probe", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("every", Integer, nullable=False),  # milliseconds
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    instant("paused_at"),
    instant("paused_until"),  # null: until it is resumed
    Column("pause_reason", Text),
    Column("paused_by", Text),
    instant("next_due_at", required=True),
    instant("lease_until"),
    instant("evaluate_at"),  # when its rules have something to look at; null: nothing new
    Column("status", Text),
    Column("message", Text, nullable=False, server_default=""),
    Column("reason", JSONB),  # of an unknown that says nothing of the target: code and facts
    Column("metrics", JSON, nullable=False, server_default="{}"),
    Column("seconds", Float),
    Column("memory", JSON, nullable=False, server_default="{}"),
    Column("unreachable", Text),  # host beyond this machine that the newest run did not reach
    instant("at"),  # of the newest result
    instant("evaluated_at"),  # newest result its rules have seen
    Index("check_state_due_idx", "family", "next_due_at", postgresql_where=text("not paused")),
    Index("check_state_paused_until_idx", "paused_until", postgresql_where=text("paused")),
    Index("check_state_evaluate_idx", "evaluate_at", postgresql_where=text("evaluate_at is not null")),
    one_of("status", Status),
)

check_result = Table(
    "check_result",
    metadata,
    Column("check_name", Text, primary_key=True),
    instant("at", key=True),
    Column("status", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("reason", JSONB),  # of an unknown that says nothing of the target
    one_of("status", Status),
    postgresql_partition_by="range (at)",
)

sample = Table(
    "sample",
    metadata,
    Column("check_name", Text, nullable=False),
    Column("metric", Text, nullable=False),
    instant("at", required=True),
    Column("value", Float, nullable=False),
    Column("labels", JSONB, nullable=False, server_default="{}"),
    Index(None, "check_name", "metric", "at"),
    postgresql_partition_by="range (at)",
)

# What a check saw, and what of it somebody called normal.
check_baseline = Table(
    "check_baseline",
    metadata,
    Column("check_name", Text, primary_key=True),
    Column("accepted", JSON, nullable=False),  # thing -> how it is
    instant("accepted_at", required=True),
    Column("accepted_by", Text),  # null: the first observation
    Column("observed", JSON, nullable=False),  # the newest
    instant("observed_at", required=True),
)

# "Run it now": the answer comes back by this row, since the line has no result backend. Those asked for together are a batch.
check_run = Table(
    "check_run",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("check_name", Text, nullable=False),
    instant("asked_at", required=True),
    Column("asked_by", Text),
    Column("task_id", Text, nullable=False),
    instant("done_at"),
    Column("result", JSON),
    Column("batch", Text, nullable=False),
    Column("spec", Text),  # of a try: the check as it is tried, sealed; null: the check as it is declared
    Index(None, "asked_at"),
    Index(None, "batch"),
)
