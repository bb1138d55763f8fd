"""Indexes for analytics, and for what arrived and failed last over each channel."""

from alembic import op

revision = "0016"
down_revision = "0015"

SQL = """
CREATE INDEX incident_opened_idx ON incident (opened_at);
CREATE INDEX incident_event_answered_idx ON incident_event (incident, at) WHERE kind in ('acknowledged', 'snoozed', 'resolved');
CREATE INDEX obligation_escalated_idx ON obligation (incident) WHERE step > 1 or round > 0;
CREATE INDEX page_reached_idx ON page (ended_at) INCLUDE (incident, user_name)
  WHERE kind = 'page' and user_name is not null and channel <> 'inbox' and state in ('accepted', 'delivered');
CREATE INDEX page_arrived_idx ON page (channel, ended_at) WHERE state in ('accepted', 'delivered');
CREATE INDEX page_trouble_idx ON page (channel, next_at) WHERE state not in ('superseded', 'expired')
  and (attempts > 1 or attempts = 1 and state in ('queued', 'failed'));
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("""
    DROP INDEX page_trouble_idx;
    DROP INDEX page_arrived_idx;
    DROP INDEX page_reached_idx;
    DROP INDEX obligation_escalated_idx;
    DROP INDEX incident_event_answered_idx;
    DROP INDEX incident_opened_idx;
    """)
