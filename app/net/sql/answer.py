"""What may be asked of a database, and what it answers: the same for every kind of database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.failure import Failed, Kind

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of an answer is taken."""

    seconds: float  # for everything
    max_rows: int = 100
    max_bytes: int = 262_144
    utc: bool = False  # MySQL keeps some times as moments and shows them in the session's time zone: let that be UTC


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns and rows."""

    names: list[str]
    rows: list[Row]


@dataclass(slots=True)
class Rows:
    """Rows as they come, within the limits."""

    limits: Limits
    rows: list[Row] = field(default_factory=list)
    size: int = 0

    def add(self, row: Row, size: int) -> None:
        """Take one more, of so many bytes. Raises Failed when that is too much."""
        self.size += size
        if len(self.rows) == self.limits.max_rows:
            raise too_many(self.limits)
        if self.size > self.limits.max_bytes:
            raise too_large(self.limits)
        self.rows.append(row)


def too_many(limits: Limits) -> Failed:
    """The answer has more rows than may be read."""
    return Failed(Kind.OTHER, f"more than {limits.max_rows} rows; aggregate, or add a limit")


def too_large(limits: Limits) -> Failed:
    """The answer has more bytes than may be read."""
    return Failed(Kind.OTHER, f"more than {limits.max_bytes} bytes; select less")


def refused(message: str) -> Failed:
    """The database does not take the query."""
    return Failed(Kind.OTHER, f"the query failed: {message}")
