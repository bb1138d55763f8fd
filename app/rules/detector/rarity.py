"""How rare a height is, and what of that is news.

Rarity is learnt from the series' own episodes: peaks over a threshold, declustered. What goes on is soon not worth a page.
"""

from array import array
from math import exp, inf, log, log10
from typing import ClassVar

KNEE = 100.0  # beyond it, surprises count by their logarithm: a thousand is hardly worse than a hundred
QUIET = 10  # so many samples below the threshold end an episode
EPISODES = 120  # how many of them are remembered
MEMORY = EPISODES * 60.0  # and over how many samples their frequency
SHARE = 0.03  # of the samples lie beyond the threshold
SHAPE = 0.15  # of the tail before it is known: a little heavier than exponential
KEPT = 12  # of the highest peaks
PEAK_DECAY = 0.97  # of a kept peak's weight with each that joins
SIMILAR = 0.9  # share of a peak's height from which another is similar
SIMILAR_ALLOWED = 3.0  # so many similar peaks are not yet usual for the series
MAX_RETURN_TIME = 100.0  # times the series' age: no longer return time is claimed
MAX_RECENT_RARITY = 3.0  # log10 days: cap of what an episode lowers later scores by
NEWS_MARGIN = 0.3  # log10: how much rarer a sample of the same episode must be to be news
RARITY_DECAY = 2.0  # log10 per day: how fast an episode stops lowering the next score
REPEAT_FACTOR = 0.3  # factor of a score that is not news
DAY = 86400.0


class Tail:
    """One side of one statistic; `quiet_samples` samples below the threshold end an episode."""

    __slots__ = ("episodes", "excess", "known", "last", "lesser", "peak", "peaks", "quiet", "quiet_samples", "seen",
                 "threshold", "weights")  # fmt: skip
    NUMBERS: ClassVar[tuple[str, ...]] = (
        "episodes", "excess", "known", "last", "lesser", "peak", "quiet", "seen", "threshold")  # fmt: skip

    def __init__(self, quiet_samples: int = QUIET) -> None:
        self.quiet_samples = quiet_samples
        self.episodes = self.peak = self.quiet = self.seen = 0.0
        self.excess, self.known, self.threshold = 0.7, 3.0, 2.0
        self.last = self.lesser = self.excess * (1.0 - SHAPE) / (2.0 - SHAPE)
        self.peaks = array("f", bytes(4 * KEPT))  # highest first
        self.weights = array("f", bytes(4 * KEPT))

    @property
    def arrays(self) -> "tuple[array[float], ...]":
        """What `packing` keeps beside the numbers."""
        return self.peaks, self.weights

    def rate(self, height: float) -> float:
        """Episodes per sample expected to reach `height`, which is above the threshold."""
        shape, scale = self._form()
        smooth = self._frequency() * float((1.0 + shape * (height - self.threshold) / scale) ** (-1.0 / shape))
        similar = sum(weight for peak, weight in zip(self.peaks, self.weights, strict=True) if peak >= height * SIMILAR)
        return max(smooth, (similar - SIMILAR_ALLOWED) / (self.seen + 100.0))

    def limit(self, rate: float) -> float:
        """The height that is reached `rate` times per sample: the inverse of `rate`."""
        shape, scale = self._form()
        ratio = max(1.0, self._frequency() / rate)
        height = self.threshold + scale / shape * (ratio**shape - 1.0)
        allowed = SIMILAR_ALLOWED + rate * (self.seen + 100.0)
        similar = 0.0
        for peak, weight in zip(self.peaks, self.weights, strict=True):
            similar += weight
            if similar > allowed:
                return float(max(height, peak / SIMILAR))
        return float(height)

    def _frequency(self) -> float:
        return (self.episodes + 1.0) / (self.seen + 60.0)

    def _form(self) -> tuple[float, float]:
        """Shape and scale of the generalised Pareto tail, the shape drawn to `SHAPE` while little is known.

        By L-moments (Hosking and Wallis 1987): the mean excess beside the mean of the lesser of two, which are
        scale / (1 - shape) and scale / (2 - shape). Unlike a variance they do not understate a heavy tail.
        """
        mean = self.excess
        ratio = max(1.0 + 1e-9, mean / max(1e-9, self.lesser))
        shape = (ratio - 2.0) / (ratio - 1.0)
        trust = self.known / (self.known + 20.0)
        shape = trust * min(0.5, max(0.02, shape)) + (1.0 - trust) * SHAPE
        return shape, max(1e-6, mean * (1.0 - shape))

    def learn(self, height: float) -> None:
        """Take one sample in; `height` may be negative."""
        keep = 1.0 - 1.0 / MEMORY
        self.seen = self.seen * keep + 1.0
        self.episodes *= keep
        over = height > self.threshold
        if over:
            self.quiet = 0.0
            self.peak = max(self.peak, height)
        elif self.peak > 0.0:
            self.quiet += 1.0
            if self.quiet >= self.quiet_samples:
                self._close()
        step = 0.02 * max(0.1, self.excess) * (1.0 if self.seen < 500.0 else 0.3)
        self.threshold = max(0.5, self.threshold + step * ((1.0 - SHARE) if over else -SHARE))

    def _close(self) -> None:
        """The episode is over: its peak counts once."""
        beyond = min(max(0.0, self.peak - self.threshold), 8.0 * self.excess)
        self.episodes += 1.0
        self.known = min(self.known + 1.0, EPISODES)
        self.excess += (beyond - self.excess) / self.known
        self.lesser += (min(beyond, self.last) - self.lesser) / self.known
        self.last = beyond
        if self.peak > self.peaks[-1]:
            kept = sorted([*zip(self.peaks, self.weights, strict=True), (self.peak, 1.0)], reverse=True)[:KEPT]
            self.peaks = array("f", [peak for peak, _ in kept])
            self.weights = array("f", [weight * PEAK_DECAY for _, weight in kept])
        self.peak = 0.0


def height_of(surprise: float) -> float:
    """A surprise on the scale the tail is drawn on."""
    return surprise if surprise < KNEE else KNEE * (1.0 + log(min(surprise, 1e300) / KNEE))


def surprise_of(height: float) -> float:
    """The inverse of `height_of`; what is not judged stays infinite."""
    return height if height < KNEE or height == inf else KNEE * exp(min(600.0, height / KNEE - 1.0))


class Novelty:
    """Which episodes were already scored as news."""

    __slots__ = ("recent_rarity",)
    NUMBERS: ClassVar[tuple[str, ...]] = ("recent_rarity",)

    def __init__(self) -> None:
        self.recent_rarity = -9.0

    @property
    def arrays(self) -> "tuple[array[float], ...]":
        """None."""
        return ()

    def score(self, days: float, gap: float, age: float) -> float:
        """The score of a rarity: an episode that goes on scores low unless it gets rarer. 0 days: 0."""
        self.recent_rarity = max(-9.0, self.recent_rarity - RARITY_DECAY * max(gap, 0.0) / DAY)
        if days <= 0.0:
            return 0.0
        days = min(days, max(age / DAY, 0.01) * MAX_RETURN_TIME)
        rarity = log10(days)
        if rarity > self.recent_rarity + (NEWS_MARGIN if self.recent_rarity > -1.0 else 0.0):
            self.recent_rarity = min(rarity, MAX_RECENT_RARITY)
            return score_of(days)
        return round(REPEAT_FACTOR * score_of(days), 6)


def score_of(days: float) -> float:
    """A return time in days as a score between 0 and 1."""
    share = float(days**0.4)
    return round(share / (1.0 + share), 6)
