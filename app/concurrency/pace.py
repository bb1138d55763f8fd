"""How much a stage takes at once: as much as it gets done in a moment, because what matters more may come meanwhile.

And how often it does what need not be done each time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

AIM = 0.05  # seconds
FEWEST, MOST = 20, 2_000  # rows


class Turn:
    """Comes once in so many seconds. Of one process."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._last = seconds, -seconds

    def due(self) -> bool:
        """Whether it is time again; then it is taken."""
        if time.monotonic() - self._last < self._seconds:
            return False
        self._last = time.monotonic()
        return True


class Pace:
    """Of one stage in one process: it learns from how long the last rows took."""

    def __init__(self, rows: int = 200) -> None:
        self.rows = rows

    def learn(self, rows: int, seconds: float) -> None:
        """So many took so long. Few say little."""
        if rows >= FEWEST // 2:
            self.rows = round(min(max(rows * AIM / max(seconds, 1e-6), FEWEST, self.rows / 4), MOST, self.rows * 4))

    @contextmanager
    def watch(self) -> Iterator[list[int]]:
        """Learn from a block; it appends how many rows it has looked at."""
        began, counts = time.monotonic(), list[int]()
        yield counts
        self.learn(sum(counts), time.monotonic() - began)
