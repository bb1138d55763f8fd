"""Alerts: one open row per fingerprint, held by the database."""

from sqlalchemy import BigInteger, Boolean, Column, Computed, Float, Identity, Index, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from app.alerts.model import AlertState
from app.catalog.model import Severity
from app.db import instant, metadata, one_of

WORST_FIRST = ("incident", "precedence", "starts_at", "id")  # the alerts of an incident
_SEVERITIES = " ".join(f"when '{one}' then {3 - one.rank}" for one in Severity)

alert = Table(
    "alert",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("alertname", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("service", Text),
    Column("labels", JSONB, nullable=False),
    Column("annotations", JSONB, nullable=False),
    Column("links", JSONB, nullable=False),
    Column("runbook", Text),
    Column("value", Float),
    Column("reasons", JSONB, nullable=False, server_default="[]"),
    Column("reason_in_summary", Boolean, nullable=False, server_default=text("false")),
    Column("shadow", Boolean, nullable=False, server_default=text("false")),
    Column("trace", Text, nullable=False, server_default=""),
    Column("content", Text),  # the digest of what a sender said last; null: nobody pushes it
    # Of those that fire 0 (critical) to 3, of the others 4.
    Column("precedence", SmallInteger, Computed(f"case when state = 'firing' then case severity {_SEVERITIES} end else 4 end")),
    instant("starts_at", required=True),
    instant("ends_at"),
    instant("seen_at", required=True),
    Column("end_reasons", JSONB, nullable=False, server_default="[]"),
    Column("suppressed_by", JSONB, nullable=False, server_default="[]"),
    Column("incident", BigInteger),
    instant("summary_at"),  # when its summary became another one, until its incident's title has followed
    instant("dedup_at"),  # when the dedup stage has something to look at; null: nothing new
    Index("alert_open_key", "fingerprint", unique=True, postgresql_where=text("state <> 'resolved'")),
    Index("alert_dedup_idx", "severity", "dedup_at", postgresql_where=text("dedup_at is not null")),
    Index("alert_incident_idx", "incident", postgresql_where=text("incident is not null")),
    Index("alert_worst_idx", *WORST_FIRST, postgresql_where=text("incident is not null and state <> 'resolved'")),
    Index("alert_summary_idx", "summary_at", postgresql_where=text("summary_at is not null")),
    Index("alert_service_idx", "service", "id"),
    Index("alert_open_idx", "id", postgresql_where=text("state <> 'resolved'")),
    Index("alert_labels_idx", "labels", postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}),
    Index("alert_source_idx", "source", postgresql_where=text("state <> 'resolved'")),
    one_of("state", AlertState),
    one_of("severity", Severity),
)
