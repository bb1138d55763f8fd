"""The `tocsin` command as a process of its own that has its libraries at once: forked, where a fresh interpreter would import.

A command differs from `python -m app.cli` in nothing but what was imported before: it has its own process number, environment,
folder, standard streams and exit status. Half of what a short command costs is the import of libraries, and the suite calls
hundreds. Whole stacks start their processes as users do.
"""

import array
import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]
LOADED = (  # nothing of ours that looks at the environment when it is imported
    "alembic.config", "app.configfile", "app.deliver", "app.line", "app.people.service", "app.review", "celery.app.base",
    "celery.bin.worker", "cryptography.x509", "email.parser", "fastapi", "itsdangerous", "jsonpath", "kombu.transport.redis",
    "markdown_it", "orjson", "psutil", "pycurl", "pydantic_settings", "redis", "ruamel.yaml",
    "sqlalchemy.dialects.postgresql.psycopg", "structlog", "typer", "uvicorn", "yaml",
)  # fmt: skip


def tocsin(
    *words: str, env: Mapping[str, str], cwd: Path = ROOT, timeout: float = 60, merged: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run(..., capture_output=True, text=True)` would; merged: in one stream."""
    command = [sys.executable, "-m", "app.cli", *words]
    out, out_end = os.pipe()
    err, err_end = (os.dup(out), os.dup(out_end)) if merged else os.pipe()
    with socket.socket(socket.AF_UNIX) as line, closing(_Reader(out, err)) as said:
        try:
            line.connect(_server())
            asked = json.dumps({"words": words, "env": dict(env), "cwd": str(cwd)}).encode()
            streams = array.array("i", [out_end, err_end])
            line.sendmsg([len(asked).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
            line.sendall(asked)
        finally:
            os.close(out_end)
            os.close(err_end)
        line.settimeout(timeout)
        pid = _number(line)
        try:
            status = _number(line)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(command, timeout) from None
        return subprocess.CompletedProcess(command, status, said.of(out), "" if merged else said.of(err))


def _number(line: socket.socket) -> int:
    """What the server says; fails when it is gone, which is no exit status."""
    said = line.recv(4, socket.MSG_WAITALL)
    assert len(said) == 4, "the server of forked commands has ended"
    return int.from_bytes(said, "big", signed=True)


class _Reader:
    """What comes through pipes, read until they end, so that nobody who writes must wait."""

    def __init__(self, *pipes: int) -> None:
        import threading

        self.found: dict[int, bytearray] = {pipe: bytearray() for pipe in pipes}
        self.threads = {pipe: threading.Thread(target=self._read, args=(pipe,), daemon=True) for pipe in pipes}
        for thread in self.threads.values():
            thread.start()

    def _read(self, pipe: int) -> None:
        while piece := os.read(pipe, 1 << 16):
            self.found[pipe] += piece

    def of(self, pipe: int) -> str:
        self.threads[pipe].join()
        return self.found[pipe].decode()

    def close(self) -> None:
        for pipe, thread in self.threads.items():
            thread.join(1)
            os.close(pipe)


@cache
def _server() -> str:
    """The address of this test process's own server; it ends when this process does."""
    place, far = os.pipe()
    address = f"\0tocsin-test-{os.getpid()}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forked", address[1:]], cwd=ROOT, env=environ, stdin=place, stdout=subprocess.PIPE
    )
    os.close(place)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    def end() -> None:
        os.close(far)
        process.wait(10)

    atexit.register(end)
    return address


def serve(name: str) -> None:
    """Fork one process for each command asked for, until standard input ends."""
    import importlib

    for module in LOADED:
        importlib.import_module(module)
    from app.settings import settings

    assert not settings.cache_info().misses
    with socket.socket(socket.AF_UNIX) as door, selectors.DefaultSelector() as selector:
        door.bind(f"\0{name}")
        door.listen()
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        running: dict[int, socket.socket] = {}
        for what in (door, woken, 0):
            selector.register(what, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                if key.fileobj == 0:
                    return
                if key.fileobj is door:
                    _begin(door, running)
                else:
                    os.read(woken, 1 << 10)
            _reap(running)


def _begin(door: socket.socket, running: dict[int, socket.socket]) -> None:
    line, _ = door.accept()
    head, control, *_ = line.recvmsg(4, socket.CMSG_SPACE(8))
    streams = array.array("i", control[0][2])
    asked = json.loads(line.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
    pid = os.fork()
    if not pid:
        door.close()
        line.close()
        for other in running.values():
            other.close()
        _become(asked, *streams)
    for stream in streams:
        os.close(stream)
    running[pid] = line
    with suppress(OSError):
        line.sendall(pid.to_bytes(4, "big", signed=True))


def _reap(running: dict[int, socket.socket]) -> None:
    for pid in list(running):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            with running.pop(pid) as line, suppress(OSError):
                line.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def _become(asked: Mapping[str, Any], out: int, err: int) -> NoReturn:
    """What `python -m app.cli` does, in this process."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for stream, number in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(stream, number)
    os.closerange(3, max(nothing, out, err) + 1)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.path[0] = asked["cwd"]
    sys.argv = [str(ROOT / "app/cli/__main__.py"), *asked["words"]]
    status: Any = 1
    try:
        from app.cli import main

        main()
        status = 0
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    serve(sys.argv[1])
