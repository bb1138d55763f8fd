"""Whether the disks that a home writes to have room; asked by readiness, `status` and `doctor`, also when nothing runs."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.supervisor import plan

FULL, NEARLY_FULL = "disk:full", "disk:nearly-full"
ROOM = 64 << 20  # bytes; PostgreSQL makes files of 16 MiB for its log, and ends when it cannot
NONE = 1 << 20  # bytes; less is nothing


@dataclass(frozen=True, slots=True)
class Disk:
    """A folder on a disk with little room, and what is left."""

    path: Path
    free: int  # bytes for an ordinary account
    files: bool = True  # whether another file can be made at all

    @property
    def full(self) -> bool:
        return self.free < NONE or not self.files


def missing(home: Path, embedded: bool) -> list[str]:
    """What that means for readiness: an embedded database on a full disk takes nothing any more."""
    found = short(home)
    if not any(disk.full for disk in found):
        return [NEARLY_FULL] if found else []
    return ["database", FULL] if embedded else [FULL]


def short(home: Path) -> list[Disk]:
    """The folders of `home` whose disk is nearly full, each disk once. A folder that is not there has none."""
    found: dict[int, Disk] = {}
    for path in _folders(home):
        try:
            disk, device = os.statvfs(path), path.stat().st_dev
        except OSError:
            continue
        free, files = disk.f_bavail * disk.f_frsize, disk.f_files == 0 or disk.f_favail > 0
        if free < ROOM or not files:
            found.setdefault(device, Disk(path, free, files))
    return list(found.values())


def _folders(home: Path) -> Iterable[Path]:
    """The home, what it holds, and the embedded PostgreSQL's data, which as root may be elsewhere."""
    yield from (home, home / "log", home / "valkey", home / "postgres")
    try:
        specs = plan.load(home / "run" / "plan.json").specs
    except (OSError, ValueError, KeyError, TypeError):
        return
    yield from (Path(urlsplit(spec.ready).path).parent for spec in specs if spec.ready.startswith("pidfile:"))
