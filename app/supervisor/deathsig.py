"""Children that end with their parent even when it is killed with -9 (Linux; elsewhere `up` ends them the next time)."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

SET_PDEATHSIG = 1  # linux/prctl.h


def dies_with_us(number: int | None = None) -> Callable[[], None] | None:
    """What a child calls before exec to get signal `number` (default SIGTERM) at the death of the thread that made it."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()
    wanted = int(number or signal.SIGTERM)

    def ask() -> None:
        libc.prctl(SET_PDEATHSIG, wanted)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask
