"""A Tocsin that watches something of every kind: label sets, a baseline, a budget, a rule made of rules, a prober cut off."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from app.reason import Code, Reason
from tests.web.conftest import CONFIGURATION, RUNBOOK, Site

WATCHED = """
  logins: {probe: security.auth_log, every: 1m, with: {path: /var/log/auth.log}, alert: off}
  ports: {probe: security.open_ports, service: shop, every: 1m, with: {host: 127.0.0.1, ports: "1-100"}}
  api: {probe: health.http, service: shop, every: 1m, timeout: 5s, alert: off,
        with: {url: "http://127.0.0.1:9/health", password: "hunter2-secret", username: probe,
               headers: {Authorization: "Bearer abc-secret", Accept: text/plain}, expect: {status: [200, 204]}}}
  far: {probe: health.tcp, at: eu-west, every: 1m, with: {host: 127.0.0.1, port: 9}}
rules:
  guessing: {kind: threshold, check: logins, metric: failed, above: 50, clear: 20, severity: error, owner: ed,
             review_by: 2026-01-31}
  budget: {kind: burn_rate, check: web, objective: 99.9%, owner: shop}
  both: {kind: composite, when: slow and not guessing, severity: critical}
"""
CUT_OFF = {"reason": Reason(Code.REFERENCES_SILENT, {"references": ["a:443", "b:443"]})}
SOURCES = ("10.0.0.1", "10.0.0.2", "203.0.113.9", "198.51.100.7", "192.0.2.44", "192.0.2.45", "192.0.2.46", "192.0.2.47")


def configure() -> None:
    """Bring the configuration above into force."""
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM

    found = load_texts(
        {"all.yaml": CONFIGURATION.replace("rules:\n", WATCHED.lstrip("\n"), 1), "runbooks/shop-down.md": RUNBOOK}, {}
    )
    assert found.errors == (), found.errors
    with transaction() as db:
        apply(db, found, SYSTEM, datetime.now(UTC))


def results(name: str, count: int, each: Callable[[int], dict[str, object]], step: float = 60.0) -> None:
    """So many results up to now; `each(n)` gives what is not usual of the n-th."""
    from app.checks import store
    from app.checks.model import Result
    from app.checks.probe import Status
    from app.db import transaction
    from app.upkeep import make_partitions

    now = datetime.now(UTC)
    usual: dict[str, Any] = {"status": Status.OK, "message": "fine", "seconds": 0.1, "metrics": {"seconds": 0.1}}
    rows = [Result(name, now - timedelta(seconds=step * (count - n)), **{**usual, **each(n)}) for n in range(count)]
    with transaction() as db:
        make_partitions(db, now)
        for some in filter(None, (rows[:-1], rows[-1:])):  # as they come: the newest of a check is its last
            store.finish(db, some)


def judge() -> None:
    """Let the rules look at what is new."""
    from app import line

    line.evaluate()
    line.dedup()
    line.escalate()


def watch_all(site: Site) -> Site:
    """Everything, with an hour or more of the past."""
    from app.checks.probe import Series, Status

    configure()
    slow = [0.2 + 0.05 * (n % 7) for n in range(240)]
    slow[150:170], slow[225:] = [1.4] * 20, [1.2 + 0.02 * n for n in range(15)]
    results(
        "web",
        240,
        lambda n: {
            "seconds": slow[n],
            "metrics": {"seconds": slow[n]},
            **({"status": Status.CRITICAL} if 150 < n < 158 else {}),
        },
    )
    results(
        "logins",
        90,
        lambda n: {
            "metrics": {"failed": 10.0, "lines": 1000.0 + n},
            "series": tuple(
                Series("failed", float((n * (place + 3)) % (20 * place + 9)), {"source": source})
                for place, source in enumerate(SOURCES)
            ),
        },
    )
    seen = {f"tcp/{port}": "open" for port in (22, 80, 443)}
    results(
        "ports", 2, lambda n: {"observed": seen if n == 0 else {"tcp/80": "open", "tcp/443": "filtered", "tcp/8080": "open"}}
    )
    results(
        "far",
        3,
        lambda n: {"status": Status.UNKNOWN, "message": "prober offline: none of 2 answers", **(CUT_OFF if n > 0 else {})},
    )
    judge()
    return site


@contextmanager
def worker() -> Iterator[None]:
    """What a worker does with runs that are asked for; the queues have tests of their own."""
    from sqlalchemy import select

    from app.checks.table import check_run
    from app.db import transaction
    from tasks.probes import run

    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            with transaction() as db:
                asked = db.execute(select(check_run).where(check_run.c.done_at.is_(None))).all()
            for row in asked:
                run([] if row.spec else [row.check_name], row.batch)
            time.sleep(0.02)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(20)
