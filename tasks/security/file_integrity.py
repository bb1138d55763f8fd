"""Files compared with the accepted baseline: content (SHA-256), mode, owner; new and removed files.

Metrics: `files`, `changed_files`, `added_files`, `gone_files`, `unreadable_files`, `waiting_files` (not read yet) and
`hashed_bytes`.

Critical: anything differs from the baseline. Unknown: a file cannot be read, or one run reached its timeout or `max_bytes`; the
next run then continues, and files that were not read are not compared. The message says when a file was written, who owns it
and who was logged in then, as far as the system recorded it; that is not necessarily who changed it. Symbolic links are
compared as links and not followed.
"""

import grp
import os
import pwd
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from app.checks.probe import Drift, Field, Reading, Run, Spec, Status, Unknown, drift, lower_first, probe, stamp, worst
from app.host.logins import logged_in
from app.host.walk import Deferred, Reader, TooMany, Walk, folded, printable, unfolded

MAX_NAMES = 100_000  # names read in one run
MAX_MEMORY = 100_000  # characters of what is remembered between runs
WRITTEN = "; written "
MAX_DETAILED = 3  # files shown in full
KINDS = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFBLK: "block device", stat.S_IFCHR: "character device"}

Glob = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]
AbsoluteGlob = Annotated[str, Field(max_length=1000, pattern=r"^/[^\x00]*$")]


class Files(Spec):
    """Which files, and how much may be read."""

    paths: tuple[AbsoluteGlob, ...] = Field(
        min_length=1,
        max_length=100,
        description="files, folders (with everything below them) and globs; ** matches any folders",
        examples=[["/etc/passwd", "/etc/ssh/*"]],
    )
    exclude: tuple[Glob, ...] = Field(
        default=(), max_length=100, description="globs to exclude, matched against names (*.swp) or full paths (/etc/cups/*)"
    )
    max_files: int = Field(default=1000, ge=1, le=1500, description="maximum number of files; more are an error")
    max_bytes: int = Field(
        default=268_435_456, ge=4096, description="maximum bytes to read in one run; larger files are not read at all"
    )
    wtmp: str = Field(default="/var/log/wtmp", pattern=r"^/", description="the system's login records")


@probe()
def measure(spec: Files, run: Run) -> Reading:
    clock = time.monotonic()
    walk = Walk(spec.exclude, spec.max_files, MAX_NAMES, clock + run.timeout * 0.3)
    try:
        empty = [path for path in spec.paths if not walk.add(path)]
    except TooMany as error:
        raise Unknown(str(error)) from None
    if not walk.found and not run.baseline:
        raise Unknown(
            "; ".join(f"{path}: {walk.closed.get(path, 'not found')}" for path in [*walk.closed, *empty][:MAX_DETAILED])
        )
    reader = Reader(unfolded(run.memory.get("files", {})), spec.max_bytes, clock + run.timeout * 0.8)
    states, waiting, next_ = _states(walk, reader, spec, str(run.memory.get("next", "")))
    memory = {"files": folded(reader.fresh), "next": next_}
    if len(str(memory)) > MAX_MEMORY:
        raise Unknown(f"the names of {len(walk.found)} files are too long to store: use several checks")
    metrics = {"files": len(walk.found), "unreadable_files": len(walk.closed), "waiting_files": len(waiting)}
    metrics["hashed_bytes"] = reader.hashed
    problems = [f"{path} cannot be read: {why}" for path, why in list(walk.closed.items())[:MAX_DETAILED]]
    problems += [f"{len(waiting)} files left for the next run, e.g. {path}: {why}" for path, why in list(waiting.items())[:1]]
    numbers = {name: float(number) for name, number in metrics.items()}
    if run.baseline is None and problems:  # an incomplete baseline would make the rest look new
        return Reading(Status.UNKNOWN, "; ".join(["no baseline yet", *problems]), numbers, memory=memory)
    unread = {path: state for path, state in (run.baseline or {}).items() if path in waiting or _within(path, walk.closed)}
    found = {printable(path): one for path, one in walk.found.items()}
    observed = {
        path: _describe(state, (run.baseline or {}).get(path), found[path], spec.wtmp) for path, state in states.items()
    }
    notes = [f"nothing found at {path}" for path in empty[:MAX_DETAILED]]
    return _compared(run.baseline, unread | observed, problems, notes, Reading(Status.OK, "", numbers, memory=memory))


def _compared(
    baseline: Mapping[str, str] | None, observed: dict[str, str], problems: list[str], notes: list[str], reading: Reading
) -> Reading:
    """The reading with what differs from the baseline."""
    if baseline is None:
        message = "; ".join([f"baseline recorded: {len(observed)} files", *notes])
        return replace(reading, message=message, observed=observed)
    found = drift(baseline, observed)
    counts = {"changed_files": len(found.changed), "added_files": len(found.added), "gone_files": len(found.gone)}
    status = worst([Status.CRITICAL if found else Status.OK, Status.UNKNOWN if problems else Status.OK])
    parts = list(_sentences(found, baseline, observed)) or [f"{len(observed)} files match the baseline"]
    metrics = {**reading.metrics, **{name: float(count) for name, count in counts.items()}}
    return replace(reading, status=status, message="; ".join(parts + problems + notes), metrics=metrics, observed=observed)


def _states(walk: Walk, reader: Reader, spec: Files, start: str) -> tuple[dict[str, str], dict[str, str], str]:
    """How each file is; those that wait, with why; and where the next run begins, so that none waits for ever."""
    states: dict[str, str] = {}
    waiting: dict[str, str] = {}
    for path in sorted(walk.found, key=lambda path: (path < start, path)):
        found, name = walk.found[path], printable(path)
        try:
            states[name] = _state(path, found, reader, spec.max_bytes)
        except Deferred as why:
            waiting[name] = str(why)
            if name in reader.fresh:  # as it was read last: neither good again nor new
                states[name] = _with_rights(f"sha256 {reader.fresh[name].strip()}", found)
        except FileNotFoundError:
            continue
        except OSError as error:
            walk.closed[name] = lower_first(str(error.strerror))
    return states, waiting, next(iter(waiting), "")


def _state(path: str, found: os.stat_result, reader: Reader, limit: int) -> str:
    if stat.S_ISLNK(found.st_mode):
        return f"link to {printable(os.readlink(path))!r}, {_owner(found.st_uid, found.st_gid)}"
    if not stat.S_ISREG(found.st_mode):
        return _with_rights(KINDS.get(stat.S_IFMT(found.st_mode), "not a file"), found)
    if found.st_size > limit:
        return _with_rights(f"{found.st_size} bytes, too large to be read, written {_time(found.st_mtime)}", found)
    return _with_rights(f"sha256 {reader.digest(path, found)}", found)


def _with_rights(what: str, found: os.stat_result) -> str:
    return f"{what}, mode {stat.S_IMODE(found.st_mode):04o}, {_owner(found.st_uid, found.st_gid)}"


@lru_cache(maxsize=256)
def _owner(user: int, group: int) -> str:
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = str(user)
    try:
        return f"{name}:{grp.getgrgid(group).gr_name}"
    except KeyError:
        return f"{name}:{group}"


def _describe(state: str, accepted: str | None, found: os.stat_result, wtmp: str) -> str:
    """The file's state; with its time of writing and the logins of then, when it is not as accepted."""
    if accepted is not None and (accepted == state or accepted.startswith(state + WRITTEN)):
        return accepted
    text = f"{state}{WRITTEN}{_time(found.st_mtime)}"
    if abs(found.st_ctime - found.st_mtime) > 60:  # the one can be set to anything, the other cannot
        text += f", last touched {_time(found.st_ctime)}"
    logins = logged_in(found.st_ctime, wtmp)
    if logins is None:
        return text + ", no record of logins then"
    names = sorted({str(one) for one in logins})
    return text + ", logged in then: " + (", ".join(names[:5]) or "no login on record")


def _sentences(found: Drift, baseline: Mapping[str, str], observed: Mapping[str, str]) -> Iterator[str]:
    """`2 of 812 files differ`, the first few in full, the rest by number."""
    if not found:
        return
    yield f"{len(found)} of {len(baseline.keys() | observed.keys())} files differ"
    sentences = [f"{path}: {_difference(baseline[path], observed[path])}" for path in found.changed[:MAX_DETAILED]]
    sentences += [f"{path} is new: {_difference('', observed[path])}" for path in found.added[:MAX_DETAILED]]
    sentences += [f"{path} is gone" for path in found.gone[:MAX_DETAILED]]
    yield from sentences[: 2 * MAX_DETAILED]
    if len(found) > len(sentences[: 2 * MAX_DETAILED]):
        yield f"and {len(found) - len(sentences[: 2 * MAX_DETAILED])} more"


def _difference(before: str, now: str) -> str:
    """What of `sha256 ..., mode ..., owner` differs, and the circumstances."""
    what, _, when = now.partition(WRITTEN)
    was, parts = before.partition(WRITTEN)[0].split(", "), what.split(", ")
    changes = []
    if parts[0] != was[0]:
        comparable = parts[0].startswith("sha256") and (not before or was[0].startswith("sha256"))
        changes.append(("content changed" if before else "a file") if comparable else f"now {parts[0]}")
    for old, new in zip([*was[1:], "", ""], parts[1:], strict=False):
        changes.append(new if old == new or not old else f"{new} (was {old})")
    return ", ".join([*changes, f"written {when}"] if when else changes)


def _time(seconds: float) -> str:
    try:
        return stamp(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return "at an invalid time"


def _within(path: str, folders: Mapping[str, str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
