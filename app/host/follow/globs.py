"""What a pattern means in a file system that may be large, closed in places, and run in circles."""

import fnmatch
import os
import re
from collections.abc import Callable, Iterator

MAGIC = re.compile(r"[*?\[]")

Tick = Callable[[], None]
Closed = Callable[[OSError], None]


def expand(pattern: str, tick: Tick, closed: Closed) -> Iterator[str]:
    """Paths that match an absolute pattern of * ? [a-z], and ** for any depth, which does not follow links.

    tick: called for each entry looked at; what it raises ends the search. closed: called for folders that cannot be read.
    """
    parts = pattern.strip("/").split("/")
    unique = [part for part, before in zip(parts, ["", *parts], strict=False) if not part == before == "**"]
    yield from _expand("/", unique, tick, closed)


def _expand(base: str, parts: list[str], tick: Tick, closed: Closed) -> Iterator[str]:
    part, *rest = parts
    if part == "**":
        yield from _at_any_depth(base, rest, tick, closed)
    elif not rest:
        yield from _matching(base, part, tick, closed, folders=False)
    else:
        for path in _matching(base, part, tick, closed, folders=True):
            yield from _expand(path, rest, tick, closed)


def _at_any_depth(base: str, rest: list[str], tick: Tick, closed: Closed) -> Iterator[str]:
    if rest:
        yield from _expand(base, rest, tick, closed)
    for entry in _entries(base, tick, closed):
        if entry.is_dir(follow_symlinks=False):  # never in circles
            yield from _at_any_depth(entry.path, rest, tick, closed)
        elif not rest:
            yield entry.path


def _matching(base: str, part: str, tick: Tick, closed: Closed, *, folders: bool) -> Iterator[str]:
    """What one part of the pattern stands for; a plain name is not looked for in its folder."""
    if not MAGIC.search(part):
        tick()
        yield os.path.join(base, part)
        return
    matches = re.compile(fnmatch.translate(part)).match
    for entry in _entries(base, tick, closed):
        if matches(entry.name) and (part[0] == "." or entry.name[0] != ".") and (not folders or entry.is_dir()):
            yield entry.path


def _entries(folder: str, tick: Tick, closed: Closed) -> Iterator[os.DirEntry[str]]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        closed(error)
        return
    with entries:
        for entry in entries:
            tick()
            yield entry
