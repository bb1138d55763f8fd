"""Who this process is, to everybody who shares its database: HOST:PID:START.

A pid alone names nobody: in containers every process is pid 1, and two containers may share a host name. START is the wall
clock in nanoseconds when the process (or the fork) began, in hexadecimal: two processes never agree in all three.
"""

import os
import socket
import time

HOST_LIMIT = 24  # characters; PostgreSQL cuts an application name after 63 bytes

_start = time.time_ns()


def me() -> str:
    """This process, in at most 50 ASCII characters: `web-1:17:18cb3f0a9d2e4c10`."""
    return f"{_host()}:{os.getpid()}:{_start:x}"


def _host() -> str:
    name = socket.gethostname()
    return "".join(char if char.isascii() and char.isprintable() and char not in " :" else "-" for char in name)[:HOST_LIMIT]


def _forked() -> None:
    global _start
    _start = time.time_ns()


os.register_at_fork(after_in_child=_forked)
