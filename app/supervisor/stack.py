"""What runs: the table of Tocsin's processes for one set of settings. Nothing is started or made here, but read from it."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app import queues
from app.settings import Settings
from app.supervisor import leftovers, postgres, valkey
from app.supervisor.account import PLAIN
from app.supervisor.plan import PYTHON_ENV, STEP, TOCSIN, Plan, Spec

QUEUES = tuple(str(queue) for queue in queues.ALL)
TRIES = 3  # deaths at the start of what waits for nobody else; what waits for others is tried for ever
PREPARE = "prepare"  # migrations, then the configuration
UNWATCHED = "UNWATCHED: no alert if this machine goes down; set TOCSIN_WATCHER_URL"


@dataclass(frozen=True, slots=True)
class Servers:
    """The embedded servers of this home; None where a URL names a real one."""

    database: postgres.Cluster | None
    broker: valkey.Broker | None


def servers(settings: Settings) -> Servers:
    """Which servers have to be embedded, and where they live."""
    return Servers(
        postgres.locate(settings.home, settings.sockets) if settings.embedded_database else None,
        valkey.locate(settings.home, settings.sockets) if settings.embedded_broker else None,
    )


def mark(settings: Settings) -> str:
    """What the processes of this home carry in their environment; its socket folder is as unique as the home."""
    return str(settings.sockets)


def plan(
    settings: Settings, embedded: Servers, specs: Iterable[Spec] | None = None, log: Path | None = None, fresh: bool = False
) -> Plan:
    """The stack; `specs` replaces Tocsin's own processes (the servers stay)."""
    first = tuple(server_specs(embedded, mark(settings)))
    names = tuple(spec.name for spec in first)
    hold = [embedded.broker.sockets] if embedded.broker else []
    if embedded.database:
        hold += [embedded.database.sockets, embedded.database.listens]
    return Plan(
        home=str(settings.home),
        mark=mark(settings),
        specs=(*first, *(own_specs(settings, names, fresh) if specs is None else specs)),
        addresses=addresses(settings),
        warnings=() if settings.watcher_url else (UNWATCHED,),
        hold=tuple(dict.fromkeys(str(folder) for folder in hold)),
        log=str(log) if log else None,
        began=time.time(),
    )


def server_specs(embedded: Servers, marked: str) -> Iterable[Spec]:
    """PostgreSQL and Valkey, where embedded."""
    env = {**PLAIN, leftovers.MARK: marked}
    if (cluster := embedded.database) is not None:
        socket = str(cluster.sockets / postgres.SOCKET)
        yield Spec(
            name="postgres",
            kind="postgres",
            argv=tuple(postgres.argv(cluster)),
            ready=f"pidfile://{cluster.data}/postmaster.pid",
            env=env,
            inherits=False,
            cwd="/",
            folders=(str(cluster.sockets),),
            account=(cluster.account.uid, cluster.account.gid) if cluster.account else None,
            given=str(cluster.listens) if cluster.account else "",
            link=(socket, str(cluster.listens / postgres.SOCKET)) if cluster.account else (),
            socket=socket,
            stop=int(postgres.STOP),
            timeout=20.0,
            tries=TRIES,
            advice=f"repair {cluster.data}, restore it from a backup, or move it away and start over with `tocsin up --fresh`",
        )
    if (broker := embedded.broker) is not None:
        address = f"redis+socket://{broker.sockets}/{valkey.SOCKET}"
        argv = tuple(valkey.argv(broker))
        yield Spec(
            name="valkey",
            kind="valkey",
            argv=argv,
            ready=address,
            env=env,
            inherits=False,
            cwd="/",
            folders=(str(broker.data), str(broker.sockets)),
            socket=str(broker.sockets / valkey.SOCKET),
            timeout=10.0,
            tries=TRIES,
            advice=f"remove {broker.data}; no alert or page is stored in it",
        )


def own_specs(settings: Settings, after: tuple[str, ...], fresh: bool = False) -> tuple[Spec, ...]:
    """Tocsin's own processes, once the servers named in `after` are ready. fresh: an empty database is welcome."""
    flower = f"tcp://127.0.0.1:{settings.flower_port}"
    prepared = (PREPARE,)
    prepare = _command("prepare", *(["--fresh"] if fresh else []))
    return (
        Spec(PREPARE, STEP, prepare, needs=after, env=PYTHON_ENV, tries=TRIES),
        Spec("web", "web", _command("web"), needs=prepared, ready=readyz(settings), env=PYTHON_ENV),
        Spec("worker-line", "worker", _worker(queues.LINE, 4), needs=prepared, env=PYTHON_ENV),
        Spec("worker-checks", "worker", _worker(queues.CHECKS, 2), needs=prepared, env=PYTHON_ENV),
        Spec("pager", "pager", _command("pager"), needs=prepared, env=PYTHON_ENV),
        Spec("beat", "beat", _command("beat"), needs=prepared, env=PYTHON_ENV),
        Spec("flower", "flower", _command("flower"), needs=prepared, ready=flower, env=PYTHON_ENV),
    )


def readyz(settings: Settings) -> str:
    """Where the console says whether the line works, as seen from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://{host}:{settings.port}/readyz"


def addresses(settings: Settings) -> tuple[str, ...]:
    """Where things are, for people; the values of secrets stay in their files. `words.first_admin` says the rest."""
    home = settings.home
    return (
        f"console  {settings.url}",
        f"Flower   http://127.0.0.1:{settings.flower_port}  (user admin, password in {home / 'flower-password'})",
    )


def _command(*words: str) -> tuple[str, ...]:
    return (*TOCSIN, *words)


def _worker(queues: Iterable[str], at_once: int) -> tuple[str, ...]:
    return _command("worker", "-Q", ",".join(queues), "-c", str(at_once))
