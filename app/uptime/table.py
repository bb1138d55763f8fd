"""Since when each part runs, its last tick, and the downtimes before."""

from sqlalchemy import Column, Table, Text

from app.db import instant, metadata

uptime = Table(
    "uptime",
    metadata,
    Column("part", Text, primary_key=True),
    instant("since", required=True),
    instant("seen_at", required=True),
)
downtime = Table(
    "downtime",
    metadata,
    Column("part", Text, primary_key=True),
    instant("ended", key=True),
    instant("began", required=True),
)
