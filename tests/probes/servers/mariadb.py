"""A MariaDB of the probes' own, with grants, a binary log and TLS; and a replica of it."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT

from app.supervisor.account import identity, run, unprivileged
from tests.net.serve import certificate
from tests.programs import program

SHARE = Path("/usr/share/mysql")  # what mariadb-install-db feeds to `--bootstrap`; Debian has its tools in another package
SYSTEM_TABLES = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
SMALL = [
    "--no-defaults", "--skip-name-resolve", "--innodb-log-file-size=5M", "--innodb-buffer-pool-size=8M",
    "--innodb-flush-log-at-trx-commit=0", "--innodb-data-file-path=ibdata1:5M:autoextend",
]  # fmt: skip
ROLES = """
create database shop; use shop;
create table orders (id int, region varchar(20), amount decimal(9,2), at datetime, seen timestamp null, open bit(1));
insert into orders values (1, 'eu', 10, utc_timestamp(), now(), 1), (2, 'us', 2.5, utc_timestamp(), now(), 0);
insert into orders values (3, 'us', null, utc_timestamp(), now(), 1);
create table logbook (id int) engine=myisam; create sequence numbers;
create procedure wipe() sql security definer delete from orders;
create procedure slip() sql security definer begin commit; set session transaction read write; delete from orders; end;
create function sneak() returns int sql security definer begin delete from orders; return 1; end;
create function hidden() returns int sql security definer begin delete from logbook; return 1; end;
create user watch@'127.0.0.1' identified by 'pass-w0rd'; grant select, execute on shop.* to watch@'127.0.0.1';
create user writer@'127.0.0.1'; grant select, insert on shop.* to writer@'127.0.0.1';
create user filer@'127.0.0.1'; grant file on *.* to filer@'127.0.0.1';
create user looker@'127.0.0.1'; grant process on *.* to looker@'127.0.0.1';
create user giver@'127.0.0.1'; grant select on shop.* to giver@'127.0.0.1' with grant option;
create user columnist@'127.0.0.1'; grant select, update (region) on shop.orders to columnist@'127.0.0.1';
create role scribe; grant insert on shop.* to scribe; create user roled@'127.0.0.1'; grant scribe to roled@'127.0.0.1';
set default role scribe for roled@'127.0.0.1';
create user monitor@'127.0.0.1'; grant binlog monitor, slave monitor on *.* to monitor@'127.0.0.1';
create user minder@'127.0.0.1'; grant slave monitor, replication master admin on *.* to minder@'127.0.0.1';
create user copier@'127.0.0.1'; grant replication slave on *.* to copier@'127.0.0.1';
create user secure@'127.0.0.1' identified by 'x' require ssl;
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server on 127.0.0.1."""

    port: int
    authority: Path  # its certificate

    def url(self, who: str = "watch:pass-w0rd", more: str = "/shop") -> str:
        return f"mysql://{who}@127.0.0.1:{self.port}{more}"

    def root(self, *statements: str) -> Any:
        """Rows of the last of these (or texts of several) statements, run as root."""
        to: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "user": "root", "ssl_disabled": True}
        with (
            pymysql.connect(**to, autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS) as made,
            made.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
                while cursor.nextset():
                    pass
            return cursor.fetchall()

    def held_one_more(self, held: ExitStack) -> bool:
        """Whether one more session was to be had, which is then kept."""
        try:
            held.enter_context(pymysql.connect(host="127.0.0.1", port=self.port, user="monitor", ssl_disabled=True))
        except pymysql.err.OperationalError:
            return False
        return True

    @contextmanager
    def held(self, statement: str) -> Iterator[None]:
        """A session of root's that has run this and stays."""
        with pymysql.connect(host="127.0.0.1", port=self.port, user="root", ssl_disabled=True) as made:
            made.query(statement)
            yield


@contextmanager
def started(folder: Path, number: int, *options: str) -> Iterator[Server]:
    """A server over a data folder that `--bootstrap` made."""
    account = unprivileged()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pem = folder.parent / "127.0.0.1-90-False.pem"
    words = [
        program("mariadbd", "mariadb-server-core"),
        *SMALL,
        f"--datadir={folder}",
        f"--tmpdir={folder.parent}",
        f"--socket={folder}/s",
        f"--port={port}",
    ]
    words += [
        "--bind-address=127.0.0.1",
        "--max-connections=20",
        "--log-bin-trust-function-creators=1",
        "--log-bin=log",
        f"--server-id={number}",
    ]
    words += [f"--ssl-cert={pem}", f"--ssl-key={pem}", *options]
    with (folder.parent / f"{number}.log").open("wb") as log:
        process = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log, cwd="/", **identity(account))
        try:
            server = Server(port, pem)
            _when_ready(server, process)
            yield server
        finally:
            process.kill()  # nothing in it is worth writing back
            process.wait(10)


def _when_ready(server: Server, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            server.root("select 1")
        except pymysql.err.OperationalError:
            continue
        return
    raise AssertionError("MariaDB did not start")


def _made(folder: Path) -> Path:
    """A data folder with the system's tables, without `mariadb-install-db`, which wants tools of another package."""
    account = unprivileged()
    data = folder / "data"
    data.mkdir()
    certificate(folder)
    for path in (folder, data, *folder.glob("*.pem")):
        if account is not None:
            shutil.chown(path, account.uid, account.gid)
    tables = "".join((SHARE / name).read_text() for name in SYSTEM_TABLES)
    binary = program("mariadbd", "mariadb-server-core")
    command: list[str | Path] = [binary, *SMALL, "--bootstrap", f"--datadir={data}", f"--tmpdir={folder}"]
    made = run(account, command, f"create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n{tables}")
    assert made.returncode == 0, made.stderr
    return data


@pytest.fixture(scope="session")
def mariadb_folder() -> Iterator[Path]:
    program("mariadbd", "mariadb-server-core")
    folder = Path(mkdtemp(prefix="tocsin-mariadb-"))
    try:
        yield _made(folder)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def mariadb(mariadb_folder: Path) -> Iterator[Server]:
    """The primary, with the roles and the shop."""
    copy = mariadb_folder.parent / "replica"
    shutil.copytree(mariadb_folder, copy)
    with started(mariadb_folder, 1) as server:
        server.root(ROLES)
        yield server


@pytest.fixture(scope="session")
def replica(mariadb: Server, mariadb_folder: Path) -> Iterator[Server]:
    """A second server that has caught up with the primary."""
    data = mariadb_folder.parent / "replica"
    account = unprivileged()
    for path in (data, *data.rglob("*")):
        if account is not None:
            shutil.chown(path, account.uid, account.gid)
    with started(data, 2, "--read-only=1") as server:
        server.root(
            f"change master to master_host='127.0.0.1', master_port={mariadb.port}, master_user='copier', "
            "master_password='', master_connect_retry=1, master_ssl=0",
            "start slave",
        )
        deadline = time.monotonic() + 10
        while not server.root("select count(*) from mysql.user where user = 'secure'")[0][0]:
            assert time.monotonic() < deadline, "the replica does not follow"
        yield server
