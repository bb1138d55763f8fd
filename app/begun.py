"""What a transaction knows since its beginning, and says at its end. `app.db` makes it; the clock and the catalog read it."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from app.queues import Queue


@dataclass(slots=True)
class Begun:
    """Of one transaction."""

    at: datetime  # the server's clock
    monotonic: float  # this machine's `time.monotonic` then; -inf: nobody can say
    version: int | None  # of the configuration; None: not asked for
    says: bool = False  # at its end, what it has to say
    woken: dict[tuple[Queue, float], None] = field(default_factory=dict)  # as a set that keeps its order
    notices: dict[tuple[str, str], None] = field(default_factory=dict)  # channel and payload


def begun(db: Connection) -> Begun | None:
    """What this transaction knows; None on a connection of another engine than this process's."""
    return db.info.get("begun")
