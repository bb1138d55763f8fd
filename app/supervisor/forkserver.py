"""The fork server of a stack: a process that has imported what Tocsin's processes import, and becomes each of them by a fork.

`python -m app.supervisor.forkserver LINK` runs beside the keeper, which asks over the socket LINK (see `forks`). A process that
starts so runs after hundredths of a second instead of after the 1.5 s that its imports take, shares the memory of what was
imported, and is the keeper's own child: the process between the two ends at once, and the keeper adopts whom it leaves.
It differs from `python -m app.cli WORDS` in nothing else: session, environment, streams, command line and exit are its own.
"""

import ctypes
import gc
import json
import os
import runpy
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

from app.supervisor.deathsig import die_with

LOADED = (
    "app.server", "app.pager", "app.cli.process", "app.cli.prepare", "app.cli.stack",
    "alembic.command", "celery.apps.beat", "celery.apps.worker", "celery.bin.worker", "celery.concurrency.prefork",
    "celery.concurrency.thread", "flower.command", "kombu.transport.redis", "sqlalchemy.dialects.postgresql.psycopg",
)  # fmt: skip
LARGEST = 65_536  # bytes of a request
READY = b"ready"
GO = b"g"
ROOM = 512  # bytes for the command line that `ps` shows


def main(link: socket.socket) -> None:
    """Import, say so, and serve; return when the keeper has gone. A process that is forked goes on as `app.cli`."""
    for module in LOADED:
        with suppress(Exception):  # whoever needs it will raise it again, where it is logged
            import_module(module)
    gc.collect()
    gc.freeze()  # a collection in a child would otherwise write to, and so copy, all of it
    with suppress(OSError):  # the keeper has gone
        link.send(READY)
        words = serve(link)
        if words is not None:
            sys.argv[1:] = words
            runpy.run_module("app.cli", run_name="__main__", alter_sys=True)


def serve(link: socket.socket) -> list[str] | None:
    """Answer each request with a pid, 0 when there was none. Returns the words of a command in a child, None at the end."""
    while True:
        raw, files, _, _ = socket.recv_fds(link, LARGEST, 2)
        if not raw:
            return None
        asked: dict[str, Any] = json.loads(raw)
        pid = _fork()
        if pid is None:
            link.close()
            _become(asked, *files)
            return list(asked["words"])
        for file in files:
            os.close(file)
        link.send(pid.to_bytes(4, "big"))


def _fork() -> int | None:
    """Leave a process to the keeper: its pid, 0 where the system gives none, None in that process."""
    source, target = os.pipe()
    try:
        between = os.fork()
    except OSError:
        os.close(source)
        os.close(target)
        return 0
    if between:
        os.close(target)
        os.waitpid(between, 0)  # from here on, the child is the keeper's
        with os.fdopen(source, "rb") as answer:
            return int.from_bytes(answer.read(), "big")
    os.close(source)
    child = -1
    with suppress(OSError):
        child = os.fork()
    if child == 0:
        os.close(target)
        return None
    os.write(target, max(0, child).to_bytes(4, "big"))
    os._exit(0)


def _become(asked: Mapping[str, Any], output: int, go: int) -> None:
    """Take what a process has of its own, once the keeper knows it."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    if os.read(go, 1) != GO:  # the keeper has gone, or has given up waiting
        os._exit(1)
    os.close(go)
    die_with(asked["keeper"], asked["stop"])
    show(asked["title"])


def show(title: str) -> None:
    """Make `title` the command line that `ps` and /proc show. What follows it in memory, the environment, stays."""
    with open("/proc/self/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])  # proc_pid_stat(5): arg_start and arg_end, fields 48 and 49
    text = title.encode()[: end - begin - 2]
    # An area that does not end in NUL is what Linux takes for a title: it shows it up to the first NUL.
    ctypes.memmove(begin, text + bytes(end - begin - 1 - len(text)) + b" ", end - begin)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
