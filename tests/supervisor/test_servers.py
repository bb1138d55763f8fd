"""The embedded servers by themselves: as root and as an ordinary user, wherever the home is."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis

from app.errors import Unavailable
from app.settings import Settings
from app.supervisor import binaries, folders, leftovers, postgres
from app.supervisor.embedded import start_embedded
from tests.stack import until
from tests.supervisor.conftest import ROOT, MakeHome

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def ask(url: str, question: str) -> str:
    with psycopg.connect(url.replace("+psycopg", "")) as line:
        found = line.execute(question).fetchone()
        assert found is not None
        return str(found[0])


@pytest.mark.parametrize("major", [16, 18])
def test_both_servers_answer_on_private_sockets_and_leave_nothing(tmp_path: Path, major: int) -> None:
    home = tmp_path / "home"
    with start_embedded(home, major=major) as (database, broker):
        sockets = Settings(home=home).sockets
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert ask(database, "select current_user") == "tocsin"
        assert ask(database, "show listen_addresses") == ""
        assert ask(database, "show server_version").startswith(f"{major}.")
        with Redis(unix_socket_path=broker.removeprefix("redis+socket://")) as client:
            assert client.ping()
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        with pytest.raises(psycopg.OperationalError):  # only our role may log in, superuser or not
            ask(database.replace("tocsin@", "postgres@"), "select 1")
        data = postgres.locate(home, sockets).data
    assert not sockets.exists()
    assert not data.exists()


def test_a_real_cluster_is_durable(make_home: MakeHome) -> None:
    home = make_home(embedded=True).path
    with start_embedded(home, durable=True, keep=True) as (database, broker):
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(database, f"show {name}") == "on"
        with Redis(unix_socket_path=broker.removeprefix("redis+socket://")) as client:
            assert client.config_get("append*")["appendonly"] == "yes"
            assert client.config_get("append*")["appendfsync"] == "everysec"
            client.rpush("kept", "message")
    with (
        start_embedded(home, durable=True) as (_, broker),
        Redis(unix_socket_path=broker.removeprefix("redis+socket://")) as client,
    ):
        assert client.lrange("kept", 0, -1) == [b"message"]


def test_a_home_with_a_path_longer_than_a_socket_address(tmp_path: Path) -> None:
    home = tmp_path / ("h" * 120) / ("o" * 120)
    with start_embedded(home) as (database, _):
        assert ask(database, "select 1") == "1"


@is_root
def test_a_private_home_of_root_stays_private_and_its_data_goes_where_the_account_can_reach(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir(mode=0o700)
    home = above / "home"
    home.mkdir(mode=0o700)
    with start_embedded(home) as (database, _):
        assert ask(database, "select 1") == "1"
        cluster = postgres.locate(home, Settings(home=home).sockets)
        assert cluster.data.parent == folders.STATE
        assert cluster.account is not None
        assert cluster.data.stat().st_uid == cluster.account.uid != 0
        for path in (above, home, cluster.data, cluster.listens):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700


@is_root
def test_an_open_home_of_root_keeps_its_data(make_home: MakeHome) -> None:
    home = Path("/tmp") / f"tocsin-test-{os.getpid()}"
    try:
        with start_embedded(home):
            assert postgres.locate(home, Settings(home=home).sockets).data == home / "postgres"
    finally:
        shutil.rmtree(home)


@is_root
def test_an_ordinary_user_needs_nothing(tmp_path: Path) -> None:
    python = reachable_python()
    home = Path("/tmp") / f"tocsin-test-user-{os.getpid()}"
    home.mkdir()
    os.chown(home, 65534, 65534)
    script = f"""
from pathlib import Path
from app.supervisor.embedded import start_embedded
import psycopg
with start_embedded(Path({str(home / "h")!r})) as (database, _):
    print(psycopg.connect(database.replace("+psycopg", "")).execute("select current_user").fetchone()[0])
"""
    folder = str(Path(psycopg.__file__).parents[1])
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{folder}", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [python, "-c", script],
            user=65534,
            group=65534,
            extra_groups=[],
            cwd="/",
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout == "tocsin\n", done.stderr
        assert (home / "h").stat().st_uid == 65534
        assert stat.S_IMODE((home / "h").stat().st_mode) == 0o700
    finally:
        shutil.rmtree(home)


def reachable_python() -> str:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for found in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            if subprocess.run([found, "-c", ""], user=65534, group=65534, cwd="/", check=False).returncode == 0:
                return found
        except OSError:
            continue
    pytest.skip(f"no {version} that an ordinary user can reach")


def test_a_crash_is_recovered_and_a_stale_pid_file_does_not_block(make_home: MakeHome) -> None:
    home = make_home(embedded=True)
    home.up()
    pid = home.pid("postgres")
    os.kill(pid, signal.SIGKILL)
    until(lambda: home.row("postgres").pid not in (None, pid) and home.row("postgres").state == "running", 3)
    url = postgres.url(home.settings.sockets)
    assert ask(url, "select 1") == "1"


def test_a_postgres_still_running_on_the_data_is_ended_before_a_new_one_starts(make_home: MakeHome) -> None:
    home = make_home(embedded=True)
    with start_embedded(home.path, durable=True, keep=True):
        cluster = postgres.locate(home.path, home.settings.sockets)
        pid = int((cluster.data / "postmaster.pid").read_text().split()[0])
        assert postgres.end_leftover(cluster) is True
        assert leftovers.wait_gone([psutil.Process(pid)] if psutil.pid_exists(pid) else [], 5)
        assert postgres.end_leftover(cluster) is False


def test_a_socket_folder_somebody_else_made_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "theirs"
    target.mkdir()
    (tmp_path / "sockets").symlink_to(target)
    with pytest.raises(Unavailable, match="remove it"):
        folders.private(tmp_path / "sockets")


@is_root
def test_binaries_the_account_cannot_reach_are_copied_once(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    wheel = binaries.package(binaries.WHEEL)
    for folder in (wheel, wheel.with_name(f"{binaries.WHEEL}.libs")):
        shutil.copytree(folder, hidden / folder.name, symlinks=True, ignore=shutil.ignore_patterns("pginstall"))
    hidden.chmod(0o700)
    script = f"""
from pathlib import Path
from app.supervisor import postgres
from app.supervisor.embedded import start_embedded
from app.settings import Settings
import psycopg
home = Path({str(tmp_path / "home")!r})
with start_embedded(home) as (database, _), psycopg.connect(database.replace("+psycopg", "")) as line:
    print(line.execute("select 1").fetchone()[0], postgres.locate(home, Settings(home=home).sockets).tools)
"""
    before = set(folders.STATE.glob("pg-*"))
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(hidden)}
    try:
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
        assert done.stdout.startswith(f"1 {folders.STATE}/pg-18-"), done.stderr
        assert not list(folders.STATE.glob("pg-*.*-*"))  # no draft stays behind
    finally:
        for copied in set(folders.STATE.glob("pg-*")) - before:
            shutil.rmtree(copied)
