"""Reads a configuration folder: its YAML files as trees with lines, its runbooks as text; every error on the way.

Links to folders are followed, as people who mount or share them expect: what is not found would be taken for removed. So
nothing is left out silently: a link that leads nowhere and a folder that cannot be read are errors with their names. What is
reached a second time, by a link back to a folder around it or to a file that has been read, is read once.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.configfile.codes import Code
from app.configfile.compose import compose, unstorable
from app.configfile.finding import Finding, finding
from app.configfile.tree import Node
from app.errors import Invalid

SUFFIXES = (".yaml", ".yml")
MAX_FOLDERS = 2_000
NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
NOT_OURS = frozenset({"lost+found"})  # a file system's own, and root's
MAX_FILE = 1_000_000  # bytes
MAX_TOTAL = 16_000_000
MAX_FILES = 2_000


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds. `files` are the texts as they are, variables not filled in; `trees` those that could be read."""

    files: Mapping[str, str]
    trees: Mapping[str, Node]
    runbooks: Mapping[str, str]  # text by file
    errors: tuple[Finding, ...]
    whole: bool  # every file could be read: only then is something that is missing really missing
    unreadable: bool = False  # the system refused to give a file or a folder


def read(folder: Path, environ: Mapping[str, str]) -> Folder:
    """Everything in `folder` and below, sorted by path. Raises Invalid when there is no such folder."""
    files: dict[str, str] = {}
    listing = listed(folder)
    errors = listing.errors
    unreadable = listing.unreadable
    budget = MAX_TOTAL
    for file in listing.files:
        try:
            text, wrong = _text(folder / file, file, budget)
        except OSError as error:
            unreadable = True
            text, wrong = None, [finding(file, 1, Code.CANNOT_READ, why=error.strerror)]
        errors += wrong
        if text is not None:
            files[file] = text
            budget -= len(text)
        if len(files) > MAX_FILES:
            raise Invalid(f"{folder} has more than {MAX_FILES} files; is it the right folder?")
    return replace(_parsed(files, errors, environ), unreadable=unreadable)


def read_texts(files: Mapping[str, str], environ: Mapping[str, str]) -> Folder:
    """As `read`, from texts by file."""
    return _parsed(dict(files), [], environ)


def _parsed(files: dict[str, str], errors: list[Finding], environ: Mapping[str, str]) -> Folder:
    trees: dict[str, Node] = {}
    whole = not errors
    for file, text in files.items():
        if file.endswith(SUFFIXES):
            tree, wrong = compose(file, text, environ)
            errors += wrong
            whole = whole and (tree is not None or not wrong)
            if tree is not None:
                trees[file] = tree
    runbooks = {file: text for file, text in files.items() if file.endswith(".md")}
    return Folder(files, trees, runbooks, tuple(errors), whole)


def _text(path: Path, file: str, budget: int) -> tuple[str | None, list[Finding]]:
    """A file's text, or why there is none. Raises OSError when the system does not give it."""
    if unstorable(file):
        return None, [finding(file, 1, Code.FILE_NAME)]
    if not path.is_file():
        return None, [finding(file, 1, Code.NOT_A_FILE)]
    if path.stat().st_size > MAX_FILE:
        return None, [finding(file, 1, Code.FILE_TOO_LARGE, kilobytes=MAX_FILE // 1000)]
    if path.stat().st_size > budget:
        return None, [finding(file, 1, Code.FILES_TOO_LARGE, megabytes=MAX_TOTAL // 1_000_000)]
    return _decoded(path.read_bytes(), file)


def _decoded(content: bytes, file: str) -> tuple[str | None, list[Finding]]:
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [finding(file, line, Code.NOT_UTF8, byte=content[error.start])]
    if "\0" in text:
        return None, [finding(file, text.count("\n", 0, text.index("\0")) + 1, Code.NUL)]
    return text, []


@dataclass
class Listing:
    """What was found. `files` are relative to the folder and sorted; a YAML file that is reached twice stands there once."""

    files: list[str] = field(default_factory=list)
    errors: list[Finding] = field(default_factory=list)
    unreadable: bool = False  # a folder could not be read
    folders: int = 0


def listed(folder: Path) -> Listing:
    """The YAML files and runbooks in `folder` and below. Raises Invalid when it cannot be read, or holds too many folders.

    Hidden names are skipped: editors and Kubernetes keep copies there.
    """
    try:
        os.listdir(folder)
    except OSError as error:
        raise Invalid(
            f"cannot read the configuration folder {folder}: {error.strerror}; pass another folder, or set TOCSIN_CONFIG"
        ) from None
    found = Listing()
    _walk(folder, Path(), (os.path.realpath(folder),), found)
    found.files = sorted(_once(folder, found.files), key=Path)
    return found


def _walk(top: Path, inside: Path, around: tuple[str, ...], found: Listing) -> None:
    """Add what is in `inside`, a folder below `top`; `around` are the real paths of it and of those that lead to it."""
    found.folders += 1
    if found.folders > MAX_FOLDERS:
        raise Invalid(f"{top} has more than {MAX_FOLDERS} folders (links followed); is it the right folder?")
    for name in _names(top, inside, found):
        path = inside / name
        try:
            is_folder = stat.S_ISDIR(os.stat(top / path).st_mode)
        except OSError as error:
            _missing(top, path, error, found)
            continue
        if is_folder:
            real = os.path.realpath(top / path)
            if real not in around:
                _walk(top, path, (*around, real), found)
        elif path.suffix in SUFFIXES or (path.suffix == ".md" and inside == Path("runbooks")):
            found.files.append(path.as_posix())


def _missing(top: Path, path: Path, error: OSError, found: Listing) -> None:
    """Say why nothing is known of a name: it may be a folder with checks."""
    if error.errno not in NOWHERE:
        found.unreadable = True
        found.errors.append(finding(path.as_posix(), 1, Code.CANNOT_READ, why=error.strerror))
    elif (top / path).is_symlink():
        found.errors.append(finding(path.as_posix(), 1, Code.DEAD_LINK, target=os.readlink(top / path)))
    # Else it was removed since the folder was listed.


def _names(top: Path, inside: Path, found: Listing) -> list[str]:
    try:
        names = os.listdir(top / inside)
    except OSError as error:
        found.unreadable = True
        found.errors.append(finding(inside.as_posix(), 1, Code.CANNOT_READ, why=error.strerror))
        return []
    return sorted(name for name in names if not name.startswith(".") and name not in NOT_OURS)


def _once(top: Path, files: list[str]) -> Iterator[str]:
    """Each YAML file under one name: its own, if that is below `top`. All runbooks: each is named by its file."""
    seen: dict[str, str] = {}
    for file in files:
        real = os.path.realpath(top / file) if file.endswith(SUFFIXES) else file
        own = os.path.join(os.path.realpath(top), file)
        if real not in seen or real == own:
            seen[real] = file
    yield from seen.values()
