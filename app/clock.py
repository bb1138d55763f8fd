"""The one clock: PostgreSQL's. Only edges (doorways, API, console, command line) read it."""

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from app.begun import begun

SURE = 1.0  # seconds for which this machine's clock is trusted to go as the server's does


def now(db: Connection) -> datetime:
    """The database's time at this very moment (not the transaction's start), aware, UTC."""
    ours = begun(db)
    if ours is not None and (elapsed := time.monotonic() - ours.monotonic) < SURE:
        return ours.at + timedelta(seconds=elapsed)
    return asked(db)


def asked(db: Connection) -> datetime:
    """The same, whatever this machine's clock says: for whoever waited for a row and compares with what others wrote."""
    moment: datetime = db.execute(text("select clock_timestamp()")).scalar_one()
    return moment.astimezone(UTC)


def local() -> datetime:
    """This machine's time, aware, UTC: for what must work without a database (logs, `status`, a preview offline)."""
    return datetime.now(UTC)
