"""Storms: what senders say again is known by a digest, and what a batch needs of an incident's other alerts is in an index."""

from alembic import op

revision = "0021"
down_revision = "0018"

SQL = r"""
ALTER TABLE alert ADD COLUMN content TEXT;
ALTER TABLE alert ADD COLUMN summary_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE alert ADD COLUMN precedence SMALLINT GENERATED ALWAYS AS (
  CASE WHEN state = 'firing' THEN
    CASE severity WHEN 'critical' THEN 0 WHEN 'error' THEN 1 WHEN 'warning' THEN 2 WHEN 'info' THEN 3 END
  ELSE 4 END
) STORED;
ALTER TABLE alert SET (fillfactor = 85);

CREATE INDEX alert_summary_idx ON alert (summary_at) WHERE summary_at is not null;
CREATE INDEX alert_worst_idx ON alert (incident, precedence, starts_at, id)
  WHERE incident is not null and state <> 'resolved';
DROP INDEX alert_incident_idx;
CREATE INDEX alert_incident_idx ON alert (incident) WHERE incident is not null;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("""
    DROP INDEX alert_incident_idx;
    CREATE INDEX alert_incident_idx ON alert (incident);
    DROP INDEX alert_worst_idx;
    DROP INDEX alert_summary_idx;
    ALTER TABLE alert RESET (fillfactor);
    ALTER TABLE alert DROP COLUMN precedence;
    ALTER TABLE alert DROP COLUMN summary_at;
    ALTER TABLE alert DROP COLUMN content;
    """)
