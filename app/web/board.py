"""Incidents as rows of a live list: each with its responder or next escalation, and a notice of new ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy import Connection

from app.escalation import store as escalations
from app.escalation.ahead import Upcoming
from app.escalation.upcoming import next_steps
from app.incidents import store
from app.incidents.model import Incident
from app.incidents.search import store as search
from app.incidents.search.model import Order, Position, Search, ServiceCount, Since, Tally, parse_position, position

SERVICES = 8  # services that the summary names
MOST = 100  # rows that a page keeps
LATEST = 32_503_680_000_000  # the year 3000 in milliseconds since 1970


@dataclass(frozen=True, slots=True)
class Row:
    """One incident and its next step."""

    incident: Incident
    next: Upcoming | None

    @property
    def who(self) -> str:
        """Who is meant by the next step: `ada, bo`, `channel room`, or nothing."""
        return reached(self.next) if self.next else ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows that asks for its live part: these rows, out of what there was when it was loaded."""

    numbers: tuple[int, ...]
    seen: int  # the highest number that there was
    since: int  # when it was loaded, in milliseconds since 1970
    following: str  # where the next page began, if there was one: rows of this one may have another rank by now

    def next(self, order: Order) -> Position | None:
        """The position of the next page. Raises Invalid."""
        return parse_position(self.following, order) if self.following else None


def shown(
    known: Annotated[tuple[int, ...], Query()] = (), seen: int = 0, since: int = LATEST, following: str = ""
) -> Shown | None:
    """What the live refresh says of its page; None for a page that is loaded anew."""
    numbers = tuple(number for number in known[:MOST] if 0 < number < 2**63)
    return Shown(numbers, max(0, min(seen, 2**63 - 1)), max(0, min(since, LATEST)), following) if numbers else None


Page = Annotated[Shown | None, Depends(shown)]


@dataclass(frozen=True, slots=True)
class Board:
    """A page of the list. Rows never move on their own: newer incidents are announced, and shown on request."""

    rows: tuple[Row, ...]
    total: int  # that are found in all
    next: Position | None  # of the page after this one
    seen: int
    since: int
    new: int = 0  # that came after the page was loaded
    worst_new: Incident | None = None
    reopened: int = 0  # old ones that are open again since then
    worst_reopened: Incident | None = None
    services: tuple[ServiceCount, ...] = ()  # those with several, where one page does not hold all
    other_services: int = 0


def rows(db: Connection, incidents: Sequence[Incident], now: datetime) -> tuple[Row, ...]:
    """These incidents with their next steps, in the given order."""
    states = escalations.of_incidents(db, [one.number for one in incidents if one.open])
    steps = next_steps(db, list(incidents), states, now)
    return tuple(Row(one, steps.get(one.number)) for one in incidents)


def board(
    db: Connection,
    wanted: Search,
    now: datetime,
    limit: int,
    after: Position | None = None,
    page: Shown | None = None,
    by_service: bool = True,
) -> Board:
    """The page from after `after`. With `page` its rows as they are now, in that order, also those that are over.

    by_service: what does not fit on the page is counted by service.
    """
    if page is not None:
        return _refreshed(db, wanted, now, limit if by_service else None, after is None, page)
    seen = search.highest(db)  # before the rows: what comes in between is on the page and not new
    tally = search.tally(db, wanted)
    services, others = _services(tally, wanted, limit if by_service else None)
    found = search.found(db, wanted, after, limit + 1)
    following = position(found[limit - 1], wanted.order) if len(found) > limit else None
    since = int(now.timestamp() * 1000)
    return Board(rows(db, found[:limit], now), tally.total, following, seen, since, services=services, other_services=others)


def _refreshed(db: Connection, wanted: Search, now: datetime, limit: int | None, first: bool, page: Shown) -> Board:
    """The rows of a page as they are now, and what came since."""
    following = page.next(wanted.order)
    loaded_at = datetime.fromtimestamp(page.since / 1000, UTC)
    tally = search.tally(db, wanted, Since(page.seen, loaded_at, page.numbers, whole=first and following is None))
    services, others = _services(tally, wanted, limit)
    known = store.by_numbers(db, [*page.numbers, *filter(None, (tally.worst_new, tally.worst_reopened))])
    kept = [known[number] for number in page.numbers if number in known]
    return Board(
        rows(db, kept, now),
        tally.total,
        following,
        page.seen,
        page.since,
        tally.new,
        known.get(tally.worst_new or 0),
        tally.reopened,
        known.get(tally.worst_reopened or 0),
        services,
        others,
    )


def _services(tally: Tally, wanted: Search, limit: int | None) -> tuple[tuple[ServiceCount, ...], int]:
    """The services that several are of, the worst first, and how many further services there are."""
    if limit is None or tally.total <= limit or "service" in wanted.equal:
        return (), 0
    several = tuple(one for one in tally.services if one.incidents > 1)[:SERVICES]
    return (several, len(tally.services) - len(several)) if several and len(tally.services) > 1 else ((), 0)


def reached(step: Upcoming) -> str:
    """Who a step reaches, in a few words."""
    names = [name for one in step.step.targets for name in (*one.users, *([f"channel {one.channel}"] if one.channel else []))]
    return ", ".join(dict.fromkeys(names))
