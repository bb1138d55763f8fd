"""Celery seen from its broker: what workers answer to `celery inspect`, and what waits in queues. Nothing is taken away."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any
from urllib.parse import urlsplit

from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.pidbox import Mailbox
from pydantic import AfterValidator, StringConstraints

from app.net.failure import Failed, Kind
from app.net.guard import refuse_literal
from app.net.resolve import resolve_now

SCHEMES = r"^(redis|rediss|redis\+socket|amqp|amqps|pyamqp)://"
PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "pyamqp": 5672, "amqps": 5671}
OWN = ["health", "performance", "business", "security", "evaluate", "dedup", "escalation", "notify", "upkeep"]
make_connection: Any = Connection  # kombu has no types
make_mailbox: Any = Mailbox
MAILBOX = make_mailbox("celery", type="fanout", accept=["json"], serializer="json")


def _is_no_metadata(url: str) -> str:
    refuse_literal(urlsplit(url).hostname or "")
    return url


BrokerUrl = Annotated[str, StringConstraints(pattern=SCHEMES), AfterValidator(_is_no_metadata)]


class Broker:
    """A connection to a broker, which blocks."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def inspect(self, command: str, wait: float, most: int | None = None) -> dict[str, Any]:
        """What each worker answers; the only way to know that no more answers come is to wait, unless `most` have come."""
        answers = MAILBOX(self._connection).multi_call(command, timeout=wait, limit=most)
        return {name: said for answer in answers or () for name, said in answer.items()}

    def waiting(self, queue: str) -> int:
        """Messages in a queue; 0 when nothing was ever sent to it."""
        with self._connection.channel() as channel:  # its own: RabbitMQ closes a channel over a missing queue
            try:
                return int(channel.queue_declare(queue, passive=True).message_count)
            except self._connection.channel_errors:
                return 0

    def oldest(self, queue: str) -> float | None:
        """Seconds since the message at the head of a queue was sent; None when that cannot be seen without taking it."""
        with self._connection.channel() as channel:
            client = getattr(channel, "client", None)
            if client is None:
                return None
            with suppress(ValueError, KeyError, TypeError, AttributeError):  # another program's message
                return max(0.0, time.time() - float(json.loads(client.lindex(queue, -1))["headers"]["sent_at"]))
        return None


@contextmanager
def broker(url: str, patience: float) -> Iterator[Broker]:
    """A broker at a checked address, which gets `patience` seconds for each thing. Raises Failed."""
    connection = _connection(url, patience)
    try:
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=patience)
            yield Broker(connection)
    except (KombuError, OSError, *connection.connection_errors, *connection.channel_errors) as error:
        raise Failed(Kind.CONNECT, f"the broker does not answer: {error}") from None


def _connection(url: str, patience: float) -> Any:
    """A connection to the checked address. Over TLS the name stays, which the certificate must match."""
    connection = make_connection(
        url,
        connect_timeout=patience,
        transport_options={"socket_timeout": patience + 1, "socket_connect_timeout": patience} if "redis" in url[:6] else {},
    )
    for one in url.split(";"):  # RabbitMQ's several nodes
        parts = urlsplit(one)
        if parts.scheme in PORTS:
            endpoints = resolve_now(parts.hostname or "", parts.port or PORTS[parts.scheme], patience)
            if one == url and parts.scheme in ("redis", "amqp", "pyamqp"):
                connection.hostname = endpoints[0].address
    return connection
