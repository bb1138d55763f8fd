"""Signs of life of processes."""

from alembic import op

revision = "0002"
down_revision = "0001"

SQL = """
CREATE TABLE process_beat (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  detail JSON DEFAULT '{}' NOT NULL,
  CONSTRAINT process_beat_pkey PRIMARY KEY (kind, name)
);
"""


def upgrade() -> None:
    op.execute(SQL)
