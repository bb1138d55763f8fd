"""Files that must exist, such as backups and exports: their age, size and number.

Metrics: `age_seconds` since the last change and `bytes` of one file, the newest or the oldest that matches; `files` and
`total_bytes` of all. Symbolic links are followed.

Critical: fewer files than `min_files` (by default, none at all), more than `max_files`, or a file that is empty, too small, too
large, too old or too new. Unknown: a file or folder that this account cannot read, a modification time in the future, a file
system that hangs, or more entries than `max_entries`.
"""

import errno
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.checks.probe import (
    Duration,
    Field,
    Reading,
    Run,
    Spec,
    Status,
    Unknown,
    binary,
    counted,
    length,
    lower_first,
    probe,
    worst,
)
from app.failure import Failed
from app.host.follow import MAGIC, expand
from app.host.mounts import access

MAX_CLOCK_SKEW = 60.0  # seconds that two clocks may differ, that of a file server and ours


class Target(Spec):
    """Which files, and how they must be."""

    path: str = Field(
        pattern=r"^/",
        max_length=4096,
        description="absolute path, or a pattern with * ? [a-z], and ** for any depth; * does not match names that"
        " begin with a dot",
        examples=["/backup/shop-*.dump"],
    )
    which: Literal["newest", "oldest"] = Field(default="newest", description="which of the files is checked")
    warning_older_than: Duration | None = Field(default=None, description="a file this old warns, e.g. 25h")
    critical_older_than: Duration | None = Field(
        default=None, description="a file this old is critical, e.g. 2d", examples=["25h"]
    )
    warning_younger_than: Duration | None = Field(
        default=None, description="a file newer than this warns, e.g. because something writes to it again"
    )
    critical_younger_than: Duration | None = Field(default=None, description="a file newer than this is critical")
    min_bytes: int = Field(
        default=1, ge=0, description="minimum size in bytes; a smaller file is critical", examples=[1_000_000]
    )
    max_bytes: int | None = Field(default=None, ge=0, description="maximum size in bytes; a larger file is critical")
    min_files: int = Field(default=1, ge=0, description="fewer files are critical; 0 = none is ok")
    max_files: int | None = Field(default=None, ge=0, description="more files are critical")
    max_entries: int = Field(
        default=200_000, ge=1, le=5_000_000, description="maximum number of directory entries to read; more are unknown"
    )


@dataclass(slots=True)
class Matches:
    """The files that match, summed up, and the one to judge."""

    which: Literal["newest", "oldest"]
    files: int = 0
    total: int = 0
    changed: float = 0.0
    size: int = 0
    path: str = ""

    def add(self, path: str, info: os.stat_result) -> None:
        """Count one file in."""
        self.files += 1
        self.total += info.st_size
        newer = info.st_mtime > self.changed
        if self.files == 1 or newer == (self.which == "newest"):
            self.changed, self.size, self.path = info.st_mtime, info.st_size, path


@probe(on_timeout=Status.UNKNOWN)
async def measure(spec: Target, run: Run) -> Reading:
    try:
        found = await access(spec.path, lambda: _search(spec, time.monotonic() + run.timeout * 0.8), run.timeout * 0.9)
    except Failed as failed:
        raise Unknown(str(failed)) from None
    return _judge(spec, found, time.time())


def _search(spec: Target, deadline: float) -> Matches:
    found, entries = Matches(spec.which), 0

    def on_entry() -> None:
        nonlocal entries
        entries += 1
        if entries > spec.max_entries:
            raise Unknown(f"{spec.path}: more than {spec.max_entries} entries to examine; narrow the pattern")
        if time.monotonic() > deadline:
            raise Unknown(f"{spec.path}: {entries} entries examined before time ran out")

    def on_error(error: OSError) -> None:
        raise error

    try:
        for path in expand(spec.path, on_entry, on_error):
            _count(found, path, literal=not MAGIC.search(spec.path))
    except OSError as error:
        raise Unknown(f"{error.filename}: {lower_first(str(error.strerror))}") from None
    except (ValueError, RecursionError):  # NUL in the path; folders nested a thousand deep
        raise Unknown(f"{spec.path!r} cannot be searched") from None
    return found


def _count(found: Matches, path: str, *, literal: bool) -> None:
    try:
        info = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):  # gone since it was listed, or a link to nothing
        return
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself
            return
        raise
    if stat.S_ISREG(info.st_mode):
        found.add(path, info)
    elif literal:
        raise Unknown(f"{path} is not a regular file; to check the files of a folder, write {path}/*")


def _judge(spec: Target, found: Matches, now: float) -> Reading:
    metrics = {"files": float(found.files), "total_bytes": float(found.total)}
    findings = list(_count_findings(spec, found.files))
    if not found.files:
        return Reading(worst(status for status, _ in findings), _join(f"no file matches {spec.path}", findings), metrics)
    age = now - found.changed
    metrics |= {"age_seconds": max(0.0, age), "bytes": float(found.size)}
    findings += _age_findings(spec, age)
    if found.size < spec.min_bytes:
        findings.append((Status.CRITICAL, f"it is smaller than {_size(spec.min_bytes)}" if found.size else "it is empty"))
    if spec.max_bytes is not None and found.size > spec.max_bytes:
        findings.append((Status.CRITICAL, f"it is larger than {_size(spec.max_bytes)}"))
    subject = f"{spec.which} of {found.files} files is" if found.files > 1 else "the file is"
    summary = f"{subject} {found.path}, {length(max(0.0, age))} old, {_size(found.size)}"
    return Reading(worst(status for status, _ in findings), _join(summary, findings), metrics)


def _count_findings(spec: Target, count: int) -> Iterator[tuple[Status, str]]:
    if count < spec.min_files:
        yield Status.CRITICAL, f"there should be at least {spec.min_files}"
    if spec.max_files is not None and count > spec.max_files:
        yield Status.CRITICAL, f"there should be at most {spec.max_files}"


def _age_findings(spec: Target, age: float) -> Iterator[tuple[Status, str]]:
    if age < -MAX_CLOCK_SKEW:
        yield Status.UNKNOWN, f"its modification time is {length(-age)} in the future: age unknown, check the clocks"
        return
    for status, older, younger in (
        (Status.CRITICAL, spec.critical_older_than, spec.critical_younger_than),
        (Status.WARNING, spec.warning_older_than, spec.warning_younger_than),
    ):
        if older is not None and age >= older.total_seconds():
            yield status, f"it should be younger than {length(older.total_seconds())}"
            return
        if younger is not None and age < younger.total_seconds():
            yield status, f"it should be older than {length(younger.total_seconds())}"
            return


def _join(summary: str, findings: list[tuple[Status, str]]) -> str:
    return "; ".join([summary, *(why for _, why in findings)])


def _size(size: int) -> str:
    return binary(size) if size >= 1024 else counted(size, "byte")
