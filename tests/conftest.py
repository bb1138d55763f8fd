"""One PostgreSQL and one Valkey for the whole run; each test process has a database and a broker number of its own."""

import gc
import os
import re
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from tests import shipped

NEED_PROGRAMS = os.environ.get("NEED_PROGRAMS") == "1"  # CI installs them: there a test skipped for want of one is a failure
_stack = ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """In the controlling process: start the servers. Everywhere: point Tocsin at them before it is imported."""
    if hasattr(config, "workerinput"):
        database, broker, home = config.workerinput["servers"]
    else:
        home = _stack.enter_context(TemporaryDirectory(prefix="tocsin-test-"))
        os.chmod(home, 0o711)
        for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
            del os.environ[name]
        from app.supervisor.embedded import start_embedded

        database, broker = _stack.enter_context(start_embedded(Path(home)))
        shipped.write(Path(home, "shipped"))
        config.stash[SERVERS] = (database, broker, home)
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    os.environ["TOCSIN_HOME"] = f"{home}/{number}"
    os.environ["TOCSIN_CONFIG"] = f"{home}/shipped"  # not what the user of this tree has in infra/
    os.environ["TOCSIN_DATABASE_URL"] = _own_database(database, number)
    os.environ["TOCSIN_BROKER_URL"] = f"{broker}?virtual_host={number + 1}"
    _say_errors_plainly()


def _say_errors_plainly() -> None:
    """Tracebacks as Python writes them: structlog's show every local variable, and take half a second each."""
    import structlog

    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


SERVERS = pytest.StashKey[tuple[str, str, str]]()


def pytest_configure_node(node: "object") -> None:
    """Hand the servers to each test process."""
    node.workerinput["servers"] = node.config.stash[SERVERS]  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers."""
    if not hasattr(config, "workerinput"):
        _stack.close()


def _own_database(url: str, number: int) -> str:
    from app.migrations import upgrade

    name = f"test_{number}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as db:
        db.execute(text(f"drop database if exists {name} with (force)"))
        db.execute(text(f"create database {name}"))
    admin.dispose()
    own = url.replace("/tocsin?", f"/{name}?")
    upgrade(own)
    return own


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Twice as many test processes as cores: every second test waits, for a process to start or a timeout to pass."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 2 * cores


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Nothing that is collected is garbage: the collector need not go through 11,000 tests again and again meanwhile."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and keep what shares something in one process (by its id: xdist 3.8 finds no other way).

    A group shares what its `xdist_group` names, or the fixtures of its module, which would be made once in each process.
    """
    from _pytest.nodeid import NodeId

    if not hasattr(config, "workerinput"):
        return
    groups = {item: _group(item) for item in items}
    items.sort(key=lambda item: FIRST.index(groups[item]) if groups[item] in FIRST else len(FIRST) + (not groups[item]))
    for item in items:
        if groups[item] and "@" not in item.nodeid.rpartition("]")[2]:
            item._id = NodeId.parse(f"{item.nodeid}@{groups[item]}")


FIRST = ("stack", "slow_stack")  # whole stacks, one after the other in each of these groups; minutes each


def _group(item: pytest.Item) -> str:
    named = sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")})
    if named:
        return "_".join(named)
    if item.nodeid.startswith("tests/house/"):
        return "house"  # they read the same files
    fixtures = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    shared = any(one.scope == "module" for of_name in fixtures for one in of_name)
    return item.nodeid.partition("::")[0].removesuffix(".py").replace("/", ".") if shared else ""


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """This test process's engine."""
    from app import db

    yield db.engine()
    db.engine().dispose()


@pytest.fixture
def db(engine: Engine, clean: None) -> Iterator[Connection]:
    """A connection to an empty database; its work is rolled back."""
    with engine.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def no_database(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PostgreSQL is away: nobody listens at the address that this process is told."""
    from app.settings import settings

    monkeypatch.setenv("TOCSIN_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def clean(engine: Engine) -> None:
    """An empty database. Few rows are deleted ten times as fast as thirty tables are truncated.

    Versions of the configuration count on: a process keeps what it made of one by its number, which never comes twice.
    """
    from app.rules.sample_cache import CACHE

    with engine.begin() as connection:
        names = connection.scalars(
            text(
                "select relname from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'p')"
                " and nspname = 'public' and not relispartition and relname <> 'alembic_version'"
            )
        )
        connection.execute(text("; ".join(f"delete from {name}" for name in names)))
        connection.execute(
            text(
                "select setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) from pg_sequences"
                " where schemaname = 'public' and last_value is not null and sequencename not like 'config_version%'"
            )
        )
    CACHE.clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud how many tests were skipped for want of a program, so that nobody takes them for passed."""
    skipped = _wanting(terminalreporter)
    if skipped:
        said = sorted(set(skipped))
        terminalreporter.write_line(f"TESTS SKIPPED: {len(skipped)}; to run them, {'; '.join(said)}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where the programs are a must, the absence of one fails the run."""
    if NEED_PROGRAMS and _wanting(session.config.pluginmanager.get_plugin("terminalreporter")):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _wanting(reporter: Any) -> list[str]:
    """What the skipped tests say must be installed."""
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return [found[0] for one in skipped if (found := re.search(r"install .* to run this", str(one.longrepr)))]
