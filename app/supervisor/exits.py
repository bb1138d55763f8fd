"""What a process that ended says of it: its last words, and what its exit status means. The keeper imports this."""

import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

# sysexits.h: how a process of ours says, under the supervisor, whether starting it again may help.
EXIT_TEMPORARY, EXIT_PERMANENT = 75, 78  # EX_TEMPFAIL, EX_CONFIG

FATAL_LINE = re.compile(r"\b(FATAL|PANIC)\b|^tocsin: |Fatal error|Bad file format")
BAD = re.compile(r"error|fail|cannot|denied|refused", re.IGNORECASE)
PREFIX = re.compile(
    r"^(\d{4}-\d\d-\d\d[T ]\S+( [A-Z]{3,5})? (\[\d+\] )?|\d+:[A-Z] \d.*? [#*.-] |tocsin: )"  # PostgreSQL's, Valkey's, ours
)
DETAIL = re.compile(r"\bDETAIL:\s+(.*)")
FIELD = re.compile(r'\b(event|text|error|reason|exception)=("(?:[^"\\]|\\.)*"|\S+)')  # of `app.logfmt`
BEFORE = re.compile(r"\bLOG:\s+((?:invalid|unrecognized|syntax error|could not) .*)")


def last_error(lines: Sequence[str]) -> str:
    """The line that says why, without its time stamp; empty when nothing was said."""
    for pattern in (FATAL_LINE, BAD, re.compile("")):
        for at in range(len(lines) - 1, -1, -1):
            if lines[at].startswith("ts=") and " level=info " in lines[at]:
                continue  # what it did well is not why it ended
            if pattern.search(lines[at]):
                return " ".join((_plain(lines[at]), *_detail(lines, at)))
    return ""


def _detail(lines: Sequence[str], at: int) -> Iterator[str]:
    """What PostgreSQL says of it in the line after or before."""
    after = DETAIL.search(lines[at + 1]) if at + 1 < len(lines) else None
    before = BEFORE.search(lines[at - 1]) if at else None
    if found := after or before:
        yield f"({_plain(found[1]).rstrip('.')})"


def meaning(status: int | None) -> str:
    """An exit status for people."""
    if status is None:
        return "never started"
    if status < 0:
        return _signal(-status)
    return {EXIT_TEMPORARY: "not available yet", EXIT_PERMANENT: "cannot run"}.get(status, f"exit status {status}")


def first_admin(home: Path) -> str:
    """Where the first admin's password and token are. A file that is gone from a home that was set up is not named."""
    gone = (home / "database.json").exists()
    files = (("password", home / "admin-password"), ("API token", home / "admin-token"))
    there = [f"{what} in {path}" for what, path in files if not gone or path.exists()]
    return ", ".join(("first admin: user admin", *there))


def _plain(line: str) -> str:
    if line.startswith("ts="):
        return _said(line)
    return " ".join(PREFIX.sub("", line).split()).removeprefix("but ")


def _said(line: str) -> str:
    """What one of our log lines says: its text, error or reason, or the last line of its exception; else the event."""
    fields: dict[str, str] = {name: value.strip('"') for name, value in FIELD.findall(line)}
    whole = next((fields[name] for name in ("error", "reason", "exception", "text") if name in fields), fields.get("event", ""))
    return whole.replace("\\n", "\n").strip().rpartition("\n")[2].replace('\\"', '"')


def _signal(number: int) -> str:
    try:
        return f"signal {number}, {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"
