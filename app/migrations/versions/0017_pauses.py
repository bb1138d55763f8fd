"""Pauses of checks and heartbeats have an end, a reason, and who paused them."""

from alembic import op

revision = "0017"
down_revision = "0016"

COLUMNS = ("paused_at TIMESTAMP WITH TIME ZONE", "paused_until TIMESTAMP WITH TIME ZONE", "pause_reason TEXT", "paused_by TEXT")
TABLES = ("check_state", "heartbeat")

SQL = r"""
UPDATE check_state c SET paused_at = a.at, paused_by = a.actor
FROM (SELECT DISTINCT ON (object) object, at, actor FROM audit WHERE action = 'check.pause' ORDER BY object, id DESC) a
WHERE c.paused AND a.object = 'check:' || c.name;

UPDATE heartbeat h SET paused_at = coalesce(h.since, a.at), paused_by = a.actor
FROM (SELECT DISTINCT ON (object) object, at, actor FROM audit WHERE action = 'heartbeat.pause' ORDER BY object, id DESC) a
WHERE h.state = 'paused' AND a.object = 'heartbeat:' || h.name;

CREATE INDEX check_state_paused_until_idx ON check_state (paused_until) WHERE paused;
"""


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} {', '.join(f'ADD COLUMN {one}' for one in COLUMNS)}")
    op.execute(SQL)


def downgrade() -> None:
    op.execute("DROP INDEX check_state_paused_until_idx")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} {', '.join(f'DROP COLUMN {one.split()[0]}' for one in COLUMNS)}")
