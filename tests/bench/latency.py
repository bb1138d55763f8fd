"""From the post of an event to the webhook that has it: on an idle stack, beside Alertmanager; and for what matters in a storm.

Ours commits alert, incident, obligation and page on the way. Alertmanager waits for no group (`group_wait: 0s`).
"""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench import peers
from tests.bench.figure import Figure
from tests.bench.meter import percentile
from tests.receiver import Receiver, receiver
from tests.stack import Stack, running, until

IDLE, ROUNDS = 100, 3
LOW, CRITICAL, APART = 6_000, 20, 0.25  # alerts of the storm, those that matter in it, and seconds between two of these
CONFIG = """
users: {ada: {role: responder, contacts: {hook: x}}}
platform: {owners: ["user:ada"]}
channels: {hook: {kind: webhook, url: "%s/hook"}}
policies: {rest: {steps: [{page: "user:ada", wait: 1h}]}}
grouping: [{by: [n]}]
routes: [{policy: rest}]
"""


def measure() -> Iterator[Figure]:
    """Milliseconds, and the ratio to Alertmanager's."""
    rounds = [*_rounds()]
    ours = {share: [percentile(own, share) for own, _ in rounds] for share in (0.5, 0.99)}
    theirs = {share: [percentile(other, share) for _, other in rounds] for share in (0.5, 0.99)}
    for share, must, aim in ((0.5, 15, 6), (0.99, 50, 15)):
        beside = f"Alertmanager {sorted(theirs[share])[ROUNDS // 2]:.1f} ms"
        yield Figure(f"idle: event to webhook, p{share * 100:.0f}", ours[share], "ms", must, aim, most=True, beside=beside)
    late, whole = zip(*(_storm() for _ in range(ROUNDS)), strict=True)
    what = f"{CRITICAL} critical events during a storm of {LOW} warnings"
    yield Figure(f"{what}: p50", [percentile(one, 0.5) for one in late], "ms", most=True)
    yield Figure(f"{what}: the slowest", [max(one) for one in late], "ms", 250, 100, most=True)
    yield Figure("the storm until its last page", whole, "s", most=True)


def _rounds() -> Iterator[tuple[list[float], list[float]]]:
    for turn in range(ROUNDS):
        with receiver() as kept, running(CONFIG % kept.url) as stack:
            time.sleep(5)
            own = _idle(kept, _ours(stack), lambda body: str(body["incident"]["title"]), f"own{turn}")
        with receiver() as kept, TemporaryDirectory() as folder, peers.alertmanager(folder, f"{kept.url}/hook") as (_, url):
            other = _idle(kept, _theirs(url), lambda body: str(body["alerts"][0]["labels"]["n"]), f"other{turn}")
        yield own, other


def _idle(kept: Receiver, post: Callable[[str], None], key_of: Callable[[Any], str], prefix: str) -> list[float]:
    sent = {}
    for n in range(IDLE):
        key = f"{prefix}-{n}"
        sent[key] = time.time()
        post(key)
        time.sleep(0.05)
    until(lambda: len(kept.received) >= IDLE, 30)
    got = {key_of(one.json): one.at for one in reversed(kept.received)}
    return [(got[key] - at) * 1e3 for key, at in sent.items()]


def _ours(stack: Stack) -> Callable[[str], None]:
    return lambda key: stack.events([{"key": key, "summary": key, "severity": "critical", "labels": {"n": key}}])


def _theirs(url: str) -> Callable[[str], None]:
    def post(key: str) -> None:
        body = json.dumps([{"labels": {"alertname": "a", "n": key}}]).encode()
        asked = urllib.request.Request(f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(asked, timeout=10).close()

    return post


def _storm() -> tuple[list[float], float]:
    """Milliseconds of each critical event, and seconds until everything was sent."""

    def low() -> None:
        for part in range(0, LOW, 500):
            keys = [f"low{n}" for n in range(part, part + 500)]
            stack.events([{"key": key, "summary": key, "severity": "warning", "labels": {"n": key}} for key in keys])

    with receiver() as kept, running(CONFIG % kept.url) as stack:
        time.sleep(5)
        post, sent, began = _ours(stack), {}, time.time()
        storm = threading.Thread(target=low)
        storm.start()
        for n in range(CRITICAL):
            time.sleep(APART)
            sent[f"critical{n}"] = time.time()
            post(f"critical{n}")
        storm.join()
        until(lambda: len({one.json["incident"]["number"] for one in kept.received}) == LOW + CRITICAL, 120)
        got = {one.json["incident"]["title"]: one.at for one in reversed(kept.received)}
        last = max(one.at for one in kept.received)
    return [(got[key] - at) * 1e3 for key, at in sent.items()], last - began
