"""Reads systemd's journal on from a cursor, as a stream, until enough was read or the time is up.

`app.host.program` keeps the beginning of a program's output and treats a flood as a failure; a journal may flood for hours,
and what was read before the time-out counts.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from app.failure import Failed, Kind

JOURNALS = ("/run/log/journal", "/var/log/journal")  # of this machine
SHOW = ("--output=json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER", "--all", "--no-pager")
NO_ACCESS = ("not seeing messages", "insufficient permissions", "Permission denied", "No journal files")
MAX_ENTRIES = 50_000  # in one run
LONGEST = 1 << 20  # bytes of one entry
MAX_STDERR = 4096  # bytes read of journalctl's stderr


def present(folder: str | None = None) -> bool:
    """Is there a systemd journal, in `folder` or of this machine? An empty folder is none; one closed to us may be one."""
    return shutil.which("journalctl") is not None and any(map(_holds_journals, map(Path, [folder] if folder else JOURNALS)))


def _holds_journals(folder: Path) -> bool:
    try:
        within = [*folder.iterdir()]
        return any(found.suffix == ".journal" for one in within for found in (one.iterdir() if one.is_dir() else (one,)))
    except FileNotFoundError:
        return False
    except OSError:
        return True


class Journal:
    """The entries after a cursor; when they are used up, `cursor` is where to go on and `behind` whether there was more.

    matches: further arguments of journalctl. folder: where the journal's files are, None for this machine's.
    cursor: None for the first run, which gives nothing but a cursor at the end (or everything, `from_start`); empty when the
    journal was.
    """

    def __init__(
        self,
        matches: Sequence[str],
        cursor: str | None,
        *,
        timeout: float,
        most: int = MAX_ENTRIES,
        from_start: bool = False,
        folder: str | None = None,
    ) -> None:
        self.matches, self.timeout, self.most = matches, timeout, most
        self.where = [f"--directory={folder}"] if folder else []
        self.folders = (folder,) if folder else JOURNALS
        cursor = cursor if isinstance(cursor, str) else None  # it was remembered
        self.only_cursor = cursor is None and not from_start
        self.cursor = cursor or ""
        self.behind = False
        self._late = self._has_entries = False

    def entries(self) -> Iterator[dict[str, Any]]:
        """New entries, oldest first. Raises Failed when journalctl fails or does not answer in time."""
        after = ["--lines=1"] if self.only_cursor else [f"--after-cursor={self.cursor}"] if self.cursor else []
        # Not --quiet: it must report when it hides the entries of others.
        command = ["journalctl", *SHOW, *self.where, *after, *self.matches]
        with subprocess.Popen(
            command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            alarm = threading.Timer(self.timeout, self._end, [process])
            alarm.daemon = True
            alarm.start()
            try:
                yield from self._read(process)
                stderr = self._stderr(process)
            finally:
                alarm.cancel()
                _kill(process)
        self._judge(process.returncode, stderr)

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        self._late = True
        _kill(process)

    def _read(self, process: "subprocess.Popen[bytes]") -> Iterator[dict[str, Any]]:
        assert process.stdout is not None
        read = process.stdout.readline
        for entry in _decoded(islice(iter(lambda: read(LONGEST), b""), self.most)):
            self._has_entries = True
            if not self.only_cursor:
                yield entry
            self.cursor = entry["__CURSOR"]
        self.behind = bool(read(LONGEST))

    def _stderr(self, process: "subprocess.Popen[bytes]") -> bytes:
        """Its stderr; waits until it exits, unless more entries are left."""
        assert process.stderr is not None
        if self.behind:
            return b""
        stderr = process.stderr.read(MAX_STDERR)
        process.wait()
        return stderr

    def _judge(self, code: int, stderr: bytes) -> None:
        self.behind = self.behind or (self._late and self._has_entries)
        if self.behind:
            return
        if self._late:
            raise Failed(Kind.TIMEOUT, f"journalctl did not respond within {self.timeout:.3g} s")
        why = stderr.decode(errors="replace").strip().partition("\n")[0]
        no_access = any(sign in why for sign in NO_ACCESS)
        if code or no_access:
            advice = "; add this account to the group systemd-journal" if no_access else ""
            raise Failed(Kind.OTHER, f"journalctl: {why or f'exited with code {code}'}{advice}")
        if not (self._has_entries or _has_files(self.folders)):  # only some versions of journalctl report it; all exit with 0
            raise Failed(Kind.OTHER, f"no journal files in {' or '.join(self.folders)} that this account can read")


def _has_files(folders: Iterable[str]) -> bool:
    return any(one for folder in folders for below in ("*.journal", "*/*.journal") for one in Path(folder).glob(below))


def text(message: object) -> str:
    """A field as text; the journal gives one that is not UTF-8 as a list of bytes, and null for one that is too long."""
    if isinstance(message, list):
        with suppress(ValueError, TypeError):
            return bytes(message).decode(errors="replace")
        return text(message[0]) if message else ""  # a field that the entry has several times
    return "" if message is None else str(message)


def _decoded(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict) and isinstance(entry.get("__CURSOR"), str):
                yield entry


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.returncode is None:  # not reaped: nobody else can have its number
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
