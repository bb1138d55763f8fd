"""What was made of the configuration in force is kept until another version is: a process parses each version once."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class ByVersion(Generic[K, T]):
    """One value a key, with the version it was made of.

    While a version takes over from another, transactions of both are in flight, in several threads. So version and value are
    one pair that is replaced whole, and whoever asks is given what they looked up or made, not what stands there afterwards.
    """

    def __init__(self) -> None:
        self._kept: dict[K, tuple[Hashable, T]] = {}

    def get(self, key: K, version: Hashable, make: Callable[[], T]) -> T:
        """What `make` makes of this version; two that ask at once may both make it."""
        kept = self._kept.get(key)
        if kept is None or kept[0] != version:
            kept = self._kept[key] = (version, make())
        return kept[1]
