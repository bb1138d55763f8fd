"""Children that end with their parent even when it is killed with -9 (Linux; elsewhere `up` ends them the next time)."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

SET_PDEATHSIG = 1  # linux/prctl.h


def dies_with_us(number: int | None = None) -> Callable[[], None] | None:
    """What a child calls before exec to get signal `number` (default SIGTERM) at the death of the thread that made it."""
    if sys.platform != "linux":
        return None
    return partial(die_with, os.getpid(), int(number or signal.SIGTERM), ctypes.CDLL(None))


def die_with(parent: int, number: int, libc: ctypes.CDLL | None = None) -> None:
    """Ask that this process gets signal `number` at the death of `parent`, whose child it must be; end if it is not."""
    (libc or ctypes.CDLL(None)).prctl(SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)
