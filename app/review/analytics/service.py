"""Counts a range: asks the store, and puts together what the page, the API and the command show."""

from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.people import store as people
from app.review.analytics import store
from app.review.analytics.calendar import clock, midnights
from app.review.analytics.model import (
    MOST,
    Analytics,
    Clocks,
    Counted,
    Day,
    Figures,
    Filter,
    Key,
    Level,
    Listing,
    Opened,
    Paged,
    Range,
    Row,
)


def analytics(db: Connection, within: Range, only: Filter) -> Analytics:
    """The figures of a range; nights and weekends are those of the person who was paged."""
    found = store.counted(db, within, midnights(within), _clocks(db, within), only)
    return Analytics(
        range=within,
        filter=only,
        total=_row(found, Key(Level.TOTAL)),
        days=tuple(
            Day(day, found.paged_days.get(place, Paged()), found.opened_days.get(place, {}))
            for place, day in enumerate(within.days, 1)
        ),
        alerts=_listing(found, Level.ALERT, _cost_of_sleep),
        services=_listing(found, Level.SERVICE, _pages),
        teams=_listing(found, Level.TEAM, _pages),
        users=_listing(found, Level.USER, _pages),
    )


def default_zone(db: Connection) -> ZoneInfo:
    """The zone of who asks without being anybody."""
    return ZoneInfo(catalog.defaults(db).timezone)


def _clocks(db: Connection, within: Range) -> Clocks:
    otherwise = default_zone(db)
    directory = people.directory(db, otherwise.key).people
    zones = {login: person.zone for login, person in directory.items()}
    wanted = {zone.key: zone for zone in (otherwise, *zones.values())}
    return Clocks(
        {name: clock(within, zone) for name, zone in wanted.items()},
        {login: zone.key for login, zone in zones.items()},
        otherwise.key,
    )


def _row(found: Counted, key: Key) -> Row:
    now = Figures(found.paged.get(key, Paged()), found.opened.get(key, Opened()))
    return Row(key, now, Figures(found.paged_before.get(key, Paged()), found.opened_before.get(key, Opened())))


def _listing(found: Counted, level: Level, order: Callable[[Figures], tuple[int, ...]]) -> Listing:
    """What was paged or opened in the range, the most first."""
    sources: tuple[Mapping[Key, object], ...] = (found.paged, found.opened)
    keys = {key for source in sources for key in source if key.level is level}
    rows = sorted(
        (_row(found, key) for key in keys), key=lambda row: (*order(row.now), row.key.name or "", row.key.source or "")
    )
    return Listing(tuple(rows[:MOST]), max(0, len(rows) - MOST))


def _cost_of_sleep(of: Figures) -> tuple[int, ...]:
    """First what paged at night and needed no action, then what paged and needed no action, then what paged."""
    paged = of.paged
    return (-paged.night_needed_nobody, -paged.needed_nobody, -paged.pages, -of.opened.needed_nobody, -of.opened.incidents)


def _pages(of: Figures) -> tuple[int, ...]:
    return -of.paged.pages, -of.opened.incidents
