"""The last sign of life of each process."""

from sqlalchemy import JSON, Column, Table, Text

from app.db import instant, metadata

process_beat = Table(
    "process_beat",
    metadata,
    Column("kind", Text, primary_key=True),  # pager, worker, beat
    Column("name", Text, primary_key=True),  # HOST:PID:START
    instant("seen_at", required=True),
    Column("detail", JSON, nullable=False, server_default="{}"),  # of a worker: {"queues": [...]}
)
