"""What goes in beside the samples (the knob) and what comes out (the judgement)."""

from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from enum import Enum
from typing import Literal, NamedTuple

Direction = Literal["both", "up", "down"]
Season = Literal["", "day", "week"]


class Deviation(float, Enum):
    """How a sample deviates from what was learnt. Numbers, because the memory holds numbers."""

    NONE = 0.0
    HIGH = 1.0  # the value itself
    LOW = -1.0
    LEANS_UP = 2.0  # the window's values are high, all in all
    LEANS_DOWN = -2.0
    VARIES = 3.0  # they vary more than usual


class Progress(NamedTuple):
    """What was seen of what is needed before anything is judged. `samples` 0: this is the first."""

    seconds: float
    needed_seconds: float
    samples: int
    needed_samples: int


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the user sets: one false alarm per `per` is accepted; `learn` is the silent start; `zone` is for seasons."""

    per: timedelta = timedelta(days=30)
    direction: Direction = "both"
    learn: timedelta = timedelta(hours=12)
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Judgement:
    """The judgement on one sample; `low` and `high` are the band that the knob implies (infinite on a side not judged)."""

    score: float  # 0..1 and comparable between series; 0.5 happens daily, 0.8 monthly
    expected: float
    low: float
    high: float
    bad: bool = False
    clear: bool = True
    learning: Progress | None = None  # it has not seen enough to judge
    season: Season = ""  # what carries the expectation
    age: float = 0.0  # seconds since the first sample
    window: Deviation = Deviation.NONE  # the alarm is of the last samples together
    window_seconds: float = 0.0
