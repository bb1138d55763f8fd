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
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.pidbox import Mailbox
from pydantic import field_validator

from app.checks.probe import CannotTell, Duration, Field, Reading, Run, Series, Spec, Status, Unreachable, own_broker, probe
from app.net.failure import Failed, Kind
from app.net.guard import refuse_literal
from app.net.resolve import resolve_now

OWN = ["health", "performance", "business", "security", "evaluate", "dedup", "escalation", "notify", "upkeep"]
SCHEMES = r"^(redis|rediss|redis\+socket|amqp|amqps|pyamqp)://"
PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "pyamqp": 5672, "amqps": 5671}
make_connection: Any = Connection  # kombu has no types
make_mailbox: Any = Mailbox
MAILBOX = make_mailbox("celery", type="fanout", accept=["json"], serializer="json")
WORKERS_ANSWER_WITHIN = 1.0  # seconds; the only way to know that no more answers come


class Target(Spec):
    """Which broker, which queues, and what is too much."""

    url: str | None = Field(
        default=None, pattern=SCHEMES, description="redis, rediss, redis+socket, amqp or amqps URL; unset = Tocsin's own broker"
    )

    queues: list[str] = Field(default=OWN, min_length=1, max_length=200, description="queues that must each have a worker")
    warning_backlog: int = Field(default=1_000, ge=1, description="waiting messages in one queue from which it warns")
    critical_backlog: int = Field(default=10_000, ge=1, description="waiting messages in one queue that are critical")
    warning_age: Duration = Field(default=timedelta(minutes=1), description="age of a waiting message from which it warns")
    critical_age: Duration = Field(default=timedelta(minutes=5), description="age of a waiting message that is critical")

    @field_validator("url")
    @classmethod
    def _is_no_metadata(cls, url: str | None) -> str | None:
        refuse_literal(urlsplit(url or "").hostname or "")
        return url


@probe(on_timeout=Status.CRITICAL)
def measure(spec: Target, run: Run) -> Reading:
    patience = run.timeout / 5
    connection = _connection(spec.url or own_broker(), patience)
    try:
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=patience)
            workers, serving = _workers(connection, min(WORKERS_ANSWER_WITHIN, run.timeout / 3))
            backlog = {queue: _backlog(connection, queue) for queue in spec.queues}
            ages = [age for queue in spec.queues if backlog[queue] and (age := _oldest(connection, queue)) is not None]
    except (KombuError, OSError, *connection.connection_errors, *connection.channel_errors) as error:
        raise Unreachable(f"the broker does not answer: {error}") from None
    metrics = {"workers": float(workers), "backlog": float(sum(backlog.values()))}
    if ages or not metrics["backlog"]:
        metrics["oldest_seconds"] = max(ages, default=0.0)
    series = [Series("backlog", float(count), {"queue": queue}) for queue, count in backlog.items()]
    series += [Series("workers", float(serving[queue]), {"queue": queue}) for queue in spec.queues]
    status, message = _judge(serving, backlog, max(ages, default=0.0), spec)
    return Reading(status, message or f"{workers} workers, {metrics['backlog']:.0f} messages wait", metrics, tuple(series))


def _connection(url: str, patience: float) -> Any:
    """A connection to the checked address. Over TLS the name stays, which the certificate must match."""
    connection = make_connection(
        url,
        connect_timeout=patience,
        transport_options={"socket_timeout": patience + 1, "socket_connect_timeout": patience} if "redis" in url[:6] else {},
    )
    try:
        for one in url.split(";"):  # RabbitMQ's several nodes
            parts = urlsplit(one)
            if parts.scheme in PORTS:
                endpoints = resolve_now(parts.hostname or "", parts.port or PORTS[parts.scheme], patience)
                if one == url and parts.scheme in ("redis", "amqp", "pyamqp"):
                    connection.hostname = endpoints[0].address
    except Failed as failed:
        raise (CannotTell if failed.kind is Kind.BLOCKED else Unreachable)(str(failed)) from None
    return connection


def _workers(connection: Any, wait: float) -> tuple[int, Counter[str]]:
    """How many workers answered, and how many serve each queue; asked as `celery inspect active_queues` asks."""
    answers = MAILBOX(connection).multi_call("active_queues", timeout=wait)
    serving: Counter[str] = Counter()
    workers = 0
    for answer in answers or ():
        for queues in answer.values():
            workers += 1
            serving.update({queue["name"] for queue in queues if isinstance(queue, dict) and "name" in queue})
    return workers, serving


def _backlog(connection: Any, queue: str) -> int:
    """Messages waiting in a queue; 0 when nothing was ever sent to it."""
    with connection.channel() as channel:  # its own: RabbitMQ closes a channel over a missing queue
        try:
            return int(channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:
            return 0


def _oldest(connection: Any, queue: str) -> float | None:
    """Seconds since the message at the head of a queue was sent; None when that cannot be seen without taking it."""
    with connection.channel() as channel:
        client = getattr(channel, "client", None)
        if client is None:
            return None
        with suppress(ValueError, KeyError, TypeError, AttributeError):  # another program's message
            return max(0.0, time.time() - float(json.loads(client.lindex(queue, -1))["headers"]["sent_at"]))
    return None


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
