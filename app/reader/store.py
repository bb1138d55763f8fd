"""The statements about the role `tocsin_reader`. Each is an error of the database where its owner may not."""

from sqlalchemy import Connection, text

from app.settings import READER

WHOLE = ("incident", "alert", "check_state", "check_result", "sample", "verdict", "series_state", "obligation", "escalation")
PAGE = "id, kind, incident, generation, round, step, channel, state, made_at, due_at, next_at, attempts, ended_at"


def exists(db: Connection) -> bool:
    """Whether there is such a role."""
    return db.scalar(text("select 1 from pg_roles where rolname = :name"), {"name": READER}) is not None


def create(db: Connection) -> None:
    """Make the role."""
    db.execute(text(f"create role {READER} login"))


def set_password(db: Connection, password: str) -> None:
    """Let it log in with `password`: hex digits, because a role's password is no parameter."""
    if not password.isalnum():
        raise ValueError("a password that would need quoting")
    db.execute(text(f"alter role {READER} password '{password}'"))


def let_read(db: Connection) -> None:
    """Let it read what is no secret."""
    db.execute(text(f"grant usage on schema public to {READER}"))
    db.execute(text(f"grant select on {', '.join(WHOLE)} to {READER}"))
    db.execute(text(f"grant select ({PAGE}) on page to {READER}"))
