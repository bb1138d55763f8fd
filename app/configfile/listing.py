"""Which files a configuration folder holds, in it and below, through links as well.

Links to folders are followed, as people who mount or share them expect: what is not found would be taken for removed. So
nothing is left out silently: a link that leads nowhere and a folder that cannot be read are errors with their names. What is
reached a second time, by a link back to a folder around it or to a file that has been read, is read once.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.configfile.mistake import Mistake, mistake
from app.errors import Invalid

SUFFIXES = (".yaml", ".yml")
MAX_FOLDERS = 2_000
NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
NOT_OURS = frozenset({"lost+found"})  # a file system's own, and root's


@dataclass
class Listing:
    """What was found. `files` are relative to the folder and sorted; a YAML file that is reached twice stands there once."""

    files: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
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
            f"cannot read the configuration folder {folder}: {error.strerror}; give one, or set TOCSIN_CONFIG"
        ) from None
    found = Listing()
    _walk(folder, Path(), (os.path.realpath(folder),), found)
    found.files = sorted(_once(folder, found.files), key=Path)
    return found


def _walk(top: Path, inside: Path, around: tuple[str, ...], found: Listing) -> None:
    """Add what is in `inside`, a folder below `top`; `around` are the real paths of it and of those that lead to it."""
    found.folders += 1
    if found.folders > MAX_FOLDERS:
        raise Invalid(f"{top} holds more than {MAX_FOLDERS} folders, links followed; is it the right folder?")
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
    said = f"cannot be read: {error.strerror}"
    if error.errno not in NOWHERE:
        found.unreadable = True
    elif (top / path).is_symlink():
        said = f"is a link to {os.readlink(top / path)}, which does not exist; remove it, or put there what it should lead to"
    else:
        return  # removed since the folder was listed
    found.mistakes.append(mistake(path.as_posix(), 1, said))


def _names(top: Path, inside: Path, found: Listing) -> list[str]:
    try:
        names = os.listdir(top / inside)
    except OSError as error:
        found.unreadable = True
        found.mistakes.append(mistake(inside.as_posix(), 1, f"cannot be read: {error.strerror}"))
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
