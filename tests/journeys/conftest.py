"""Every story is told twice: through the pager alone, and through Celery alone."""

import os
import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from redis import Redis
from sqlalchemy import text

from app.db import transaction
from tests.journeys.world import Door, World
from tests.receiver import receiver

LINE = ("evaluate", "dedup", "escalation", "notify")


@pytest.fixture(scope="session")
def celery_door() -> Iterator[Door]:
    """A real worker on real Valkey, in a thread of this process; its tasks act as of the story's time."""
    from celery.contrib.testing.worker import start_worker

    from app.celery import app, hint

    broker = Redis(**_socket(os.environ["TOCSIN_BROKER_URL"]))
    broker.flushdb()

    def busy() -> bool:
        return any(broker.llen(queue) for queue in LINE) or bool(broker.hlen("unacked"))

    def door(now: datetime) -> None:
        for task, args in (("evaluate.checks", [None]), ("dedup.alerts", []), ("escalation.advance", []), ("notify.send", [])):
            assert hint(task, [*args, now.isoformat()])
        deadline = time.monotonic() + 20
        while busy() or (due(now) and time.monotonic() < deadline - 14):  # a message just popped is nowhere to be seen
            assert time.monotonic() < deadline, "the worker does not get on"
            time.sleep(0.005)

    with start_worker(app, pool="solo", perform_ping_check=False, queues=list(LINE), shutdown_timeout=10):
        yield door
    broker.close()


_DUE = text("""
select exists (select 1 from alert where dedup_at <= :now) or exists (select 1 from escalation where due_at <= :now)
  or exists (select 1 from page where state = 'queued' and next_at <= :now)
  or exists (select 1 from check_state where evaluate_at <= :now) or exists (select 1 from incident where resolve_at <= :now)
""")


def due(now: datetime) -> bool:
    """Whether the line has something left to do."""
    with transaction() as db:
        return bool(db.execute(_DUE, {"now": now}).scalar_one())


def pager_door(now: datetime) -> None:
    """No Celery, no Valkey."""
    from app import pager

    pager.turn(now)


@pytest.fixture(params=["pager", "celery"])
def world(request: pytest.FixtureRequest, clean: None) -> Iterator[World]:
    """A world of its own for each story, through one of the two doorways."""
    door: Door = pager_door if request.param == "pager" else request.getfixturevalue("celery_door")
    with receiver() as kept:
        made = World(door, kept)
        yield made
        made.expect_nothing()


def _socket(url: str) -> dict[str, object]:
    path, _, query = url.removeprefix("redis+socket://").partition("?virtual_host=")
    return {"unix_socket_path": path, "db": int(query or 0)}
