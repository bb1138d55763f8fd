"""The fork server: what it makes is the keeper's own child and cannot be told from a process started in the usual way."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from app.supervisor.forks import LOADING, Forked, Forks
from app.supervisor.plan import PYTHON_ENV

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="adopting children is Linux's")
TITLE = f"{sys.executable} -m app.cli --version"


@asynccontextmanager
async def serving(**env: str) -> AsyncIterator[Forks]:
    forks = Forks({**os.environ, **PYTHON_ENV, **env})
    forks.start()
    try:
        await forks.wait()
        assert forks.loaded
        yield forks
    finally:
        forks.stop()


def run(story: Callable[[Forks], Awaitable[None]], **env: str) -> None:
    async def told() -> None:
        async with serving(**env) as forks:
            await story(forks)

    asyncio.run(told())


def forked(forks: Forks, *words: str, title: str = TITLE) -> tuple[Forked, int]:
    """A process of the fork server, and the end of the pipe from which its output is read."""
    source, target = os.pipe()
    found = forks.fork(words, title, int(signal.SIGTERM), target)
    os.close(target)
    assert found is not None
    return found, source


def output(source: int) -> str:
    with os.fdopen(source) as stream:
        return stream.read()


def started(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", *words]
    return subprocess.run(
        command, env={**os.environ, **env}, stdout=-1, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
    )


def test_output_status_and_environment_are_those_of_a_started_process(tmp_path: Path) -> None:
    env = {"TOCSIN_HOME": str(tmp_path), "TOCSIN_DATABASE_URL": "mysql://x"}  # no module that reads it can be imported
    commands = (("--version",), ("no-such-command",), ("worker", "-c", "0"), ("pager",))

    async def story(forks: Forks) -> None:
        for words in commands:
            child, source = forked(forks, *words)
            said, usual = output(source), started(*words, **env)
            assert (child.wait(), said) == (usual.returncode, usual.stdout), words
        assert "TOCSIN_DATABASE_URL" in said

    run(story, **env)


def test_it_is_the_keepers_child_in_a_session_of_its_own_and_named_as_what_it_runs(tmp_path: Path) -> None:
    async def story(forks: Forks) -> None:
        child, source = forked(forks, "pager", title=f"{sys.executable} -m app.cli pager")
        try:
            seen = psutil.Process(child.pid)
            assert (seen.ppid(), os.getsid(child.pid)) == (os.getpid(), child.pid)
            with os.fdopen(os.dup(source)) as stream:
                assert "trying_again" in stream.readline()
            assert " ".join(seen.cmdline()) == f"{sys.executable} -m app.cli pager"
            assert seen.environ()["HERE"] == "as given"  # what `leftovers` reads
            open_files = {os.readlink(f"/proc/{child.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{child.pid}/fd")}
            assert forks.link is not None
            assert f"socket:[{os.fstat(forks.link.fileno()).st_ino}]" not in open_files
        finally:
            os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        os.close(source)

    run(story, HERE="as given", TOCSIN_HOME=str(tmp_path), TOCSIN_DATABASE_URL="postgresql://127.0.0.1:1/none")


def test_nobody_waits_for_one_that_dies_while_it_loads() -> None:
    async def story() -> None:
        forks = Forks({**os.environ, **PYTHON_ENV})
        forks.start()
        assert forks.process is not None
        os.kill(forks.process.pid, signal.SIGKILL)
        began = time.monotonic()
        await forks.wait()
        assert time.monotonic() - began < LOADING / 2
        assert forks.fork(("--version",), TITLE, int(signal.SIGTERM), 1) is None
        forks.stop()

    asyncio.run(story())


def test_dead_or_hanging_it_is_done_without_and_started_again_later() -> None:
    async def story(forks: Forks) -> None:
        assert forks.process is not None
        os.kill(forks.process.pid, signal.SIGSTOP)
        hanging = psutil.Process(forks.process.pid)
        source, target = os.pipe()
        assert forks.fork(("--version",), TITLE, int(signal.SIGTERM), target) is None
        os.close(target)
        assert output(source) == ""  # nothing ran late either
        assert not hanging.is_running()
        assert forks.fork(("--version",), TITLE, int(signal.SIGTERM), 1) is None
        forks.began = time.monotonic()
        forks.look()
        assert forks.process is None  # not at once: it may die each time
        forks.began -= 60
        forks.look()
        await forks.wait()
        child, source = forked(forks, "--version")
        assert output(source).startswith("tocsin ")
        assert child.wait() == 0
        assert forks.process is not None
        os.kill(forks.process.pid, signal.SIGKILL)
        assert forks.fork(("--version",), TITLE, int(signal.SIGTERM), 1) is None

    run(story)
