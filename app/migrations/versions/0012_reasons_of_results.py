"""Reasons of unknown check results; whether an alert's summary contains the reason."""

from alembic import op

revision = "0012"
down_revision = "0011"

SQL = r"""
ALTER TABLE alert ADD COLUMN reason_in_summary BOOLEAN NOT NULL DEFAULT false;

ALTER TABLE check_state ADD COLUMN reason JSONB;

UPDATE check_state SET reason = jsonb_build_object(
  'code', 'not_on_host', 'facts', jsonb_build_object('what', substr(message, length('not on this host: ') + 1)))
WHERE status = 'unknown' AND message LIKE 'not on this host: %';

UPDATE check_state SET reason = jsonb_build_object('code', 'references_silent', 'facts', jsonb_build_object('references', coalesce(
  to_jsonb(string_to_array(substring(message FROM '^prober offline: none of [0-9]+ reference targets answers \(([^)]*)\)'), ', ')),
  jsonb_build_array(substring(message FROM '^prober offline: the reference target (.*?) does not answer; the check said')))))
WHERE status = 'unknown' AND message LIKE 'prober offline: %';

DO $$
DECLARE location text;
BEGIN
  FOR location IN SELECT rolname FROM pg_roles WHERE left(rolname, 10) = 'tocsin_at_' LOOP
    EXECUTE format('GRANT UPDATE (reason) ON check_state TO %I', location);
  END LOOP;
END $$;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("ALTER TABLE check_state DROP COLUMN reason; ALTER TABLE alert DROP COLUMN reason_in_summary")
