"""Every story is told twice: through the pager alone, and through Celery alone."""

import os
import time
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import pytest
from redis import Redis

from app.queues import STAGES
from tests.journeys.decided import compare, decided
from tests.journeys.world import Door, World
from tests.receiver import receiver


class Ledger:
    """How many tasks were sent and how many are done: the queue itself cannot say, a task just popped is nowhere in it."""

    def __init__(self) -> None:
        self.sent = self.done = 0

    def count_sent(self, **_: object) -> None:
        self.sent += 1

    def count_done(self, **_: object) -> None:
        self.done += 1


@pytest.fixture(scope="package")
def celery_door() -> Iterator[Door]:
    """A real worker on real Valkey, in a thread of this process; its tasks act as of the story's time.

    It ends with the stories: other tests' hints go to the same broker, and nobody is to act on them there.
    """
    from celery.contrib.testing.worker import start_worker
    from celery.signals import after_task_publish, task_postrun

    from app import db
    from app.celery import app, hint, hint_after_commit

    with _redis(os.environ["TOCSIN_BROKER_URL"]) as broker:
        broker.flushdb()
    ledger = Ledger()
    after_task_publish.connect(ledger.count_sent)
    task_postrun.connect(ledger.count_done)

    def door(now: datetime) -> None:
        db.hint_by(hint_after_commit)  # as a worker's process does, while this door is open
        for stage in STAGES:
            assert hint(stage.task, [now.isoformat()])
        deadline = time.monotonic() + 20
        while ledger.done < ledger.sent:  # a task sends the next one before it is done
            assert time.monotonic() < deadline, "the worker does not get on"
            time.sleep(0.002)
        db.hint_by(None)

    with start_worker(app, pool="solo", perform_ping_check=False, queues=list(STAGES), shutdown_timeout=10):
        db.hint_by(None)  # a worker that starts hints; what a story does outside of the door is not to be hinted at
        yield door


def pager_door(now: datetime) -> None:
    """No Celery, no Valkey."""
    from app import pager

    pager.run_until_idle(now)


@pytest.fixture(params=["pager", "celery"])
def world(request: pytest.FixtureRequest, clean: None) -> Iterator[World]:
    """A world of its own for each story, through one of the two doorways."""
    door: Door = pager_door if request.param == "pager" else request.getfixturevalue("celery_door")
    with receiver() as kept:
        made = World(door, kept)
        yield made
        made.expect_nothing()
    name = request.node.originalname
    told_of = request.node.name.removeprefix(name).replace(request.param, "")  # what the story is parametrized with
    story = f"{request.node.path.stem}.{name}.{sha256(told_of.encode()).hexdigest()[:8]}"
    compare(Path(os.environ["TOCSIN_HOME"]).parent / "decided", story, request.param, decided())


def _redis(url: str) -> "Redis[bytes]":
    path, _, query = url.removeprefix("redis+socket://").partition("?virtual_host=")
    return Redis(unix_socket_path=path, db=int(query or 0))
