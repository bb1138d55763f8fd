"""Celery: every queue has a worker and drains, as seen from the broker.

Metrics: `workers` that responded, `backlog` over all queues, `oldest_seconds` (how long the oldest waiting message has waited;
Redis only, and only for messages whose `sent_at` header says when they were sent); `workers` and `backlog` also by queue.
Messages of every priority count.

Critical: the broker does not respond, or a queue has no worker. Warning and critical: a long backlog, or an old message.
Unknown: the broker rejects the login, or the check sets an age limit that cannot be evaluated because the waiting messages do
not say when they were sent.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.checks.broker import WORKERS_ANSWER_WITHIN, Watched, connected, too_old
from app.checks.probe import Field, Reading, Run, Series, Status, probe, worst
from app.net.celery import OWN_QUEUES, Broker, Waiting, node


class Target(Watched):
    """Which broker, which queues, and what is too much."""

    queues: list[str] = Field(
        default=OWN_QUEUES, min_length=1, max_length=200, description="queues, each of which must have a worker"
    )
    warning_backlog: int = Field(default=1_000, ge=1, description="this many waiting messages in one queue warn")
    critical_backlog: int = Field(default=10_000, ge=1, description="this many waiting messages in one queue are critical")


@probe(on_timeout=Status.CRITICAL)
def measure(spec: Target, run: Run) -> Reading:
    deadline = time.monotonic() + run.timeout * 0.9
    with connected(spec, run.timeout / 5) as broker:
        workers, serving = _workers(broker, spec.queues, min(WORKERS_ANSWER_WITHIN, run.timeout / 3), deadline)
        waiting = broker.waiting(spec.queues)
    ages = [one.age for one in waiting.values() if one.age is not None]
    metrics = {"workers": float(sum(workers.values())), "backlog": float(sum(one.count for one in waiting.values()))}
    if ages or not metrics["backlog"]:
        metrics["oldest_seconds"] = max(ages, default=0.0)
    series = [Series("backlog", float(one.count), {"queue": queue}) for queue, one in waiting.items()]
    series += [Series("workers", float(serving[queue]), {"queue": queue}) for queue in spec.queues]
    found = list(_findings(serving, waiting, spec))
    texts = [text for _, text in found] or [f"{metrics['workers']:.0f} workers, {metrics['backlog']:.0f} messages waiting"]
    texts += [f"{count} workers are named {name}" for name, count in workers.items() if count > 1]
    return Reading(worst(status for status, _ in found), "; ".join(texts), metrics, tuple(series))


def _workers(broker: Broker, queues: Sequence[str], wait: float, deadline: float) -> tuple[Counter[str], Counter[str]]:
    """How many workers of each name answered, and how many serve each queue.

    Over RabbitMQ workers of one name answer by turns: a queue that nobody serves is asked for again.
    """
    workers, serving = _served(broker.inspect("active_queues", wait))
    if not broker.is_redis and workers and not all(serving[queue] for queue in queues) and time.monotonic() + wait < deadline:
        more_workers, more_serving = _served(broker.inspect("active_queues", wait))
        workers, serving = workers | more_workers, serving | more_serving
    return workers, serving


def _served(answers: Mapping[str, Any]) -> tuple[Counter[str], Counter[str]]:
    serving: Counter[str] = Counter()
    for queues in answers.values():
        listed = queues if isinstance(queues, list) else ()
        serving.update({str(queue["name"]) for queue in listed if isinstance(queue, dict) and "name" in queue})
    return Counter(map(node, answers)), serving


def _findings(serving: Mapping[str, int], waiting: Mapping[str, Waiting], spec: Target) -> Iterator[tuple[Status, str]]:
    idle = [queue for queue in waiting if not serving[queue]]
    if idle:
        yield Status.CRITICAL, f"no worker on {', '.join(idle)}"
    queue, depth = max(((name, one.count) for name, one in waiting.items()), key=lambda item: item[1])
    if depth >= min(spec.warning_backlog, spec.critical_backlog):
        yield Status.CRITICAL if depth >= spec.critical_backlog else Status.WARNING, f"{depth} messages waiting in {queue}"
    yield from too_old(waiting, spec)
