"""Celery's throughput: how long messages wait, how many tasks run and for how long, tasks per second.

Metrics: by `queue` `depth` (waiting messages) and `oldest_seconds` (how long the first message has waited; Redis only, and only
for messages whose `sent_at` header says when they were sent), and `depth` and `oldest_seconds` over all queues; `workers`,
`active_tasks`, `reserved_tasks` (held by workers, not started), `concurrency`, `busy_percent` (active tasks as a share of the
concurrency), `longest_active_seconds`; from the second run on `tasks_per_second`, also by `task`, and `drain_seconds`: how long
the depth takes to drain at that rate. Messages of every priority count.

Critical: the broker does not respond. Warning and critical: the age of the first message, or no worker responds. Unknown: no
worker responds but no message has waited for 10 s, as when workers start; the broker rejects the login; or the check sets an
age limit for which there is no value.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from app.checks.broker import WORKERS_ANSWER_WITHIN, Watched, connected, too_old
from app.checks.probe import Duration, Field, Reading, Run, Series, Status, counted, length, probe, worst
from app.net.celery import Broker, Waiting, node

STARTUP_SECONDS = 10.0  # seconds a message may wait while no worker answers: workers may just be starting
MAX_TASKS = 100  # task names with series of their own

Answers = Mapping[str, Any]


class Target(Watched):
    """Which broker, which queues, and what is too slow."""

    warning_age: Duration = Field(default=timedelta(seconds=30), description="a waiting message this old warns")
    warning_active: Duration | None = Field(default=None, description="run time of a task at which it warns; unset = never")
    warning_depth: int | None = Field(default=None, ge=1, description="this many waiting messages in one queue warn")


@probe(on_timeout=Status.CRITICAL)
def measure(spec: Target, run: Run) -> Reading:
    with connected(spec, run.timeout / 6) as broker:
        stats, active, reserved = _inspect(broker, min(WORKERS_ANSWER_WITHIN, run.timeout / 6))
        waiting = broker.waiting(spec.queues)
    depth = {queue: one.count for queue, one in waiting.items()}
    ages = {queue: one.age for queue, one in waiting.items() if one.age is not None}
    memory = {"at": time.time(), "done": _done(stats)}
    rates = _rates(run.memory, memory)
    metrics = {"workers": float(len(stats)), "depth": float(sum(depth.values())), **_running(stats, active, reserved)}
    if ages or not metrics["depth"]:
        metrics["oldest_seconds"] = max(ages.values(), default=0.0)
    if rates is not None:
        metrics["tasks_per_second"] = sum(rates.values())
        if metrics["tasks_per_second"] or not metrics["depth"]:
            metrics["drain_seconds"] = metrics["depth"] / (metrics["tasks_per_second"] or 1)
    series = [Series("depth", float(count), {"queue": queue}) for queue, count in depth.items()]
    series += [Series("oldest_seconds", age, {"queue": queue}) for queue, age in ages.items()]
    series += [Series("tasks_per_second", rate, {"task": task}) for task, rate in (rates or {}).items()]
    findings = list(_findings(metrics, waiting, spec))
    text = "; ".join(text for _, text in findings)
    running = counted(metrics["active_tasks"], "task runs", "tasks run")
    summary = f"{running} on {counted(len(stats), 'worker')}, {_waiting(metrics['depth'])}"
    return Reading(worst(status for status, _ in findings), text or summary, metrics, tuple(series), memory)


def _inspect(broker: Broker, wait: float) -> tuple[Answers, Answers, Answers]:
    """Replies of the workers; those that answer the first command are waited for in the others."""
    stats = {
        name: reply for name, reply in broker.inspect("stats", wait).items() if isinstance(reply, dict) and "error" not in reply
    }
    if not stats:
        return {}, {}, {}
    return stats, broker.inspect("active", wait, len(stats)), broker.inspect("reserved", wait, len(stats))


def _running(stats: Answers, active: Answers, reserved: Answers) -> dict[str, float]:
    now = time.time()
    tasks = [task for reply in active.values() if isinstance(reply, list) for task in reply if isinstance(task, dict)]
    started_at = [task["time_start"] for task in tasks if isinstance(task.get("time_start"), int | float)]
    slots = sum(_slots(reply.get("pool")) for reply in stats.values())
    found = {
        "active_tasks": float(len(tasks)),
        "reserved_tasks": float(sum(len(reply) for reply in reserved.values() if isinstance(reply, list))),
        "concurrency": float(slots),
        "longest_active_seconds": max((max(0.0, now - at) for at in started_at), default=0.0),
    }
    return found | ({"busy_percent": min(100.0, 100 * len(tasks) / slots)} if slots else {})


def _slots(pool: Any) -> int:
    count = pool.get("max-concurrency") if isinstance(pool, dict) else None
    return count if isinstance(count, int) else 0


def _done(stats: Answers) -> dict[str, dict[str, float]]:
    """Tasks begun since each worker's start, by worker (a new process is another worker) and task."""
    return {
        f"{node(name)} {reply.get('pid')}": {
            task: float(count) for task, count in list(reply["total"].items())[:MAX_TASKS] if isinstance(count, int | float)
        }
        for name, reply in stats.items()
        if isinstance(reply.get("total"), dict)
    }


def _rates(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, float] | None:
    """Tasks per second since the last run; a worker that is new has done all it did since then. None on the first run."""
    seconds = now["at"] - before["at"] if before else 0.0
    if seconds <= 0:
        return None
    increase: Counter[str] = Counter()
    for worker, totals in now["done"].items():
        earlier = before["done"].get(worker, {})
        for task, count in totals.items():
            increase[task] += max(0.0, count - earlier.get(task, 0.0))
    return {task: count / seconds for task, count in increase.most_common(MAX_TASKS)}


def _waiting(messages: float) -> str:
    return counted(messages, "message waits", "messages waiting")


def _no_worker(waiting: Mapping[str, Waiting]) -> tuple[Status, str]:
    """The finding when no worker answers."""
    waits = [one for one in waiting.values() if one.count]
    if not waits:
        return Status.WARNING, "no worker responds"
    oldest = max(STARTUP_SECONDS if one.age is None else one.age for one in waits)
    if oldest < STARTUP_SECONDS:
        return Status.UNKNOWN, f"no worker responds yet; the first message has waited {length(oldest)}"
    return Status.CRITICAL, "no worker responds while messages are waiting"


def _findings(metrics: Mapping[str, float], waiting: Mapping[str, Waiting], spec: Target) -> Iterator[tuple[Status, str]]:
    if not metrics["workers"]:
        yield _no_worker(waiting)
    yield from too_old(waiting, spec)
    queue, depth = max(((name, one.count) for name, one in waiting.items()), key=lambda item: item[1])
    if spec.warning_depth is not None and depth >= spec.warning_depth:
        yield Status.WARNING, f"{_waiting(depth)} in {queue}"
    longest = metrics["longest_active_seconds"]
    if spec.warning_active is not None and longest >= spec.warning_active.total_seconds():
        yield Status.WARNING, f"a task has been running for {length(longest)}"
