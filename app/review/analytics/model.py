"""The figures of a range of days, and what each of them counts: the page, the API, the command and the docs say these words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from app.catalog.model import Severity

LONGEST: Final = 366  # days of a range
MOST: Final = 50  # rows of a list
USUAL: Final = 30  # days, when nothing else is asked for

DEFINITIONS: Final = {
    "pages": "Messages that page a person, counted when a channel other than the inbox accepted them. A step that uses two"
    " contacts is two pages. Updates, resolved notifications, tests and pages to channels are not counted.",
    "night": "Pages between 22:00 and 07:00 in the time zone of the person who was paged.",
    "weekend": "Pages on a Saturday or Sunday in the time zone of the person who was paged.",
    "incidents": "Incidents opened in the range, by their current severity; includes those that were merged later.",
    "needed_nobody": "Incidents that resolved because their alerts did, and that nobody acknowledged, snoozed or resolved.",
    "pages_needed_nobody": "Pages for incidents that needed no action.",
    "night_needed_nobody": "Pages at night for incidents that needed no action.",
    "acknowledge": "Time from opening to the first acknowledgement or snooze, for incidents that had one (MTTA).",
    "resolve": "Time from opening to the last resolution, for incidents that are resolved and not merged (MTTR).",
    "reopened": "Incidents reopened at least once, by a person or because an alert fired again.",
    "escalated": "Incidents whose policy went beyond step 1: it ran a later step, or repeated its steps.",
    "by_alert": "A page or incident counts for the alert that gives the incident its title: the most severe one, and if there"
    " are several, the earliest.",
    "by_user": "The people who were paged. With a user filter, only incidents that paged that person are counted.",
    "previous": "The same range, shifted back by its number of days.",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Of which service and team the incidents are, and who was paged; None: any."""

    service: str | None = None
    team: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """[start, end) in somebody's zone, and the range before that it is compared with."""

    start: datetime
    end: datetime
    before_start: datetime
    before_end: datetime
    zone: ZoneInfo
    days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """When nights and weekends begin and end, in turn: at an odd place of the list one has begun."""

    nights: tuple[datetime, ...]
    weekends: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Clocks:
    """Those of each zone, the zone of each person, and the zone of whoever is no longer here."""

    of_zones: Mapping[str, Clock]
    zones: Mapping[str, str]
    otherwise: str


class Level(StrEnum):
    """What figures are of."""

    TOTAL = "total"
    DAY = "day"
    SERVICE = "service"
    TEAM = "team"
    USER = "user"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that figures are of. name: None where an incident has none; source: of an alert."""

    level: Level
    name: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Paged:
    """Pages of one thing."""

    pages: int = 0
    night: int = 0
    weekend: int = 0
    needed_nobody: int = 0
    night_needed_nobody: int = 0


@dataclass(frozen=True, slots=True)
class Spread:
    """How long it took, in seconds, in so many cases; `without` had none."""

    count: int = 0
    without: int = 0
    mean: float | None = None
    median: float | None = None
    p90: float | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """Incidents of one thing. Both spreads only of the total."""

    incidents: int = 0
    needed_nobody: int = 0
    reopened: int = 0
    escalated: int = 0
    acknowledge: Spread = Spread()
    resolve: Spread = Spread()


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything of one thing in one range."""

    paged: Paged = Paged()
    opened: Opened = Opened()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list."""

    key: Key
    now: Figures
    before: Figures


@dataclass(frozen=True, slots=True)
class Listing:
    """The first rows, and how many there are beyond them."""

    rows: tuple[Row, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the range."""

    day: date
    paged: Paged
    severities: Mapping[Severity, int]

    @property
    def incidents(self) -> int:
        """Opened on that day."""
        return sum(self.severities.values())


@dataclass(frozen=True, slots=True)
class Counted:
    """What a store found: of the range, of the range before, and by the day's place in the range."""

    paged: Mapping[Key, Paged]
    paged_before: Mapping[Key, Paged]
    paged_days: Mapping[int, Paged]
    opened: Mapping[Key, Opened]
    opened_before: Mapping[Key, Opened]
    opened_days: Mapping[int, Mapping[Severity, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Analytics:
    """The figures of a range, compared with the range before."""

    range: Range
    filter: Filter
    total: Row
    days: tuple[Day, ...]
    alerts: Listing
    services: Listing
    teams: Listing
    users: Listing
