"""Brings a database to this release's shape; several processes may try at once, one does it."""

from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import Unusable

if TYPE_CHECKING:
    from sqlalchemy import Connection


def upgrade(url: str) -> None:
    """Run the missing migrations on the database at `url` (SQLAlchemy form).

    Raises Unusable for a database of a newer release, which this one would damage.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import text

    from app.db import connect

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    engine = connect(url)
    try:
        with engine.begin() as db:
            db.execute(text("select pg_advisory_xact_lock(7073110)"))
            must_be_known(revision(db))
            db.execute(text("set local statement_timeout = 0"))  # cut off, it would begin anew for ever
            config.attributes["connection"] = db
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def revision(db: "Connection") -> str | None:
    """The newest migration this database has; None when it was never set up."""
    from sqlalchemy import text

    if db.execute(text("select to_regclass('alembic_version')")).scalar_one() is None:
        return None
    return db.execute(text("select version_num from alembic_version")).scalar_one_or_none()


def must_be_known(found: str | None) -> None:
    """Raises Unusable for a migration that this release does not have."""
    if found is not None and found not in _revisions():
        raise Unusable(
            f"the database has migration {found}, which this release does not know (its newest is {head()}):"
            " it belongs to a newer Tocsin; upgrade this one, or set TOCSIN_DATABASE_URL to another database"
        )


def is_current(db: "Connection") -> bool:
    """Whether the database has every migration of this release; without alembic, which a console need not load for it."""
    return revision(db) == head()


def head() -> str:
    """The newest revision: the number that the newest file's name begins with."""
    return max(_revisions())


def _revisions() -> set[str]:
    return {path.name.partition("_")[0] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py")}
