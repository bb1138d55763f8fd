"""The alerts of a service, newest first, are found by an index: also those of one that has none."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.execute("CREATE INDEX alert_service_idx ON alert (service, id)")


def downgrade() -> None:
    op.execute("DROP INDEX alert_service_idx")
