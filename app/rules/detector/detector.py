"""One series, one sample at a time: expect, judge, learn."""

from array import array
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Any, ClassVar

from app.rules.detector import windows
from app.rules.detector.baseline import WINSOR, Baseline, Spread
from app.rules.detector.judgement import Deviation, Judgement, Progress, Tuning
from app.rules.detector.packing import Packable, pack, unpack
from app.rules.detector.rarity import MAX_RETURN_TIME, Novelty, Tail, height_of, surprise_of
from app.rules.detector.windows import WindowHeight, Windows

VERSION = 2
LEAST_SAMPLES = 30  # before anything is judged
FIRST_SAMPLES = 10  # before anything is winsorised
BLEND = 0.7  # the baseline's part in the surprise; the rest is the one-step forecast's
RESIDUAL_GAIN = 0.3  # gain of the residual towards the newest error
GAP = 20.0  # so many usual intervals without a sample clear the residual
VALUES = (Deviation.HIGH, Deviation.LOW)  # in the order of the two sides
VALUE = 0.4  # of the false alarms that the knob allows are left to the value itself where windows are judged too
WINDOW = 0.2  # and to each of the three ways in which a window may be unlike; together they spend the whole
LATER = 0.25  # a window's return time counts this much in the score: what it tells is less and comes later
BACKWARDS = 86400.0  # seconds: a clock this far back was set, and is followed
DAY = 86400.0


class Detector:
    """State and judgement of one series."""

    __slots__ = ("_sides", "_tuning", "alarm", "autocovariance", "base", "last", "novelty", "residual", "samples", "sides",
                 "spread", "step", "variance", "windows")  # fmt: skip
    NUMBERS: ClassVar[tuple[str, ...]] = ("samples", "last", "step", "residual", "autocovariance", "variance", "alarm")

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._sides = 2.0 if tuning.direction == "both" else 1.0
        self.samples = self.last = self.step = self.residual = self.autocovariance = self.variance = 0.0
        self.alarm = Deviation.NONE  # which look alarms
        self.base, self.spread, self.sides = Baseline(), Spread(), (Tail(), Tail())
        self.windows, self.novelty = Windows(), Novelty()

    @classmethod
    def load(cls, memory: Mapping[str, Any] | None, tuning: Tuning) -> "Detector":
        """Go on from `memory()`; without it (or with one of another version) start to learn. The knob may have changed."""
        detector = cls(tuning)
        if memory and memory.get("v") == VERSION:
            unpack(detector._parts, memory["n"], memory["a"])
            detector.alarm = Deviation(detector.alarm)
        return detector

    def memory(self) -> dict[str, Any]:
        """Everything learnt, as JSON."""
        numbers, arrays = pack(self._parts)
        return {"v": VERSION, "n": numbers, "a": arrays}

    @property
    def _parts(self) -> tuple[Packable, ...]:
        return self, self.base, self.spread, *self.sides, self.windows, *self.windows.tails, self.novelty

    @property
    def arrays(self) -> tuple["array[float]", ...]:
        """None of its own: its parts have them."""
        return ()

    def advance(self, at: datetime, value: float, excluded: bool = False) -> Judgement:
        """Judge the sample and learn from it. One that is excluded, or not newer than the last, teaches nothing."""
        now = at.timestamp()
        if self.samples == 0.0:
            if not excluded:
                self.samples, self.last = 1.0, now
                self.base.start(value, now)
            return self._not_judged(value, value, value, self._progress(0.0, 0))
        if now < self.last - BACKWARDS:
            self.base.since += now - self.last
            self.last = now
        return self._judge(at, now, value, excluded)

    def _judge(self, at: datetime, now: float, value: float, excluded: bool) -> Judgement:
        zone = self._tuning.zone
        local = at.astimezone(zone)
        seconds = now + (local.utcoffset() or timedelta(0)).total_seconds()
        gap, age = now - self.last, now - self.base.since
        base = self.base.expect(seconds, age)
        expected_residual = self._expected_residual(gap)
        least = self.spread.least(self.base.flat)
        wide = self.spread.hourly(local.hour, self.step)
        baseline_weight = BLEND / max(self.spread.from_baseline * wide, least)
        forecast_weight = (1.0 - BLEND) / max(self.spread.from_forecast * wide, least)
        expected = base + expected_residual * forecast_weight / (baseline_weight + forecast_weight)
        least_usual, most_usual = self.base.usual_range(expected, age)
        surprise = (baseline_weight + forecast_weight) * (value - min(max(value, least_usual), most_usual))
        heights = (height_of(surprise), height_of(-surprise))
        limits = self._limits()
        low, high = (
            least_usual - surprise_of(limits[1]) / (baseline_weight + forecast_weight),
            most_usual + surprise_of(limits[0]) / (baseline_weight + forecast_weight),
        )
        if excluded:
            return self._not_judged(expected, low, high)
        window_heights = self._windows(surprise, gap)
        progress = self._progress(age, int(self.samples))
        if progress.seconds < progress.needed_seconds or progress.samples < progress.needed_samples:
            judgement = self._not_judged(expected, low, high, progress)
        else:
            bad, clear = self._bad(heights, limits, window_heights)
            window = self.alarm if bad and self.alarm not in VALUES else Deviation.NONE
            score = self.novelty.score(self._return_time(heights, window_heights), gap, age)
            season, span = self.base.season(age), windows.length(self.step) * self.step
            judgement = Judgement(
                score, expected, low, high, bad, clear, season=season, age=age, window=window, window_seconds=span
            )
        if gap > 0.0:
            self._learn(value, now, local.hour, base, expected_residual, heights, window_heights)
        return judgement

    def _not_judged(self, expected: float, low: float, high: float, learning: Progress | None = None) -> Judgement:
        self.alarm = Deviation.NONE
        return Judgement(0.0, expected, low, high, learning=learning)

    def _progress(self, age: float, samples: int) -> Progress:
        needed = max(self._tuning.learn.total_seconds(), self._tuning.per.total_seconds() / MAX_RETURN_TIME)
        return Progress(age, needed, samples, LEAST_SAMPLES)

    def _expected_residual(self, gap: float) -> float:
        """The part of the last errors that is expected to last until now."""
        if self.variance <= 0.0 or self.step <= 0.0:
            return 0.0
        share = max(0.0, min(1.0, self.autocovariance / self.variance))
        steps = gap / self.step
        return self.residual * (share if steps < 1.5 else share ** min(steps, 50.0))

    def _windows(self, surprise: float, gap: float) -> tuple[WindowHeight, ...]:
        """What the windows say that this sample belongs to; nothing of one that came late, or where samples are too rare."""
        if gap <= 0.0 or not windows.is_window(self.step):
            return ()
        if gap > GAP * self.step:
            self.windows.clear()
        self.windows.add(surprise, self.samples, self.step)
        return tuple(self.windows.heights(self.step))

    def _is_judged(self, deviation: Deviation) -> bool:
        """Whether this deviation is judged in the set direction; varying has no side, and is judged when both are."""
        sides = {"up": (Deviation.HIGH, Deviation.LEANS_UP), "down": (Deviation.LOW, Deviation.LEANS_DOWN)}
        return self._tuning.direction == "both" or deviation in sides[self._tuning.direction]

    def _limits(self) -> tuple[float, float]:
        """The limits that follow from the accepted false alarms, as heights up and down."""
        rate = max(self.step, 1.0) / self._tuning.per.total_seconds() / self._sides
        if windows.is_window(self.step):
            rate *= VALUE
        up, down = self.sides
        return up.limit(rate) if self._is_judged(Deviation.HIGH) else inf, down.limit(rate) if self._is_judged(
            Deviation.LOW
        ) else inf

    def _bad(
        self, heights: tuple[float, float], limits: tuple[float, float], window_heights: tuple[WindowHeight, ...]
    ) -> tuple[bool, bool]:
        """Outside the band; once outside, until half-way back. Clear is back among the usual."""
        for deviation, height, limit, tail in zip(VALUES, heights, limits, self.sides, strict=True):
            if self._beyond(deviation, height, limit, tail):
                return True, False
        rate = WINDOW * max(self.step, 1.0) / self._tuning.per.total_seconds()
        for deviation, tail, height in window_heights:
            if height > tail.threshold and self._is_judged(deviation):
                if self._beyond(deviation, height, tail.limit(rate), tail):
                    return True, False
                if self.alarm is deviation:
                    return False, False
        usual = [min(tail.threshold, limit) for tail, limit in zip(self.sides, limits, strict=True)]
        clear = self.alarm is Deviation.NONE or (heights[0] <= usual[0] and heights[1] <= usual[1])
        if clear:
            self.alarm = Deviation.NONE
        return False, clear

    def _beyond(self, deviation: Deviation, height: float, limit: float, tail: Tail) -> bool:
        if height > limit or (self.alarm is deviation and height > 0.5 * (limit + tail.threshold)):
            self.alarm = deviation
            return True
        return False

    def _return_time(self, heights: tuple[float, float], window_heights: tuple[WindowHeight, ...]) -> float:
        """Days until the like of it is to be expected again, by the deviation that is rarest; 0 for what is usual."""
        days, best = max(self.step, 1.0) / DAY, 0.0
        for deviation, height, tail in zip(VALUES, heights, self.sides, strict=True):
            if height > tail.threshold and self._is_judged(deviation):
                best = max(best, days / max(1e-300, tail.rate(height)) / self._sides)
        for deviation, tail, height in window_heights:
            if height > tail.threshold and self._is_judged(deviation):
                best = max(best, days * LATER / max(1e-300, tail.rate(height)))
        return best

    def _learn(self, value: float, now: float, hour: int, base: float, expected_residual: float, heights: tuple[float, float],
               window_heights: tuple[WindowHeight, ...]) -> None:  # fmt: skip
        gap, count = now - self.last, self.samples + 1.0
        pace, known = 1.0 / count, count > FIRST_SAMPLES
        step = self.step or gap
        self.step = step + max(0.02, pace) * _within(gap - step, 0.5 * step, step)
        self.samples, self.last = count, now
        residual_gain = RESIDUAL_GAIN if gap < GAP * self.step else 1.0
        gap = min(gap, 3.0 * self.step)  # one sample after a missing day teaches little more than any other
        if count > LEAST_SAMPLES:
            self.sides[0].learn(heights[0])
            self.sides[1].learn(heights[1])
            for _, tail, height in window_heights:
                tail.learn(height)
        error, missed = value - base, value - base - expected_residual
        least = self.spread.least(self.base.flat)
        if known:
            self.spread.learn_hour(hour, abs(missed) / max(self.spread.from_forecast, least), gap)
        self.spread.learn(value - self.base.flat, error, missed, gap, pace, known)
        spread = max(self.spread.from_baseline, least) if known else inf
        if now - self.base.since > DAY:
            self.base.track_errors(value, gap, pace, spread)
        self.base.learn(value, gap, pace, spread, error)
        limit = 3.0 * WINSOR * spread
        kept = _within(error, limit, limit)
        gain = max(pace, 1.0 / 300.0)
        self.autocovariance += gain * (kept * self.residual - self.autocovariance)
        self.variance += gain * (self.residual * self.residual - self.variance)
        self.residual += residual_gain * (kept - self.residual)


def _within(number: float, below: float, above: float) -> float:
    return max(-below, min(above, number))
