"""Runs a check now, through its real queue, and waits for the answer. An edge: it has transactions of its own."""

import time
from typing import Any
from uuid import uuid4

from app import clock
from app.celery import hint
from app.checks import service, store
from app.db import transaction
from app.errors import Unavailable
from app.people import audit
from app.people.model import Actor
from app.people.permission import require

LOOK = 0.03  # seconds between two looks for the answer
QUEUE_WAIT = 10.0  # seconds for a worker to take it, beside the check's own time-out


def run_now(name: str, actor: Actor) -> dict[str, Any]:
    """The result with `queue` and `task_id`. Raises NotFound, and Unavailable when no worker of that queue answers."""
    require(actor, "respond")
    task_id = str(uuid4())
    with transaction() as db:
        check = service.check(db, name)
        now = clock.now(db)
        asked = store.ask_run(db, name, task_id, actor.login, now)
        audit.record(db, actor, "check.run", f"check:{name}", {}, now)
    if not hint(check.probe, [[name], asked], queue=check.queue, task_id=task_id):
        raise Unavailable("the broker does not take the task; see `tocsin status`")
    deadline = time.monotonic() + check.timeout.total_seconds() + QUEUE_WAIT
    while time.monotonic() < deadline:
        with transaction() as db:
            answer = store.run_answer(db, asked)
        if answer is not None:
            return {**answer, "queue": check.queue, "task_id": task_id}
        time.sleep(LOOK)
    raise Unavailable(
        f'no worker took it within {QUEUE_WAIT:g} s; is one running for queue "{check.queue}"? see `tocsin status`'
    )
