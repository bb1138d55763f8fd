"""Who was logged in at some time, from the system's record of logins (wtmp).

Source: utmp(5) and glibc's struct utmp: 384 bytes where times have 32 bits (x86-64, ppc64le, s390x), 400 on aarch64.
The record tells of terminals and SSH, not of cron, services or a shell without a terminal; who was in need not have done it.
"""

import os
import platform
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from app.host.follow import open_regular

LAYOUT = struct.Struct("<h2xi32s4s32s256shh4xqqq4i20s4x" if platform.machine() == "aarch64" else "<h2xi32s4s32s256shhiii4i20s")
RUN_LEVEL, BOOT, USER, DEAD = 1, 2, 7, 8
NEWEST = 8192  # records examined


@dataclass(frozen=True, slots=True)
class Login:
    """One session; times in seconds since 1970, `end` None while it lasts."""

    user: str
    line: str
    host: str
    start: float
    end: float | None

    def __str__(self) -> str:
        return f"{self.user} from {self.host}" if self.host else f"{self.user} on {self.line}"


def logged_in(at: float, wtmp: str) -> tuple[Login, ...] | None:
    """Who was logged in at a time; None where there is no record of it (no file, an empty one, or it begins later)."""
    try:
        records = list(_records(wtmp))
    except OSError:
        return None
    if not records or records[0][4] > at:
        return None
    return tuple(one for one in _sessions(records) if one.start <= at and (one.end is None or at <= one.end))


_Record = tuple[int, str, str, str, float]  # type, line, user, host, time


def _records(path: str) -> Iterator[_Record]:
    with open_regular(path) as file:
        whole = os.fstat(file.fileno()).st_size // LAYOUT.size
        file.seek(max(0, whole - NEWEST) * LAYOUT.size)
        content = file.read(min(whole, NEWEST) * LAYOUT.size)
    for kind, _, line, _, user, host, _, _, _, seconds, micros, *_ in LAYOUT.iter_unpack(content):
        yield kind, _text(line), _text(user), _text(host), seconds + micros / 1e6


def _sessions(records: list[_Record]) -> Iterator[Login]:
    open_: dict[str, Login] = {}
    for kind, line, user, host, at in records:
        if kind == BOOT or (kind == RUN_LEVEL and user == "shutdown"):
            ended = list(open_.values())
            open_.clear()
        else:
            ended = [open_.pop(line)] if kind in (USER, DEAD) and line in open_ else []
        yield from (Login(one.user, one.line, one.host, one.start, at) for one in ended)
        if kind == USER and user:
            open_[line] = Login(user, line, host, at, None)
    yield from open_.values()


def _text(field: bytes) -> str:
    text = field.split(b"\0", 1)[0].decode(errors="replace")
    return "".join(char if char.isprintable() else "?" for char in text)
