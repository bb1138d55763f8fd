"""Follows a log file from run to run: through rotation, truncation, packing and garbage, in bounded bytes, lines and time.

What is remembered between runs is small JSON: inode, position, and a mark of the bytes that were read, which tells a file from
its successor on the same inode and finds it again as a copy or packed. A predecessor is read to its end before its successor.
"""

import os
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from app.host.follow.rotated import BROKEN, Cursor, Edges, fits, open_regular, predecessors, unpacked

LONGEST = 4096  # bytes read of a line; the rest is skipped


@dataclass(slots=True)
class Limits:
    """How much one run may still read; shared by the files of a run."""

    bytes: int
    lines: int
    deadline: float = field(default_factory=lambda: time.monotonic() + 5)  # of time.monotonic()

    def spent(self) -> bool:
        """Whether nothing more may be read."""
        return self.bytes <= 0 or self.lines <= 0 or time.monotonic() >= self.deadline


class Follower:
    """One file and what became of it since the last run.

    `lines()` gives what was written since, without line ends; when it is used up (or left), `memory` is what the next run
    needs, `behind` counts bytes that wait for it, and `lost` says in words what can never be read.
    """

    def __init__(self, path: Path, before: Mapping[str, Any], limits: Limits, *, from_start: bool = False) -> None:
        self.path, self.limits, self.from_start = path, limits, from_start
        self.cursor = Cursor.from_memory(before)
        self.behind = 0
        self.lost = ""
        self.passed: dict[int, Cursor] = {}  # inode -> how far the predecessors were read

    @property
    def memory(self) -> dict[str, Any]:
        """The cursor as JSON; empty when there is none."""
        return self.cursor.memory() if self.cursor else {}

    def lines(self) -> Iterator[bytes]:
        """What is new, oldest first. Raises OSError when the file cannot be read."""
        with open_regular(self.path) as current:
            found = os.fstat(current.fileno())
            if self.cursor is None:
                self.cursor = _end(current, found) if not self.from_start else Cursor(found.st_ino)
            elif not self._is_same(current, found, self.cursor):
                size, older = found.st_size, predecessors(self.path, self.cursor, self.limits.deadline)
                if older or not (self.cursor.position and fits(current, self.cursor)):
                    if not (yield from self._finish(older, size)):
                        return
                    self.cursor = Cursor(found.st_ino)
            self.cursor.inode = found.st_ino
            yield from self._read(current, self.cursor)
            self.behind = max(0, os.fstat(current.fileno()).st_size - self.cursor.position)

    def _is_same(self, current: BinaryIO, found: os.stat_result, cursor: Cursor) -> bool:
        return found.st_ino == cursor.inode and found.st_size >= cursor.position and fits(current, cursor)

    def _finish(self, older: list[Path], size: int) -> Generator[bytes, None, bool]:
        """Read what is left of the predecessors; returns whether all of it was read and the successor's turn has come.

        While the successor is empty its writer may not have noticed the rotation yet: the old file may still grow.
        """
        assert self.cursor is not None
        if not older and self.cursor.position:
            self.lost = "it was replaced or truncated, and the rotated file is not beside it: its last lines may be lost"
        for number, path in enumerate(older):
            try:
                with open_regular(path) as raw, unpacked(raw) as file:
                    if number:
                        self.cursor = Cursor(os.fstat(raw.fileno()).st_ino)
                    self.cursor.inode = os.fstat(raw.fileno()).st_ino
                    last = number + 1 == len(older)
                    self.passed[self.cursor.inode] = self.cursor
                    yield from self._read(file, self.cursor, whole=not last or size > 0)
                    if self.limits.spent():
                        self.behind = size + max(0, os.fstat(raw.fileno()).st_size - self.cursor.position)
                        return False
                    if last and not size:
                        return False
            except BROKEN:
                self.lost = f"{path.name} cannot be read to the end"
        return True

    def _read(self, file: BinaryIO, cursor: Cursor, *, whole: bool = False) -> Iterator[bytes]:
        """Lines from the cursor on, which moves along; a last one without its end only when the file is `whole`."""
        edges = Edges(file, cursor.position)
        file.seek(cursor.position)
        try:
            while not self.limits.spent() and (line := file.readline(LONGEST)):
                ended = line.endswith(b"\n")
                if not (ended or len(line) == LONGEST or whole or cursor.cut):
                    return
                if len(line) > self.limits.bytes:
                    self.limits.bytes = 0
                    return
                is_new, cursor.cut = not cursor.cut, not ended
                cursor.position += len(line)
                edges.add(line)
                self.limits.bytes -= len(line)
                if is_new:
                    self.limits.lines -= 1
                    yield line.rstrip(b"\r\n")
        finally:
            cursor.mark = edges.mark()


def _end(file: BinaryIO, found: os.stat_result) -> Cursor:
    """The end of what is there; what is written of a line stands before it."""
    file.seek(max(0, found.st_size - 1))
    cut = file.read(1) not in (b"", b"\n")
    return Cursor(found.st_ino, found.st_size, Edges(file, found.st_size).mark(), cut)
