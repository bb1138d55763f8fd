"""Samples rolled up, so that a year of them is read as fast as an hour."""

from typing import Any

from sqlalchemy import Column, Float, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from app.db import instant, metadata


def _rollup(name: str, **options: Any) -> Table:
    return Table(
        name,
        metadata,
        Column("check_name", Text, nullable=False),
        Column("metric", Text, nullable=False),
        instant("at", required=True),  # where the slice begins
        Column("labels", JSONB, nullable=False),
        Column("count", Integer, nullable=False),
        Column("low", Float, nullable=False),
        Column("high", Float, nullable=False),
        Column("total", Float, nullable=False),
        Index(None, "check_name", "metric", "at"),
        **options,
    )


rollup_5m = _rollup("rollup_5m", postgresql_partition_by="range (at)")
rollup_1h = _rollup("rollup_1h")

rollup_mark = Table(
    "rollup_mark",
    metadata,
    Column("name", Text, primary_key=True),
    instant("until", required=True),  # everything before is rolled up
)
