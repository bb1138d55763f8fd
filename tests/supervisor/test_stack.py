"""What `up` and `down` promise, with stand-ins for Tocsin's own processes."""

import os
import re
import shutil
import signal
import stat
import subprocess
import time
from signal import Signals

import psutil
import pytest

from app.supervisor import folders, postgres, state, valkey
from tests.stack import until
from tests.supervisor.conftest import MakeHome


def test_everything_runs_with_real_servers_and_down_leaves_nothing(make_home: MakeHome) -> None:
    home = make_home(embedded=True)
    said = home.up()
    assert "ready after" in said
    assert "RED UNWATCHED" in said
    assert "RED the last good configuration was kept" in said
    assert f"password in {home.path}/admin-password" in said

    found = home.status()
    assert found["ready"] is True
    assert found["watcher"] == "UNWATCHED"
    assert found["queues"]["notify"] == 0
    assert {row["name"]: row["state"] for row in found["processes"]} == dict.fromkeys(
        ("postgres", "valkey", "web", "worker"), "running"
    )
    began = time.monotonic()
    assert home.down() is True
    assert time.monotonic() - began < 5
    assert home.running() == []
    assert not home.settings.sockets.exists()
    assert home.status()["ready"] is False
    assert home.down() is False


def test_killed_servers_and_workers_are_back_within_three_seconds_with_a_new_pid(make_home: MakeHome) -> None:
    home = make_home(embedded=True, STAND_IN_STUBBORN="1")
    home.up()
    before = {name: home.pid(name) for name in ("postgres", "valkey", "web", "worker")}
    children = psutil.Process(before["worker"]).children()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def all_back() -> bool:
        rows = [home.row(name) for name in before]
        return all(row.state == "running" and row.restarts >= 1 and row.pid != before[row.name] for row in rows)

    until(all_back, 3)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_a_broker_whose_data_were_removed_comes_back_empty(make_home: MakeHome) -> None:
    home = make_home(embedded=True, TOCSIN_DATABASE_URL="postgresql://127.0.0.1:1/none")
    home.up()
    before = home.pid("valkey")
    shutil.rmtree(home.path / "valkey")
    os.kill(before, signal.SIGKILL)
    until(lambda: home.row("valkey").pid not in (None, before) and home.row("valkey").state == "running", 3)
    assert (home.path / "valkey").stat().st_mode & 0o777 == 0o700


def test_sockets_that_are_removed_while_their_servers_run_are_back(make_home: MakeHome) -> None:
    home = make_home(embedded=True)
    home.up()
    sockets = home.settings.sockets
    own = sockets.with_name(f"{sockets.name}{folders.ACCOUNT}")  # as root, where PostgreSQL itself listens
    for removed in ([sockets], [sockets, own]):
        for folder in removed:
            shutil.rmtree(folder, ignore_errors=True)
        until(lambda: (sockets / postgres.SOCKET).exists() and (sockets / valkey.SOCKET).exists(), 10)
        until(lambda: {home.row(name).state for name in ("postgres", "valkey")} == {"running"}, 10)
    assert home.status()["queues"]["notify"] == 0


def test_up_ends_what_a_killed_supervisor_left_behind(make_home: MakeHome) -> None:
    home = make_home(embedded=True)
    home.up()
    before = [home.pid(name) for name in ("postgres", "valkey", "web", "worker")]
    os.kill(home.supervisor(), signal.SIGKILL)
    until(lambda: state.supervisor(home.path) is None)
    home.up()
    after = [home.pid(name) for name in ("postgres", "valkey", "web", "worker")]
    assert not set(before) & set(after)
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in before)
    assert home.status()["ready"] is True


def test_down_ends_what_a_killed_supervisor_left_behind(make_home: MakeHome) -> None:
    home = make_home()
    home.up()
    os.kill(home.supervisor(), signal.SIGKILL)
    until(lambda: state.supervisor(home.path) is None)
    home.down()
    assert home.running() == []


def test_two_homes_run_side_by_side(make_home: MakeHome) -> None:
    one, two = make_home("one"), make_home("two")
    one.up()
    two.up()
    assert one.down() is True
    assert two.status()["ready"] is True
    assert two.row("web").restarts == 0


def test_a_home_has_one_supervisor(make_home: MakeHome) -> None:
    home = make_home()
    home.up()
    refused = home.run("up")
    assert refused.returncode == 1
    assert "already running" in refused.stdout
    assert home.run("detach").returncode == 0  # asks for what is so


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_the_foreground_stack(make_home: MakeHome, number: Signals) -> None:
    home = make_home()
    with home.start("up", stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as up:
        assert up.stdout is not None
        lines = iter(up.stdout.readline, "")
        seen = [next(line for line in lines if "ready after" in line)]
        up.send_signal(number)
        seen += lines
        assert up.wait(10) == 0
    assert re.fullmatch(r"tocsin  \| ts=\S+ level=info event=supervisor text=stopped\n", seen[-1])
    assert home.running() == []


def test_what_fails_at_once_is_tried_again_and_again_and_named_as_missing(make_home: MakeHome) -> None:
    home = make_home(STAND_IN_FAILS="1")
    with home.start("detach", stdout=subprocess.DEVNULL) as up:
        until(lambda: home.row("pager").restarts >= 4 and home.row("web").state == "running")
        assert home.status()["ready"] is False
        found = state.load(home.path)
        assert found is not None
        assert found.missing == ("pager",)
        home.down()
        assert up.wait(10) == 1


def test_output_nobody_reads_does_not_stop_the_stack(make_home: MakeHome) -> None:
    home = make_home()
    with home.start("up", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as up:
        until(lambda: (found := state.load(home.path)) and found.ready_after)
        assert up.stdout is not None
        up.stdout.close()
        pid = home.pid("worker")
        os.kill(pid, signal.SIGKILL)
        until(lambda: home.row("worker").state == "running" and home.row("worker").pid != pid, 3)
        up.terminate()
        assert up.wait(10) == 0


def test_the_supervisor_stays_small_and_its_files_private(make_home: MakeHome) -> None:
    home = make_home()
    home.up()
    assert psutil.Process(home.supervisor()).memory_full_info().pss < 25 * 2**20
    for path in (home.path / "run", home.path / "log", home.path / "valkey"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in (home.path / "run" / "state.json", home.path / "run" / "plan.json", home.path / "run" / "lock"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_has_worked_is_never_given_up(make_home: MakeHome) -> None:
    """A stack that was never whole (its broker is away, say) does not end for a process that cannot come back."""
    home = make_home(STAND_IN_FAILS="1", STAND_IN_WORKED="1")
    with home.start("detach", stdout=subprocess.DEVNULL) as up:
        until(lambda: home.row("odd").restarts >= 2 and home.row("web").state == "running", 40)
        home.down()
        assert up.wait(10) == 1
