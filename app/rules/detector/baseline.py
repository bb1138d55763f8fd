"""Where a value is expected when nothing is wrong, and how far from there it usually is.

A level, and what the hour of the day and of the week add to it; distances winsorised, quick to widen for good, and by hour.
"""

from array import array
from math import exp
from typing import ClassVar

from app.rules.detector.judgement import Season

DAY = 86400.0
LEVEL = DAY  # time constant of the plain level
SEASONAL_LEVEL = 3 * DAY  # and of the level beneath a season
ERROR_MEMORY = 3 * DAY  # time constant of the models' errors
LEAN_SECONDS = 12000.0  # seconds (40 samples at least) over which a one-sided error counts as a move of the level
ACCELERATION = 300.0  # how much faster a level moves per unit of lean above 0.9
MIN_EVIDENCE = 0.5  # visits of an hour of the week before it excuses anything
MEMORY = 500.0  # samples
OUTSIDE_SECONDS = 6000.0  # seconds (20 samples at least): how long values stay outside before the spread follows them
EXACT = 1e-6  # of the level: below it a change is rounding
LEAST = 0.02  # of the whole variation: no spread is taken to be smaller
WINSOR = 6.0  # an error beyond this many spreads teaches as if it were this large


class Cycle:
    """A profile of `buckets` deviations around a level, joined by straight lines; a bucket remembers `visits` visits."""

    __slots__ = ("buckets", "evidence", "values", "visits")

    def __init__(self, buckets: int, visits: float) -> None:
        self.buckets, self.visits = buckets, visits
        self.values = array("f", bytes(4 * buckets))
        self.evidence = array("f", bytes(4 * buckets))

    def value_at(self, position: float) -> float:
        """The deviation at `position` buckets from the start, shrunk toward zero while there is little evidence."""
        first = int(position)
        share = position - first
        second = (first + 1) % self.buckets
        one, two = self.evidence[first], self.evidence[second]
        start = self.values[first] * one / (one + 0.7)
        return start + (self.values[second] * two / (two + 0.7) - start) * share

    def learn(self, position: float, error: float, visit: float) -> None:
        """Move the two buckets around `position`; `visit` is the part of a whole bucket that the sample covers."""
        first = int(position)
        share = position - first
        for bucket, weight in ((first, visit * (1.0 - share)), ((first + 1) % self.buckets, visit * share)):
            if weight > 0.0:
                seen = min(self.evidence[bucket] + weight, self.visits)
                self.evidence[bucket] = seen
                self.values[bucket] += min(1.0, weight / seen) * error

    def raw(self, position: float) -> float:
        """The deviation at `position` without shrinking: what learning corrects."""
        first = int(position)
        start = self.values[first]
        return start + (self.values[(first + 1) % self.buckets] - start) * (position - first)


class Baseline:
    """Three models of a series, weighted by their errors: a plain level, a daily season and a weekly one."""

    __slots__ = ("_daily", "_hour", "_season", "_week", "_week_hour", "_weekly", "day", "day_error", "flat", "flat_error",
                 "flat_lean", "lean", "level", "since", "week", "week_error")  # fmt: skip
    NUMBERS: ClassVar[tuple[str, ...]] = (
        "flat", "level", "flat_lean", "lean", "flat_error", "day_error", "week_error", "since")  # fmt: skip

    def __init__(self) -> None:
        self.flat = self.level = self.flat_lean = self.lean = 0.0
        self.flat_error = self.day_error = self.week_error = self.since = 0.0
        self.day, self.week = Cycle(24, 6.0), Cycle(168, 5.0)
        self._hour = self._week_hour = self._season = self._week = self._daily = self._weekly = 0.0

    @property
    def arrays(self) -> "tuple[array[float], ...]":
        """What `packing` keeps beside the numbers."""
        return self.day.values, self.day.evidence, self.week.values, self.week.evidence

    def start(self, value: float, at: float) -> None:
        """Take the first sample as the level."""
        self.flat = self.level = value
        self.since = at

    def season(self, age: float) -> Season:
        """Which season carries the expectation at this age in seconds, for people: "", "day" or "week"."""
        season, week = self._weights(age)
        return "" if season < 0.5 else "week" if week >= 0.5 else "day"

    def expect(self, local: float, age: float) -> float:
        """The value expected at a local time in seconds; call it before `learn`, which corrects this same place."""
        hour = local / 3600.0 - 0.5  # a bucket's value stands at its middle
        self._hour, self._week_hour = hour % 24.0, hour % 168.0
        self._daily = self.day.value_at(self._hour)
        self._weekly = self.week.value_at(self._week_hour)
        season, week = self._weights(age)
        self._season, self._week = season, week
        return self.flat + season * (self.level - self.flat + self._daily + week * self._weekly)

    def usual_range(self, expected: float, age: float) -> tuple[float, float]:
        """The usual range of a value: `expected`, and what this hour and the next were a week ago.

        Until the weekly season has proved the better model, the value of a week ago already counts as usual, such as on a
        quiet Sunday. As an hour is one bucket, a step may come anywhere between it and the next. Call it after `expect`.
        """
        first = int(self._week_hour)
        second = (first + 1) % 168
        week_unproven = self._season > 0.5 and self._week <= 0.5 and age >= 7 * DAY
        if not week_unproven or min(self.week.evidence[first], self.week.evidence[second]) < MIN_EVIDENCE:
            return expected, expected
        one = self.level + self.day.values[first % 24] + self.week.values[first]
        two = self.level + self.day.values[second % 24] + self.week.values[second]
        return min(expected, one, two), max(expected, one, two)

    def _weights(self, age: float) -> tuple[float, float]:
        """The weight of the season against the plain level, and in it of the week against the day."""
        if age < 1.2 * DAY:
            return 0.0, 0.0
        week = _weights(self.week_error, self.day_error) if age > 8 * DAY else 0.0
        return _weights(self.day_error + week * (self.week_error - self.day_error), self.flat_error), week

    def learn(self, value: float, gap: float, pace: float, spread: float, error: float) -> None:
        """Learn from one sample: `gap` seconds after the last, at least at `pace` (1 over the samples seen at first)."""
        limit = WINSOR * spread
        wide = 3.0 * limit
        lean = min(1.0 / 40.0, gap / LEAN_SECONDS)
        off = value - self.flat
        self.lean += lean * (_sign(error) - self.lean)
        self.flat_lean += lean * (_sign(off) - self.flat_lean)
        speed = 1.0 + ACCELERATION * max(0.0, abs(self.flat_lean) - 0.9)
        self.flat += max(pace, min(0.1, speed * (1.0 - exp(-gap / LEVEL)))) * _within(off, limit)
        rest = value - self.level - self.day.raw(self._hour)
        speed = 1.0 + ACCELERATION * max(0.0, abs(self.lean) - 0.9)
        self.level += min(0.5, speed * max(pace, 1.0 - exp(-gap / SEASONAL_LEVEL))) * _within(rest, wide)
        visit = min(1.0, gap / 3600.0)
        weekly = rest - self.week.raw(self._week_hour)
        self.day.learn(self._hour, _within(rest, wide), visit)
        self.week.learn(self._week_hour, _within(weekly, wide), visit)

    def track_errors(self, value: float, gap: float, pace: float, spread: float) -> None:
        """Track the error of each model; to be called once there is a day of data, before `learn`."""
        if self.flat_error == 0.0:
            self.flat_error = self.day_error = self.week_error = spread
        limit = 3.0 * WINSOR * spread
        gain = max(pace, 1.0 - exp(-gap / ERROR_MEMORY))
        seasonal = value - self.level - self._daily
        self.flat_error += gain * (min(abs(value - self.flat), limit) - self.flat_error)
        self.day_error += gain * (min(abs(seasonal), limit) - self.day_error)
        self.week_error += gain * (min(abs(seasonal - self._weekly), limit) - self.week_error)


def _weights(error: float, other_error: float) -> float:
    """0 while its error is not below the other's, 1 when it is clearly below."""
    if error <= 0.0 or other_error <= 0.0:
        return 0.0 if other_error <= 0.0 else 1.0
    odds = 1.0 / (1.0 + (error / other_error) ** 6)
    return max(0.0, (2.0 * odds - 0.8) / 1.2)


def _sign(number: float) -> int:
    return (number > 0.0) - (number < 0.0)


def _within(number: float, limit: float) -> float:
    return max(-limit, min(limit, number))


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
        """The smallest spread that is used."""
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
            self.outside += min(0.05, gap / OUTSIDE_SECONDS) * (far - self.outside)
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
