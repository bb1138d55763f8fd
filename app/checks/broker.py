"""What the probes of Celery share: which broker is looked at, and how the age of what waits in it is judged."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from pydantic import Field

from app.checks.own import own_broker
from app.checks.probe import Duration, Spec, Status, length, unanswered
from app.failure import Failed, Kind
from app.net.celery import OWN_QUEUES, Broker, BrokerUrl, Keys, Waiting, broker

WORKERS_ANSWER_WITHIN = 1.0  # seconds; the only way to know that no more answers come


class Watched(Keys, Spec):
    """Which broker, and how long its messages may wait."""

    url: BrokerUrl | None = Field(
        default=None,
        description="redis, rediss, redis+socket, amqp or amqps URL; unset = Tocsin's own broker",
        examples=["redis://:${REDIS_PASSWORD:-secret}@queue.example.org/0"],
    )
    queues: list[str] = Field(
        default=OWN_QUEUES, min_length=1, max_length=200, description="queues to measure", examples=[["celery", "mail"]]
    )
    warning_age: Duration = Field(default=timedelta(minutes=1), description="a waiting message this old warns")
    critical_age: Duration = Field(default=timedelta(minutes=5), description="a waiting message this old is critical")


@contextmanager
def connected(spec: Watched, timeout: float) -> Iterator[Broker]:
    """The broker, which gets `timeout` seconds for each thing. Raises Unreachable, or Unknown where it refuses us."""
    try:
        with broker(spec.url or own_broker(), timeout, spec, spec.queues) as found:
            yield found
    except Failed as failed:
        raise unanswered(failed, Kind.DENIED) from None


def too_old(waiting: Mapping[str, Waiting], spec: Watched) -> Iterator[tuple[Status, str]]:
    """The oldest message where it is too old; unknown where a limit that the check sets itself judges nothing."""
    queue, age = max(((name, one.age or 0.0) for name, one in waiting.items()), key=lambda item: item[1])
    if age >= min(spec.warning_age, spec.critical_age).total_seconds():
        status = Status.CRITICAL if age >= spec.critical_age.total_seconds() else Status.WARNING
        yield status, f"the oldest message in {queue} has been waiting for {length(age)}"
    ageless = [name for name, one in waiting.items() if one.count and one.age is None]
    if ageless and spec.model_fields_set & {"warning_age", "critical_age"}:
        yield Status.UNKNOWN, f"message age unknown in {', '.join(ageless)}"
