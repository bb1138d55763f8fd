"""What a stack costs that has nothing to do: the CPU of all its processes."""

import time
from collections.abc import Iterator

from tests.bench.figure import Figure
from tests.bench.intake import NAMES
from tests.bench.meter import metered
from tests.stack import running

SETTLES, SECONDS, ROUNDS = 10, 30, 3
CONFIG = """
users: {ada: {role: responder}}
platform: {owners: ["user:ada"]}
"""


def measure() -> Iterator[Figure]:
    """Percent of a core."""
    shares, parts = [], ""
    for _ in range(ROUNDS):
        with running(CONFIG) as stack:
            time.sleep(SETTLES)
            pids = {one: [pid] for one in NAMES if (pid := stack.pid(one))}
            with metered(**pids) as meter:
                time.sleep(SECONDS)
        shares.append(meter.total / meter.wall * 100)
        parts = ", ".join(f"{name} {seconds / meter.wall * 100:.1f} %" for name, seconds in meter.cpu.items())
    yield Figure("a stack without checks", shares, "% of a core", must=5, most=True, beside=parts)
