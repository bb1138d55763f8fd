"""Claims due checks, keeps their results. Works in the caller's transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from app import beats
from app.catalog import store as catalog
from app.checks import store
from app.checks.demand import store as demand
from app.checks.model import Baseline, Check, CheckState, Due, Result
from app.checks.pause import facts
from app.db import refresh, wake
from app.errors import NotFound
from app.people import audit
from app.people.model import SYSTEM
from app.queues import Queue
from app.reason import nested
from app.seal import opened

AHEAD = timedelta(seconds=1)  # checks due this soon are claimed now and started at their own time
WAIT_FOR_WORKER = 5.0  # seconds a claim holds without a worker taking it
BATCH = 200  # checks of one probe in one task
MOST_SHOWN = 100  # series of a result given back to whoever asked for the run


@dataclass(frozen=True, slots=True)
class Batch:
    """One task's worth of due checks of one probe."""

    probe: str
    queue: str
    names: tuple[str, ...]


def sync(db: Connection, checks: Mapping[str, Check], now: datetime) -> None:
    """Make the declared checks exactly these."""
    store.sync(db, checks, now)


def declared(db: Connection) -> Mapping[str, Check]:
    """Checks by name, in declared order."""
    return catalog.declared(db, "check", Check)


def check(db: Connection, name: str) -> Check:
    """One check. Raises NotFound."""
    known = declared(db)
    if name not in known:
        raise NotFound(f'check "{name}" not found')
    return known[name]


def in_clear(check: Check) -> Check:
    """The same with its secrets in clear: to be run, or tried elsewhere. Raises Invalid when they do not open here."""
    return check.model_copy(update={"with_": opened(check.with_)})


def dispatch(db: Connection, families: Sequence[str], now: datetime, limit: int = 5000) -> list[Batch]:
    """Claim what is due now or within a second, as batches of one probe and queue."""
    if not store.any_due(db, families, now, now + AHEAD):
        return []
    _end_pauses(db, now)
    claimed = store.claim_due(db, families, now, now + AHEAD, WAIT_FOR_WORKER, limit, beats.served(beats.seen(db)))
    of: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in claimed:
        of[row.probe, row.queue].append(row.name)
    return [
        Batch(probe, queue, tuple(names[start : start + BATCH]))
        for (probe, queue), names in of.items()
        for start in range(0, len(names), BATCH)
    ]


def take_overdue(db: Connection, families: Sequence[str], now: datetime, grace: timedelta, limit: int) -> list[Due]:
    """Claim checks that nobody has dispatched for `grace`, to be run here. Those of a location wait for its worker."""
    if not store.any_due(db, families, now, now - grace):
        return []
    _end_pauses(db, now)
    claimed = store.claim_due(db, families, now, now - grace, WAIT_FOR_WORKER, limit)
    return load(db, [one.name for one in claimed], now)


def _end_pauses(db: Connection, now: datetime) -> None:
    """Checks whose pause is over go on, as if somebody resumed them."""
    if over := store.end_pauses(db, now):
        changed = {f"check:{name}": audit.changes(facts(pause), facts(None)) for name, pause in over.items()}
        audit.record_all(db, SYSTEM, "check.resume", changed, now)
        refresh(db, "checks")


def load(db: Connection, names: Sequence[str], now: datetime) -> list[Due]:
    """What is needed to run these checks now; holds their leases until their time-outs. Unknown names are left out."""
    known = declared(db)
    wanted = [name for name in dict.fromkeys(names) if name in known]
    if not wanted:
        return []
    longest = max(known[name].timeout for name in wanted)
    store.extend(db, wanted, now + longest + timedelta(seconds=WAIT_FOR_WORKER))
    states, baselines = store.states_of(db, wanted), store.baselines(db, wanted)
    return [
        Due(name, known[name], _start(states[name], now), states[name].memory, _accepted(baselines, name))
        for name in wanted
        if name in states
    ]


def _accepted(baselines: Mapping[str, Baseline], name: str) -> Mapping[str, str] | None:
    return baselines[name].accepted if name in baselines else None


def _start(state: CheckState, now: datetime) -> datetime:
    """When a claimed run begins: one interval before the next one, if that is still to come."""
    return min(max(state.next_due_at - state.every, now), now + AHEAD)


def record(db: Connection, results: Sequence[Result]) -> list[str]:
    """Keep results and wake the evaluation; names of the checks."""
    store.finish(db, results)
    wake(db, Queue.EVALUATE)
    return [one.check for one in results]


def answer(db: Connection, asked: str, results: Sequence[Result], now: datetime) -> None:
    """Give results back to whoever asked for the runs."""
    demand.answer(db, asked, {one.check: shown(one) for one in results}, now)


def load_try(db: Connection, asked: str, now: datetime) -> list[Due]:
    """The check that somebody wants to try; none when that was answered already."""
    tried = demand.tried(db, asked)
    if tried is None:
        return []
    check = Check.model_validate_json(opened(tried.spec))
    state = store.states_of(db, [tried.name]).get(tried.name)
    accepted = _accepted(store.baselines(db, [tried.name]), tried.name)
    return [Due(tried.name, check, now, state.memory if state else {}, accepted)]


def shown(result: Result) -> dict[str, Any]:
    """A result as JSON."""
    return {
        "status": result.status.value,
        "message": result.message,
        "reason": nested(result.reason) if result.reason else None,
        "metrics": dict(result.metrics),
        "series": [
            {"metric": one.metric, "labels": dict(one.labels), "value": one.value} for one in result.series[:MOST_SHOWN]
        ],
        "seconds": result.seconds,
    }
