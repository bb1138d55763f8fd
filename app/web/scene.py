"""What is to be drawn of a metric: its curves with limits, the band where it was expected, and stretches of time. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Spot:
    """What a line was like around one instant."""

    at: datetime
    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A series: its spots, oldest first."""

    spots: Sequence[Spot]
    name: str = ""
    key: str = ""  # by which it is chosen


@dataclass(frozen=True, slots=True)
class Limit:
    """A level that a rule watches; `clear`: where it recovers."""

    value: float
    clear: bool = False
    of: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is to be drawn; the first curve is the one it is about where `alone`."""

    metric: str
    curves: Sequence[Curve]
    window: Stretch
    zone: ZoneInfo
    limits: Sequence[Limit] = ()
    firing: Sequence[Stretch] = ()
    pending: Sequence[Stretch] = ()
    band: Sequence[Spot] = ()  # where a rule expected it
    alone: bool = True
