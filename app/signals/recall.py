"""What was sent before: calls that repeat an earlier one, byte for byte, need not be read again.

Senders repeat what still fires, every minute and all of it. A call that was read once is remembered by its digest, with what
its alerts were made of; whether they are still so only the database can say.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock

MOST = 100_000  # alerts that are remembered, by a process


@dataclass(frozen=True, slots=True)
class Sent:
    """One alert of a call: how its sender calls it, its identity, and the digest of everything that it says."""

    key: str
    fingerprint: str
    content: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """The alerts of a call. as_of: what else they were made of; where that has changed, the call has to be read again."""

    as_of: Hashable
    alerts: tuple[Sent, ...]


def digest(source: str, service: str | None, body: bytes) -> bytes:
    """Equal for calls that say the same: the sender, the service of alerts that name none, and every byte."""
    return blake2b(body, digest_size=24, key=blake2b(f"{source}\0{service}".encode(), digest_size=32).digest()).digest()


class Recall:
    """Of a process: the calls that came last, by digest."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._alerts = most, 0
        self._calls: OrderedDict[bytes, Remembered] = OrderedDict()
        self._lock = Lock()

    def get(self, call: bytes) -> Remembered | None:
        """What is remembered of a call."""
        with self._lock:
            found = self._calls.get(call)
            if found is not None:
                self._calls.move_to_end(call)
        return found

    def put(self, call: bytes, remembered: Remembered) -> None:
        """Remember it, and forget the oldest beyond the limit."""
        with self._lock:
            before = self._calls.pop(call, None)
            self._alerts += len(remembered.alerts) - (len(before.alerts) if before else 0)
            self._calls[call] = remembered
            while self._alerts > self._most:
                self._alerts -= len(self._calls.popitem(last=False)[1].alerts)
