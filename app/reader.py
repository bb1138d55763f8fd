"""The role `tocsin_reader`: what checks on Tocsin's own database run as. It sees figures, no people, contacts or secrets."""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app import log
from app.settings import READER, settings

WHOLE = ("incident", "alert", "check_state", "check_result", "sample", "verdict", "standing", "obligation", "escalation")
PAGE = "id, kind, incident, generation, round, step, channel, state, made_at, due_at, next_at, attempts, ended_at"

logger = log.get(__name__)


def ensure(db: Connection) -> bool:
    """Make the role and let it read; False, and a line in the log, where the database's owner may not make roles."""
    try:
        with db.begin_nested():
            exists = db.scalar(text("select 1 from pg_roles where rolname = :name"), {"name": READER})
            if not exists:
                db.execute(text(f"create role {READER} login"))
            if not settings().embedded_database:
                db.execute(text(f"alter role {READER} password '{settings().reader_password}'"))
    except DBAPIError as error:
        logger.warning("no_reader_role", error=str(error.orig).strip(), fix=f"as superuser: create role {READER} login")
        return False
    db.execute(text(f"grant usage on schema public to {READER}"))
    db.execute(text(f"grant select on {', '.join(WHOLE)} to {READER}"))
    db.execute(text(f"grant select ({PAGE}) on page to {READER}"))
    return True
