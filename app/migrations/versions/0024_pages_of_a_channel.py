"""The next page of each channel is found by an index, however many wait for a channel that takes no more."""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.execute("CREATE INDEX page_channel_idx ON page (channel, priority, next_at) WHERE state = 'queued'")


def downgrade() -> None:
    op.execute("DROP INDEX page_channel_idx")
