"""`up` and `down`: everything around the keeper's life."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from app.errors import Unavailable
from app.settings import Settings
from app.supervisor import folders, leftovers, postgres, stack, state, valkey
from app.supervisor.keeper import PATIENCE
from app.supervisor.plan import Spec

LONG_PATIENCE = 120.0  # seconds until a detached start is given up; the stack goes on trying
END_PATIENCE = 75.0  # seconds for the keeper to end everything, its own deadlines included

Say = Callable[[str, bool], None]  # text, and whether it is red


def up(settings: Settings, specs: Iterable[Spec] | None = None) -> None:
    """Become the supervisor of the home, in the foreground: this process is the keeper from here on and never returns.

    Raises Unavailable when there is one already, or a port or server cannot be had.
    """
    lock = prepare(settings, specs, None)
    os.set_inheritable(lock, True)
    sys.stdout.flush()
    os.execv(sys.executable, keeper(settings.home, lock))  # noqa: S606  (a fresh, small interpreter under the same pid)


def up_detached(settings: Settings, say: Say, specs: Iterable[Spec] | None = None, patience: float = LONG_PATIENCE) -> bool:
    """Start the stack in the background and wait for it; False when it is not ready in `patience` seconds or ended.

    A stack that runs already is waited for and told of in the same way.
    """
    log = settings.home / "log" / "tocsin.log"
    began = time.time()
    process = None
    if state.supervisor(settings.home) is None:
        lock = prepare(settings, specs, log)
        with log.open("ab") as errors:
            process = subprocess.Popen(
                keeper(settings.home, lock),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
                pass_fds=(lock,),
            )
        os.close(lock)
    ready = _wait_ready(settings.home, process, say, began, patience)
    for text in stack.addresses(settings):
        say(text, False)
    found = state.load(settings.home)
    for text in found.warnings if found else ():
        say(text, True)
    say(f"log      {log}", False)
    return ready


def prepare(settings: Settings, specs: Iterable[Spec] | None, log: Path | None) -> int:
    """All that comes before the keeper: the lock (returned), folders, leftovers, ports, data, the plan."""
    home = folders.home(settings.home)
    lock = state.lock(home)
    if lock is None:
        raise Unavailable(f"the stack of {home} is up already (pid {state.supervisor(home)}): `tocsin status`, `tocsin down`")
    end_leftovers(settings)
    state.path(home).unlink(missing_ok=True)
    embedded = stack.servers(settings)
    if specs is None:
        for name, host, port in (
            ("TOCSIN_PORT", settings.host, settings.port),
            ("TOCSIN_FLOWER_PORT", "127.0.0.1", settings.flower_port),
        ):
            must_be_free(name, host, port)
    if embedded.database is not None:
        postgres.install(embedded.database)
    if embedded.broker is not None:
        folders.private(settings.sockets.parent, 0o711 if os.geteuid() == 0 else 0o700)
        valkey.install(embedded.broker)
    stack.plan(settings, embedded, specs, log).save(home / "run" / "plan.json")
    return lock


def keeper(home: Path, lock: int) -> list[str]:
    """The command line of the keeper."""
    return [sys.executable, "-m", "app.supervisor.keeper", str(home), str(lock)]


def down(settings: Settings) -> bool:
    """End the stack, and what a killed supervisor left of it; False when nothing ran."""
    home = settings.home
    pid = state.supervisor(home)
    if pid is not None:
        _signal(pid, signal.SIGTERM)
        if not _wait_gone(home, END_PATIENCE):
            _signal(pid, signal.SIGKILL)
            _wait_gone(home, 5.0)
    if not home.exists():
        return False
    folders.private(home / "run")
    lock = state.lock(home)
    if lock is None:
        raise Unavailable(f"another supervisor of {home} has just started: run `tocsin down` again")
    try:
        left = end_leftovers(settings)
        state.path(home).unlink(missing_ok=True)
    finally:
        os.close(lock)
    return pid is not None or bool(left)


def end_leftovers(settings: Settings) -> list[int]:
    """End what has no supervisor any more; only while holding the lock. Returns the pids there were."""
    before = state.load(settings.home)
    return leftovers.end(stack.mark(settings), before.processes if before else ())


def must_be_free(name: str, host: str, port: int) -> None:
    """Raise Unavailable when the port is somebody else's; `name` is the variable that changes it."""
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(kind) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror or error})"
            raise Unavailable(f"port {port} of {host} {why}: free it, or set {name}") from error


def _wait_ready(home: Path, process: subprocess.Popen[bytes] | None, say: Say, began: float, patience: float) -> bool:
    told = False
    while (waited := time.time() - began) < patience:
        found = state.load(home)
        if found is not None and found.ready_after is not None:
            say(f"ready after {found.ready_after:.1f} s", False)
            return True
        if process is not None and process.poll() is not None:
            say(f"the supervisor ended with status {process.returncode}", True)
            return False
        if waited > PATIENCE and not told:
            told = True
            say(f"not ready after {waited:.0f} s, missing: {', '.join(found.missing if found else ())}", True)
        time.sleep(0.05)
    found = state.load(home)
    say(f"not ready after {patience:.0f} s, missing: {', '.join(found.missing if found else ())}; still trying", True)
    return False


def _wait_gone(home: Path, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while state.supervisor(home) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise Unavailable(f"the supervisor (pid {pid}) belongs to another user: run this as that user") from error
