"""HTTP and HTTPS probes per core-second beside the blackbox exporter, 64 at once against the same nginx.

Ours as a worker runs them: `run_batch` over `health.http` checks, each with a URL of its own, with an assertion on the body.
The exporter is driven over /probe on kept connections and asserts the same; its CPU is counted, not its client's. nginx's is
counted for neither. A fresh connection, and for HTTPS a full handshake, each time.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from app.checks.model import Check, Due
from app.checks.run import run_batch
from app.concurrency.loop import run as on_loop
from app.net.http import Request, fetch
from tests.bench.figure import Figure
from tests.bench.meter import cpu_of
from tests.bench.peers import SAID, Web, blackbox, nginx

AT_ONCE = 64
ROUNDS, WARM_UP = 5, 1
PROBES = {"http": 2048, "https": 768, "verified": 768}
NAMES = {"http": "HTTP", "https": "HTTPS, any certificate", "verified": "HTTPS, certificate verified"}
BOUNDS = {"http": (3.0, 8.0), "https": (0.9, 1.3), "verified": (0.9, 1.3)}


def measure() -> Iterator[Figure]:
    """Ratio of probes per core-second, ours to the exporter's."""
    spent: dict[str, list[tuple[float, float]]] = {mode: [] for mode in PROBES}
    with TemporaryDirectory(prefix="tocsin-bench-") as name, nginx(folder := Path(name)) as web, blackbox(folder, web) as peer:
        for _ in range(ROUNDS + WARM_UP):
            for mode, count in PROBES.items():
                ours, theirs = _round(mode, count, web, *peer)
                spent[mode].append((ours / count, theirs / count))
    for mode, pairs in spent.items():
        yield _figure(mode, pairs[WARM_UP:])


def _round(mode: str, count: int, web: Web, pid: int, exporter: str) -> tuple[float, float]:
    """CPU seconds for so many probes, ours and the exporter's."""
    urls = [f"{web.http if mode == 'http' else web.https}?n={number}" for number in range(count)]
    ours = _ours(_dues(urls, _settings(mode, web)))
    before = cpu_of([pid])
    on_loop(_theirs([f"{exporter}?{urlencode({'target': url, 'module': mode})}" for url in urls]))
    return ours, cpu_of([pid]) - before


def _figure(mode: str, pairs: Sequence[tuple[float, float]]) -> Figure:
    must, aim = BOUNDS[mode]
    ours, theirs = (sorted(column)[len(pairs) // 2] for column in zip(*pairs, strict=True))
    beside = f"{ours * 1e6:.0f} µs CPU per probe; exporter {theirs * 1e6:.0f} µs"
    ratios = [peer / own for own, peer in pairs]
    return Figure(f"{NAMES[mode]}: probes per core-second", ratios, "× blackbox exporter", must, aim, beside=beside)


def _settings(mode: str, web: Web) -> Mapping[str, Any]:
    known: dict[str, Mapping[str, Any]] = {"http": {}, "https": {"verify_tls": False}, "verified": {"ca": str(web.pem)}}
    return known[mode]


def _dues(urls: Sequence[str], settings: Mapping[str, Any]) -> list[Due]:
    said = {"expect": {"body_contains": SAID}, **settings}
    checks = [Check.model_validate({"probe": "health.http", "with": {"url": url, **said}}) for url in urls]
    return [Due(f"c{number}", check, datetime.now(UTC), {}) for number, check in enumerate(checks)]


def _ours(dues: Sequence[Due]) -> float:
    """CPU seconds of this process for running all of these, once their settings are read."""

    async def run() -> None:
        for start in range(0, len(dues), AT_ONCE):
            async for results in run_batch(dues[start : start + AT_ONCE], datetime.now(UTC)):
                wrong = [one.message for one in results if one.status != "ok"]
                assert not wrong, wrong[0]

    on_loop(run())  # a check is read once as long as it is in force
    before = time.process_time()
    on_loop(run())
    return time.process_time() - before


async def _theirs(urls: Sequence[str]) -> None:
    waiting = iter(urls)

    async def worker() -> None:
        for url in waiting:
            said = await fetch(Request(url, timeout=20))
            assert b"\nprobe_success 1" in said.body, said.text

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
