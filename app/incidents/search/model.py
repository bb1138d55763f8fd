"""What is asked of the list of incidents. The console, the API and the command line all ask with it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.catalog.matcher import Matchers
from app.catalog.model import Severity
from app.errors import Fault, Invalid
from app.incidents.model import Incident, IncidentState


class Order(StrEnum):
    """In which order incidents are listed."""

    WORST = "worst"  # the most severe first, then the unacknowledged, then the oldest
    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True, slots=True)
class Search:
    """Which incidents: those that fit all of it.

    An incident fits matchers when the labels of one of its alerts, with what the incident is itself, pass all of them.
    """

    states: tuple[IncidentState, ...] = ()  # none: any
    equal: Mapping[str, str] = field(default_factory=dict)  # service, team or severity
    teams: tuple[str, ...] | None = None  # None: any
    person: str | None = None  # whose: acknowledged by, assigned to or escalated to this login
    words: tuple[str, ...] = ()  # each somewhere in title, number, service, team, or in summary or label values of an alert
    matchers: Matchers = ()
    order: Order = Order.NEWEST


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of the list ends."""

    number: int
    rank: int = 0  # see `rank`; only in the order WORST

    def __str__(self) -> str:
        return f"{self.rank}.{self.number}" if self.rank else str(self.number)


@dataclass(frozen=True, slots=True)
class ServiceCount:
    """What of one service is found."""

    service: str | None
    incidents: int
    unacknowledged: int
    worst: Severity


@dataclass(frozen=True, slots=True)
class Since:
    """What a page of the list shows that was loaded some time ago: what is found and not `known` came after it."""

    seen: int  # the highest number that there was
    loaded_at: datetime
    known: tuple[int, ...]  # rows of the page
    whole: bool  # the page is the whole list: an old one that fits by now is new, too


@dataclass(frozen=True, slots=True)
class Tally:
    """What is found, in numbers. services: the worst first, then the most."""

    total: int
    services: tuple[ServiceCount, ...]
    new: int = 0
    worst_new: int | None = None  # its number
    reopened: int = 0  # old ones that are open again
    worst_reopened: int | None = None


RANKS = {severity: 2 * (3 - severity.rank) + 1 for severity in Severity}  # one more when it is not unacknowledged


def rank(incident: Incident) -> int:
    """How far down in the order WORST, from 1; the statements say the same."""
    return RANKS[incident.severity] + (incident.state is not IncidentState.TRIGGERED)


def position(incident: Incident, order: Order) -> Position:
    """The position of this incident in a list."""
    return Position(incident.number, rank(incident) if order is Order.WORST else 0)


def parse_position(text: str, order: Order) -> Position:
    """What `str` of a position in this order reads. Raises Invalid."""
    first, dot, second = text.partition(".")
    parts = (first, second) if dot else (first,)
    if all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts) and bool(dot) is (order is Order.WORST):
        return Position(int(parts[-1]), int(first) if dot else 0)
    raise Invalid("invalid cursor; use `next` of the previous page", [Fault("cursor", "is invalid")])
