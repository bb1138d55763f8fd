"""Asks the reference targets whether the prober reaches anything: all at once, bounded, and not more often than is of use."""

import asyncio
import time
from collections.abc import Sequence

from app.failure import Failed
from app.net import http, tcp

TIMEOUT = 2.0  # seconds for an answer
FRESH = 3.0  # seconds an answer counts

_last: dict[tuple[str, ...], tuple[float, dict[str, bool]]] = {}


async def ask(references: Sequence[str], fresh: float = FRESH) -> dict[str, bool]:
    """Which references answer: a URL by any HTTP answer, `host:port` by taking a connection.

    fresh: seconds that an earlier answer counts.
    """
    key = tuple(references)
    at, known = _last.get(key, (0.0, {}))
    if key and time.monotonic() - at > fresh:
        known = dict(zip(key, await asyncio.gather(*(_answers(one) for one in key)), strict=True))
        _last[key] = (time.monotonic(), known)
    return known


async def _answers(reference: str) -> bool:
    try:
        async with asyncio.timeout(TIMEOUT):
            if "://" in reference:
                await http.fetch(http.Request(reference, timeout=TIMEOUT, fresh=True, follow_redirects=0))
            else:
                host, _, port = reference.rpartition(":")
                _, writer = await tcp.connect(host.strip("[]"), int(port), timeout=TIMEOUT)
                await tcp.close(writer)
    except (Failed, TimeoutError):
        return False
    return True
