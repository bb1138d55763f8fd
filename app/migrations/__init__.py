"""Brings a database to this release's shape; several processes may try at once, one does it."""

from pathlib import Path


def upgrade(url: str) -> None:
    """Run the missing migrations on the database at `url` (SQLAlchemy form)."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, text

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    engine = create_engine(url)
    with engine.begin() as db:
        db.execute(text("select pg_advisory_xact_lock(7073110)"))
        config.attributes["connection"] = db
        command.upgrade(config, "head")
    engine.dispose()


def is_current(url_or_connection: object) -> bool:
    """Whether the database has every migration of this release."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection

    assert isinstance(url_or_connection, Connection)
    head = ScriptDirectory(str(Path(__file__).parent)).get_current_head()
    return MigrationContext.configure(url_or_connection).get_current_revision() == head
