"""An incident's title follows the alert that gave it."""

from alembic import op

revision = "0013"
down_revision = "0012"

SQL = """
ALTER TABLE incident ADD COLUMN titled_by BIGINT;

UPDATE incident SET titled_by = (
  SELECT id FROM alert WHERE alert.incident = incident.number AND alert.state = 'firing'
  ORDER BY CASE severity WHEN 'critical' THEN 3 WHEN 'error' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END DESC, starts_at, id LIMIT 1)
WHERE state <> 'resolved';
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("ALTER TABLE incident DROP COLUMN titled_by")
