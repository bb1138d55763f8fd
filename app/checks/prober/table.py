"""Places that are cut off."""

from sqlalchemy import JSON, Boolean, Column, Table, Text, text

from app.db import instant, metadata

prober = Table(
    "prober",
    metadata,
    Column("location", Text, primary_key=True),  # empty: where the stack runs
    instant("offline_since", required=True),
    Column("answers", JSON, nullable=False),  # reference -> whether it answered
    instant("online_since"),  # it is back, which its alert does not know yet
    Column("judged", Boolean, nullable=False, server_default=text("false")),  # the rules have taken it into account
)
