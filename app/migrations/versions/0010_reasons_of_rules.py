"""Reasons of rules are code and facts; what was decided before keeps its words. A rule's states have the name of what they are."""

from alembic import op

revision = "0010"
down_revision = "0007"

AS_REASONS = (
    "TYPE JSONB USING CASE because WHEN '' THEN '[]'::jsonb ELSE jsonb_build_array(jsonb_build_object("
    "'code', 'recorded', 'facts', jsonb_build_object('text', because))) END"
)
# The words of a reason that has them; of another its code.
AS_TEXT = "TYPE TEXT USING coalesce(reasons #>> '{0,facts,text}', reasons #>> '{0,code}', '')"

SQL = f"""
ALTER TABLE standing RENAME TO series_state;

ALTER INDEX standing_pkey RENAME TO series_state_pkey;

ALTER INDEX standing_check_name_idx RENAME TO series_state_check_name_idx;

ALTER TABLE series_state RENAME CONSTRAINT standing_state_check TO series_state_state_check;

ALTER TABLE series_state ALTER COLUMN because {AS_REASONS};

ALTER TABLE series_state RENAME COLUMN because TO reasons;

ALTER TABLE verdict ALTER COLUMN because {AS_REASONS};

ALTER TABLE verdict RENAME COLUMN because TO reasons;

ALTER TABLE heartbeat ALTER COLUMN because DROP DEFAULT, ALTER COLUMN because {AS_REASONS};

ALTER TABLE heartbeat ALTER COLUMN because SET DEFAULT '[]';

ALTER TABLE heartbeat RENAME COLUMN because TO reasons;
"""

BACK = f"""
ALTER TABLE heartbeat ALTER COLUMN reasons DROP DEFAULT, ALTER COLUMN reasons {AS_TEXT};

ALTER TABLE heartbeat ALTER COLUMN reasons SET DEFAULT '';

ALTER TABLE heartbeat RENAME COLUMN reasons TO because;

ALTER TABLE verdict ALTER COLUMN reasons {AS_TEXT};

ALTER TABLE verdict RENAME COLUMN reasons TO because;

ALTER TABLE series_state ALTER COLUMN reasons {AS_TEXT};

ALTER TABLE series_state RENAME COLUMN reasons TO because;

ALTER TABLE series_state RENAME CONSTRAINT series_state_state_check TO standing_state_check;

ALTER INDEX series_state_check_name_idx RENAME TO standing_check_name_idx;

ALTER INDEX series_state_pkey RENAME TO standing_pkey;

ALTER TABLE series_state RENAME TO standing;
"""


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # a table of a million alerts is written anew
    op.execute(SQL)


def downgrade() -> None:
    op.execute(BACK)
