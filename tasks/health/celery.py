"""Has a worker on every queue, and queues that drain: Celery seen from its broker.

Metrics: `workers` that answered, `backlog` over all queues, `oldest_seconds` (how long the oldest waiting message has waited;
Redis only, and only for messages whose `sent_at` header says when they were sent); `workers` and `backlog` by queue too.
Critical: the broker does not answer, or a queue without a worker. Warning and critical: a long backlog, or an old message.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.checks.probe import CannotTell, Duration, Field, Reading, Run, Series, Spec, Status, Unreachable, own_broker, probe
from app.net.celery import OWN, BrokerUrl, broker
from app.net.failure import Failed, Kind

WORKERS_ANSWER_WITHIN = 1.0  # seconds; the only way to know that no more answers come


class Target(Spec):
    """Which broker, which queues, and what is too much."""

    url: BrokerUrl | None = Field(
        default=None, description="redis, rediss, redis+socket, amqp or amqps URL; unset = Tocsin's own broker"
    )
    queues: list[str] = Field(default=OWN, min_length=1, max_length=200, description="queues that must each have a worker")
    warning_backlog: int = Field(default=1_000, ge=1, description="waiting messages in one queue from which it warns")
    critical_backlog: int = Field(default=10_000, ge=1, description="waiting messages in one queue that are critical")
    warning_age: Duration = Field(default=timedelta(minutes=1), description="age of a waiting message from which it warns")
    critical_age: Duration = Field(default=timedelta(minutes=5), description="age of a waiting message that is critical")


@probe(on_timeout=Status.CRITICAL)
def measure(spec: Target, run: Run) -> Reading:
    try:
        with broker(spec.url or own_broker(), run.timeout / 5) as seen:
            workers, serving = _workers(seen.inspect("active_queues", min(WORKERS_ANSWER_WITHIN, run.timeout / 3)))
            backlog = {queue: seen.waiting(queue) for queue in spec.queues}
            ages = [age for queue in spec.queues if backlog[queue] and (age := seen.oldest(queue)) is not None]
    except Failed as failed:
        raise (CannotTell if failed.kind is Kind.BLOCKED else Unreachable)(str(failed)) from None
    metrics = {"workers": float(workers), "backlog": float(sum(backlog.values()))}
    if ages or not metrics["backlog"]:
        metrics["oldest_seconds"] = max(ages, default=0.0)
    series = [Series("backlog", float(count), {"queue": queue}) for queue, count in backlog.items()]
    series += [Series("workers", float(serving[queue]), {"queue": queue}) for queue in spec.queues]
    status, message = _judge(serving, backlog, max(ages, default=0.0), spec)
    return Reading(status, message or f"{workers} workers, {metrics['backlog']:.0f} messages wait", metrics, tuple(series))


def _workers(answers: Mapping[str, Any]) -> tuple[int, Counter[str]]:
    """How many workers answered, and how many serve each queue."""
    serving: Counter[str] = Counter()
    for queues in answers.values():
        serving.update({queue["name"] for queue in queues if isinstance(queue, dict) and "name" in queue})
    return len(answers), serving


def _judge(serving: Mapping[str, int], backlog: Mapping[str, int], age: float, spec: Target) -> tuple[Status, str]:
    idle = [queue for queue in backlog if not serving[queue]]
    queue, most = max(backlog.items(), key=lambda item: item[1])
    told = [f"no worker on {', '.join(idle)}"] if idle else []
    if most >= spec.warning_backlog:
        told.append(f"{most} messages wait in {queue}")
    if age >= spec.warning_age.total_seconds():
        told.append(f"the oldest message waits for {age:.0f} s")
    critical = idle or most >= spec.critical_backlog or age >= spec.critical_age.total_seconds()
    return (Status.CRITICAL if critical else Status.WARNING if told else Status.OK), "; ".join(told)
