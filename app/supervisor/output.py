"""One stream out of many: a process's lines, its name in front; what is read is always read, even when nobody reads us.

A supervisor that waits for a stopped terminal (Ctrl-S) would stop its children with it, pager included. So output
that would block is kept up to a limit and then dropped, and the number of lost lines is said.
"""

import asyncio
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from app.logfmt import say
from app.supervisor.translate import OURS, Translator

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
RED = 31
LINE_LIMIT = 16_384
BACKLOG = 1_048_576
LOG_LIMIT = 10_485_760  # bytes of the log file before it becomes FILE.1
UNPRINTABLE = {code: "?" for code in (*range(32), 127, *range(128, 160)) if code != 9}


class File:
    """A log file that moves to FILE.1 when it is full."""

    colour = person = False

    def __init__(self, path: Path, limit: int = LOG_LIMIT) -> None:
        self.path, self.limit = path, limit
        self._open()

    def _open(self) -> None:
        self.target = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self.target).st_size

    def write(self, data: bytes) -> None:
        """Append; a full disk loses lines, nothing else."""
        if self.size + len(data) > self.limit:
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            os.close(self.target)
            self._open()
        with suppress(OSError):
            self.size += os.write(self.target, data)


class Terminal:
    """Standard output: through a descriptor of our own that never blocks, where the system can give us one."""

    def __init__(self, target: int = 1) -> None:
        self.person = os.isatty(target)
        self.colour = self.person and not os.environ.get("NO_COLOR")
        self.target = _own(target)
        self.waiting = bytearray()
        self.lost = 0

    def write(self, data: bytes) -> None:
        """Write, or keep for when it can be written, or drop."""
        if len(self.waiting) + len(data) > BACKLOG:
            self.lost += 1
            return
        if self.lost:
            data = f"{OURS} | {say('warning', 'lines_lost', count=self.lost)}\n".encode() + data
            self.lost = 0
        self.waiting += data
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self.waiting:
                del self.waiting[: os.write(self.target, self.waiting[:4096])]
        except BlockingIOError:
            loop.add_writer(self.target, self._flush)
            return
        except OSError:  # the reader is gone: the stack is not
            self.waiting.clear()
        with suppress(OSError, PermissionError):
            loop.remove_writer(self.target)


def _own(target: int) -> int:
    """Terminals and pipes opened anew: making the inherited descriptor non-blocking would change it for our caller too."""
    kind = os.fstat(target).st_mode
    if stat.S_ISCHR(kind) or stat.S_ISFIFO(kind):
        with suppress(OSError):
            return os.open(f"/proc/self/fd/{target}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    return target


class Stream:
    """Writes `name | line`; names have one width, and a colour each on a terminal. Lines are in the format of `app.logfmt`,
    but for the supervisor's own ones on a terminal: those are for the person in front of it.
    """

    def __init__(self, sink: File | Terminal, kinds: Mapping[str, str]) -> None:
        self.sink = sink
        self.colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(kinds)}
        self.translators = {name: Translator(kind) for name, kind in kinds.items()}
        self.width = max(map(len, self.colours), default=0)

    def line(self, name: str, text: str, red: bool = False) -> None:
        """What a process said; control characters are replaced, for a log line may repeat what a stranger sent."""
        if name == OURS and self.sink.person:
            self._write(name, text, red)
            return
        for one in self.translators[name].lines(text, red):
            self._write(name, one, red)

    def ended(self, name: str) -> None:
        """The process says no more: what was held back of it is written."""
        for one in self.translators[name].flush():
            self._write(name, one, True)

    def _write(self, name: str, text: str, red: bool) -> None:
        text = text.translate(UNPRINTABLE)
        prefix = f"{name:<{self.width}} | "
        if self.sink.colour:
            prefix = f"\x1b[{self.colours.get(name, 0)}m{prefix}\x1b[0m"
            text = f"\x1b[{RED}m{text}\x1b[0m" if red else text
        self.sink.write(f"{prefix}{text}\n".encode(errors="replace"))


def follow(source: int, each: Callable[[str], None]) -> None:
    """Call `each` with every line that comes out of pipe `source`, until its end; then close it."""
    loop = asyncio.get_running_loop()
    os.set_blocking(source, False)
    rest = bytearray()

    def read() -> None:
        try:
            data = os.read(source, 65_536)
        except BlockingIOError:
            return
        rest.extend(data)
        *lines, last = rest.split(b"\n")
        if not data or len(last) > LINE_LIMIT:
            lines, last = [*lines, last], bytearray()
        rest[:] = last
        for line in lines:
            if line:
                each(line.decode(errors="replace").rstrip("\r"))
        if not data:
            loop.remove_reader(source)
            os.close(source)

    loop.add_reader(source, read)
