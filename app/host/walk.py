"""Finds what globs mean in a file system and reads it: bounded, without following links, not twice what has not changed."""

import hashlib
import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from app import visible
from app.host.follow import open_regular
from app.sentence import lower_first

MAGIC = frozenset("*?[")
CHUNK = 1 << 20
MIN_AGE = 2.0  # seconds in which a file could change again without a change of its time stamps


class TooMany(Exception):
    """More than may be read, or it takes too long."""


class Walk:
    """`found` (path -> lstat) of everything but folders, and `closed` (path -> why) of what could not be read.

    A path may be a file, a folder (all below it) or a glob; `**` stands for any folders. An exclude without slash is matched
    with names, one with a slash with whole paths (`*` crosses slashes); an excluded folder is not entered.
    """

    def __init__(self, excludes: Sequence[str], max_files: int, max_names: int, deadline: float) -> None:
        self.excludes, self.max_files, self.max_names, self.deadline = excludes, max_files, max_names, deadline
        self.found: dict[str, os.stat_result] = {}
        self.closed: dict[str, str] = {}
        self._examined = 0

    def add(self, path: str) -> bool:
        """Look for what one path or glob means; whether there is anything. Raises TooMany."""
        before = len(self.found), len(self.closed)
        try:
            self._find(path)
        except RecursionError:
            raise TooMany(f"{path}: folders are nested too deep") from None
        return before != (len(self.found), len(self.closed))

    def _find(self, path: str) -> None:
        parts = [part for part in path.split("/") if part]
        if not any(MAGIC & set(part) for part in parts) or os.path.lexists(path):
            path = "/" + "/".join(parts)
            self._add_path(path)
            if os.path.islink(path) and os.path.isdir(path):  # named by a person: the link is one thing, what it shows others
                self._below(path)
        else:
            self._expand("", parts)

    def _expand(self, folder: str, parts: list[str]) -> None:
        if not parts:
            self._add_path(folder)
        elif parts[0] == "**":
            self._expand(folder, parts[1:] or ["*"])
            for name, is_folder in self._names(folder):
                if is_folder and not self._excluded(f"{folder}/{name}"):
                    self._expand(f"{folder}/{name}", parts)
        elif MAGIC & set(parts[0]):
            for name, is_folder in self._names(folder):
                if fnmatchcase(name, parts[0]) and (is_folder or not parts[1:]):
                    self._expand(f"{folder}/{name}", parts[1:])
        else:
            self._expand(f"{folder}/{parts[0]}", parts[1:])

    def _add_path(self, path: str) -> None:
        if self._excluded(path):
            return
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return
        except OSError as error:
            self.closed[printable(path)] = lower_first(str(error.strerror))
            return
        if stat.S_ISDIR(found.st_mode):
            self._below(path)
            return
        self.found[path] = found
        if len(self.found) > self.max_files:
            raise TooMany(f"there are more than {self.max_files} files: narrow the paths, exclude some, or use several checks")

    def _below(self, folder: str) -> None:
        for name, _ in self._names(folder):
            self._add_path(f"{folder.rstrip('/')}/{name}")

    def _names(self, folder: str) -> list[tuple[str, bool]]:
        """Names in a folder, sorted, and whether each is one itself."""
        try:
            with os.scandir(folder or "/") as entries:
                names = []
                for entry in entries:
                    names.append((entry.name, entry.is_dir(follow_symlinks=False)))
                    self._count()
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.closed[printable(folder or "/")] = lower_first(str(error.strerror))
            return []
        return sorted(names)

    def _count(self) -> None:
        self._examined += 1
        if self._examined > self.max_names:
            raise TooMany(f"more than {self.max_names} names to examine: narrow the paths")
        if self._examined % 256 == 0 and time.monotonic() > self.deadline:
            raise TooMany(f"finding the files took too long ({self._examined} names so far): narrow the paths")

    def _excluded(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        return any(fnmatchcase(path if "/" in glob else name, glob.rstrip("/")) for glob in self.excludes)


class Deferred(Exception):
    """The file could not be read to its end this time."""


@dataclass(slots=True)
class Reader:
    """Reads files within one run's bounds; what has not changed since the last run is not read again."""

    known: Mapping[str, str]  # path -> signature and digest
    limit: int
    deadline: float
    hashed: int = 0
    fresh: dict[str, str] = field(default_factory=dict)

    def digest(self, path: str, found: os.stat_result) -> str:
        """The file's SHA-256, half of it. Raises Waits and OSError."""
        name = printable(path)
        known = str(self.known.get(name, ""))
        full = self.hashed + found.st_size > self.limit or time.monotonic() > self.deadline
        if known.startswith(signature(found)) and (full or "!" not in known):
            self.fresh[name] = known
            return known.rpartition(" ")[2]
        if full:
            self._keep(name)
            raise Deferred("left for the next run")
        try:
            digest = self._hash(path, found)
        except Deferred:
            self._keep(name)
            raise
        is_young = time.time() - found.st_ctime < MIN_AGE
        self.fresh[name] = f"{signature(found)}{'!' if is_young else ''} {digest}"  # ! = read again when there is time
        return digest

    def _keep(self, name: str) -> None:
        if name in self.known:
            self.fresh[name] = " " + str(self.known[name]).rpartition(" ")[2]

    def _hash(self, path: str, found: os.stat_result) -> str:
        digest, left = hashlib.sha256(), found.st_size
        with open_regular(path, os.O_NOFOLLOW) as file:
            while chunk := file.read(min(CHUNK, left + 1)):
                digest.update(chunk)
                self.hashed += len(chunk)
                left -= len(chunk)
                if left < 0:
                    break
                if time.monotonic() > self.deadline:
                    raise Deferred("out of time")
            if left or signature(os.fstat(file.fileno())) != signature(found):
                raise Deferred("it changed while being read")
        return digest.hexdigest()[:32]


def signature(found: os.stat_result) -> str:
    """Changes whenever the file does. The change time cannot be set back, unlike the modification time."""
    identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return hashlib.blake2b(repr(identity).encode(), digest_size=6).hexdigest()


def printable(path: str) -> str:
    """The path as text that can be stored; names need not be UTF-8."""
    return visible.printable(os.fsencode(path).decode(errors="backslashreplace"))


def folded(known: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """By folder, whose name is then remembered once."""
    folders: dict[str, dict[str, str]] = {}
    for path, value in known.items():
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, {})[name] = value
    return folders


def unfolded(folders: object) -> dict[str, str]:
    """The reverse of `folded`; what is nothing of the kind is left out."""
    kept = folders.items() if isinstance(folders, Mapping) else ()
    found = ((folder, names) for folder, names in kept if isinstance(names, Mapping))
    return {f"{folder}/{name}": str(value) for folder, names in found for name, value in names.items()}
