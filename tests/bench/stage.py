"""A database of the benchmark's own, with a probe that costs nothing and as many checks and rules as are wanted."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

NOTHING = '''"""Finds out nothing.

Metrics: `value`. Never critical.
"""

from app.checks.probe import Field, Reading, Spec, Status, probe


class Nothing(Spec):
    """Nothing."""

    value: float = Field(default=1.0, description="what it measures")


@probe()
async def measure(spec: Nothing) -> Reading:
    return Reading(Status.OK, "", {"value": spec.value})
'''


@contextmanager
def stage() -> Iterator[int]:
    """Point Tocsin at an embedded PostgreSQL started for this; its process id. Import nothing of `app` before."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-bench-")))
        home.chmod(0o711)
        for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
            del os.environ[name]
        from app.supervisor.embedded import start_embedded

        database, broker = stack.enter_context(start_embedded(home))
        os.environ |= {"TOCSIN_HOME": str(home), "TOCSIN_DATABASE_URL": database, "TOCSIN_BROKER_URL": broker}
        from app import migrations, plugins

        migrations.upgrade(database)
        extra = home / "probes"
        extra.mkdir()
        (extra / "nothing.py").write_text(NOTHING)
        import tasks.health

        tasks.health.__path__.append(str(extra))
        plugins.module.cache_clear()
        yield _postmaster()
        from app import db

        db.engine().dispose()
        for name in [name for name in sys.modules if name == "tasks.health.nothing"]:
            del sys.modules[name]


def _postmaster() -> int:
    """The server's own process: all its sessions are below it."""
    import psutil

    from app.db import engine

    with engine().connect() as db:
        backend = db.exec_driver_sql("select pg_backend_pid()").scalar_one()
    parent = psutil.Process(backend).parent()
    assert parent is not None
    return parent.pid


def declare(checks: int, rules: int = 0, every: str = "30s", rule: dict[str, Any] | None = None, **more: Any) -> None:
    """Put so many checks of the probe that costs nothing in force, the first `rules` of them with a rule of their own.

    more: settings of every check.
    """
    from app import clock
    from app.catalog.model import Declaration
    from app.catalog.store import record_version, replace_all
    from app.checks import service
    from app.checks.model import Check
    from app.db import transaction
    from app.upkeep import make_partitions

    common = {"probe": "health.nothing", "every": every, **more}
    specs = {f"c{n:05}": {**common, "with": {"value": float(n)}} for n in range(checks)}
    declared = [Declaration("check", name, place, spec, "bench:1") for place, (name, spec) in enumerate(specs.items())]
    given = rule or {"kind": "threshold", "metric": "value", "window": "5m", "agg": "avg", "above": 1e9}
    declared += [Declaration("rule", f"r{n:05}", n, {**given, "check": f"c{n:05}"}, "bench:1") for n in range(rules)]
    with transaction() as db:
        now = clock.now(db)
        replace_all(db, declared)
        record_version(db, now=now, actor="bench", digest="bench", files={}, changes=[])
        service.sync(db, {name: Check.model_validate(spec) for name, spec in specs.items()}, now)
        make_partitions(db, now)
