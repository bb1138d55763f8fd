"""Has a worker on every queue, and queues that drain: Celery seen from its broker.

Metrics: `workers` that answered, `backlog` over all queues, `oldest_seconds` (how long the oldest waiting message has waited;
Redis only, and only for messages whose `sent_at` header says when they were sent); `workers` and `backlog` by queue too.
Critical: the broker does not answer, or a queue without a worker. Warning and critical: a long backlog, or an old message.
"""

import json
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.pidbox import Mailbox

from app.checks.probe import CannotTell, Duration, Field, Reading, Run, Series, Spec, Status, Unreachable, own_broker, probe
from app.net.failure import Failed, Kind
from app.net.resolve import resolve_now
from app.units import parse_duration

OWN = ["health", "performance", "business", "security", "evaluate", "dedup", "escalation", "notify", "upkeep"]
PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "pyamqp": 5672, "amqps": 5671}
WORKERS_ANSWER_WITHIN = 1.0  # seconds; the only way to know that no more answers come


class Target(Spec):
    """Which broker, which queues, and what is too much."""

    url: str | None = Field(default=None, pattern=r"^[a-z+]+://", description="Kombu URL; unset = Tocsin's own broker")
    queues: list[str] = Field(default=OWN, min_length=1, max_length=200, description="queues that must each have a worker")
    warning_backlog: int = Field(default=1_000, ge=1, description="waiting messages in one queue from which it warns")
    critical_backlog: int = Field(default=10_000, ge=1, description="waiting messages in one queue that are critical")
    warning_age: Duration = Field(default=parse_duration("1m"), description="age of a waiting message from which it warns")
    critical_age: Duration = Field(default=parse_duration("5m"), description="age of a waiting message that is critical")


@probe(on_timeout=Status.CRITICAL)
def measure(spec: Target, run: Run) -> Reading:
    patience = run.timeout / 4
    try:
        connection = _connection(spec.url or own_broker(), patience)
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=patience)
            workers, per_queue = _workers(connection, min(WORKERS_ANSWER_WITHIN, patience))
            backlog = {queue: _backlog(connection, queue) for queue in spec.queues}
            ages = [age for queue in spec.queues if backlog[queue] and (age := _oldest(connection, queue)) is not None]
    except Failed as failed:
        raise (CannotTell if failed.kind is Kind.BLOCKED else Unreachable)(str(failed)) from None
    except (KombuError, OSError, *Connection.connection_errors_of_all) as error:
        raise Unreachable(f"the broker does not answer: {error}") from None
    metrics = {"workers": float(workers), "backlog": float(sum(backlog.values()))}
    if ages or not any(backlog.values()):
        metrics["oldest_seconds"] = max(ages, default=0.0)
    series = [Series("backlog", float(count), {"queue": queue}) for queue, count in backlog.items()]
    series += [Series("workers", float(per_queue[queue]), {"queue": queue}) for queue in spec.queues]
    return Reading(*_judge(workers, per_queue, backlog, max(ages, default=0.0), spec), metrics, tuple(series))
