"""PostgreSQL and Valkey without the rest of the stack, for as long as a `with` block lasts: for tests, benches and scripts."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from app.settings import Settings
from app.supervisor import folders, postgres, valkey
from app.supervisor.account import PLAIN, identity
from app.supervisor.binaries import LATEST
from app.supervisor.deathsig import dies_with_us


@contextmanager
def start_embedded(home: Path, durable: bool = False, keep: bool = False, major: int = LATEST) -> Iterator[tuple[str, str]]:
    """Start both servers for `home`; yields (database URL, broker URL), then ends them and removes what it made of their data.

    durable: False skips fsync. keep: leave new data. major: PostgreSQL's version for new data, 18 or 16.
    The role tocsin owns database tocsin and may create others. What the servers say is in HOME/log/embedded.log.
    """
    home = folders.home(home.absolute())
    sockets = Settings(home=home).sockets
    cluster = postgres.locate(home, sockets, durable, major)
    broker = valkey.locate(home, sockets, durable)
    with ExitStack() as running:
        running.callback(folders.remove_sockets, sockets)
        if not keep and not cluster.data.exists():
            running.callback(shutil.rmtree, cluster.data, ignore_errors=True)
        postgres.install(cluster)
        valkey.install(broker)
        log = running.enter_context((home / "log" / "embedded.log").open("ab"))
        running.callback(_end, _start(valkey.argv(broker), log), None)
        server = _start(postgres.argv(cluster), log, cluster)
        running.callback(_end, server, postgres.STOP)
        valkey.wait_ready(broker)
        postgres.wait_ready(cluster, server.pid)
        yield postgres.url(sockets), valkey.url(sockets)


def _start(argv: list[str], log: IO[bytes], cluster: postgres.Cluster | None = None) -> subprocess.Popen[bytes]:
    account = cluster.account if cluster else None
    return subprocess.Popen(
        argv,
        cwd="/",
        env=PLAIN,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=dies_with_us(postgres.STOP if cluster else None),
        **identity(account),
    )


def _end(server: subprocess.Popen[bytes], number: int | None) -> None:
    if number is None:
        server.terminate()
    else:
        server.send_signal(number)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
