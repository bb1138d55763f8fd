"""`python -m tests.bench` measures everything and writes docs/benchmarks.md; with names it prints those and writes nothing.

Each benchmark is a module here that yields figures from `measure()`; it runs in a process of its own.
"""

import json
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.bench import peers
from tests.bench.figure import Figure, table

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BENCHMARKS = ("probes", "checks", "schedule", "rules", "graph", "intake", "latency", "pings", "idle")
LIBRARIES = ("celery", "psycopg", "SQLAlchemy", "pycurl", "pydantic")
LEFT_OUT = 3  # exit status of a benchmark whose peer is not here


def main(words: Sequence[str]) -> int:
    """Run what is asked for; without a name everything, into the page."""
    if len(words) == 3 and words[1] == "--into":
        return _one(words[0], Path(words[2]))
    if unknown := set(words) - set(BENCHMARKS):
        print(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
        return 2
    sections = {name: _apart(name) for name in words or BENCHMARKS}
    measured = "\n\n".join(f"### {name}\n\n{text or 'failed'}" for name, text in sections.items())
    if failed := [name for name, text in sections.items() if text is None]:
        print(f"{measured}\n\nnothing is written: {', '.join(failed)} failed")
        return 1
    if not words:
        PAGE.write_text(_filled(PAGE.read_text(), f"{_machine()}\n\n{measured}"))
    print(measured)
    return 0


def _one(name: str, into: Path) -> int:
    """One benchmark, its figures into a file as JSON; or why it is left out."""
    try:
        found = [asdict(figure) for figure in import_module(f"tests.bench.{name}").measure()]
    except peers.NotInstalled as error:
        into.write_text(json.dumps(f"left out: {error}"))
        return LEFT_OUT
    into.write_text(json.dumps(found))
    return 0


def _apart(name: str) -> str | None:
    """One benchmark in a process of its own, as a table, or why it is left out; None where it failed."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    with tempfile.NamedTemporaryFile("r", suffix=".json") as into:
        done = subprocess.run([sys.executable, "-m", "tests.bench", name, "--into", into.name], check=False)
        if done.returncode == 0:
            return table(Figure(**one) for one in json.load(into))
        return str(json.load(into)) if done.returncode == LEFT_OUT else None


def _machine() -> str:
    """What it ran on, without names of hosts or paths."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = psutil.virtual_memory().total / 2**30
    processor = model[1] if model else platform.machine()
    parts = [
        f"{psutil.cpu_count()} cores ({processor}), {memory:.0f} GiB, Linux {platform.release()}",
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in LIBRARIES),
        peers.version("prometheus-blackbox-exporter", "prometheus-blackbox-exporter"),
        peers.version("nginx", "nginx-light", "-v"),
    ]
    load = ", ".join(f"{one:.1f}" for one in psutil.getloadavg())
    return f"Measured {datetime.now(UTC):%Y-%m-%d} on {'; '.join(parts)}. Load averages at the end: {load}."


def _filled(page: str, measured: str) -> str:
    begin, end = "<!-- measured by `make bench` -->", "<!-- end of what was measured -->"
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{measured}\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
