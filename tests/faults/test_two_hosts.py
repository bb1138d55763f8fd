"""Two hosts share one database: both work, each under its own name; what one has leased is the other's only when it is gone."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from app import clock, line
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.signals.model import Call, Signal, SignalStatus
from tests.receiver import Receiver, receiver
from tests.stack import ROOT, until

CONFIG = """
users: {ada: {contacts: {hook: ada}, notify: {high: [hook]}}}
channels: {hook: {kind: webhook, url: PAGES/hook}}
policies: {p: {steps: [{page: "user:ada", wait: 1h}]}}
routes: [{policy: p}]
grouping: [{by: [alertname]}]
"""
# A machine's name is the kernel's to give; in a process of its own the answer to who asks for it is enough of another machine.
ON = "import socket; socket.gethostname = lambda: {host!r}; from app.pager import main; main()"


@pytest.fixture
def kept(clean: None) -> Iterator[Receiver]:
    with receiver() as kept:
        loaded = load_texts({"a.yaml": CONFIG.replace("PAGES", kept.url)}, {})
        assert not loaded.errors
        with transaction() as db:
            apply(db, loaded, SYSTEM, clock.now(db))
        yield kept


@contextmanager
def pager(host: str) -> Iterator[subprocess.Popen[bytes]]:
    """A pager on this host, once it has said that it lives."""
    with subprocess.Popen([sys.executable, "-c", ON.format(host=host)], cwd=ROOT, env=dict(os.environ)) as process:
        try:
            until(lambda: one("select count(*) from process_beat where name like :host || ':%'", host=host), 30)
            yield process
        finally:
            process.kill()


def one(query: str, **values: object) -> Any:
    with transaction() as db:
        return db.scalar(text(query), values)


def fire(*keys: str) -> None:
    signals = [Signal("user:t", key, SignalStatus.FIRING, key, alertname=key) for key in keys]
    line.intake([Call("user:t", signals, b"{}", "t")])


def turns(host: str) -> Callable[[], bool]:
    """Whether the pager of this host has gone round for three seconds more."""
    seen = "select seen_at from process_beat where name like :host || ':%' order by seen_at desc limit 1"
    began = one(seen, host=host)
    return lambda: (one(seen, host=host) - began).total_seconds() > 3


def test_two_hosts_page_each_incident_once(kept: Receiver) -> None:
    with pager("red"), pager("blue"):
        fire(*(f"k{n}" for n in range(60)))
        until(lambda: one("select count(*) from page where state = 'accepted'") == 60, 30)
    copies = Counter(got.headers["idempotency-key"] for got in kept.received)
    assert set(copies.values()) == {1}
    assert len(copies) == 60
    assert {name.partition(":")[0] for name in owners()} <= {"red", "blue"}


def owners() -> list[str]:
    with transaction() as db:
        return list(db.scalars(text("select distinct lease_owner from page")))


def test_a_living_hosts_page_is_its_own_and_a_dead_ones_is_sent_by_the_other(kept: Receiver) -> None:
    kept.delay["/hook"] = 60.0  # longer than a sender waits for an answer
    with pager("red") as red, pager("blue") as blue:
        fire("k")
        until(lambda: one("select count(*) from page where state = 'sending'"), 20)
        (holder,) = owners()
        dies, other = (red, "blue") if holder.startswith("red:") else (blue, "red")
        until(turns(other), 30)
        assert (owners(), one("select fence from page")) == ([holder], 1), "a living sender's lease was taken"
        kept.delay.clear()
        dies.kill()
        until(lambda: one("select count(*) from page where state = 'accepted'"), 30)
        assert owners()[0].startswith(f"{other}:")
    assert len({got.headers["idempotency-key"] for got in kept.received}) == 1
