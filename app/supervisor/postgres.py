"""The embedded PostgreSQL: made, locked to our own user, run in the foreground on a Unix socket.

As root the server runs as another account. It opens its socket in a folder of its own; the folder clients use, 0700 and
ours, holds a link to it, so that this account sees neither Valkey's socket nor can put one of its own in its place.
"""

import os
import shutil
import signal
import time
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import psutil

from app.errors import Unavailable, Unusable
from app.settings import READER
from app.supervisor import binaries, folders
from app.supervisor.account import Account, own_name, reaches, run, unprivileged, write
from app.supervisor.readiness import accepts_sessions

SOCKET = ".s.PGSQL.5432"
ROLES = ("tocsin", READER)
BEGIN = "restore it from a backup, or start over with `tocsin up --fresh`"
RESTORE = "restore it from a backup, or move it away and start over with `tocsin up --fresh`"
STOP = signal.SIGINT  # "fast": ends sessions, writes a checkpoint; SIGTERM would wait for every client to leave

# For one small machine: little memory, no helper process that this use never needs. Edit HOME/postgres/postgresql.conf to tune.
TUNING = {
    "shared_buffers": "48MB",
    "max_connections": "60",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "512MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_max_workers": "2",
    "huge_pages": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m ",
}
NEW_IN_18 = {"io_method": "sync"}
UNSAFE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}
FIRST = f"""create role tocsin login createdb;

create role {READER} login;

grant pg_monitor to tocsin;

create database tocsin owner tocsin;

"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One server: its data, the folder it listens in, the folder clients look in, and who runs it."""

    data: Path
    listens: Path
    sockets: Path
    tools: Path
    major: int
    account: Account | None
    durable: bool = True


def locate(home: Path, sockets: Path, durable: bool = True, major: int = binaries.LATEST) -> Cluster:
    """Where the server of `home` lives; nothing of it is made yet. Existing data keeps its place and its major version."""
    account = unprivileged()
    data = _data_folder(home, account)
    major = _version(data) or major
    listens = sockets if account is None else sockets.with_name(f"{sockets.name}{folders.ACCOUNT}")
    return Cluster(data, listens, sockets, binaries.postgres(major, account), major, account, durable)


def install(cluster: Cluster, known: str | None = None) -> None:
    """Make what is missing (folders, data, role, database), end a server left over, and write who may log in.

    known: the database this home has had, in words; then new data is not made. Raises Unusable for that, and for data that
    are damaged or somebody else's.
    """
    _must_be_whole(cluster, known)
    folders.private(cluster.sockets.parent, 0o700 if cluster.account is None else 0o711)
    folders.private(cluster.sockets)
    if cluster.account is not None:
        folders.given(cluster.listens, cluster.account.uid, cluster.account.gid)
        folders.link(cluster.sockets / SOCKET, cluster.listens / SOCKET)
    if (cluster.data / "PG_VERSION").exists():
        end_leftover(cluster)
    else:
        _create(cluster)
    _allow_ourselves(cluster)


def argv(cluster: Cluster) -> list[str]:
    """The server's command line, in the foreground: what ties it to this home; the rest is in postgresql.conf."""
    options = {"listen_addresses": "", "unix_socket_directories": str(cluster.listens), "unix_socket_permissions": "0700"}
    options |= {"log_min_error_statement": "panic"}  # a statement may hold a secret
    options |= {} if cluster.durable else UNSAFE
    words = [str(cluster.tools / "postgres"), "-D", str(cluster.data)]
    return words + [word for name, value in options.items() for word in ("-c", f"{name}={value}")]


def end_leftover(cluster: Cluster, timeout: float = 10.0) -> bool:
    """End a server that still runs on this data for this home; True when there was one.

    Raises Unavailable when it belongs to another home (a copied one). A stale pid file is PostgreSQL's own business.
    """
    lines = _pid_lines(cluster)
    if len(lines) < 5 or not lines[0].strip().isdigit():
        return False
    try:
        server = psutil.Process(int(lines[0]))
        if server.name() != "postgres" or abs(server.create_time() - int(lines[2])) > 10:
            return False
    except psutil.NoSuchProcess:
        return False
    if lines[4].strip() != str(cluster.listens):
        raise Unavailable(
            f"{cluster.data} is in use by a PostgreSQL of another home (pid {server.pid}, socket in {lines[4]}); stop it"
        )
    for number in (STOP, signal.SIGQUIT, signal.SIGKILL):
        try:
            server.send_signal(number)
            server.wait(timeout)
        except psutil.NoSuchProcess:
            break
        except psutil.TimeoutExpired:
            continue
        break
    return True


def _version(data: Path) -> int | None:
    """The major version of the data; None where there are none."""
    stamp = data / "PG_VERSION"
    try:
        found = stamp.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not (found.isascii() and found.isdigit()):
        raise Unusable(f"{stamp} is damaged: no version in it; {RESTORE}")
    return int(found)


def _must_be_whole(cluster: Cluster, known: str | None) -> None:
    """Raise Unusable before anything is made when the data are lost, damaged or somebody else's."""
    data, account = cluster.data, cluster.account
    if os.path.lexists(data) and not data.is_dir():
        raise Unusable(f"{data} is not a folder; {RESTORE}")
    if not data.exists() or not any(data.iterdir()):
        if known is not None:
            raise Unusable(f"{data} is missing or empty, but this home had a database ({known}); {BEGIN}")
        return
    owner, uid = data.stat().st_uid, account.uid if account else os.geteuid()
    if owner != uid:
        raise Unusable(f"{data} belongs to uid {owner}, but PostgreSQL runs as uid {uid}; run `chown -R {uid} {data}`")
    if _version(data) is None:
        raise Unusable(f"{data} is damaged: PG_VERSION is missing; {RESTORE}")


def _data_folder(home: Path, account: Account | None) -> Path:
    near = home / "postgres"
    if account is None:
        return near
    far = folders.STATE / blake2b(str(home).encode(), digest_size=6).hexdigest()
    if (far / "PG_VERSION").exists() and not (near / "PG_VERSION").exists():
        return far
    if reaches(account, home):
        return near
    if (near / "PG_VERSION").exists():
        raise Unusable(f"account {account.name} cannot reach its data in {near}; run `chmod o+x` on the folders above it")
    return far


def _create(cluster: Cluster) -> None:
    """initdb into a draft beside the data folder, which is renamed when role and database are in it."""
    data, account = cluster.data, cluster.account
    if own_name() is None:
        raise Unusable(f"initdb needs a passwd entry for uid {os.geteuid()}; add one, or set TOCSIN_DATABASE_URL")
    if data.parent == folders.STATE:
        folders.passage(data.parent)
    draft = data.with_name(f"{data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    if account is not None:
        folders.given(draft, account.uid, account.gid)
    locale = ["--locale=C", "--encoding=UTF8"]
    if cluster.major >= 17:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    tuning = TUNING | (NEW_IN_18 if cluster.major >= 18 else {})
    settings = [word for name, value in tuning.items() for word in ("--set", f"{name}={value}")]
    initdb: list[str | Path] = [cluster.tools / "initdb", "-D", draft, "-U", "postgres", "-A", "peer", "--no-instructions"]
    _must(account, [*initdb, *locale, *settings, *([] if cluster.durable else ["--no-sync"])])
    unsafe = [] if cluster.durable else ["-F"]
    _must(account, [cluster.tools / "postgres", "--single", *unsafe, "-j", "-D", draft, "postgres"], FIRST)
    draft.rename(data)


def _must(account: Account | None, command: list[str | Path], text: str = "") -> None:
    done = run(account, command, text)
    if done.returncode or "ERROR:" in done.stderr:
        raise Unusable(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")


def _allow_ourselves(cluster: Cluster) -> None:
    """Only our two roles may log in, and only from our own uid; a bare uid has no name to check, but the folder is 0700."""
    name = own_name()
    method = "trust" if name is None else "peer map=tocsin"
    users = "".join(f'tocsin "{name}" {role}\n' for role in ROLES)
    write(cluster.account, cluster.data / "pg_ident.conf", users)
    write(cluster.account, cluster.data / "pg_hba.conf", f"local all {','.join(ROLES)} {method}\n")


def _pid_lines(cluster: Cluster) -> list[str]:
    try:
        return (cluster.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def wait_ready(cluster: Cluster, pid: int, timeout: float = 30.0) -> None:
    """Block until server `pid` accepts sessions. Raises Unavailable after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not accepts_sessions(cluster.data / "postmaster.pid", pid):
        if time.monotonic() > deadline:
            raise Unavailable(f"the embedded PostgreSQL is not ready after {timeout:.0f} s")
        time.sleep(0.01)


def url(sockets: Path) -> str:
    """SQLAlchemy's URL of the server clients find in `sockets`."""
    return f"postgresql+psycopg://tocsin@/tocsin?host={sockets}"
