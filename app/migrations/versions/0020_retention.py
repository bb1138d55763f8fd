"""Retention: what is old is found in the order in which it ended."""

from alembic import op

revision = "0020"
down_revision = "0021"

SQL = r"""
CREATE INDEX incident_resolved_idx ON incident (resolved_at, number) WHERE state = 'resolved';
CREATE INDEX page_alone_idx ON page (ended_at) WHERE incident is null;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("DROP INDEX incident_resolved_idx; DROP INDEX page_alone_idx")
