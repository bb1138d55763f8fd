"""Sessions of the console are known one by one: whose, in which browser, last seen when."""

from alembic import op

revision = "0015"
down_revision = "0014"

SQL = """
CREATE TABLE session (
  id TEXT NOT NULL,
  login TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  agent TEXT NOT NULL,
  address TEXT NOT NULL,
  began_at TIMESTAMP WITH TIME ZONE NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX session_login_idx ON session (login);
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("DROP TABLE session")
