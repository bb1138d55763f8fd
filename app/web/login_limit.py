"""Login rate limits, so that nobody can guess a password or lock somebody else out.

Tries count for a login and an address together (of IPv6 its /64). A login that is tried from very many addresses is slowed
down for all that are not known: a browser in which this person has logged in before counts for itself alone.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from app.net.proxies import block

TRIES, WINDOW = 10, 300.0  # per login and address, or per login and known device; seconds
MANY, PACE = 100, 3.0  # tries of one login from everywhere within WINDOW; from then on one in so many seconds
REMEMBERED = 10_000  # of each kind; the oldest are forgotten first
NAME = 128  # characters of a login that count

Key = tuple[str, ...]


class LoginLimit:
    """Counts log-ins in this process; `spent` says when to come back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock  # seconds
        self._tries: OrderedDict[Key, deque[float]] = OrderedDict()
        self._everywhere: OrderedDict[Key, deque[float]] = OrderedDict()

    def spent(self, account: str, address: str, device: str | None = None) -> float:
        """Note a try; 0.0 when it may go on, else the seconds to wait. device: one that knows this account."""
        now, key = self._clock(), _key(account, address, device)
        tries = _of(self._tries, key, TRIES)
        if len(tries) == TRIES and now - tries[0] < WINDOW:
            return WINDOW - (now - tries[0])
        if device is None:
            everywhere = _of(self._everywhere, key[:1], MANY)
            if len(everywhere) == MANY and now - everywhere[0] < WINDOW and now - everywhere[-1] < PACE:
                return PACE - (now - everywhere[-1])
            everywhere.append(now)
        tries.append(now)
        return 0.0

    def reset(self, account: str, address: str, device: str | None = None) -> None:
        """The password was right: start counting afresh."""
        self._tries.pop(_key(account, address, device), None)


def _key(account: str, address: str, device: str | None) -> Key:
    return (account[:NAME].lower(), block(address)) if device is None else (account[:NAME].lower(), "device", device)


def _of(kept: OrderedDict[Key, deque[float]], key: Key, most: int) -> deque[float]:
    tries = kept.setdefault(key, deque(maxlen=most))
    kept.move_to_end(key)
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)
    return tries
