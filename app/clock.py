"""The one clock: PostgreSQL's. Only edges (doorways, API, console, command line) read it."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text


def now(db: Connection) -> datetime:
    """The database's time at this very moment (not the transaction's start), aware, UTC."""
    moment: datetime = db.execute(text("select clock_timestamp()")).scalar_one()
    return moment.astimezone(UTC)


def local() -> datetime:
    """This machine's time, aware, UTC: for what must work without a database (logs, `status`, a preview offline)."""
    return datetime.now(UTC)
