"""A return time as a score that is news: what goes on is soon no longer worth a page."""

from array import array
from math import log10
from typing import ClassVar

from app.rules.detector.judgement import score_of

FURTHEST = 100.0  # times the series' age: no longer return time is claimed
MEMORABLE = 3.0  # log10 days: a rarer episode subdues the score no longer than this one
RARER = 0.3  # log10: how much rarer a sample of the same episode must be to be news
FADING = 2.0  # log10 per day: how fast an episode stops subduing the next
SUBDUED = 0.3  # of the score is left to what is no news
DAY = 86400.0


class News:
    """What a person has already been told."""

    __slots__ = ("heat",)
    NUMBERS: ClassVar[tuple[str, ...]] = ("heat",)

    def __init__(self) -> None:
        self.heat = -9.0

    @property
    def arrays(self) -> "tuple[array[float], ...]":
        """None."""
        return ()

    def score(self, days: float, gap: float, age: float) -> float:
        """How rare, as news: an episode that goes on scores low unless it gets rarer. 0 days: nothing to tell."""
        self.heat = max(-9.0, self.heat - FADING * max(gap, 0.0) / DAY)
        if days <= 0.0:
            return 0.0
        days = min(days, max(age / DAY, 0.01) * FURTHEST)
        rarity = log10(days)
        if rarity > self.heat + (RARER if self.heat > -1.0 else 0.0):
            self.heat = min(rarity, MEMORABLE)
            return score_of(days)
        return round(SUBDUED * score_of(days), 6)
