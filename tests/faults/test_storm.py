"""A storm of faults on the real stack: nothing that was accepted is lost, and a repeat is recognisable as one."""

import random
import shutil
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.receiver import Receiver, receiver
from tests.stack import Stack, running, until

CONFIG = """
users: {ada: {contacts: {hook: ada}, notify: {high: [hook]}}}
channels: {hook: {kind: webhook, url: "%s/hook", secret: s}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada", wait: 1h}]}}
routes: [{policy: p}]
grouping: [{by: [alertname]}]
"""
VICTIMS = ("web", "beat", "pager", "worker-line", "worker-checks")
INCIDENTS = 100


def paged(kept: Receiver) -> dict[str, set[str]]:
    """Per incident the keys under which it was paged."""
    keys: dict[str, set[str]] = defaultdict(set)
    for one in list(kept.received):
        keys[one.json["incident"]["title"]].add(one.headers["idempotency-key"])
    return keys


@contextmanager
def explained(stack: Stack, kept: Receiver) -> Iterator[None]:
    """Should it fail: what is known of the incidents that nobody was paged for."""
    try:
        yield
    except AssertionError as error:
        listed = stack.call("GET", "/api/v1/incidents?limit=500")[1]["items"]
        titles, arrived = {one["title"]: one for one in listed}, set(paged(kept))
        missing = [f"incident {number}" for number in range(INCIDENTS) if f"incident {number}" not in arrived]
        of_them = {title: titles.get(title) for title in missing}
        pages = [stack.call("GET", f"/api/v1/pages?incident={one['number']}")[1] for one in of_them.values() if one]
        raise AssertionError(f"{error}; missing {of_them}; pages {pages}; {stack.status()}") from error


@contextmanager
def storm(stack: Stack) -> Iterator[None]:
    """Kill at random whatever runs, as long as the block lasts."""
    over = threading.Event()
    killer = threading.Thread(target=kill_at_random, args=(stack, over))
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


def kill_at_random(stack: Stack, over: threading.Event) -> None:
    chance = random.Random(7)
    while not over.wait(chance.uniform(0.4, 0.9)):
        victim = chance.choice(VICTIMS)
        # A console that is killed before it has ever listened takes no event. How long it needs is the machine's affair: two
        # seconds on two cores of its own, ten beside other tests, and then it would hardly ever live so long.
        if victim != "web" or stack.state("web") == "running":
            stack.kill(victim)


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("stack")
def test_nothing_is_lost_in_a_storm_of_kills() -> None:
    with receiver() as kept, running(CONFIG % kept.url) as stack:
        with storm(stack):
            for number in range(INCIDENTS):
                stack.events([{"key": f"i{number}", "summary": f"incident {number}", "severity": "error"}])
                if number == INCIDENTS // 3:  # the broker, with all its data
                    shutil.rmtree(stack.home / "valkey", ignore_errors=True)
                    stack.kill("valkey")
                if number == 2 * INCIDENTS // 3:  # the database, at once
                    stack.kill("postgres", signal.SIGQUIT)
        until(lambda: {stack.state(name) for name in (*VICTIMS, "valkey", "postgres")} == {"running"}, 60)
        with explained(stack, kept):
            until(lambda: len(paged(kept)) == INCIDENTS, 60)
        keys = paged(kept)
        assert {title: len(of_one) for title, of_one in keys.items() if len(of_one) != 1} == {}
        copies = len(kept.received) - INCIDENTS
        assert copies <= INCIDENTS // 5, f"{copies} repeats"
        until(lambda: stack.call("GET", "/api/v1/obligations?state=open")[1] == {"items": [], "next": None}, 30)
        until(lambda: (now := stack.status())["ready"] and "broker" not in now["missing"], 30)


@pytest.mark.timeout(120)
@pytest.mark.xdist_group("stack")
def test_without_a_broker_pages_and_steps_go_on_in_time() -> None:
    config = CONFIG.replace('{page: "user:ada", wait: 1h}', '{page: "user:ada", wait: 2s}, {page: "channel:hook", wait: 1h}')
    with receiver() as kept, running(config % kept.url) as stack:
        stack.kill("valkey", signal.SIGSTOP)
        try:
            stack.events([{"key": "k", "summary": "no broker", "severity": "error"}], 5)
            came = kept.wait_for(lambda got: len(got) >= 2, 10)
        finally:
            stack.kill("valkey", signal.SIGCONT)
        assert [one.json["page"]["step"] for one in came] == [1, 2]
        assert came[1].at - came[0].at < 3
