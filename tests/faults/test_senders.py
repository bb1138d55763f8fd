"""Senders that are killed or stopped in mid-burst: nothing lost, little repeated, nothing sent after an acknowledgement."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import psycopg
import pytest

from app.concurrency.deadline import STOPPED, awake
from app.notify.send import SURE
from tests.faults.test_storm import CONFIG
from tests.receiver import Receiver, receiver
from tests.stack import Stack, running, until

SENDERS = ("pager", "worker-line")
BURST = 100


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[Receiver, Stack]]:
    with receiver() as kept, running(CONFIG % kept.url) as stack:
        yield kept, stack


def processes(stack: Stack, *names: str) -> list[int]:
    """These processes of the stack, with their children."""
    roots = [psutil.Process(stack.pid(name)) for name in names]
    return [one.pid for root in roots for one in (root, *root.children(recursive=True))]


def send_to(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def burst(kept: Receiver, stack: Stack, name: str, delay: float) -> int:
    """Raise BURST incidents, and wait until their pages begin to arrive; how many had come before."""
    before = len(kept.received)
    kept.delay["/hook"] = delay
    stack.events([{"key": f"{name}{n}", "summary": f"{name} {n}", "severity": "error"} for n in range(BURST)])
    until(lambda: len(kept.received) > before + BURST // 8, 30)
    return before


def leases(stack: Stack) -> int:
    """How many pages somebody may send just now."""
    with psycopg.connect(f"postgresql://tocsin@/tocsin?host={stack.sockets}") as db:
        found = db.execute("select count(*) from page where state = 'sending' and lease_until > now()").fetchone()
    return int(found[0]) if found else 0


def keys(kept: Receiver, before: int) -> Counter[str]:
    return Counter(one.headers["idempotency-key"] for one in kept.received[before:])


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("stack")
@pytest.mark.parametrize("victim", SENDERS)
def test_a_killed_sender_repeats_at_most_what_it_had_in_flight(stage: tuple[Receiver, Stack], victim: str) -> None:
    kept, stack = stage
    until(lambda: stack.status()["ready"], 30)
    before = burst(kept, stack, f"killed-{victim}", 0.1)
    send_to(processes(stack, victim), signal.SIGKILL)
    until(lambda: len(keys(kept, before)) == BURST, 30)
    until(lambda: not stack.call("GET", "/api/v1/pages?state=sending")[1]["items"], 30)
    copies = keys(kept, before)
    assert sum(copies.values()) - BURST <= 64


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("stack")
def test_senders_that_were_stopped_send_nothing_that_was_acknowledged_meanwhile(stage: tuple[Receiver, Stack]) -> None:
    kept, stack = stage
    until(lambda: stack.status()["ready"], 30)
    before = burst(kept, stack, "stopped", 0.1)
    stopped = processes(stack, *SENDERS)
    send_to(stopped, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(6) as pool:  # a stopped sender may hold rows until its transaction is ended, after 10 s
            while items := stack.call("GET", "/api/v1/incidents?state=triggered&limit=200")[1]["items"]:
                list(pool.map(lambda one: stack.call("POST", f"/api/v1/incidents/{one['number']}/acknowledge", {}), items))
        acknowledged = awake()
        until(lambda: awake() - acknowledged > SURE + STOPPED, 10)  # what was asked before is old
        resumed = time.time()
    finally:
        send_to(stopped, signal.SIGCONT)
    until(lambda: not stack.call("GET", "/api/v1/pages?state=sending")[1]["items"], 30)
    assert [one.json["incident"]["number"] for one in kept.received[before:] if one.at > resumed] == []


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("stack")
def test_senders_that_were_stopped_repeat_nothing(stage: tuple[Receiver, Stack]) -> None:
    kept, stack = stage
    until(lambda: stack.status()["ready"], 30)
    before = burst(kept, stack, "paused", 0.5)
    stopped = processes(stack, *SENDERS)
    send_to(stopped, signal.SIGSTOP)
    until(lambda: leases(stack) == 0, 30)
    send_to(stopped, signal.SIGCONT)
    until(lambda: len(keys(kept, before)) == BURST, 30)
    until(lambda: not stack.call("GET", "/api/v1/pages?state=sending")[1]["items"], 30)
    assert {key: n for key, n in keys(kept, before).items() if n > 1} == {}
