"""Places that are cut off."""

from sqlalchemy import JSON, Column, Table, Text

from app.db import instant, metadata

prober = Table(
    "prober",
    metadata,
    Column("location", Text, primary_key=True),  # empty: where the stack runs
    instant("offline_since", required=True),
    Column("answers", JSON, nullable=False),  # reference -> whether it answered
)
