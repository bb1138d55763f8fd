"""How far from expectation a value usually is: winsorised, quick to widen for good, and by hour of the day."""

from array import array
from typing import ClassVar

WINSOR = 6.0
MEMORY = 500.0  # samples
OUTSIDE = 6000.0  # seconds (20 samples at least): how long values stay outside before the spread believes them
EXACT = 1e-6  # of the level: below it a change is rounding
LEAST = 0.02  # of the whole variation: no spread is taken to be smaller


class Spread:
    """Three robust mean distances: from the level (`whole`), from the baseline and from the forecast."""

    __slots__ = ("evidence", "from_baseline", "from_forecast", "hours", "outside", "whole")
    NUMBERS: ClassVar[tuple[str, ...]] = ("whole", "from_baseline", "from_forecast", "outside")

    def __init__(self) -> None:
        self.whole = self.from_baseline = self.from_forecast = self.outside = 0.0
        self.hours = array("f", bytes(4 * 24))  # relative to the mean, less one
        self.evidence = array("f", bytes(4 * 24))

    @property
    def arrays(self) -> "tuple[array[float], ...]":
        """What `packing` keeps beside the numbers."""
        return self.hours, self.evidence

    def least(self, level: float) -> float:
        """The smallest spread that is believed."""
        return max(LEAST * self.whole, EXACT * abs(level), 1e-200)

    def hourly(self, hour: int, step: float) -> float:
        """How wide this hour is beside the day's mean; hourly samples need more days to tell."""
        seen = self.evidence[hour]
        return max(0.25, 1.0 + self.hours[hour] * seen / (seen + 2.5 + 10.0 * min(1.0, step / 3600.0)))

    def learn(self, whole: float, error: float, missed: float, gap: float, pace: float, known: bool) -> None:
        """Take in the distances from level, baseline and forecast; `known` is False for the first few samples."""
        gain = max(pace, 1.0 / MEMORY)
        if known:
            far = abs(error) > WINSOR * self.from_baseline
            self.outside += min(0.05, gap / OUTSIDE) * (far - self.outside)
            gain += 0.1 * min(1.0, gap / 300.0) * max(0.0, 2.0 * self.outside - 1.0)
        self.whole = _mean(self.whole, abs(whole), gain, known)
        self.from_baseline = _mean(self.from_baseline, abs(error), gain, known)
        self.from_forecast = _mean(self.from_forecast, abs(missed), gain, known)

    def learn_hour(self, hour: int, relative: float, gap: float) -> None:
        """`relative` is the distance from the forecast over the mean one."""
        visit = min(1.0, gap / 3600.0)
        seen = min(8.0, self.evidence[hour] + visit)
        if seen > 0.0:
            self.evidence[hour] = seen
            self.hours[hour] += min(1.0, visit / seen) * (min(4.0, relative) - 1.0 - self.hours[hour])


def _mean(mean: float, distance: float, gain: float, known: bool) -> float:
    if known and mean > 0.0:
        distance = min(distance, WINSOR * mean)
    return mean + gain * (distance - mean)
