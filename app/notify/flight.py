"""What this process has in flight: the pages it has leased and whose outcome is not written down yet. In memory only.

So much at most is repeated when it is killed, so it is bounded per channel; as long as it lives, it keeps the leases alive.
Channels do not share their room: however many receivers hang, a page to a good one leaves at once.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from app.concurrency.deadline import PULSE, awake
from app.notify.model import Claim, Message

PER_CHANNEL = 64
KEPT = 16  # of these for pages of high urgency alone
MOST = 512  # over all channels; beyond that each has room for
LEAST = 8


def in_time(message: Message) -> bool:
    """Whether a channel may still begin to send it; otherwise it raises Stale."""
    return awake() <= message.not_after and not PULSE.stopped_since(message.asked)


class Room(NamedTuple):
    """How many more pages each channel may take: `left` where it is named, otherwise `most`; low urgency so many fewer."""

    left: Mapping[str, int]
    most: int
    kept: int


class Flight:
    """The pages under way, by id. Several threads count: a lost decrement would shut the door for ever."""

    def __init__(self) -> None:
        self._claims: dict[int, Claim] = {}
        self._lock = threading.Lock()
        self._door = threading.Lock()

    @contextmanager
    def door(self, *, wait: bool = True) -> Iterator[bool]:
        """Whoever leases keeps it from the count of what there is room for until what was leased counts, too.

        Whether it is free: always for who waits.
        """
        free = self._door.acquire(blocking=wait)
        try:
            yield free
        finally:
            if free:
                self._door.release()

    def took(self, claims: Iterable[Claim]) -> None:
        """These are under way now."""
        with self._lock:
            self._claims |= {one.id: one for one in claims}

    def landed(self, ids: Iterable[int]) -> None:
        """The outcome of these is written down, or nobody's business any more."""
        with self._lock:
            for one in ids:
                self._claims.pop(one, None)

    def room(self) -> Room:
        """How many more pages may be under way."""
        with self._lock:
            counted = Counter(one.draft.channel for one in self._claims.values())
        most, kept = (PER_CHANNEL, KEPT) if counted.total() < MOST else (LEAST, LEAST // 2)
        return Room({channel: max(most - count, 0) for channel, count in counted.items()}, most, kept)

    def those(self, claims: Iterable[Claim]) -> list[Claim]:
        """Which of these are under way."""
        with self._lock:
            return [one for one in claims if self._claims.get(one.id) == one]

    @property
    def ids(self) -> list[int]:
        with self._lock:
            return list(self._claims)

    def clear(self) -> None:
        """A fork sends nothing of what its parent leased."""
        self.__init__()  # type: ignore[misc]


FLIGHT = Flight()
"""Of this process."""

os.register_at_fork(after_in_child=FLIGHT.clear)
