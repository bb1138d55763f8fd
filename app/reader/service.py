"""Makes the role when the stack starts, as far as the database's owner may."""

from collections.abc import Callable

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app import log
from app.reader import store
from app.settings import READER, settings

logger = log.get(__name__)


def ensure(db: Connection) -> bool:
    """Make the role and let it read; False, and a line in the log, where the database's owner may not make roles.

    A role that somebody else made keeps its password if ours may not set it; it may read all the same.
    """
    if not store.exists(db) and not _allowed(db, store.create, fix="give the owner of the database createrole"):
        return False
    if not settings().embedded_database:
        fix = f"give the owner createrole, or drop role {READER} so that it can be recreated"
        _allowed(db, lambda db: store.set_password(db, settings().reader_password), fix)
    store.let_read(db)
    return True


def _allowed(db: Connection, change: Callable[[Connection], None], fix: str) -> bool:
    try:
        with db.begin_nested():
            change(db)
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        logger.warning("reader_role_missing", reason=reason, fix=fix)
        return False
    return True
