"""`up` and `down`: everything around the keeper's life."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from app import kept
from app.errors import Unavailable, Unusable
from app.settings import Settings, stack_environ, to_keep
from app.supervisor import folders, leftovers, postgres, preflight, stack, state, valkey
from app.supervisor.exits import first_admin
from app.supervisor.keeper import TIMEOUT
from app.supervisor.plan import Spec
from app.supervisor.preflight import must_all_be_free, must_be_free

LATE = "late"  # what is said once when a start takes long, beside the reasons
START_TIMEOUT = 120.0  # seconds until a detached start is given up; the stack goes on trying
STOP_TIMEOUT = 75.0  # seconds for the keeper to end everything, its own deadlines included

__all__ = ["down", "end_leftovers", "keeper", "must_be_free", "prepare", "up", "up_detached"]

Say = Callable[[str, bool], None]  # text, and whether it is red


def _print(text: str, red: bool) -> None:
    print(text, file=sys.stderr if red else sys.stdout)


def up(settings: Settings, specs: Iterable[Spec] | None = None, say: Say = _print, fresh: bool = False) -> None:
    """Become the supervisor of the home, in the foreground: this process is the keeper from here on and never returns.

    Raises Unavailable when there is one already, or a port or server cannot be had.
    """
    lock = prepare(settings, say, specs, None, fresh)
    os.set_inheritable(lock, True)
    sys.stdout.flush()
    command = keeper(settings.home, lock)
    os.execve(sys.executable, command, stack_environ(settings))  # noqa: S606  (a fresh, small interpreter under the same pid)


def up_detached(
    settings: Settings, say: Say, specs: Iterable[Spec] | None = None, timeout: float = START_TIMEOUT, fresh: bool = False
) -> bool:
    """Start the stack in the background and wait for it; False when it is not ready in `timeout` seconds or was ended.

    A stack that runs already is waited for in the same way. Raises Unavailable as `up`, and what the supervisor
    gave up for.
    """
    log = settings.home / "log" / "tocsin.log"
    began = time.time()
    process = None
    pid = state.supervisor(settings.home)
    if pid is None:
        lock = prepare(settings, say, specs, log, fresh)
        with log.open("ab") as errors:
            process = subprocess.Popen(
                keeper(settings.home, lock),
                env=stack_environ(settings),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
                pass_fds=(lock,),
            )
        os.close(lock)
    else:
        say(f"the stack in {settings.home} is already running (pid {pid})", False)
    ready = _wait_ready(settings.home, process, say, began, timeout)
    for text in (*stack.addresses(settings), first_admin(settings.home)):
        say(text, False)
    found = state.load(settings.home)
    for text in found.warnings if found else ():
        say(text, True)
    say(f"log      {log}", False)
    return ready


def prepare(settings: Settings, say: Say, specs: Iterable[Spec] | None, log: Path | None, fresh: bool) -> int:
    """All that comes before the keeper: the lock (returned), folders, leftovers, what can be asked, data, the plan."""
    home = folders.home(settings.home)
    lock = state.lock(home)
    if lock is None:
        raise Unavailable(
            f"the stack in {home} is already running (pid {state.supervisor(home)}); run `tocsin status` or `tocsin down`"
        )
    end_leftovers(settings)
    for path in (state.path(home), state.failure(home)):
        path.unlink(missing_ok=True)
    try:
        _make_ready(settings, say, specs, log, fresh)
    except (Unavailable, OSError) as error:
        state.fail(home, str(error))
        raise
    return lock


def _make_ready(settings: Settings, say: Say, specs: Iterable[Spec] | None, log: Path | None, fresh: bool) -> None:
    """What can be asked, data, the plan. Raises Unavailable, which is kept as the reason why this start failed."""
    home = settings.home
    if specs is None:
        _ask_first(settings, say)
    embedded = stack.servers(settings)
    if embedded.database is not None:
        postgres.install(embedded.database, known=None if fresh else kept.remembered_database(home))
    if embedded.broker is not None:
        folders.private(settings.sockets.parent, 0o711 if os.geteuid() == 0 else 0o700)
        valkey.install(embedded.broker)
    stack.plan(settings, embedded, specs, log, fresh).save(home / "run" / "plan.json")
    kept.keep(kept.running(home), to_keep(settings, stack_environ(settings)))


def _ask_first(settings: Settings, say: Say) -> None:
    """What can be known before anything is started: the certificate, the ports, servers elsewhere."""
    preflight.certificate(settings)
    must_all_be_free(preflight.console_port(settings), preflight.flower_port(settings))
    for text in preflight.servers(settings):
        say(f"{text}; retrying", True)


def keeper(home: Path, lock: int) -> list[str]:
    """The command line of the keeper."""
    return [sys.executable, "-m", "app.supervisor.keeper", str(home), str(lock)]


def down(settings: Settings) -> bool:
    """End the stack, and what a killed supervisor left of it; False when nothing ran."""
    home = settings.home
    pid = state.supervisor(home)
    if pid is not None:
        _signal(pid, signal.SIGTERM)
        if not _wait_gone(home, STOP_TIMEOUT):
            _signal(pid, signal.SIGKILL)
            _wait_gone(home, 5.0)
    if not home.exists():
        return False
    folders.private(home / "run")
    lock = state.lock(home)
    if lock is None:
        raise Unavailable(f"another supervisor has just started in {home}; run `tocsin down` again")
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


def _wait_ready(home: Path, process: subprocess.Popen[bytes] | None, say: Say, began: float, timeout: float) -> bool:
    """Wait, saying each new reason for delay once. Raises Unusable with the reason when the supervisor gave the start up."""
    printed: set[str] = set()
    while (waited := time.time() - began) < timeout:
        ended = process is not None and process.poll() is not None
        found = state.load(home)
        if found is not None and found.ready_after is not None:
            say(f"ready after {max(found.ready_after, waited if LATE in printed else 0):.1f} s", False)
            return True
        if ended or (process is None and state.supervisor(home) is None):
            return _gave_up(home, say)
        news = {reason: f"{reason}; retrying" for reason in (found.reasons if found else ())}
        if waited > TIMEOUT:  # once, whatever is missing later
            news[LATE] = f"not ready after {TIMEOUT:.0f} s; missing: {', '.join(found.missing if found else ())}"
        for what in [what for what in news if what not in printed]:
            printed.add(what)
            say(news[what], True)
        time.sleep(0.05)
    found = state.load(home)
    say(f"not ready after {timeout:.0f} s; missing: {', '.join(found.missing if found else ())}; still trying", True)
    return False


def _gave_up(home: Path, say: Say) -> bool:
    """The supervisor has ended: for a reason it wrote down, or because somebody stopped it."""
    why = state.failed(home)
    if why is not None:
        raise Unusable(why)
    say("the supervisor was stopped", True)
    return False


def _wait_gone(home: Path, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
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
        raise Unavailable(f"the supervisor (pid {pid}) belongs to another user; run this as that user") from error
