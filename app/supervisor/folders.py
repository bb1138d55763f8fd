"""Folders of the stack: made private, and refused when somebody else made them first."""

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from app.errors import Unusable
from app.kept import unusable

STATE = Path("/var/lib/tocsin")
ACCOUNT = "-pg"  # ending of the socket folder that belongs to PostgreSQL's account


def home(path: Path) -> Path:
    """TOCSIN_HOME and its folders; as root others may pass through (PostgreSQL's account), but not look around.

    Raises Unusable when that cannot be had.
    """
    try:
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for name in ("run", "log", "valkey"):
            private(path / name)
        (path / "run" / "lock").touch(mode=0o600)  # a full or read-only file system says so here
    except OSError as error:
        raise unusable(path, error) from error
    return path


def private(path: Path, mode: int = 0o700) -> Path:
    """A folder of ours with exactly `mode`. Raises Unusable when it is a link or somebody else's."""
    with suppress(FileExistsError):
        path.mkdir(mode=mode, parents=True)
    seen = path.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid():
        raise Unusable(f"{path} is not a folder owned by uid {os.geteuid()}; remove it")
    if stat.S_IMODE(seen.st_mode) != mode:
        path.chmod(mode)
    return path


def anew(path: Path) -> Path:
    """A private folder, and the one above it as `home` makes it when that is gone as well."""
    if not path.parent.exists():
        private(path.parent, 0o711 if os.geteuid() == 0 else 0o700)
    return private(path)


def link(path: Path, target: Path) -> None:
    """Let `path` be a link to `target`, whatever it was."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def passage(path: Path) -> Path:
    """A folder that another account may pass through. Only one made here gets its mode; what was there stays as it is."""
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        return path
    path.chmod(0o755)
    return path


def given(path: Path, uid: int, gid: int) -> Path:
    """A new 0700 folder handed to another account; one that is there must be that account's already."""
    try:
        path.mkdir(mode=0o700)
        os.chown(path, uid, gid, follow_symlinks=False)
    except FileExistsError:
        pass
    seen = path.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != uid:
        raise Unusable(f"{path} is not a folder owned by uid {uid}; remove it, or run `chown -R {uid} {path}`")
    return path


def remove_sockets(sockets: Path) -> None:
    """Remove the socket folders of a stack that has ended, the one of PostgreSQL's account too."""
    for path in (sockets, sockets.with_name(f"{sockets.name}{ACCOUNT}")):
        shutil.rmtree(path, ignore_errors=True)
