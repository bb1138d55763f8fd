"""Servers that are not the stack's own: a PostgreSQL with passwords and a Valkey with one, on TCP, on free ports."""

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg

from app.supervisor import binaries
from app.supervisor.account import Account, identity, run, unprivileged
from tests.stack import free_port, until

ROLES = """
create role tocsin login createrole password 'right'; grant pg_monitor to tocsin;
create role guest login password 'right'; create database closed owner guest;
revoke all on database closed from public;
"""


@contextmanager
def postgres() -> Iterator[str]:
    """`postgresql://{}@127.0.0.1:PORT/{}`; postgres can log in without a password, tocsin with `right`."""
    account = unprivileged()
    tools = binaries.postgres(binaries.LATEST, account)
    folder = Path(mkdtemp(prefix="tocsin-elsewhere-"))
    if account is not None:
        shutil.chown(folder, account.uid, account.gid)
    data = folder / "data"
    made = run(account, [tools / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions"])
    assert made.returncode == 0, made.stderr
    (data / "pg_hba.conf").write_text("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    port = free_port()
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    url = f"postgresql://{{}}@127.0.0.1:{port}/{{}}"
    try:
        with _running([tools / "postgres", "-D", data, *words], folder, account, stop=2):
            until(lambda: _answers(port), 20)
            until(lambda: _done(url.format("postgres", "postgres"), ROLES), 20)
            yield url
    finally:
        shutil.rmtree(folder)


@contextmanager
def valkey(*words: str) -> Iterator[str]:
    """`redis://{}127.0.0.1:PORT/` while it runs with these words; password `right`."""
    folder = Path(mkdtemp(prefix="tocsin-elsewhere-"))
    port = free_port()
    command = [binaries.valkey(), "--port", port, "--bind", "127.0.0.1", "--save", "", "--requirepass", "right", *words]
    try:
        with _running(command, folder, None, stop=15):
            until(lambda: _answers(port))
            yield f"redis://{{}}127.0.0.1:{port}/"
    finally:
        shutil.rmtree(folder)


def sql(url: str, *statements: str) -> None:
    """Run statements, each on its own, as whoever the URL names."""
    with psycopg.connect(url, autocommit=True) as db:
        for statement in (one for text in statements for one in text.split(";")):
            if statement.strip():
                db.execute(statement)


@contextmanager
def _running(command: list[Any], folder: Path, account: Account | None, stop: int) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        options: Mapping[str, Any] = {"stdout": log, "stderr": log, "cwd": "/", **identity(account)}
        process = subprocess.Popen([str(word) for word in command], **options)
        try:
            yield
        finally:
            process.send_signal(stop)
            process.wait(10)


def _done(url: str, text: str) -> bool:
    try:
        sql(url, text)
    except psycopg.OperationalError:
        return False
    return True


def _answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0
