"""Analytics as JSON: the same in the API and in the command line's answers. Pure."""

from collections.abc import Mapping
from datetime import date, datetime

from typing_extensions import TypedDict

from app.catalog.model import Severity
from app.review.analytics.model import DEFINITIONS, Analytics, Day, Figures, Listing, Row, Spread


class PublicSpread(TypedDict):
    """Seconds, over `count` incidents; `without` are the others. Null where there is none."""

    count: int
    without: int
    mean: float | None
    median: float | None
    p90: float | None


class PublicFigures(TypedDict):
    """What was counted of one thing in one range."""

    pages: int
    night: int
    weekend: int
    pages_needed_nobody: int
    night_needed_nobody: int
    incidents: int
    needed_nobody: int
    reopened: int
    escalated: int


class PublicTotal(PublicFigures):
    """Everything in one range."""

    acknowledge: PublicSpread
    resolve: PublicSpread


class PublicCompared(PublicFigures):
    """One line of a list. name: null where incidents have none; source: of an alert; previous: in the range before."""

    name: str | None
    source: str | None
    previous: PublicFigures


class PublicListing(TypedDict):
    """The first lines, and how many there are beyond them."""

    items: list[PublicCompared]
    more: int


class PublicDay(TypedDict):
    """One day; incidents by severity."""

    day: date
    pages: int
    night: int
    weekend: int
    incidents: dict[Severity, int]


class PublicPrevious(TypedDict):
    """The range before, half-open."""

    start: datetime
    end: datetime
    total: PublicTotal


class PublicAnalytics(TypedDict):
    """What was paged and opened in [start, end), compared with the range before. definitions: what each figure counts."""

    start: datetime
    end: datetime
    timezone: str
    service: str | None
    team: str | None
    user: str | None
    total: PublicTotal
    previous: PublicPrevious
    by_day: list[PublicDay]
    by_alert: PublicListing
    by_service: PublicListing
    by_team: PublicListing
    by_user: PublicListing
    definitions: Mapping[str, str]


def present(of: Analytics) -> PublicAnalytics:
    """The public form."""
    within, only = of.range, of.filter
    return {
        "start": within.start,
        "end": within.end,
        "timezone": within.zone.key,
        "service": only.service,
        "team": only.team,
        "user": only.user,
        "total": _total(of.total.now),
        "previous": {"start": within.before_start, "end": within.before_end, "total": _total(of.total.before)},
        "by_day": [_day(one) for one in of.days],
        "by_alert": _listing(of.alerts),
        "by_service": _listing(of.services),
        "by_team": _listing(of.teams),
        "by_user": _listing(of.users),
        "definitions": DEFINITIONS,
    }


def _figures(of: Figures) -> PublicFigures:
    paged, opened = of.paged, of.opened
    return {
        "pages": paged.pages,
        "night": paged.night,
        "weekend": paged.weekend,
        "pages_needed_nobody": paged.needed_nobody,
        "night_needed_nobody": paged.night_needed_nobody,
        "incidents": opened.incidents,
        "needed_nobody": opened.needed_nobody,
        "reopened": opened.reopened,
        "escalated": opened.escalated,
    }


def _total(of: Figures) -> PublicTotal:
    return {**_figures(of), "acknowledge": _spread(of.opened.acknowledge), "resolve": _spread(of.opened.resolve)}


def _spread(of: Spread) -> PublicSpread:
    return {"count": of.count, "without": of.without, "mean": of.mean, "median": of.median, "p90": of.p90}


def _compared(row: Row) -> PublicCompared:
    return {**_figures(row.now), "name": row.key.name, "source": row.key.source, "previous": _figures(row.before)}


def _listing(of: Listing) -> PublicListing:
    return {"items": [_compared(row) for row in of.rows], "more": of.more}


def _day(of: Day) -> PublicDay:
    paged = of.paged
    severities = {severity: of.severities.get(severity, 0) for severity in Severity}
    return {"day": of.day, "pages": paged.pages, "night": paged.night, "weekend": paged.weekend, "incidents": severities}
