"""Security: revoked sessions, and row-level security for the roles of remote workers.

A role named `tocsin_at_LOCATION` sees and changes what is of that location; the policies ask nothing of any other role.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

OTHERS = "left(current_user, 10) <> 'tocsin_at_'"
HERE = "substr(current_user, 11)"
OWN = {
    "declaration": f"kind = 'platform' or (kind = 'check' and spec->>'at' = {HERE})",
    "check_state": f"split_part(queue, '@', 2) = {HERE}",
    "check_result": "check_name in (select name from check_state)",
    "sample": "check_name in (select name from check_state)",
    "check_baseline": "check_name in (select name from check_state)",
    "check_run": f"check_name in (select name from check_state) or starts_with(spec, '~sealed~' || {HERE} || '~')",
    "prober": f"location = {HERE}",
    "alert": f"source = 'prober' and key = {HERE}",
    "process_beat": f"kind = 'worker' and strpos(cast(detail as text), '@' || {HERE} || '\"') > 0",
    "uptime": f"part = 'checks@' || {HERE}",
    "downtime": f"part = 'checks@' || {HERE}",
}

SQL = """
CREATE TABLE ended_session (
  id TEXT NOT NULL,
  until TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT ended_session_pkey PRIMARY KEY (id)
);

-- Who was removed stays so, whoever comes by the same name.
UPDATE person SET password_hash = NULL, session_epoch = session_epoch + 1 WHERE NOT active;
UPDATE token SET revoked_at = now()
WHERE revoked_at IS NULL AND login NOT IN (SELECT login FROM person WHERE active);
-- Whoever has a password needs no older invitation to set one.
UPDATE invitation SET expires_at = now()
WHERE used_at IS NULL AND expires_at > now() AND login NOT IN (SELECT login FROM person WHERE active AND password_hash IS NULL);
"""


def upgrade() -> None:
    op.execute(SQL)
    for table, own in OWN.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY location ON {table} USING ({OTHERS} or ({HERE} <> '' and ({own})))")


def downgrade() -> None:
    for table in OWN:
        op.execute(f"DROP POLICY location ON {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute("DROP TABLE ended_session")
