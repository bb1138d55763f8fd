"""Heartbeat pings, committed, by 32 connections to 50 heartbeats. Healthchecks takes 54 to 91 a second on such a machine."""

import time
from collections.abc import Iterator

import psycopg

from tests.bench.figure import Figure
from tests.bench.intake import CONNECTIONS, NAMES, ROUNDS, SECONDS, parts
from tests.bench.load import get
from tests.bench.meter import metered
from tests.stack import running

HEARTBEATS = 50
CONFIG = """
users: {ada: {role: responder}}
platform: {owners: ["user:ada"]}
heartbeats:
""" + "".join(f"  job-{n}: {{every: 1h}}\n" for n in range(HEARTBEATS))


def measure() -> Iterator[Figure]:
    """Pings a second."""
    rates, late, spent = [], 0.0, ""
    for _ in range(ROUNDS):
        with running(CONFIG) as stack:
            time.sleep(3)
            with psycopg.connect(f"postgresql://tocsin@/tocsin?host={stack.sockets}") as db:
                paths = [f"/ping/{row[0]}" for row in db.execute("select uuid from heartbeat")]
            pids = {one: [pid] for one in NAMES if (pid := stack.pid(one))}
            with metered(**pids) as meter:
                own = get(f"http://127.0.0.1:{stack.port}", paths, connections=CONNECTIONS, seconds=SECONDS)
        assert not own.wrong, f"{own.wrong} of {own.requests} were not taken"
        rates.append(own.requests / own.seconds)
        late, spent = own.p99, parts(meter, own.requests)
    yield Figure("pings", rates, "a second", beside=f"p99 {late:.0f} ms; CPU per ping: {spent}")
