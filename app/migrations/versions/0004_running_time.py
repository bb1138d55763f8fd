"""Tocsin's own running time, and the owner of a page's lease."""

from alembic import op

revision = "0004"
down_revision = "0003"

SQL = """
CREATE TABLE uptime (
  part TEXT NOT NULL,
  since TIMESTAMP WITH TIME ZONE NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT uptime_pkey PRIMARY KEY (part)
);
CREATE TABLE downtime (
  part TEXT NOT NULL,
  ended TIMESTAMP WITH TIME ZONE NOT NULL,
  began TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT downtime_pkey PRIMARY KEY (part, ended)
);
ALTER TABLE page ADD COLUMN lease_owner TEXT;
ALTER TABLE page ADD COLUMN contested BOOLEAN DEFAULT false NOT NULL;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("DROP TABLE uptime; DROP TABLE downtime; ALTER TABLE page DROP COLUMN lease_owner; ALTER TABLE page DROP COLUMN contested")
