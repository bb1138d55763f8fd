"""Runs a program of the system to its end or its deadline, whatever it does, and leaves nothing of it behind.

No shell, a clean environment, a closed stdin, a session of its own, limited time and output. What is still
alive in its process group when it ends, or of its descendants when it has to be killed, is killed with it. Starting is done
in a thread, since a program on a dead mount hangs before its first instruction.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from app.concurrency import threads
from app.failure import Failed, Kind

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_STDOUT = 65_536  # bytes kept of stdout
MAX_STDERR = 4_096  # bytes kept of stderr
MAX_OUTPUT = 16_777_216  # bytes of one stream after which the program is killed
POLL_INTERVAL = 0.02  # seconds between polls where the system has no pidfd
REAP_TIMEOUT = 0.5  # seconds to wait for a killed program; after that a thread waits on

Child = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """How a program ended by itself."""

    code: int  # exit code; negative: the signal that ended it
    out: str  # the beginning of stdout, what is no UTF-8 replaced
    err: str  # the beginning of stderr
    cut: bool  # there was more on stdout than is kept


def environment(more: Mapping[str, str] | None = None, path: Iterable[str] = ()) -> dict[str, str]:
    """The environment of a program: PATH, HOME, LC_ALL=C, and what is added."""
    return {"PATH": ":".join([PATH, *path]), "HOME": os.path.expanduser("~"), "LC_ALL": "C", **(more or {})}


async def run(
    command: Sequence[str], timeout: float, *, env: Mapping[str, str] | None = None, most: int = MAX_STDOUT
) -> ProgramResult:
    """Run `command` (found on `env`'s PATH) for at most `timeout` seconds; keeps `most` bytes of its stdout.

    Raises Failed: other (no such program, no right to run it, a flood of output), timeout (it was killed).
    """
    env = environment() if env is None else env
    name = os.path.basename(command[0])
    starting = _start(command, env)
    try:
        async with asyncio.timeout(timeout):
            child = await asyncio.shield(asyncio.wrap_future(starting))
            return await _wait(child, name, most)
    except TimeoutError:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(_kill(starting)), REAP_TIMEOUT)
        raise Failed(Kind.TIMEOUT, f"{name} did not finish within {timeout:.3g} s and was killed") from None
    except BaseException:
        _kill(starting)
        raise


async def _wait(child: Child, name: str, most: int) -> ProgramResult:
    """Read until the child exits, not until its pipes close: a grandchild may hold them for ever."""
    assert child.stdout is not None
    assert child.stderr is not None
    flooded = asyncio.get_running_loop().create_future()
    out, err = _Stream(child.stdout.fileno(), most, flooded), _Stream(child.stderr.fileno(), MAX_STDERR, flooded)
    exit_task = asyncio.ensure_future(_exit(child))
    try:
        await asyncio.wait([exit_task, flooded], return_when=asyncio.FIRST_COMPLETED)
        if flooded.done():
            raise Failed(Kind.OTHER, f"{name} wrote more than {MAX_OUTPUT // 1_048_576} MiB and was killed")
        out.read_on()
        err.read_on()
    finally:
        exit_task.cancel()
        out.close()
        err.close()
    _kill_group(child)  # before it is reaped: until then nobody else can have its number
    code = child.wait()
    child.stdout.close()
    child.stderr.close()
    return ProgramResult(code, out.text(), err.text(), out.total > most)


@dataclass(slots=True, eq=False)
class _Stream:
    """The beginning of what comes through a pipe."""

    pipe: int
    most: int
    flooded: "asyncio.Future[None]"
    kept: bytearray = field(default_factory=bytearray)
    total: int = 0

    def __post_init__(self) -> None:
        os.set_blocking(self.pipe, False)
        asyncio.get_running_loop().add_reader(self.pipe, self.read)

    def read(self) -> bool:
        """Take what is there; whether there may be more."""
        try:
            chunk = os.read(self.pipe, 65_536)
        except BlockingIOError:
            return False
        except OSError:
            chunk = b""
        if not chunk:
            self.close()
            return False
        self.total += len(chunk)
        self.kept += chunk[: max(0, self.most - len(self.kept))]
        if self.total > MAX_OUTPUT and not self.flooded.done():
            self.flooded.set_result(None)
        return True

    def read_on(self) -> None:
        """Take what the program left in the pipe."""
        while self.total <= MAX_OUTPUT and self.read():
            pass

    def text(self) -> str:
        return self.kept.decode(errors="replace")

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.pipe)


async def _exit(child: Child) -> None:
    """Return when the child has exited, without reaping it where the system supports it (Linux)."""
    try:
        watch = os.pidfd_open(child.pid)
    except (AttributeError, OSError):
        while child.poll() is None:
            await asyncio.sleep(POLL_INTERVAL)
        return
    loop = asyncio.get_running_loop()
    exited = asyncio.Event()
    loop.add_reader(watch, exited.set)
    try:
        await exited.wait()
    finally:
        loop.remove_reader(watch)
        os.close(watch)


def _start(command: Sequence[str], env: Mapping[str, str]) -> "Future[Child]":
    future: Future[Child] = Future()

    def work() -> None:
        try:
            child = subprocess.Popen(
                command, bufsize=0, cwd="/", env=env, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            future.set_exception(Failed(Kind.OTHER, f"{command[0]}: {str(why).lower()}"))
        else:
            future.set_result(child)

    threads.start(work)
    return future


def _kill(starting: "Future[Child]") -> "Future[None]":
    """See to it that the program dies, also one that is only about to start; done when it is dead."""
    dead: Future[None] = Future()

    def on_started(started: "Future[Child]") -> None:
        if started.exception() is None:
            threads.start(lambda: _kill_now(started.result(), dead))
        else:
            dead.set_result(None)

    starting.add_done_callback(on_started)
    return dead


def _kill_now(child: Child, dead: "Future[None]") -> None:
    try:
        descendants = psutil.Process(child.pid).children(recursive=True)  # also those with a session of their own
    except psutil.Error:
        descendants = []
    _kill_group(child)
    for descendant in descendants:
        with suppress(psutil.Error):
            descendant.kill()
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    child.wait()  # long, if it hangs in the kernel or belongs to another account
    with suppress(Exception):  # nobody waits any more
        dead.set_result(None)


def _kill_group(child: Child) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
