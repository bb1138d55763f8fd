"""What matters first: pages, steps and alerts that wait are taken by urgency and severity, and rise with their age."""

from alembic import op

revision = "0018"
down_revision = "0017"

# 0 is first. A page and a step that wait have their incident's, as it was when they were queued.
SQL = r"""
ALTER TABLE incident ADD COLUMN priority SMALLINT NOT NULL GENERATED ALWAYS AS (
  CASE urgency WHEN 'high' THEN 0 ELSE 4 END
  + CASE severity WHEN 'critical' THEN 0 WHEN 'error' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END
) STORED;

ALTER TABLE page ADD COLUMN priority SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE escalation ADD COLUMN priority SMALLINT NOT NULL DEFAULT 0;

DROP INDEX page_due_idx;
CREATE INDEX page_due_idx ON page (priority, next_at) WHERE state = 'queued';
DROP INDEX escalation_due_idx;
CREATE INDEX escalation_due_idx ON escalation (priority, due_at) WHERE due_at is not null;
DROP INDEX alert_dedup_idx;
CREATE INDEX alert_dedup_idx ON alert (severity, dedup_at) WHERE dedup_at is not null;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(r"""
    DROP INDEX page_due_idx;
    CREATE INDEX page_due_idx ON page (next_at) WHERE state = 'queued';
    DROP INDEX escalation_due_idx;
    CREATE INDEX escalation_due_idx ON escalation (due_at) WHERE due_at is not null;
    DROP INDEX alert_dedup_idx;
    CREATE INDEX alert_dedup_idx ON alert (dedup_at) WHERE dedup_at is not null;
    ALTER TABLE incident DROP COLUMN priority;
    ALTER TABLE page DROP COLUMN priority;
    ALTER TABLE escalation DROP COLUMN priority;
    """)
