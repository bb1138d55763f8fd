"""What is known of one series: its values by time, in order, compact enough to keep for many. Pure."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate


class Past:
    """Instants (seconds since 1970) and values of one series, oldest first, one value an instant."""

    __slots__ = ("_sums", "times", "values")

    def __init__(self) -> None:
        self.times = array("d")
        self.values = array("d")
        self._sums = array("d", [0.0])

    def __len__(self) -> int:
        return len(self.times)

    def add(self, at: datetime, value: float) -> None:
        """One more value; one that comes late finds its place, one of an instant that is known replaces it."""
        instant = at.timestamp()
        if not self.times or instant > self.times[-1]:
            self.times.append(instant)
            self.values.append(value)
            return
        place = bisect_left(self.times, instant)
        del self._sums[place + 1 :]
        if self.times[place] == instant:
            self.values[place] = value
        else:
            self.times.insert(place, instant)
            self.values.insert(place, value)

    def forget(self, before: datetime) -> None:
        """Drop what is older than `before`, once that is worth the copying."""
        end = bisect_left(self.times, before.timestamp())
        if end > 64 and end * 2 > len(self.times):
            del self.times[:end], self.values[:end]
            self._sums = array("d", [0.0])

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

    def shares(self, start: int, end: int) -> float:
        """The sum of values `start` to `end`, each as a share of 0 to 1; in constant time once it is summed up."""
        known = len(self._sums) - 1
        if known < len(self.values):
            fresh = (min(max(value, 0.0), 1.0) for value in self.values[known:])
            self._sums.extend(list(accumulate(fresh, initial=self._sums[known]))[1:])
        return self._sums[end] - self._sums[start]

    def is_older(self, than: datetime) -> bool:
        """Whether every value is older than that."""
        return not self.times or self.times[-1] < than.timestamp()


class Span:
    """A stretch of a past; nothing is copied until it is asked for."""

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

    @property
    def shares(self) -> float:
        """Their sum, each as a share of 0 to 1."""
        return self._past.shares(self._start, self._end)
