"""A whole stack, and a second terminal that knows no more than its home."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.stack import Stack, free_port, running

CONFIG = """
checks:
  console: {probe: health.http, every: 1m, with: {url: "http://127.0.0.1:${TOCSIN_PORT:-8080}/healthz"}}
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running(CONFIG) as made:
        yield made


def bare(stack: Stack, **more: str) -> Stack:
    """The same stack, from a shell with no variable but the home."""
    environ = {name: value for name, value in stack.environ.items() if not name.startswith("TOCSIN_")}
    return replace(stack, environ={**environ, "TOCSIN_HOME": str(stack.home), **more})


def test_links_and_plans_are_those_of_the_running_stack(stack: Stack) -> None:
    shell = bare(stack)
    assert shell.tocsin("users", "invite", "ada").stdout.startswith(f"http://127.0.0.1:{stack.port}/invite/")
    assert "no changes" in shell.tocsin("config", "plan").stdout
    assert shell.status()["ready"] is True
    assert shell.tocsin("checks", "run", "console").returncode == 0


def test_its_processes_were_forked_from_the_one_that_has_loaded_everything(stack: Stack) -> None:
    def stack_of(pid: int) -> int:
        """Where its memory's stack begins: an exec moves it, a fork does not (proc(5), `startstack`)."""
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[25])

    (server,) = [one.pid for one in psutil.process_iter(["cmdline"]) if serves_forks_of(one, stack)]
    names = ("web", "pager", "beat", "flower", "worker-checks", "worker-line")
    assert {name: stack_of(stack.pid(name)) == stack_of(server) for name in names} == dict.fromkeys(names, True)


def serves_forks_of(process: psutil.Process, stack: Stack) -> bool:
    """Whether it is the fork server of this stack."""
    try:
        words = process.cmdline()
        return "app.supervisor.forkserver" in words and process.environ().get("TOCSIN_HOME") == str(stack.home)
    except psutil.Error:
        return False


@pytest.mark.parametrize("words", ["users invite bo", "config plan", "checks list", "status", "doctor", "up --detach"])
def test_a_contradiction_is_refused_by_name(stack: Stack, words: str) -> None:
    done = bare(stack, TOCSIN_PORT="1234").tocsin(*words.split(), check=False)
    assert done.returncode == (1 if words.startswith("up") else 2)
    assert f"TOCSIN_PORT is 1234 here, but {stack.port} in the running stack" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_first_admins_files_are_right_or_gone_and_the_next_start_may_change_its_settings(stack: Stack) -> None:
    shell, home = bare(stack), Path(stack.home)
    assert stack.call("GET", "/api/v1/incidents")[0] == 200
    command = [sys.executable, "-m", "app.cli", "users", "password", "admin"]
    subprocess.run(command, cwd=stack.root, env=dict(shell.environ), input=b"a new password\n", check=True)
    assert not (home / "admin-password").exists()
    assert shell.tocsin("down").returncode == 0
    port = free_port()
    up = bare(stack, TOCSIN_PORT=str(port)).tocsin("up", "--detach", check=False)
    assert up.returncode == 0, up.stdout + up.stderr
    assert f"console  http://127.0.0.1:{port}" in up.stdout
    assert "kept from the last start: " in up.stdout
    assert "password in" not in up.stdout.partition("first admin")[2]
    assert replace(stack, port=port).call("GET", "/api/v1/incidents")[0] == 200
