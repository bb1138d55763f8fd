"""The state of each series of each rule, every change of that, and where rules that learn expected a value."""

from sqlalchemy import JSON, Boolean, Column, Float, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from app.db import instant, metadata, one_of
from app.rules.model import RuleState

series_state = Table(
    "series_state",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("series", Text, primary_key=True),  # JSON of the label set; {} when there is one series
    Column("check_name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("firing", Boolean, nullable=False),
    instant("bad_since"),
    instant("known_at"),
    Column("memory", JSON, nullable=False),
    Column("value", Float),
    Column("reasons", JSONB, nullable=False),
    instant("at", required=True),
    Index(None, "check_name"),
    one_of("state", RuleState),
)

verdict = Table(
    "verdict",
    metadata,
    Column("rule", Text, nullable=False),
    Column("series", Text, nullable=False),
    instant("at", required=True),
    Column("state", Text, nullable=False),
    Column("alerting", Boolean, nullable=False),
    Column("value", Float),
    Column("reasons", JSONB, nullable=False),
    Index(None, "rule", "at"),
    postgresql_partition_by="range (at)",
)

band = Table(
    "band",
    metadata,
    Column("rule", Text, nullable=False),
    Column("series", Text, nullable=False),
    instant("at", required=True),
    Column("low", Float, nullable=False),
    Column("expected", Float, nullable=False),
    Column("high", Float, nullable=False),
    Index(None, "rule", "series", "at"),
    postgresql_partition_by="range (at)",
)
