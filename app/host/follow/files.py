"""Follows all files that some globs mean, within one run's limits; each gets its share of them."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from app.host.follow.follower import LONGEST, Follower, Limits
from app.host.follow.globs import MAGIC, expand
from app.host.follow.rotated import PACKED, rotated_from
from app.sentence import lower_first

MAX_FILES = 256  # followed at once
MAX_MATCHES = 10_000  # paths that match the globs
MAX_ENTRIES = 200_000  # directory entries examined
MAX_GONE = 64  # vanished files whose places are kept, in case they come back


class _LimitReached(Exception):
    """The search for the files takes too long."""


class Files:
    """Several files and what became of them since the last run.

    before: what `memory` was then; None in the first run, which begins at the files' ends unless `from_start`. Files that
    appear later are read from their start. Afterwards: `errors` (why files could not be read), `notes` (what is lost),
    `bytes` read, `behind` bytes that wait, `readable` files.
    """

    def __init__(self, globs: Sequence[str], before: Mapping[str, Any] | None, limits: Limits, *, from_start: bool) -> None:
        known = before.items() if isinstance(before, Mapping) else ()
        self.globs, self.limits = globs, limits
        self.before = {path: cursor for path, cursor in known if isinstance(cursor, Mapping)}
        self.from_start = from_start or before is not None
        self.memory: dict[str, Any] = {}
        self.errors: list[str] = []
        self.notes: list[str] = []
        self.bytes = self.behind = self.readable = 0

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """Path and line of what was written since; of each file oldest first."""
        paths = {_text(path): path for path in self._found()}
        gone = {name: cursor for name, cursor in self.before.items() if name not in paths}
        renamed = {cursor.get("inode"): cursor for cursor in gone.values()}
        busy: set[Any] = set()  # inodes that are being read under the name of their successor
        for number, (name, path) in enumerate(paths.items()):
            inode = _inode(path)
            if name not in self.before and inode in busy:
                continue
            before = self.before.get(name, renamed.get(inode, {}))
            follower = self._follower(path, before, len(paths) - number)
            share = follower.limits.bytes
            try:
                for line in follower.lines():
                    yield name, line
                self.readable += 1
            except OSError as error:
                self._unread(name, error)
            self.bytes += share - follower.limits.bytes
            self.limits.bytes -= share - follower.limits.bytes
            self.limits.lines = follower.limits.lines
            self.behind += follower.behind
            renamed |= {inode: cursor.memory() for inode, cursor in follower.passed.items()}
            if follower.memory.get("inode") in follower.passed:
                busy.add(follower.memory["inode"])
            if follower.lost:
                self.notes.append(f"{name}: {follower.lost}")
            if follower.memory or inode is not None:
                self.memory[name] = follower.memory
        self.memory |= dict(list(gone.items())[-MAX_GONE:])

    def _follower(self, path: str, before: Mapping[str, Any], left: int) -> Follower:
        """One file with its share of the limits, at least a line. One that could not be read before is no new one."""
        share = Limits(max(self.limits.bytes // left, LONGEST), self.limits.lines, self.limits.deadline)
        return Follower(Path(path), before, share, from_start=self.from_start and _text(path) not in self.before)

    def _unread(self, path: str, error: OSError) -> None:
        if isinstance(error, FileNotFoundError) and path not in self.globs:
            return  # it vanished between the glob and the reading: nothing is wrong
        self.errors.append(f"{path} cannot be read: {lower_first(error.strerror or str(error))}")

    def _found(self) -> list[str]:
        """The files the globs mean, those known before first, without those that are the past of another."""
        found: dict[str, None] = {}
        for pattern in self.globs:
            is_pattern = MAGIC.search(pattern) is not None and not os.path.exists(pattern)
            matches = self._matching_files(pattern) if is_pattern else [pattern]
            if not matches:
                self.errors.append(f"no such file: {pattern}")
            found |= dict.fromkeys(sorted(matches))
        names = {path for path in found if path in self.globs or not rotated_from(path, found)}
        ordered = sorted(names, key=lambda path: (_text(path) not in self.before, path))
        if len(ordered) > MAX_FILES:
            self.errors.append(f"{len(ordered)} files match; at most {MAX_FILES} can be followed: narrow the paths")
        return ordered[:MAX_FILES]

    def _matching_files(self, pattern: str) -> list[str]:
        """The files that match a pattern, as far as half of the remaining time allows."""
        matches: list[str] = []
        until, examined = (time.monotonic() + self.limits.deadline) / 2, 0

        def on_entry() -> None:
            nonlocal examined
            examined += 1
            if examined > MAX_ENTRIES or time.monotonic() > until:
                raise _LimitReached

        try:
            found = islice(expand(pattern, on_entry, lambda _: None), MAX_MATCHES)
            matches.extend(path for path in found if os.path.isfile(path) and not PACKED.search(path))
        except (_LimitReached, RecursionError):
            self.errors.append(f"{pattern} matches too much: stopped after {examined} entries; narrow it")
        return matches


def _text(path: str) -> str:
    """The path as text that can be stored; names need not be UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
