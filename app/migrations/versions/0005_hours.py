"""Hours: pages held until they open, urgencies that follow them."""

from alembic import op

revision = "0005"
down_revision = "0004"

SQL = """
ALTER TABLE incident ADD COLUMN hours TEXT, ADD COLUMN during JSON, ADD COLUMN urgency_at TIMESTAMP WITH TIME ZONE;

CREATE INDEX incident_urgency_idx ON incident (urgency_at) WHERE urgency_at is not null and state <> 'resolved';

ALTER TABLE escalation ADD COLUMN held TEXT;

CREATE INDEX escalation_held_idx ON escalation (incident) WHERE held is not null;

ALTER TABLE escalation DROP CONSTRAINT escalation_due_check;

ALTER TABLE escalation ADD CONSTRAINT escalation_due_check CHECK (due in ('step', 'again', 'hurried'));
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("ALTER TABLE incident DROP COLUMN hours, DROP COLUMN during, DROP COLUMN urgency_at")
    op.execute("UPDATE escalation SET due = 'step' WHERE due = 'hurried'")
    op.execute("ALTER TABLE escalation DROP COLUMN held, DROP CONSTRAINT escalation_due_check")
    op.execute("ALTER TABLE escalation ADD CONSTRAINT escalation_due_check CHECK (due in ('step', 'again'))")
