"""The role `tocsin_reader`: what checks on Tocsin's own database run as. It sees figures, no people, contacts or secrets."""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app import log
from app.settings import READER, settings

WHOLE = ("incident", "alert", "check_state", "check_result", "sample", "verdict", "series_state", "obligation", "escalation")
PAGE = "id, kind, incident, generation, round, step, channel, state, made_at, due_at, next_at, attempts, ended_at"

logger = log.get(__name__)


def ensure(db: Connection) -> bool:
    """Make the role and let it read; False, and a line in the log, where the database's owner may not make roles.

    A role that somebody else made keeps its password if ours may not set it; it may read all the same.
    """
    exists = db.scalar(text("select 1 from pg_roles where rolname = :name"), {"name": READER})
    if not exists and not _allowed(db, f"create role {READER} login", fix="give the owner of the database createrole"):
        return False
    if not settings().embedded_database:
        password = f"alter role {READER} password '{settings().reader_password}'"
        _allowed(db, password, fix=f"give the owner createrole, or drop role {READER} so that it is made anew")
    db.execute(text(f"grant usage on schema public to {READER}"))
    db.execute(text(f"grant select on {', '.join(WHOLE)} to {READER}"))
    db.execute(text(f"grant select ({PAGE}) on page to {READER}"))
    return True


def _allowed(db: Connection, statement: str, fix: str) -> bool:
    try:
        with db.begin_nested():
            db.execute(text(statement))
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        logger.warning("no_reader_role", reason=reason, fix=fix)
        return False
    return True
