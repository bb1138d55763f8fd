"""Runs checks now, through their real queues. An edge: it has transactions of its own, since a worker must see the request."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pydantic import ValidationError
from sqlalchemy import Connection

from app import beats, clock, seal
from app.celery import hint
from app.checks import probes, service
from app.checks.demand import store
from app.checks.model import Check
from app.checks.service import BATCH
from app.db import transaction
from app.errors import Fault, Invalid, NotFound, Unavailable
from app.people import audit
from app.people.model import Actor
from app.people.permission import require
from app.redact import SEALED
from app.validation import explain, place

POLL = 0.03  # seconds between two looks for the answer
QUEUE_WAIT = 10.0  # seconds for a worker to take it, beside the check's own time-out
TRY = "try"  # the name of a check that is not declared
MAY = "administer"  # the right to try: a probe reads files and runs programs as the worker may


@dataclass(frozen=True, slots=True)
class Batch:
    """What was asked for: its id, the names by task, and how long the slowest may take in seconds."""

    id: str
    checks: Mapping[str, Check]
    tasks: Mapping[str, tuple[str, ...]]  # task id -> names
    wait: float

    def task_of(self, name: str) -> str:
        """The task that runs a check."""
        return next(task for task, names in self.tasks.items() if name in names)


def ask(names: Sequence[str], actor: Actor) -> Batch:
    """Have these checks run now. Raises NotFound, and Unavailable when the broker takes nothing."""
    require(actor, "respond")
    with transaction() as db:
        declared = service.declared(db)
        unknown = [name for name in names if name not in declared]
        if unknown:
            raise NotFound(f'check "{unknown[0]}" not found')
        batch = _batch({name: declared[name] for name in dict.fromkeys(names)})
        _note(db, batch, actor, None)
    _send(batch)
    return batch


def try_out(check: Check, actor: Actor, name: str = TRY) -> Batch:
    """Have a check run once as `check` says, whatever is declared; nothing of it is kept. Raises Invalid for wrong settings."""
    require(actor, MAY)
    _refuse_wrong(check)
    batch = _batch({name: check})
    with transaction() as db:
        _note(db, batch, actor, seal.marked(check.model_dump_json(by_alias=True, exclude_unset=True), check.at or ""))
    _send(batch, tried=True)
    return batch


def results(batch: Batch) -> Iterator[dict[str, Any]]:
    """Each answer as it comes: `name`, the result, `queue` and `task_id`. Raises Unavailable when one does not come in time."""
    deadline, answered = time.monotonic() + batch.wait, set[str]()
    while len(answered) < len(batch.checks):
        with transaction() as db:
            done = [one for one in store.runs(db, batch.id) if one.result is not None and one.name not in answered]
        for one in done:
            answered.add(one.name)
            yield {"name": one.name, **_answer(batch, one.name, one.result or {})}
        if not done:
            _give_up(batch, answered, deadline)
            time.sleep(POLL)


def run_now(name: str, actor: Actor) -> dict[str, Any]:
    """The result with `queue` and `task_id`. Raises NotFound, and Unavailable when no worker of that queue answers."""
    result = next(results(ask([name], actor)))
    del result["name"]
    return result


def progress(db: Connection, batch: str) -> dict[str, Any]:
    """How far a batch is: `total`, `done`, and its `items` by name, a result where there is one. Raises NotFound.

    Results are without their `series`: of a batch's thousands of checks they would be too much.
    """
    asked = store.runs(db, batch)
    if not asked:
        raise NotFound(f'run "{batch}" not found; runs are kept for one day')
    items = [{"name": one.name, "task_id": one.task_id, "done_at": one.done_at, **_without_series(one.result)} for one in asked]
    done = sum(one.done_at is not None for one in asked)
    return {
        "id": batch,
        "asked_at": asked[0].asked_at,
        "asked_by": asked[0].asked_by,
        "total": len(asked),
        "done": done,
        "items": items,
    }


def _without_series(result: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (result or {}).items() if key != "series"}


def _batch(checks: Mapping[str, Check]) -> Batch:
    """The tasks that these checks need: one for each probe and queue, and so many of them."""
    together: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, check in checks.items():
        together[check.probe, check.queue].append(name)
    tasks = {
        str(uuid4()): tuple(names[start : start + BATCH])
        for names in together.values()
        for start in range(0, len(names), BATCH)
    }
    return Batch(
        str(uuid4()), checks, tasks, QUEUE_WAIT + max((one.timeout.total_seconds() for one in checks.values()), default=0)
    )


def _note(db: Connection, batch: Batch, actor: Actor, spec: str | None) -> None:
    now = clock.now(db)
    for task, names in batch.tasks.items():
        store.ask(db, batch.id, names, task, actor.login, now, spec)
    for name, check in batch.checks.items():
        what = {"probe": check.probe} if spec else {}
        audit.record(db, actor, "check.try" if spec else "check.run", f"check:{name}", what, now)


def _send(batch: Batch, tried: bool = False) -> None:
    for task, names in batch.tasks.items():
        check = batch.checks[names[0]]
        if not hint(check.probe, [[] if tried else list(names), batch.id], queue=check.queue, task_id=task):
            raise Unavailable("the broker rejected the task; see `tocsin status`")


def _answer(batch: Batch, name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    return {**result, "queue": batch.checks[name].queue, "task_id": batch.task_of(name)}


def _give_up(batch: Batch, answered: set[str], deadline: float) -> None:
    if time.monotonic() >= deadline:
        queues = {check.queue for name, check in batch.checks.items() if name not in answered}
        with transaction() as db:
            served = beats.served(beats.seen(db))
        raise Unavailable(unanswered(batch.wait, queues, served))


def unanswered(waited: float, queues: Set[str], served: Set[str]) -> str:
    """What to say when these queues gave no answer in so many seconds; `served` are those that a living worker takes from."""
    deserted, slow = sorted(queues - served), sorted(queues & served)
    why = [f"no worker consumes {_queues(deserted)}"] if deserted else []
    why += [f"the workers of {_queues(slow)} are busy or stuck"] if slow else []
    first = "no worker picked it up" if deserted else "no response"
    return f"{first} within {waited:.3g} s: {', and '.join(why)}; see `tocsin status`"


def _queues(names: Sequence[str]) -> str:
    return f"{'queue' if len(names) == 1 else 'queues'} {', '.join(names)}"


def _refuse_wrong(check: Check) -> None:
    """Raises Invalid that names each wrong setting."""
    if SEALED.search(check.model_dump_json()):
        raise Invalid(
            "the settings contain an encrypted secret; enter the secret itself", [Fault("with", "contains an encrypted secret")]
        )
    try:
        probes.found(check.probe).spec.model_validate(check.with_)
    except KeyError:
        raise NotFound(f'probe "{check.probe}" not found') from None
    except ValidationError as error:
        faults = [Fault(place(("with", *one["loc"])), explain(one)) for one in error.errors()]
        raise Invalid("invalid settings", faults) from None
