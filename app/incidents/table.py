"""Incidents and their timeline; one open incident per group, held by the database."""

from sqlalchemy import JSON, BigInteger, Column, Computed, Identity, Index, Integer, SmallInteger, Table, Text, text

from app.catalog.model import Severity
from app.db import instant, metadata, one_of
from app.incidents.model import IncidentState
from app.people.model import Urgency

_OF_URGENCY = "case urgency when 'high' then 0 else 4 end"
_OF_SEVERITY = "case severity when 'critical' then 0 when 'error' then 1 when 'warning' then 2 else 3 end"

incident = Table(
    "incident",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("group_key", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=IncidentState.TRIGGERED),
    Column("severity", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("service", Text),
    Column("team", Text),
    Column("policy_name", Text),
    Column("policy", JSON),
    Column("labels", JSON, nullable=False),
    instant("opened_at", required=True),
    instant("acknowledged_at"),
    Column("acknowledged_by", Text),
    instant("resolved_at"),
    Column("resolved_by", Text),
    instant("snoozed_until"),
    Column("merged_into", BigInteger),
    Column("assigned_to", Text),
    Column("alert_count", Integer, nullable=False, server_default=text("0")),
    Column("titled_by", BigInteger),  # the alert whose summary is the title
    Column("runbook", Text),
    Column("links", JSON, nullable=False, server_default="[]"),
    Column("generation", Integer, nullable=False, server_default=text("1")),
    instant("resolve_at"),
    Column("reopen", Integer, nullable=False, server_default=text("0")),
    Column("resolve_after", Integer, nullable=False, server_default=text("0")),
    Column("window", Integer, nullable=False, server_default=text("600")),
    instant("reopened_at"),
    Column("hours", Text),
    Column("during", JSON),  # catalog.model.During
    instant("urgency_at"),
    Column("priority", SmallInteger, Computed(f"{_OF_URGENCY} + {_OF_SEVERITY}", persisted=True), nullable=False),
    Index("incident_open_key", "group_key", unique=True, postgresql_where=text("state <> 'resolved'")),
    Index("incident_group_idx", "group_key", "resolved_at"),
    Index("incident_resolve_idx", "resolve_at", postgresql_where=text("resolve_at is not null")),
    Index("incident_urgency_idx", "urgency_at", postgresql_where=text("urgency_at is not null and state <> 'resolved'")),
    Index("incident_merged_idx", "merged_into", postgresql_where=text("merged_into is not null")),
    Index("incident_opened_idx", "opened_at"),
    Index("incident_service_idx", "service", "number"),
    Index("incident_team_idx", "team", "number"),
    Index("incident_resolved_idx", "resolved_at", "number", postgresql_where=text("state = 'resolved'")),
    Index("incident_open_idx", "number", postgresql_where=text("state <> 'resolved'")),
    one_of("state", IncidentState),
    one_of("severity", Severity),
    one_of("urgency", Urgency),
)

incident_event = Table(
    "incident_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("incident", BigInteger, nullable=False),
    instant("at", required=True),
    Column("kind", Text, nullable=False),
    Column("actor", Text),  # a login; null is Tocsin itself
    Column("text", Text),  # of a line that an older release wrote; now `kind` and `detail` are a Reason
    Column("detail", JSON, nullable=False, server_default="{}"),
    Index(None, "incident", "id"),
    Index(
        "incident_event_answered_idx",
        "incident",
        "at",
        postgresql_where=text("kind in ('acknowledged', 'snoozed', 'resolved')"),
    ),
)
