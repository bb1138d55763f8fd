"""What paging left in the database, and the processes that send: for `test_paging_machine.py`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import text

from app.db import session_name, transaction
from app.notify.flight import Flight
from app.notify.model import Claim
from app.notify.service import Job
from app.settings import settings
from tests.stack import until

KEPT = {"incident": "number", "escalation": "incident", "page": "id", "obligation": "id", "page_attempt": "page, n"}


def session(name: str) -> psycopg.Connection:
    """One of its own, under this application name."""
    return psycopg.connect(settings().libpq, application_name=name, autocommit=True)


@dataclass(frozen=True)
class Rows:
    """What stands in the database."""

    incidents: dict[int, Any]
    escalations: dict[int, Any]
    pages: dict[int, Any]
    obligations: dict[int, Any]
    attempts: dict[int, list[str]]  # outcomes of each page's attempts, in order

    @classmethod
    def read(cls, db: psycopg.Connection) -> "Rows":
        """All in one go: it is done after each step."""
        cursor = db.cursor(row_factory=namedtuple_row)
        cursor.execute("; ".join(f"select * from {table} order by {key}" for table, key in KEPT.items()))
        found: list[list[Any]] = [cursor.fetchall()]
        while cursor.nextset():
            found.append(cursor.fetchall())
        incidents, escalations, pages, obligations, attempts = found
        tried: dict[int, list[str]] = {}
        for row in attempts:
            tried.setdefault(row.page, []).append(row.outcome)
            assert row.n == len(tried[row.page])
        return cls(
            {row.number: row for row in incidents},
            {row.incident: row for row in escalations},
            {row.id: row for row in pages},
            {row.id: row for row in obligations},
            tried,
        )


@dataclass
class Sender:
    """A process that sends, on a host of its own: its session with the database, and what it has leased, since when."""

    name: str
    session: psycopg.Connection
    flight: Flight = field(default_factory=Flight)
    jobs: dict[int, Job] = field(default_factory=dict)
    asked: dict[int, datetime] = field(default_factory=dict)

    @classmethod
    def start(cls, name: str) -> "Sender":
        return cls(name, session(session_name(name)))

    def end(self) -> None:
        """Die, and be seen to."""
        self.session.close()
        until(self._is_gone, 5)

    def _is_gone(self) -> bool:
        with transaction() as db:  # a transaction sees the same sessions until it ends
            query = text("select 1 from pg_stat_activity where application_name = :name")
            return db.scalar(query, {"name": session_name(self.name)}) is None

    def took(self, jobs: Sequence[Job], now: datetime) -> None:
        self.flight.took(job.claim for job in jobs)
        self.jobs |= {job.claim.id: job for job in jobs}
        self.asked |= {job.claim.id: now for job in jobs}

    def forget(self) -> None:
        self.flight.landed(list(self.jobs))
        self.jobs.clear()

    def has(self, claim: Claim, page: Any) -> bool:
        """Whether its lease is still the page's."""
        return bool(page.state == "sending" and page.fence == claim.fence)
