"""What goes in beside the samples (the knob) and what comes out (the judgement)."""

from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from typing import Literal

Direction = Literal["both", "up", "down"]


@dataclass(frozen=True, slots=True)
class Knob:
    """What a person chooses: one false alarm per `per` is bearable; `learn` is silent; `zone` is where people live."""

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
    learning: bool
    bad: bool
    clear: bool
    because: str


def score_of(days: float) -> float:
    """A return time in days as a score between 0 and 1."""
    share = float(days**0.4)
    return round(share / (1.0 + share), 6)
