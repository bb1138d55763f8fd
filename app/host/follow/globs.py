"""What a pattern means in a file system that may be large, closed in places, and run in circles."""

import fnmatch
import os
import re
from collections.abc import Callable, Iterator

MAGIC = re.compile(r"[*?\[]")

OnEntry = Callable[[], None]
OnError = Callable[[OSError], None]


def expand(pattern: str, on_entry: OnEntry, on_error: OnError) -> Iterator[str]:
    """Paths that match an absolute pattern of * ? [a-z], and ** for any depth, which does not follow links.

    on_entry: called for each entry; what it raises ends the search. on_error: called for folders that cannot be read.
    """
    parts = pattern.strip("/").split("/")
    unique = [part for part, before in zip(parts, ["", *parts], strict=False) if not part == before == "**"]
    yield from _expand("/", unique, on_entry, on_error)


def _expand(base: str, parts: list[str], on_entry: OnEntry, on_error: OnError) -> Iterator[str]:
    part, *rest = parts
    if part == "**":
        yield from _recursive(base, rest, on_entry, on_error)
    elif not rest:
        yield from _matching(base, part, on_entry, on_error, folders=False)
    else:
        for path in _matching(base, part, on_entry, on_error, folders=True):
            yield from _expand(path, rest, on_entry, on_error)


def _recursive(base: str, rest: list[str], on_entry: OnEntry, on_error: OnError) -> Iterator[str]:
    if rest:
        yield from _expand(base, rest, on_entry, on_error)
    for entry in _entries(base, on_entry, on_error):
        if entry.is_dir(follow_symlinks=False):  # never in circles
            yield from _recursive(entry.path, rest, on_entry, on_error)
        elif not rest:
            yield entry.path


def _matching(base: str, part: str, on_entry: OnEntry, on_error: OnError, *, folders: bool) -> Iterator[str]:
    """The entries that match one part of the pattern; a plain name is not searched for."""
    if not MAGIC.search(part):
        on_entry()
        yield os.path.join(base, part)
        return
    matches = re.compile(fnmatch.translate(part)).match
    for entry in _entries(base, on_entry, on_error):
        if matches(entry.name) and (part[0] == "." or entry.name[0] != ".") and (not folders or entry.is_dir()):
            yield entry.path


def _entries(folder: str, on_entry: OnEntry, on_error: OnError) -> Iterator[os.DirEntry[str]]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        on_error(error)
        return
    with entries:
        for entry in entries:
            on_entry()
            yield entry
