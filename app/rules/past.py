"""What is known of one series: its values by time, in order, compact enough to keep for many. Pure."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate, islice

Limits = tuple[float | None, float | None]  # a value above the one or below the other is bad


def share(value: float, limits: Limits) -> float:
    """How much of a value is bad, 0 to 1; without limits it is that share itself."""
    above, below = limits
    if above is None and below is None:
        return min(max(value, 0.0), 1.0)
    return float((above is not None and value > above) or (below is not None and value < below))


class Past:
    """Instants (seconds since 1970) and values of one series, oldest first, one value an instant."""

    __slots__ = ("_sums", "times", "values")

    def __init__(self) -> None:
        self.times = array("d")
        self.values = array("d")
        self._sums: dict[Limits, array[float]] = {}  # of what is bad, from the first value on

    def __len__(self) -> int:
        return len(self.times)

    def add(self, at: datetime, value: float) -> None:
        """One more value; one that comes late finds its place, one of an instant that is known replaces it."""
        instant = at.timestamp()
        if not self.times or instant > self.times[-1]:
            self.times.append(instant)
            self.values.append(value)
            return
        index = bisect_left(self.times, instant)
        for sums in self._sums.values():
            del sums[index + 1 :]
        if self.times[index] == instant:
            self.values[index] = value
        else:
            self.times.insert(index, instant)
            self.values.insert(index, value)

    def trim(self, before: datetime) -> None:
        """Drop what is older than `before`, once that is worth the copying."""
        end = bisect_left(self.times, before.timestamp())
        if end > 64 and end * 2 > len(self.times):
            del self.times[:end], self.values[:end]
            self._sums.clear()

    def span(self, length: timedelta, until: datetime) -> "Span":
        """What lies in `(until - length, until]`."""
        end = until.timestamp()
        return self.slice(bisect_right(self.times, end - length.total_seconds()), bisect_right(self.times, end))

    def after(self, instant: float) -> "Span":
        """What is newer than an instant in seconds since 1970."""
        return self.slice(bisect_right(self.times, instant), len(self.times))

    def slice(self, start: int, end: int) -> "Span":
        """Values `start` to `end`, as indices."""
        return Span(self, start, max(start, end))

    def bad(self, start: int, end: int, limits: Limits) -> float:
        """How many of the values `start` to `end` are bad; in constant time once they are summed up."""
        sums = self._sums.setdefault(limits, array("d", [0.0]))
        known = len(sums) - 1
        if known < len(self.values):
            fresh = (share(value, limits) for value in self.values[known:])
            sums.extend(islice(accumulate(fresh, initial=sums[known]), 1, None))
        return sums[end] - sums[start]

    def is_older(self, than: datetime) -> bool:
        """Whether every value is older than that."""
        return not self.times or self.times[-1] < than.timestamp()


class Span:
    """A range of a series; values are copied on access only."""

    __slots__ = ("_end", "_past", "_start")

    def __init__(self, past: Past, start: int, end: int) -> None:
        self._past, self._start, self._end = past, start, end

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def times(self) -> Sequence[float]:
        """Seconds since 1970."""
        return self._past.times[self._start : self._end]

    @property
    def values(self) -> Sequence[float]:
        """The values, oldest first."""
        return self._past.values[self._start : self._end]

    def bad(self, limits: Limits) -> float:
        """How many of them are bad."""
        return self._past.bad(self._start, self._end, limits)
