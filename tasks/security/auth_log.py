"""Counts failed logins, logins of root and invalid users since its last run, from the system's log.

Metrics: `failed_logins`, also by `source` address for the ten worst; `root_logins`; `invalid_users`. It reads the file `path`
through rotation and truncation, or without one systemd's journal; the first run starts at the end and reads nothing old. It is
ok however much it counts (any server on the internet is tried all day; rules judge), unless `warning_failed` or
`critical_failed` say otherwise.
"""

import json
import os
import re
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from app.checks.probe import CannotTell, Field, Reading, Run, Series, Spec, Status, probe

HEAD = 64  # bytes at a file's start that tell it from its successor on the same inode
LONGEST = 4096  # characters of a line that are looked at
MOST_ENTRIES = 50_000  # of the journal in one run
JOURNALS = ("/run/log/journal", "/var/log/journal")
WORST = 10  # sources listed; the rest counts only in the total

REPEATED = re.compile(r"message repeated (\d{1,6}) times: \[ ?(.*)\]$")

# A user name is whatever an attacker sent, also "x from 10.0.0.1 port 1 ssh2": the last " from " is sshd's own.
SSH_FAILED = re.compile(r"Failed (?!none)\S+ for (?:invalid user )?.* from (?P<source>\S+) port \d+")
SSH_INVALID = re.compile(r"Invalid user .* from \S+")
SSH_ROOT = re.compile(r"Accepted \S+ for root from \S+ port \d+")
PAM_FAILED = re.compile(r"pam_\w+\([\w.:-]+\): authentication failure;.*? rhost=(?P<source>\S*)")
OTHER_ROOT = re.compile(r"pam_unix\((?:login|su|su-l):session\): session opened for user root\b")


class Log(Spec):
    """Where the log is, and how much is too much."""

    path: str | None = Field(
        default=None, pattern=r"^/", description="log file, e.g. /var/log/auth.log; unset = systemd's journal"
    )
    max_bytes: int = Field(default=8_388_608, ge=4096, description="bytes read in one run; the rest waits for the next")
    warning_failed: int | None = Field(default=None, ge=1, description="failed logins since the last run from which it warns")
    critical_failed: int | None = Field(default=None, ge=1, description="failed logins since the last run that are critical")


@dataclass(slots=True)
class Tally:
    """What was counted."""

    failed: Counter[str] = field(default_factory=Counter)  # by source
    roots: int = 0
    invalid: int = 0

    def add(self, program: str, said: str) -> None:
        """Count one message of one program."""
        times = 1
        repeated = REPEATED.match(said)
        if repeated:
            times, said = int(repeated[1]), repeated[2]
        if program.rpartition("/")[2].startswith("sshd"):
            if failed := SSH_FAILED.match(said):
                self.failed[failed["source"]] += times
            elif SSH_ROOT.match(said):
                self.roots += times
            elif SSH_INVALID.match(said):
                self.invalid += times
        elif failed := PAM_FAILED.match(said):  # sshd's own are told twice, here and above
            self.failed[failed["source"] or "local"] += times
        elif OTHER_ROOT.match(said):
            self.roots += times


@probe()
def measure(spec: Log, run: Run) -> Reading:
    tally = Tally()
    if spec.path is not None and (Path(spec.path).exists() or not _has_journal()):
        memory, behind = _follow(Path(spec.path), run.memory, spec.max_bytes, tally)
    elif _has_journal():
        memory, behind = _journal(run.memory, run.timeout * 0.9, tally)
    else:
        raise CannotTell("there is no systemd journal here; give the path of the log, e.g. /var/log/auth.log")
    total = tally.failed.total()
    metrics = {"failed_logins": total, "root_logins": tally.roots, "invalid_users": tally.invalid}
    worst = tally.failed.most_common(WORST)
    message = f"{total} failed logins, {tally.roots} of root, {tally.invalid} invalid users"
    if worst:
        message += "; most from " + ", ".join(f"{source} ({count})" for source, count in worst[:3])
    if behind:
        message += f"; {behind} bytes wait for the next run"
    return Reading(
        _judge(total, spec),
        message,
        {name: float(value) for name, value in metrics.items()},
        tuple(Series("failed_logins", float(count), {"source": source}) for source, count in worst),
        memory,
    )


def _judge(total: int, spec: Log) -> Status:
    if spec.critical_failed is not None and total >= spec.critical_failed:
        return Status.CRITICAL
    if spec.warning_failed is not None and total >= spec.warning_failed:
        return Status.WARNING
    return Status.OK


def _follow(path: Path, before: Mapping[str, Any], limit: int, tally: Tally) -> tuple[dict[str, Any], int]:
    """Count what was written since; returns where to go on, and how many bytes are left.

    A renamed predecessor is read to its end first; a file that became shorter, or begins otherwise, starts anew.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise CannotTell(f"{path}: {error.strerror}; is the path right, and may this worker read it (group adm)?") from None
    with file:
        found = os.fstat(file.fileno())
        position = 0
        if not before.get("inode"):
            position = found.st_size
        elif before["inode"] == found.st_ino and found.st_size >= before["position"] and _head(file, before) == before["head"]:
            position = int(before["position"])
        elif before["inode"] != found.st_ino:
            limit -= _finish(path, before, limit, tally)
        position += _count(file, position, max(limit, 0), tally)
        memory = {"inode": found.st_ino, "position": position, "length": min(position, HEAD)}
        return {**memory, "head": _head(file, memory)}, max(0, found.st_size - position)


def _head(file: BinaryIO, memory: Mapping[str, Any]) -> str:
    file.seek(0)
    return blake2b(file.read(int(memory.get("length", 0))), digest_size=8).hexdigest()


def _finish(path: Path, before: Mapping[str, Any], limit: int, tally: Tally) -> int:
    """Read the rest of the file that was rotated away, if it still lies beside (auth.log.1, auth.log-20290115)."""
    for old in sorted(path.parent.glob(f"{path.name}[.-]*")):
        try:
            if old.stat().st_ino == before["inode"]:
                with old.open("rb") as file:
                    return _count(file, int(before["position"]), limit, tally)
        except OSError:
            continue
    return 0


def _count(file: BinaryIO, position: int, limit: int, tally: Tally) -> int:
    """Count whole lines from `position`, at most `limit` bytes; returns how many bytes were used up."""
    file.seek(position)
    chunk = file.read(limit)
    end = chunk.rfind(b"\n") + 1
    if not end and len(chunk) == limit:  # one line longer than all we read: not a log's
        return limit
    for line in chunk[:end].split(b"\n"):
        head, colon, said = line[:LONGEST].decode(errors="replace").partition(": ")  # time, host, program[pid]: message
        if colon:
            tally.add(re.split(r"[\[(]", head.rpartition(" ")[2])[0], said)
    return end


def _has_journal() -> bool:
    return shutil.which("journalctl") is not None and any(map(os.path.exists, JOURNALS))


def _journal(before: Mapping[str, Any], timeout: float, tally: Tally) -> tuple[dict[str, Any], int]:
    """Count the journal's entries of the security facilities since the last run; returns where to go on."""
    cursor = before.get("cursor")  # empty: the journal was
    where = ["--lines=1"] if cursor is None else [f"--after-cursor={cursor}"] if cursor else []
    command = ["journalctl", "--output=json", "--no-pager", "--quiet", *where, "SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10"]
    memory = {"cursor": cursor or ""}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        alarm = threading.Timer(timeout, process.kill)
        alarm.start()
        try:
            for entry in _entries(islice(process.stdout, MOST_ENTRIES)):
                if cursor is not None:
                    tally.add(str(entry.get("SYSLOG_IDENTIFIER", "")), _text(entry.get("MESSAGE"))[:LONGEST])
                memory = {"cursor": entry["__CURSOR"]}
            more = process.stdout.readline()
            if more:
                process.kill()
            said = process.stderr.read(LONGEST).decode(errors="replace").strip().partition("\n")[0]
        finally:
            alarm.cancel()
    if process.returncode and not more:
        raise CannotTell(f"journalctl: {said or 'did not end in time'}; add this account to the group systemd-journal")
    return memory, len(more)


def _entries(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "__CURSOR" in entry:
            yield entry


def _text(message: object) -> str:
    """A message as text; the journal gives one that is not UTF-8 as a list of bytes."""
    return bytes(message).decode(errors="replace") if isinstance(message, list) else str(message)
