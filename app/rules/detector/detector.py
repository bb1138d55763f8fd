"""One series, one sample at a time: expect, judge, learn."""

from array import array
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Any, ClassVar

from app.rules.detector import windows
from app.rules.detector.baseline import WINSOR, Baseline, Spread
from app.rules.detector.judgement import Judgement, Knob, Look, Progress
from app.rules.detector.packing import Packable, pack, unpack
from app.rules.detector.rarity import FURTHEST, News, Tail, height_of, surprise_of
from app.rules.detector.windows import Seen, Windows

VERSION = 2
LEAST_SAMPLES = 30  # before anything is judged
FIRST_SAMPLES = 10  # before anything is winsorised
BLEND = 0.7  # the baseline's part in the surprise; the rest is the one-step forecast's
LINGER = 0.3  # how fast the remainder that may linger follows the newest error
GAP = 20.0  # so many usual intervals without a sample: what lingered is forgotten
VALUES = (Look.HIGH, Look.LOW)  # in the order of the two sides
VALUE = 0.4  # of the false alarms that the knob allows are left to the value itself where windows are judged too
WINDOW = 0.2  # and to each of the three ways in which a window may be unlike; together they spend the whole
LATER = 0.25  # a window's return time counts this much in the score: what it tells is less and comes later
BACKWARDS = 86400.0  # seconds: a clock this far back has been set, and is believed
DAY = 86400.0


class Detector:
    """State and judgement of one series."""

    __slots__ = ("_knob", "_sides", "alarm", "base", "carried", "last", "lingers", "news", "samples", "sides", "spread", "step",
                 "variance", "windows")  # fmt: skip
    NUMBERS: ClassVar[tuple[str, ...]] = ("samples", "last", "step", "lingers", "carried", "variance", "alarm")

    def __init__(self, knob: Knob) -> None:
        self._knob = knob
        self._sides = 2.0 if knob.direction == "both" else 1.0
        self.samples = self.last = self.step = self.lingers = self.carried = self.variance = 0.0
        self.alarm = Look.NONE  # which look alarms
        self.base, self.spread, self.sides = Baseline(), Spread(), (Tail(), Tail())
        self.windows, self.news = Windows(), News()

    @classmethod
    def load(cls, memory: Mapping[str, Any] | None, knob: Knob) -> "Detector":
        """Go on from `memory()`; without it (or with one of another version) start to learn. The knob may have changed."""
        detector = cls(knob)
        if memory and memory.get("v") == VERSION:
            unpack(detector._parts, memory["n"], memory["a"])
            detector.alarm = Look(detector.alarm)
        return detector

    def memory(self) -> dict[str, Any]:
        """Everything learnt, as JSON."""
        numbers, arrays = pack(self._parts)
        return {"v": VERSION, "n": numbers, "a": arrays}

    @property
    def _parts(self) -> tuple[Packable, ...]:
        return self, self.base, self.spread, *self.sides, self.windows, *self.windows.tails, self.news

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
            return self._silent(value, value, value, self._progress(0.0, 0))
        if now < self.last - BACKWARDS:
            self.base.since += now - self.last
            self.last = now
        return self._judge(at, now, value, excluded)

    def _judge(self, at: datetime, now: float, value: float, excluded: bool) -> Judgement:
        zone = self._knob.zone
        local = at.astimezone(zone)
        seconds = now + (local.utcoffset() or timedelta(0)).total_seconds()
        gap, age = now - self.last, now - self.base.since
        base = self.base.expect(seconds, age)
        carry = self._carry(gap)
        least = self.spread.least(self.base.flat)
        wide = self.spread.hourly(local.hour, self.step)
        near = BLEND / max(self.spread.from_baseline * wide, least)
        next_ = (1.0 - BLEND) / max(self.spread.from_forecast * wide, least)
        expected = base + carry * next_ / (near + next_)
        least_usual, most_usual = self.base.excuse(expected, age)
        surprise = (near + next_) * (value - min(max(value, least_usual), most_usual))
        heights = (height_of(surprise), height_of(-surprise))
        limits = self._limits()
        low, high = least_usual - surprise_of(limits[1]) / (near + next_), most_usual + surprise_of(limits[0]) / (near + next_)
        if excluded:
            return self._silent(expected, low, high)
        seen = self._windows(surprise, gap)
        progress = self._progress(age, int(self.samples))
        if progress.seconds < progress.needed_seconds or progress.samples < progress.needed_samples:
            judgement = self._silent(expected, low, high, progress)
        else:
            bad, clear = self._bad(heights, limits, seen)
            window = self.alarm if bad and self.alarm not in VALUES else Look.NONE
            score = self.news.score(self._return_time(heights, seen), gap, age)
            season, span = self.base.season(age), windows.length(self.step) * self.step
            judgement = Judgement(
                score, expected, low, high, bad, clear, season=season, age=age, window=window, window_seconds=span
            )
        if gap > 0.0:
            self._learn(value, now, local.hour, base, carry, heights, seen)
        return judgement

    def _silent(self, expected: float, low: float, high: float, learning: Progress | None = None) -> Judgement:
        self.alarm = Look.NONE
        return Judgement(0.0, expected, low, high, learning=learning)

    def _progress(self, age: float, samples: int) -> Progress:
        needed = max(self._knob.learn.total_seconds(), self._knob.per.total_seconds() / FURTHEST)
        return Progress(age, needed, samples, LEAST_SAMPLES)

    def _carry(self, gap: float) -> float:
        """The part of the last errors that is expected to last until now."""
        if self.variance <= 0.0 or self.step <= 0.0:
            return 0.0
        share = max(0.0, min(1.0, self.carried / self.variance))
        steps = gap / self.step
        return self.lingers * (share if steps < 1.5 else share ** min(steps, 50.0))

    def _windows(self, surprise: float, gap: float) -> tuple[Seen, ...]:
        """What the windows say that this sample belongs to; nothing of one that came late, or where samples are too rare."""
        if gap <= 0.0 or not windows.judged(self.step):
            return ()
        if gap > GAP * self.step:
            self.windows.forget()
        self.windows.add(surprise, self.samples, self.step)
        return tuple(self.windows.heights(self.step))

    def _asked(self, look: Look) -> bool:
        """Whether the knob's direction judges this look; straying has no side, and is judged when both are."""
        sides = {"up": (Look.HIGH, Look.LEANS_UP), "down": (Look.LOW, Look.LEANS_DOWN)}
        return self._knob.direction == "both" or look in sides[self._knob.direction]

    def _limits(self) -> tuple[float, float]:
        """Where the knob draws the line, as heights up and down."""
        rate = max(self.step, 1.0) / self._knob.per.total_seconds() / self._sides
        if windows.judged(self.step):
            rate *= VALUE
        up, down = self.sides
        return up.limit(rate) if self._asked(Look.HIGH) else inf, down.limit(rate) if self._asked(Look.LOW) else inf

    def _bad(self, heights: tuple[float, float], limits: tuple[float, float], seen: tuple[Seen, ...]) -> tuple[bool, bool]:
        """Outside the band; once outside, until half-way back. Clear is back among the usual."""
        for look, height, limit, tail in zip(VALUES, heights, limits, self.sides, strict=True):
            if self._beyond(look, height, limit, tail):
                return True, False
        rate = WINDOW * max(self.step, 1.0) / self._knob.per.total_seconds()
        for look, tail, height in seen:
            if height > tail.threshold and self._asked(look):
                if self._beyond(look, height, tail.limit(rate), tail):
                    return True, False
                if self.alarm is look:
                    return False, False
        usual = [min(tail.threshold, limit) for tail, limit in zip(self.sides, limits, strict=True)]
        clear = self.alarm is Look.NONE or (heights[0] <= usual[0] and heights[1] <= usual[1])
        if clear:
            self.alarm = Look.NONE
        return False, clear

    def _beyond(self, look: Look, height: float, limit: float, tail: Tail) -> bool:
        if height > limit or (self.alarm is look and height > 0.5 * (limit + tail.threshold)):
            self.alarm = look
            return True
        return False

    def _return_time(self, heights: tuple[float, float], seen: tuple[Seen, ...]) -> float:
        """Days until the like of it is to be expected again, by the look that finds it rarest; 0 for what is usual."""
        days, best = max(self.step, 1.0) / DAY, 0.0
        for look, height, tail in zip(VALUES, heights, self.sides, strict=True):
            if height > tail.threshold and self._asked(look):
                best = max(best, days / max(1e-300, tail.rate(height)) / self._sides)
        for look, tail, height in seen:
            if height > tail.threshold and self._asked(look):
                best = max(best, days * LATER / max(1e-300, tail.rate(height)))
        return best

    def _learn(self, value: float, now: float, hour: int, base: float, carry: float, heights: tuple[float, float],
               seen: tuple[Seen, ...]) -> None:  # fmt: skip
        gap, count = now - self.last, self.samples + 1.0
        pace, known = 1.0 / count, count > FIRST_SAMPLES
        step = self.step or gap
        self.step = step + max(0.02, pace) * _within(gap - step, 0.5 * step, step)
        self.samples, self.last = count, now
        lasting = LINGER if gap < GAP * self.step else 1.0
        gap = min(gap, 3.0 * self.step)  # one sample after a missing day teaches little more than any other
        if count > LEAST_SAMPLES:
            self.sides[0].learn(heights[0])
            self.sides[1].learn(heights[1])
            for _, tail, height in seen:
                tail.learn(height)
        error, missed = value - base, value - base - carry
        least = self.spread.least(self.base.flat)
        if known:
            self.spread.learn_hour(hour, abs(missed) / max(self.spread.from_forecast, least), gap)
        self.spread.learn(value - self.base.flat, error, missed, gap, pace, known)
        spread = max(self.spread.from_baseline, least) if known else inf
        if now - self.base.since > DAY:
            self.base.contest(value, gap, pace, spread)
        self.base.learn(value, gap, pace, spread, error)
        limit = 3.0 * WINSOR * spread
        kept = _within(error, limit, limit)
        gain = max(pace, 1.0 / 300.0)
        self.carried += gain * (kept * self.lingers - self.carried)
        self.variance += gain * (self.lingers * self.lingers - self.variance)
        self.lingers += lasting * (kept - self.lingers)


def _within(number: float, below: float, above: float) -> float:
    return max(-below, min(above, number))
