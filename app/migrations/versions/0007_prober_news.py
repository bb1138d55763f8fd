"""Locations: going offline and coming back is an event for the rules; remote workers write no alerts."""

from alembic import op

revision = "0007"
down_revision = "0006"

SQL = """
ALTER TABLE prober ADD COLUMN online_since TIMESTAMP WITH TIME ZONE, ADD COLUMN judged BOOLEAN NOT NULL DEFAULT false;
UPDATE prober SET judged = true;
DROP POLICY location ON alert;
CREATE POLICY location ON alert USING (left(current_user, 10) <> 'tocsin_at_');
DO $$
DECLARE location name;
BEGIN
  FOR location IN SELECT rolname FROM pg_roles WHERE left(rolname, 10) = 'tocsin_at_' LOOP
    EXECUTE format('GRANT UPDATE ON prober TO %I', location);
    EXECUTE format('REVOKE ALL ON alert FROM %I', location);
  END LOOP;
END $$;
"""

BACK = """
DROP POLICY location ON alert;
CREATE POLICY location ON alert
USING (left(current_user, 10) <> 'tocsin_at_' or (substr(current_user, 11) <> '' and source = 'prober' and key = substr(current_user, 11)));
DELETE FROM prober WHERE online_since IS NOT NULL;
ALTER TABLE prober DROP COLUMN online_since, DROP COLUMN judged;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(BACK)
