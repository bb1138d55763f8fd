"""Results keep the reason of an unknown; `excused` follows from it."""

from alembic import op

revision = "0014"
down_revision = "0013"

SQL = r"""
ALTER TABLE check_result ADD COLUMN reason JSONB;

UPDATE check_result SET reason = jsonb_build_object('code', 'references_silent', 'facts', jsonb_build_object('references', coalesce(
  to_jsonb(string_to_array(substring(message FROM '^prober offline: none of [0-9]+ reference targets [a-z]+ \(([^)]*)\)'), ', ')),
  jsonb_build_array(coalesce(
    substring(message FROM '^prober offline: the reference target (.*?) does not [a-z]+; the check said'), '?')))))
WHERE excused;

UPDATE check_result SET reason = jsonb_build_object(
  'code', 'not_on_host', 'facts', jsonb_build_object('what', substr(message, length('not on this host: ') + 1)))
WHERE status = 'unknown' AND message LIKE 'not on this host: %';

ALTER TABLE check_result DROP COLUMN excused;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("""
    ALTER TABLE check_result ADD COLUMN excused BOOLEAN DEFAULT false NOT NULL;
    UPDATE check_result SET excused = true WHERE reason ->> 'code' = 'references_silent';
    ALTER TABLE check_result DROP COLUMN reason;
    """)
