"""Brings a database to this release's shape; several processes may try at once, one does it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection


def upgrade(url: str) -> None:
    """Run the missing migrations on the database at `url` (SQLAlchemy form)."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import text

    from app.db import connect

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    engine = connect(url)
    with engine.begin() as db:
        db.execute(text("select pg_advisory_xact_lock(7073110)"))
        config.attributes["connection"] = db
        command.upgrade(config, "head")
    engine.dispose()


def is_current(db: "Connection") -> bool:
    """Whether the database has every migration of this release; without alembic, which a console need not load for it."""
    from sqlalchemy import text

    if db.execute(text("select to_regclass('alembic_version')")).scalar_one() is None:
        return False
    return db.execute(text("select version_num from alembic_version")).scalar_one_or_none() == head()


def head() -> str:
    """The newest revision: the number that the newest file's name begins with."""
    return max(path.name.partition("_")[0] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))
