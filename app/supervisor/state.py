"""What is known of a home's stack: HOME/run/state.json, replaced whole at every change, and the lock of its one supervisor."""

import fcntl
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app import kept
from app.kept import supervisor
from app.supervisor.plan import frozen

__all__ = ["Process", "State", "failed", "failure", "hold", "load", "lock", "path", "save", "sign", "supervisor"]


@dataclass(frozen=True, slots=True)
class Process:
    """One process as `status` shows it; `started` is the start time the system gives (seconds since 1970), its identity."""

    name: str
    kind: str
    pid: int | None
    state: str  # waiting | starting | running | restarting | stopping | stopped
    restarts: int
    started: float | None = None


@dataclass(frozen=True, slots=True)
class State:
    """The stack as the keeper last saw it."""

    pid: int
    started: float
    processes: tuple[Process, ...] = ()
    ready_after: float | None = None  # seconds from the command to the first time everything was ready
    missing: tuple[str, ...] = ()  # until then
    warnings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()  # the last words of what died and is not back


def path(home: Path) -> Path:
    """Where the state of `home` is."""
    return home / "run" / "state.json"


def save(home: Path, state: State) -> None:
    """Replace the state in one move."""
    draft = path(home).with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(state)))
    draft.replace(path(home))


def load(home: Path) -> State | None:
    """The last state; None when there is none or nobody can read it any more."""
    try:
        raw: dict[str, Any] = json.loads(path(home).read_text())
        processes = tuple(Process(**entry) for entry in raw.pop("processes"))
        return State(processes=processes, **frozen(raw))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def failure(home: Path) -> Path:
    """Where one line says why the last start of `home` failed; no file after one that did not."""
    return home / "run" / "failure"


def fail(home: Path, why: str) -> None:
    """Keep why a start failed, for whoever asks later."""
    with suppress(OSError):  # a full disk is a reason as well, and was said
        kept.write(failure(home), why)


def failed(home: Path) -> str | None:
    """Why the last start of `home` failed; None when it did not."""
    try:
        return failure(home).read_text()
    except OSError:
        return None


def lock(home: Path) -> int | None:
    """Become the one supervisor of `home`: a descriptor to keep open, or None when there is one already."""
    for _ in range(10):
        held = hold(home / "run" / "lock")
        if held is not None:
            sign(held)
            return held
        time.sleep(0.02)  # `status` takes a look at it now and then
    return None


def sign(held: int) -> None:
    """Write into the lock who holds it."""
    os.ftruncate(held, 0)
    os.pwrite(held, str(os.getpid()).encode(), 0)


def hold(target: Path) -> int | None:
    """An flock on a folder, or on a file made if it is not there; None when somebody else holds it."""
    flags = os.O_RDONLY if target.is_dir() else os.O_RDWR | os.O_CREAT
    held = os.open(target, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held
