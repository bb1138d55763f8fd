"""Who is a leftover: identity is the start time or the mark, never a pid alone."""

import subprocess
from collections.abc import Iterator

import psutil
import pytest

from app.supervisor import leftovers
from app.supervisor.state import Process


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        yield process
        process.kill()


def test_a_recycled_pid_is_never_killed(sleeper: subprocess.Popen[bytes]) -> None:
    start = leftovers.started(sleeper.pid)
    assert start is not None
    recorded = Process("web", "web", sleeper.pid, "running", 0, start - 3600)
    assert leftovers.end("no such mark", [recorded]) == []
    assert sleeper.poll() is None


def test_the_recorded_process_is_ended(sleeper: subprocess.Popen[bytes]) -> None:
    recorded = Process("web", "web", sleeper.pid, "running", 0, leftovers.started(sleeper.pid))
    assert leftovers.end("no such mark", [recorded]) == [sleeper.pid]
    assert sleeper.wait(1) == -15


def test_a_marked_process_is_ended_even_when_the_state_file_is_lost() -> None:
    with subprocess.Popen(["sleep", "60"], env={leftovers.MARK: "this test"}) as process:
        assert leftovers.end("this test", []) == [process.pid]


def test_one_that_ignores_the_request_is_killed() -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 60; done"
    env = {leftovers.MARK: "stubborn", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(["sh", "-c", script], env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        leftovers.end("stubborn", [], timeout=0.2)
        assert process.wait(1) == -9
        assert not [found for found in psutil.process_iter() if found.pid == process.pid]
