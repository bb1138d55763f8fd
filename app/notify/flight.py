"""What this process has in flight: the pages it has leased and whose outcome is not written down yet. In memory only.

So much at most is repeated when it is killed, so it is bounded per channel; as long as it lives, it keeps the leases alive.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterable, Mapping

from app.concurrency.deadline import PULSE, awake
from app.notify.model import Claim, Message

PER_CHANNEL = 64
KEPT = 16  # of these for pages of high urgency alone
MOST = 512  # over all channels


def in_time(message: Message) -> bool:
    """Whether a channel may still begin to send it; otherwise it raises Stale."""
    return awake() <= message.not_after and not PULSE.stopped_since(message.asked)


class Flight:
    """The pages under way, by id. Several threads count: a lost decrement would shut the door for ever."""

    def __init__(self) -> None:
        self._claims: dict[int, Claim] = {}
        self._lock = threading.Lock()

    def took(self, claims: Iterable[Claim]) -> None:
        """These are under way now."""
        with self._lock:
            self._claims |= {one.id: one for one in claims}

    def landed(self, ids: Iterable[int]) -> None:
        """The outcome of these is written down, or nobody's business any more."""
        with self._lock:
            for one in ids:
                self._claims.pop(one, None)

    def room(self) -> Mapping[str, int]:
        """How many more pages each channel may take; PER_CHANNEL where a channel is not named."""
        with self._lock:
            counted = Counter(one.draft.channel for one in self._claims.values())
        return {channel: max(PER_CHANNEL - count, 0) for channel, count in counted.items()}

    def those(self, claims: Iterable[Claim]) -> list[Claim]:
        """Which of these are under way."""
        with self._lock:
            return [one for one in claims if self._claims.get(one.id) == one]

    @property
    def ids(self) -> list[int]:
        with self._lock:
            return list(self._claims)

    @property
    def full(self) -> bool:
        """Whether no further page may leave."""
        return len(self._claims) >= MOST

    def clear(self) -> None:
        """A fork sends nothing of what its parent leased."""
        self.__init__()  # type: ignore[misc]


FLIGHT = Flight()
"""Of this process."""

os.register_at_fork(after_in_child=FLIGHT.clear)
