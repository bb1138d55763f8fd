"""Who a process is: two with one pid on one host, as in containers, are two."""

import os
import shutil
import subprocess
import sys

import pytest

from app.db import session_name
from app.identity import HOST_LIMIT, me
from tests.stack import ROOT

SAY = "from app.identity import me; print(me())"


def test_a_fork_is_somebody_else() -> None:
    ours = me()
    read, write = os.pipe()
    if not (child := os.fork()):
        os.write(write, me().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 100).decode()
    os.close(read)
    os.close(write)
    assert theirs.rpartition(":")[2] != ours.rpartition(":")[2]
    assert me() == ours


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("unshare"), reason="needs root, and unshare of util-linux")
def test_two_processes_of_one_pid_are_two() -> None:
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", SAY]
    said = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    assert [one.split(":")[1] for one in said] == ["1", "1"]
    assert said[0] != said[1]


def test_its_name_is_not_cut_by_postgresql() -> None:
    assert len(session_name(me())) <= 63
    assert len(me().split(":")[0]) <= HOST_LIMIT
