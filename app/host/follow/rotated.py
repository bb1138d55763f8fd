"""What becomes of a log file: renamed, copied, packed or gone. Finds the file that was read, whatever it is called now."""

import bz2
import gzip
import lzma
import os
import re
import stat
import time
import zlib
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

EDGE = 256  # bytes at a file's start, and before the position, that identify it
SIBLINGS = 64  # newest files beside it among which a predecessor is sought
UNPACKED = 1 << 28  # bytes of a packed predecessor that are unpacked to find the cursor in it
PACKERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
PACKED = re.compile(r"\.(gz|bz2|xz)$")
ROTATED = re.compile(r"([.-])(\d[\dTZ:_.-]*)")  # syslog.1, syslog-20290115, app.log.2029-01-15_10
Generation = tuple[str, int]
PAST = re.compile(ROTATED.pattern + "$")
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)


@dataclass(slots=True)
class Cursor:
    """Where reading goes on."""

    inode: int
    position: int = 0
    mark: str = ""
    cut: bool = False  # inside a line whose beginning was returned already

    @classmethod
    def from_memory(cls, memory: Mapping[str, Any]) -> Self | None:
        """The cursor of that memory; None when it is none."""
        inode, position, mark = (memory.get(key) for key in ("inode", "position", "mark"))
        if type(inode) is int and type(position) is int and 0 <= position < 1 << 62 and isinstance(mark, str):
            return cls(inode, position, mark, memory.get("cut") is True)
        return None

    def memory(self) -> dict[str, Any]:
        """As JSON for the next run."""
        return {"inode": self.inode, "position": self.position, "mark": self.mark, **({"cut": True} if self.cut else {})}


class Edges:
    """The first bytes of what was read and the last: kept as they were read, for the file may be cut under the reader."""

    def __init__(self, file: BinaryIO, position: int) -> None:
        file.seek(0)
        self.head = file.read(min(EDGE, position))
        file.seek(max(0, position - EDGE))
        self.tail = file.read(min(EDGE, position))

    def add(self, more: bytes) -> None:
        """What was read on."""
        if len(self.head) < EDGE:
            self.head = (self.head + more)[:EDGE]
        self.tail = (self.tail + more)[-EDGE:]

    def mark(self) -> str:
        """A digest of both."""
        return blake2b(self.head + self.tail, digest_size=8).hexdigest()


def open_regular(path: str | os.PathLike[str], flags: int = 0) -> BinaryIO:
    """The file, if it is one: never waits for a FIFO's writer nor reads a device. Raises OSError."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | flags)
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(0, "Not a regular file")
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def predecessors(current: Path, cursor: Cursor, deadline: float) -> list[Path]:
    """The file that was read last, under its new name or as a copy, and whole ones that came and went after it.

    deadline: of time.monotonic(). To look into one that is packed takes a second for each 256 MiB, so that half of what is left
    must be enough for all of them.
    """
    until = (time.monotonic() + deadline) / 2
    siblings = _siblings(current)
    for path in siblings:
        with suppress(*BROKEN):
            if path.stat().st_ino == cursor.inode and _fits_packed(path, cursor):
                return [path, *_newer(current, path, siblings)]
    for path in siblings:
        if time.monotonic() > until:
            break
        with suppress(*BROKEN):
            if cursor.position and _fits_packed(path, cursor):
                return [path, *_newer(current, path, siblings)]
    return []


def _siblings(current: Path) -> list[Path]:
    """Regular files beside it with the same name prefix, newest first."""
    stem = current.name.removesuffix(current.suffix) or current.name
    found: list[tuple[int, Path]] = []
    with os.scandir(current.parent) as entries:
        for entry in entries:
            if entry.name.startswith(stem) and entry.name != current.name and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    found.append((entry.stat().st_mtime_ns, Path(entry.path)))
    return [path for _, path in sorted(found, reverse=True)[:SIBLINGS]]


def _newer(current: Path, found: Path, siblings: list[Path]) -> list[Path]:
    """Generations between the found one and today's, oldest first, ordered by number or date."""
    own = _generation(found.name, current.name)
    if own is None:
        return []
    newer: dict[Generation, Path] = {}
    for path in siblings:
        other = _generation(path.name, current.name)
        later = other is not None and (not other[0]) == (not own[0]) and other > own
        if other and later and (other not in newer or not PACKED.search(path.name)):  # while it is packed there are both
            newer[other] = path
    return [newer[key] for key in sorted(newer)]


def _generation(name: str, current: str) -> Generation | None:
    """How new a rotated file is, the greater the newer: `syslog.2.gz` by its number, `syslog-20290115` by its date."""
    suffix = ROTATED.fullmatch(PACKED.sub("", name[len(current) :])) if name.startswith(current) else None
    if suffix is None:
        return None
    number = int(suffix[2]) if len(suffix[2]) < 6 and suffix[2].isdigit() else None
    return ("", -number) if number is not None else (suffix[2], 0)


def rotated_from(path: str, paths: Container[str]) -> bool:
    """Is it, by its name, the past of another of the files?"""
    match = PAST.search(path)
    return match is not None and path[: match.start()] in paths


def fits(file: BinaryIO, cursor: Cursor) -> bool:
    """Is it the file that was read up to this cursor?"""
    return Edges(file, cursor.position).mark() == cursor.mark


def _fits_packed(path: Path, cursor: Cursor) -> bool:
    with open_regular(path) as raw, unpacked(raw) as file:
        if file is raw:
            return os.fstat(raw.fileno()).st_size >= cursor.position and fits(file, cursor)
        return cursor.position <= UNPACKED and fits(file, cursor)


def unpacked(raw: BinaryIO) -> BinaryIO:
    """The file itself, or what is packed in it, by its first bytes."""
    start = raw.read(5)
    raw.seek(0)
    for magic, unpack in PACKERS.items():
        if start.startswith(magic):
            return cast(BinaryIO, unpack(raw, "rb"))
    return raw
