"""A PostgreSQL of the probes' own, on TCP and with a superuser: the one of the whole run lets only Tocsin's role in."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest

from app.supervisor import binaries
from app.supervisor.account import identity, run, unprivileged
from tests.probes.servers.mariadb import mariadb, mariadb_folder, replica  # noqa: F401 - fixtures

WHO = "host all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
ROLES = """
create role watch login; create role locked login password 'right';
create role writer login; create role runner login in role pg_execute_server_program;
create role killer login in role pg_signal_backend; create role maker login createrole;
create table orders (id int, region text, amount numeric, at timestamptz default now());
grant all on orders to writer, watch;
insert into orders values (1, 'eu', 10), (2, 'us', 2.5), (3, 'us', null);
create function sneak() returns int language plpgsql security definer as 'begin delete from orders; return 1; end';
create sequence numbers; grant all on numbers to watch;
"""


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL without a role: `postgresql://{}@127.0.0.1:PORT/postgres`."""
    account = unprivileged()
    tools = binaries.postgres(binaries.LATEST, account)
    folder = Path(mkdtemp(prefix="tocsin-probes-"))
    if account is not None:
        shutil.chown(folder, account.uid, account.gid)
    data = folder / "data"
    made = run(account, [tools / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions"])
    assert made.returncode == 0, made.stderr
    (data / "pg_hba.conf").write_text(WHO)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "max_connections": 20,
    }
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    log = (folder / "log").open("wb")
    process = subprocess.Popen([tools / "postgres", "-D", data, *words], stdout=log, stderr=log, cwd="/", **identity(account))
    url = f"postgresql://{{}}@127.0.0.1:{port}/postgres"
    try:
        _when_ready(url.format("postgres"), process)
        yield url
    finally:
        process.terminate()
        process.send_signal(2)
        process.wait(10)
        log.close()
        shutil.rmtree(folder)


def _when_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            with psycopg.connect(url, autocommit=True) as database:
                database.execute(ROLES)
            return
        except psycopg.OperationalError:
            continue
    raise AssertionError("PostgreSQL did not start")


@pytest.fixture
def broker_is(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Gives this process another broker of its own, as an operator does."""
    from app.settings import settings

    def set_to(url: str) -> None:
        monkeypatch.setenv("TOCSIN_BROKER_URL", url)
        settings.cache_clear()
        while settings().broker != url:  # a server of other tests in this process was just reading them
            settings.cache_clear()

    yield set_to
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def orders(server: str) -> str:
    """URL of a role that may log in and, by its grants, even write; the probe must not."""
    return server.format("watch")
