"""The last dozen samples taken together: do they lean to one side, do they stray further than they usually do.

A value may lie inside the band and yet be one of many that are all a little high, or one of many that jump about.
The forgetting mean is Roberts' (EWMA, 1959); that recent surprise is to be judged by the history of recent surprise, and
not by a textbook's distribution, is an idea of Numenta's anomaly likelihood (Ahmad et al. 2017).
"""

from array import array
from collections.abc import Iterator
from math import log, sqrt
from typing import ClassVar

from app.rules.detector.judgement import Deviation
from app.rules.detector.rarity import QUIET, Tail

SAMPLES = 12.0  # in the window, that is its mean forgets with this time constant
SPAN = 7200.0  # seconds: it is no longer than this
FEWEST = 3.0  # samples make a window; where this is too much for the span nothing is judged
CLIP = 6.0  # one sample counts no more than this: a single spike is the value's own affair
VARIATION_SCALE = 1.5  # of the scale on which straying is judged

WindowHeight = tuple[Deviation, Tail, float]  # the deviation, its tail, and the height in it


class Windows:
    """Two forgetting means over surprises, `lean` with their sign and `stray` without, and what is usual of them."""

    __slots__ = ("down", "lean", "stray", "up", "varying")
    NUMBERS: ClassVar[tuple[str, ...]] = ("lean", "stray")

    def __init__(self) -> None:
        self.lean, self.stray = 0.0, 1.0
        quiet_samples = int(QUIET + 2.0 * SAMPLES)  # a window lingers, and so do its episodes
        self.up, self.down, self.varying = Tail(quiet_samples), Tail(quiet_samples), Tail(quiet_samples)

    @property
    def arrays(self) -> "tuple[array[float], ...]":
        """None of its own: its tails have them."""
        return ()

    @property
    def tails(self) -> tuple[Tail, ...]:
        """What `packing` keeps beside the two means."""
        return self.up, self.down, self.varying

    def clear(self) -> None:
        """Nothing was seen for long: the window is empty."""
        self.lean, self.stray = 0.0, 1.0

    def add(self, surprise: float, samples: float, step: float) -> None:
        """Take in one surprise; `samples` were seen before, `step` seconds apart."""
        gain = max(1.0 / samples, 1.0 / length(step))
        clipped = max(-CLIP, min(CLIP, surprise))
        self.lean += gain * (clipped - self.lean)
        self.stray += gain * (abs(clipped) - self.stray)

    def heights(self, step: float) -> Iterator[WindowHeight]:
        """The newest windows, each as many usual deviations of a window of independent samples."""
        scale = sqrt(2.0 * length(step) - 1.0)
        lean = self.lean * scale
        yield Deviation.LEANS_UP, self.up, lean
        yield Deviation.LEANS_DOWN, self.down, -lean
        yield Deviation.VARIES, self.varying, log(max(1e-9, self.stray)) * scale * VARIATION_SCALE


def length(step: float) -> float:
    """Samples in a window, when they are `step` seconds apart."""
    return min(SAMPLES, SPAN / max(step, 1.0))


def is_window(step: float) -> bool:
    """Whether samples so far apart make a window."""
    return length(step) >= FEWEST
