"""The scheduler of a real stack: how late runs start and what each process takes, at 333 and at 1000 checks a second.

`tocsin up` in a home of its own, from a copy of this tree with one more probe, `health.nothing`. Each check has its own alert.
Late is from the moment that a check's beat says to the beginning of its run; a beat without a run is late without bound:
how late cannot be told from the results, and it is more than an interval.
"""

import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.figure import Figure
from tests.bench.meter import cpu_of, percentile
from tests.bench.stage import NOTHING, declare
from tests.stack import ROOT, Stack, running

LOADS = ((10_000, 30), (1000, 1))  # checks, seconds between their runs
SETTLE, WINDOW = 40, 60  # seconds
EARLY = 0.02  # seconds by which the clocks of a run and of the database may differ
NAMES = ("postgres", "valkey", "pager", "beat", "worker-checks", "worker-line", "web", "flower")
# A check keeps its beat, so that the next one says when all before were due.
_RUNS = """
select extract(epoch from x.at - c.next_due_at)::float8
from check_result x join check_state c on c.name = x.check_name where x.at >= %s and x.at < %s
"""
_SPREAD = "update check_state set next_due_at = now() + random() * make_interval(secs => every / 1000.0), lease_until = null"


def measure() -> Iterator[Figure]:
    """Lateness, beats without a run, and CPU by process, as a share of one core."""
    for checks, every in LOADS:
        with _stack() as stack:
            declare(checks, every=f"{every}s")
            _execute(_SPREAD)
            time.sleep(SETTLE)
            late, missed, cpu = _watch(stack, checks, every)
        load = f"{checks} checks at {every} s"
        beside = (
            f"p50 {percentile(late, 0.5):.3f} s; {missed:.2%} of intervals without a run; load average {os.getloadavg()[0]:.1f}"
        )
        yield Figure(f"{load}: start after due, p99", [percentile(late, 0.99)], "s", must=1, most=True, beside=beside)
        shares = ", ".join(f"{name} {share:.0%}" for name, share in cpu.items())
        yield Figure(f"{load}: CPU", [sum(cpu.values()) * 100], "% of a core", beside=shares)


def _watch(stack: Stack, checks: int, every: int) -> tuple[list[float], float, Mapping[str, float]]:
    """How late each run of the window was, the share of missed ones, and the CPU seconds a second by process."""
    [(since,)] = _execute("select now()")
    pids = {name: [pid] for name in NAMES if (pid := stack.pid(name))}
    began, before = time.monotonic(), {name: cpu_of(of_one) for name, of_one in pids.items()}
    time.sleep(WINDOW)
    seconds = time.monotonic() - began
    cpu = {name: (cpu_of(of_one) - before[name]) / seconds for name, of_one in pids.items()}
    [(until,)] = _execute("select now()")
    time.sleep(3)
    late = [(after + EARLY) % every - EARLY for (after,) in _execute(_RUNS, (since, until))]
    beats = round(checks * (until - since).total_seconds() / every)
    missed = max(beats - len(late), 0)
    return late + [math.inf] * missed, missed / beats, cpu


def _execute(statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    from app.db import transaction

    with transaction() as db:
        done = db.exec_driver_sql(statement, values or None)
        return [tuple(row) for row in done] if done.returns_rows else []


@contextmanager
def _stack() -> Iterator[Stack]:
    """A stack with one more probe, and this process pointed at its database."""
    from app import db
    from app.settings import settings

    with TemporaryDirectory(prefix="tocsin-bench-") as copy:
        root = Path(copy)
        root.chmod(0o711)
        for folder in ("app", "tasks", "infra"):
            shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "beat_schedule.py", root)
        (root / "tasks" / "health" / "nothing.py").write_text(NOTHING)
        with running("{}", root) as stack:
            os.environ["TOCSIN_HOME"] = str(stack.home)
            settings.cache_clear()
            yield stack
            db.engine().dispose()
