"""Reasons of rules, heartbeats and alerts as codes and facts; existing ones keep their text."""

from alembic import op

revision = "0010"
down_revision = "0007"

RECORDED = "jsonb_build_object('code', 'recorded', 'facts', jsonb_build_object('text', {column}))"
CODES = {  # how an alert ended, where more than a person asks
    "recovered": "recovered",
    "removed": "removed",
    "paused": "heartbeat_paused",
    "its check is paused": "check_paused",
    "pinged again": "pinged_again",
    "resolved by its sender": "resolved_by_sender",
}
KNOWN = " ".join(f"WHEN '{words}' THEN jsonb_build_object('code', '{code}', 'facts', '{{}}'::jsonb)" for words, code in CODES.items())
AS_REASONS = f"TYPE JSONB USING CASE because WHEN '' THEN '[]' ELSE jsonb_build_array({RECORDED.format(column='because')}) END"
AS_END_REASONS = (
    f"TYPE JSONB USING CASE reason WHEN '' THEN '[]' ELSE jsonb_build_array("
    f"CASE reason {KNOWN} ELSE {RECORDED.format(column='reason')} END) END"
)


def as_text(column: str) -> str:
    """The words of a reason that has them, of another its code."""
    return f"TYPE TEXT USING coalesce({column} #>> '{{0,facts,text}}', {column} #>> '{{0,code}}', '')"


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

ALTER TABLE alert
  ALTER COLUMN because DROP DEFAULT, ALTER COLUMN because {AS_REASONS},
  ALTER COLUMN reason DROP DEFAULT, ALTER COLUMN reason {AS_END_REASONS};

ALTER TABLE alert ALTER COLUMN because SET DEFAULT '[]', ALTER COLUMN reason SET DEFAULT '[]';

ALTER TABLE alert RENAME COLUMN because TO reasons;

ALTER TABLE alert RENAME COLUMN reason TO end_reasons;
"""

BACK = f"""
ALTER TABLE alert
  ALTER COLUMN reasons DROP DEFAULT, ALTER COLUMN reasons {as_text("reasons")},
  ALTER COLUMN end_reasons DROP DEFAULT, ALTER COLUMN end_reasons {as_text("end_reasons")};

ALTER TABLE alert ALTER COLUMN reasons SET DEFAULT '', ALTER COLUMN end_reasons SET DEFAULT '';

ALTER TABLE alert RENAME COLUMN reasons TO because;

ALTER TABLE alert RENAME COLUMN end_reasons TO reason;

ALTER TABLE heartbeat ALTER COLUMN reasons DROP DEFAULT, ALTER COLUMN reasons {as_text("reasons")};

ALTER TABLE heartbeat ALTER COLUMN reasons SET DEFAULT '';

ALTER TABLE heartbeat RENAME COLUMN reasons TO because;

ALTER TABLE verdict ALTER COLUMN reasons {as_text("reasons")};

ALTER TABLE verdict RENAME COLUMN reasons TO because;

ALTER TABLE series_state ALTER COLUMN reasons {as_text("reasons")};

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
