"""Retention: what is old is found in the order in which it ended; and indexes that lists by service, team and state lacked."""

from alembic import op

revision = "0022"
down_revision = "0021"

SQL = r"""
CREATE INDEX incident_resolved_idx ON incident (resolved_at, number) WHERE state = 'resolved';
CREATE INDEX page_alone_idx ON page (ended_at) WHERE incident is null;
CREATE INDEX page_inbox_idx ON page (user_name, id) WHERE channel = 'inbox';
CREATE INDEX page_unseen_idx ON page (user_name) WHERE channel = 'inbox' and seen_at is null;
CREATE INDEX page_test_idx ON page (user_name, id) WHERE kind = 'test';
CREATE INDEX page_failed_idx ON page (state, id) WHERE state in ('failed', 'expired');
CREATE INDEX obligation_unmet_idx ON obligation (state, id) WHERE state in ('fallback', 'breached');
CREATE INDEX incident_service_idx ON incident (service, number);
CREATE INDEX incident_team_idx ON incident (team, number);
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(
        "DROP INDEX incident_resolved_idx, page_alone_idx, page_inbox_idx, page_unseen_idx, page_test_idx, page_failed_idx,"
        " obligation_unmet_idx, incident_service_idx, incident_team_idx"
    )
