"""A PostgreSQL primary and a standby of it, of one major version, that can be stopped and started."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg
import pytest

from app.supervisor import binaries
from app.supervisor.account import Account, identity, run, unprivileged
from tests.stack import until

DEBIAN = Path("/usr/lib/postgresql")
MAJORS = (15, *sorted(binaries.INSTALLS))
WHO = "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"
SMALL = {
    "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "max_connections": "20",
    "shared_buffers": "8MB", "wal_level": "replica", "max_wal_senders": "4", "wal_retrieve_retry_interval": "200ms",
    "wal_receiver_status_interval": "1s", "hot_standby": "on", "autovacuum": "off",
}  # fmt: skip


def tools(major: int, account: Account | None) -> Path:
    """Folder of the binaries: out of the wheel, or Debian's; without them the test is skipped, aloud."""
    if major in binaries.INSTALLS:
        return binaries.postgres(major, account)
    found = DEBIAN / str(major) / "bin"
    if not (found / "postgres").exists():
        pytest.skip(f"install postgresql-{major} to run this")
    return found


@dataclass(slots=True)
class Node:
    """One server over a data folder."""

    data: Path
    tools: Path
    account: Account | None
    port: int
    options: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def url(self, who: str = "postgres") -> str:
        return f"postgresql://{who}@127.0.0.1:{self.port}/postgres"

    def ask(self, *statements: str) -> Any:
        """First value of the last statement, as superuser."""
        with psycopg.connect(self.url(), autocommit=True) as database:
            for statement in statements:
                found = database.execute(statement)
            row = found.fetchone() if found.description else None
            return row and row[0]

    def start(self, **options: str) -> None:
        self.options |= options
        words = [word for name, value in {**SMALL, **self.options}.items() for word in ("-c", f"{name}={value}")]
        with (self.data.parent / f"{self.port}.log").open("ab") as log:
            command: list[str | Path] = [self.tools / "postgres", "-D", self.data, "-p", str(self.port), *words]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **identity(self.account))
        until(self.answers, 20)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.data.parent / f"{self.port}.log").read_text()
        try:
            return bool(self.ask("select 1") == 1)
        except psycopg.OperationalError:
            return False

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(2)  # fast
            self.process.wait(20)


@dataclass(frozen=True, slots=True)
class Pair:
    """Both servers; the standby has caught up."""

    primary: Node
    standby: Node

    def in_step(self) -> bool:
        """Is the standby connected, and has it everything?"""
        return bool(
            self.primary.ask("select count(*) > 0 and bool_and(replay_lsn = pg_current_wal_lsn()) from pg_stat_replication")
        )


@contextmanager
def replicated(major: int, slot: str | None = None, **options: str) -> Iterator[Pair]:
    """A pair; with a slot's name the standby holds that replication slot. `options` are the primary's."""
    account = unprivileged()
    where = tools(major, account)
    folder = Path(mkdtemp(prefix="tocsin-replicated-"))
    if account is not None:
        shutil.chown(folder, account.uid, account.gid)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        primary, standby = (
            Node(folder / name, where, account, one.getsockname()[1])
            for name, one in zip(("primary", "standby"), ports, strict=True)
        )
        for one in ports:
            one.close()
        for node in (primary, standby):
            stack.callback(node.stop)
        made = run(account, [where / "initdb", "-D", primary.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
        assert made.returncode == 0, made.stderr
        (primary.data / "pg_hba.conf").write_text(WHO)
        primary.start(**options)
        primary.ask("create role watch login", "create role monitor login in role pg_monitor", "create table t (n int)")
        words: list[str | Path] = ["-D", standby.data, "-d", primary.url(), "-R", "-c", "fast", "-X", "stream", "--no-sync"]
        copied = run(account, [where / "pg_basebackup", *words, *(["-C", "-S", slot] if slot else [])])
        assert copied.returncode == 0, copied.stderr
        standby.start()
        pair = Pair(primary, standby)
        until(pair.in_step, 20)
        yield pair
