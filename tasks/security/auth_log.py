"""Counts failed and accepted logins, invalid users, refused sudo and changed accounts since its last run, from the log.

Metrics: `failed_logins` and `logins` (accepted), also by `source` address for the ten most frequent; `root_logins`;
`invalid_users`; `sudo_failures` (wrong password, not allowed); `account_changes` (users and groups added, changed or deleted,
passwords set).

It reads the file `path` through rotation and truncation or, if that is not set, the systemd journal. The first run starts at
the end and reads no old entries. Unknown: the file or journal does not exist or cannot be read. Otherwise ok regardless of the
counts (every server on the internet is attacked all day; use rules), unless `warning_failed` or `critical_failed` are exceeded,
or `new_sources` is set and there is a login from an address that was not accepted.
"""

import re
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import model_validator

from app.checks.probe import (
    Absent,
    Field,
    Reading,
    Run,
    Series,
    Spec,
    Status,
    Unknown,
    counted,
    drift,
    printable,
    probe,
    worst,
)
from app.failure import Failed
from app.host.follow import LONGEST, Follower, Limits, repeat
from app.host.journal import Journal, present, text

MAX_LINES = 1_000_000  # in one run
FACILITIES = ("SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10")  # auth, authpriv
MAX_SOURCES_SHOWN = 10  # sources listed; the rest counts only in the total
MAX_NEW_SOURCES = 500  # users and addresses remembered that are not accepted yet

# A user name is whatever an attacker sent, also "x from 10.0.0.1 port 1 ssh2": the last " from " is sshd's own.
SSH_FAILED = re.compile(r"Failed (?!none)\S+ for (?:invalid user )?.* from (?P<source>\S+) port \d+")
SSH_INVALID = re.compile(r"Invalid user .* from \S+")
SSH_ACCEPTED = re.compile(r"Accepted \S+ for (?P<user>.*) from (?P<source>\S+) port \d+")
PAM_FAILED = re.compile(r"pam_\w+\([\w.:-]+\): authentication failure;.*? rhost=(?P<source>\S*)")
OTHER_ROOT = re.compile(r"pam_unix\((?:login|su|su-l):session\): session opened for user root\b")
SUDO_FAILED = re.compile(
    r"\s*\S+ : (?:\d+ incorrect password attempts?|user NOT in sudoers|command not allowed|a password is required)"
)
ACCOUNT_TOOLS = frozenset(
    f"{noun}{verb}" for noun in ("user", "group") for verb in ("add", "mod", "del")
) | {"gpasswd", "adduser", "deluser", "passwd", "chpasswd", "chage"}  # fmt: skip
ACCOUNT_CHANGED = re.compile(
    r"new (?:user|group):|(?:add|delete|remove|change) |(?:user|group) \S+ (?:added|removed|deleted)|"
    r"(?:user|members of group) \S+ (?:added|removed|set) by|group (?:added|removed) to|"
    r"pam_unix\(\w+:chauthtok\): password changed for |changed (?:password expiry|user) "
)
# RFC 5424 6: `<86>1 time host program pid id [data] message`; in the traditional form the program stands before ": ".
RFC_5424 = re.compile(r"(?:<\d{1,3}>)?1 \d\S* \S+ (?P<program>\S+) \S+ \S+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+) \ufeff?(?P<said>.*)")


class Log(Spec):
    """Where the log is, and how much is too much."""

    path: str | None = Field(
        default=None,
        pattern=r"^/",
        description="log file, e.g. /var/log/auth.log; unset = the systemd journal",
        examples=["/var/log/auth.log"],
    )
    journal_folder: str | None = Field(
        default=None,
        pattern=r"^/[^\x00]*$",
        description="folder of the journal, e.g. where a container mounts the host's; unset = this machine's journal",
    )
    max_bytes: int = Field(
        default=8_388_608, ge=4096, description="maximum bytes to read in one run; the rest waits for the next run"
    )
    warning_failed: int | None = Field(
        default=None, ge=1, description="failed logins since the last run at which it warns", examples=[20]
    )
    critical_failed: int | None = Field(
        default=None, ge=1, description="failed logins since the last run at which it is critical"
    )
    new_sources: Literal["ok", "warning", "critical"] = Field(
        default="ok", description="status of a login whose user and address are not in the accepted baseline; ok = not compared"
    )

    @model_validator(mode="after")
    def _one_log(self) -> Self:
        if self.path is not None and self.journal_folder is not None:
            raise ValueError("give path or journal_folder, not both")
        return self


@dataclass(slots=True)
class Tally:
    """What was counted."""

    failed: Counter[str] = field(default_factory=Counter)  # by source
    accepted: Counter[tuple[str, str]] = field(default_factory=Counter)  # by user and source
    roots: int = 0
    invalid: int = 0
    sudo: int = 0
    accounts: int = 0
    last: tuple[str, ...] = ()  # event of the last line, which the next one may repeat

    def line(self, line: str) -> None:
        """Count one line of a log."""
        repeated = repeat(line)
        if repeated is not None and repeated.line is None:
            self._count(self.last, repeated.times)
        elif new := RFC_5424.match(line):
            self.add(new["program"], new["said"])
        else:
            head, _, message = line.partition(": ")  # time, host, program[pid]: message
            self.add(re.split(r"[\[(]", head.rpartition(" ")[2])[0], message)

    def add(self, program: str, message: str) -> None:
        """Count one message of one program."""
        times = 1
        if (repeated := repeat(f": {message}")) and repeated.line:
            times, message = repeated.times, repeated.line[2:]
        self.last = _classify(program.rpartition("/")[2], message)
        self._count(self.last, times)

    def _count(self, event: tuple[str, ...], times: int) -> None:
        match event:
            case ("failed", source):
                self.failed[source] += times
            case ("accepted", user, source):
                self.accepted[user, source] += times
                self.roots += times * (user == "root")
            case ("root",):
                self.roots += times
            case ("invalid",):
                self.invalid += times
            case ("sudo",):
                self.sudo += times
            case ("account",):
                self.accounts += times

    def metrics(self) -> dict[str, float]:
        """Every count, under its name."""
        return {
            "failed_logins": float(self.failed.total()),
            "logins": float(self.accepted.total()),
            "root_logins": float(self.roots),
            "invalid_users": float(self.invalid),
            "sudo_failures": float(self.sudo),
            "account_changes": float(self.accounts),
        }

    def series(self) -> tuple[Series, ...]:
        """The sources with the most of each kind."""
        sources: Counter[str] = Counter()
        for (_, source), count in self.accepted.items():
            sources[source] += count
        kinds = (("failed_logins", self.failed), ("logins", sources))
        return tuple(
            Series(metric, float(count), {"source": source})
            for metric, counted in kinds
            for source, count in counted.most_common(MAX_SOURCES_SHOWN)
        )

    def __str__(self) -> str:
        text = f"{counted(self.failed.total(), 'failed login')}, {self.roots} of root, {counted(self.invalid, 'invalid user')}"
        if worst := self.failed.most_common(3):
            text += "; most from " + ", ".join(f"{source} ({count})" for source, count in worst)
        text += f"; {self.sudo} refused sudo" if self.sudo else ""
        return text + (f"; {counted(self.accounts, 'change')} of accounts" if self.accounts else "")


def _classify(program: str, message: str) -> tuple[str, ...]:
    """The event in a message of a program, with its user and source; empty when it is not counted."""
    if program.startswith("sshd"):
        return _classify_ssh(message)
    if failed := PAM_FAILED.match(message):  # sshd logs its own twice, here and above
        return ("failed", failed["source"] or "local")
    if OTHER_ROOT.match(message):
        return ("root",)
    if program == "sudo" and SUDO_FAILED.match(message):
        return ("sudo",)
    if program in ACCOUNT_TOOLS and ACCOUNT_CHANGED.match(message):
        return ("account",)
    return ()


def _classify_ssh(message: str) -> tuple[str, ...]:
    if failed := SSH_FAILED.match(message):
        return ("failed", failed["source"])
    if accepted := SSH_ACCEPTED.match(message):
        return ("accepted", accepted["user"], accepted["source"])
    return ("invalid",) if SSH_INVALID.match(message) else ()


@probe()
def measure(spec: Log, run: Run) -> Reading:
    tally = Tally()
    if spec.path is not None:
        kept = run.memory.get("last")
        tally.last = tuple(map(str, kept)) if isinstance(kept, list) else ()
        memory, behind = _follow(Path(spec.path), run, spec.max_bytes, tally)
        memory |= {"last": [printable(one) for one in tally.last]}
    elif present(spec.journal_folder):
        memory, behind = _journal(spec.journal_folder, run, tally)
    else:
        where = f" in {spec.journal_folder}" if spec.journal_folder else ""
        raise Absent(f"no systemd journal{where}; set the path of the log, e.g. /var/log/auth.log")
    message = f"{tally}; {counted(behind, 'byte waits', 'bytes wait')} for the next run" if behind else str(tally)
    reading = Reading(_judge(tally.failed.total(), spec), message, tally.metrics(), tally.series(), memory)
    return reading if spec.new_sources == "ok" else _with_sources(reading, tally, Status(spec.new_sources), run)


def _with_sources(reading: Reading, tally: Tally, new: Status, run: Run) -> Reading:
    """The reading with who logged in from where, compared with the baseline; what is new stays so until it is accepted."""
    logins = [printable(f"{user} from {source}") for user, source in tally.accepted]
    accepted = run.baseline or {}
    kept = run.memory.get("sources")
    known = [printable(one) for one in kept if isinstance(one, str)] if isinstance(kept, list) else []
    waiting = [one for one in dict.fromkeys([*known, *logins]) if one not in accepted][:MAX_NEW_SOURCES]
    observed = {**accepted, **dict.fromkeys(waiting, "logged in")}
    reading = replace(reading, memory={**(reading.memory or {}), "sources": waiting}, observed=observed)
    if run.baseline is None:
        return replace(reading, message=f"{reading.message}; baseline recorded: {len(observed)} users and addresses")
    found = drift(run.baseline, observed)
    if not found:
        return reading
    return replace(
        reading, status=worst([reading.status, new]), message=f"logins that are not accepted: {found}; {reading.message}"
    )


def _judge(total: int, spec: Log) -> Status:
    if spec.critical_failed is not None and total >= spec.critical_failed:
        return Status.CRITICAL
    if spec.warning_failed is not None and total >= spec.warning_failed:
        return Status.WARNING
    return Status.OK


def _follow(path: Path, run: Run, limit: int, tally: Tally) -> tuple[dict[str, Any], int]:
    """Count what was written since; returns where to go on, and how many bytes are left."""
    follower = Follower(path, run.memory, Limits(limit, MAX_LINES, time.monotonic() + run.timeout * 0.8))
    try:
        for line in follower.lines():
            tally.line(line.decode(errors="replace"))
    except OSError as error:
        raise Unknown(f"{path}: {error.strerror}; check the path and that this worker can read it (group adm)") from None
    return follower.memory, follower.behind


def _journal(folder: str | None, run: Run, tally: Tally) -> tuple[dict[str, Any], int]:
    """Count the journal's security entries since the last run; returns where to go on, and 1 if there is more."""
    journal = Journal(FACILITIES, run.memory.get("cursor"), timeout=run.timeout * 0.9, folder=folder)
    try:
        for entry in journal.entries():
            tally.line(f"{text(entry.get('SYSLOG_IDENTIFIER'))}: {text(entry.get('MESSAGE'))[:LONGEST]}")
    except Failed as failed:
        raise Unknown(str(failed)) from None
    return {"cursor": journal.cursor}, int(journal.behind)
