"""What intake takes, committed, beside Alertmanager, which keeps it in memory: events in batches of 64 and one by one.

Ours is a whole stack: what it does with the alerts goes on beside, and its CPU is counted.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from tests.bench import peers
from tests.bench.figure import Figure
from tests.bench.load import ANNOTATIONS, LABELS, Form, Load, post
from tests.bench.meter import Meter, metered
from tests.stack import Stack, running

CONNECTIONS, SECONDS, ROUNDS = 32, 8, 3
NAMES = ("web", "postgres", "worker-line", "pager", "valkey", "worker-checks", "beat", "flower")
CASES = (
    ("64 a call, new", 64, 0, 0.35, 0.6),
    ("64 a call, sent again", 64, 32, 0.8, 1.5),
    ("one a call, new", 1, 0, None, None),
    ("one a call, sent again", 1, 512, None, None),
)
CONFIG = """
users: {ada: {role: responder}}
platform: {owners: ["user:ada"]}
policies: {rest: {steps: [{page: "user:ada", wait: 1h}]}}
routes: [{policy: rest, urgency: low}]
"""


def measure() -> Iterator[Figure]:
    """Alerts a second by case, as a ratio to Alertmanager's in the same round."""
    with TemporaryDirectory(prefix="tocsin-bench-") as folder, peers.alertmanager(folder) as (peer_pid, url):
        alert = {"labels": LABELS, "annotations": ANNOTATIONS}
        theirs = Form(f"{url}/api/v2/alerts", alert, "[", "]")
        for name, batch, known, must, aim in CASES:
            ratios, rates, spent, late = [], [], [], []
            for turn in range(ROUNDS):
                with _stack() as (stack, ours):
                    prefix = f"{batch}-{known}-{turn}-"
                    pids = {one: [pid] for one in NAMES if (pid := stack.pid(one))}
                    if known:
                        _said(ours, prefix, batch, known, 2)
                    with metered(**pids) as meter:
                        own = _said(ours, prefix, batch, known, SECONDS)
                    rates.append(own.requests * batch / own.seconds)
                    spent.append(parts(meter, own.requests * batch))
                    late.append(own.p99)
                if known:
                    _said(theirs, prefix, batch, known, 2)
                with metered(peer=[peer_pid]):
                    other = _said(theirs, prefix, batch, known, SECONDS)
                ratios.append(rates[-1] / (other.requests * batch / other.seconds))
            beside = f"{rates[-1]:,.0f} a second; p99 {late[-1]:.0f} ms; CPU per alert: {spent[-1]}".replace(",", " ", 1)
            yield Figure(name, ratios, "× Alertmanager", must=must, aim=aim, beside=beside)


def _said(form: Form, prefix: str, batch: int, known: int, seconds: int) -> Load:
    load = post(form, prefix, batch=batch, connections=CONNECTIONS, seconds=seconds, known=known)
    assert not load.wrong, f"{load.wrong} of {load.requests} were not taken"
    return load


def parts(meter: Meter, alerts: int) -> str:
    costs = {name: seconds / alerts * 1e6 for name, seconds in meter.cpu.items()}
    return ", ".join(f"{name} {cost:.0f} µs" for name, cost in costs.items() if cost >= 1)


@contextmanager
def _stack() -> Iterator[tuple[Stack, Form]]:
    event = {
        "key": "checkout-%KEY%",
        "severity": "warning",
        "service": "checkout",
        "summary": ANNOTATIONS["summary"],
        "labels": {name: value for name, value in LABELS.items() if name not in ("severity", "service")},
        "annotations": ANNOTATIONS,
    }
    with running(CONFIG) as stack:
        time.sleep(3)
        yield stack, Form(f"http://127.0.0.1:{stack.port}/api/v1/events", event, '{"events":[', "]}", f"Bearer {stack.token}")
