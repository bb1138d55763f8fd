"""Celery seen from its broker: what workers answer to `celery inspect`, and what waits in queues. Nothing is taken away.

Source of the names of keys: kombu 5.7, `transport/redis.py` (`_q_for_pri`, `global_keyprefix`, `keyprefix_queue`).
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.pidbox import Mailbox
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from app.failure import Failed, Kind
from app.net.address import refuse_literal
from app.net.resolve import in_turn, resolve_now
from app.queues import ALL

SCHEMES = r"^(redis|rediss|redis\+socket|amqp|amqps|pyamqp)://"
PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "pyamqp": 5672, "amqps": 5671}
AMQP = ("amqp", "amqps", "pyamqp")
PLAIN = ("redis", "amqp", "pyamqp")  # over TLS the name stays, which the certificate must match
OWN_QUEUES = [str(queue) for queue in ALL]
PRIORITIES = range(1, 10)  # each may have a list of its own beside the queue's, whichever `priority_steps` are set
SEPARATOR = "\x06\x16"  # kombu's own, between a queue and a priority
BINDING = "_kombu.binding."
SCANS, SCANNED = 40, 500  # SCAN calls made to find a prefix, and keys per call
DUPLICATE = " #"  # no node's name holds a space
make_connection: Any = Connection  # kombu has no types
make_mailbox: Any = Mailbox
MAILBOX = make_mailbox("celery", type="fanout", accept=["json"], serializer="json")


def _is_no_metadata(url: str) -> str:
    refuse_literal(urlsplit(url).hostname or "")
    return url


BrokerUrl = Annotated[str, StringConstraints(pattern=SCHEMES), AfterValidator(_is_no_metadata)]


class Keys(BaseModel):
    """How the watched application names its keys in Redis, by Celery's `broker_transport_options`."""

    global_keyprefix: str | None = Field(
        default=None, max_length=200, description="the application's `global_keyprefix`, Redis only; unset = detected"
    )
    sep: str | None = Field(
        default=None,
        min_length=1,
        max_length=20,
        description="the application's `sep`, between a queue and a priority, Redis only; unset = kombu's own, `\\x06\\x16`",
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in a queue, over all of its priorities."""

    count: int
    age: float | None  # seconds since the oldest was sent; None when that cannot be seen without taking it


def node(worker: str) -> str:
    """The name that a worker gives itself, out of a key of `Broker.inspect`."""
    return worker.partition(DUPLICATE)[0]


class Broker:
    """A connection to a broker, which blocks."""

    def __init__(self, connection: Any, prefix: str, sep: str) -> None:
        self._connection, self._prefix, self._sep = connection, prefix, sep
        self.is_redis = connection.transport.driver_type == "redis"

    def inspect(self, command: str, wait: float, most: int | None = None) -> dict[str, Any]:
        """What each worker answers; the only way to know that no more answers come is to wait, unless `most` have come.

        Workers of one name are told apart (`node` takes the difference away). Over RabbitMQ old ones share a mailbox, so that
        only one of them answers; new ones refuse to start.
        """
        found: dict[str, Any] = {}
        for answer in MAILBOX(self._connection).multi_call(command, timeout=wait, limit=most) or ():
            for name, reply in answer.items():
                duplicates = sum(node(known) == name for known in found)
                found[f"{name}{DUPLICATE}{duplicates + 1}" if duplicates else str(name)] = reply
        return found

    def waiting(self, queues: Sequence[str]) -> dict[str, Waiting]:
        """What waits in each queue; nothing where nothing was ever sent to it."""
        return {queue: self._in_redis(queue) if self.is_redis else Waiting(self._declared(queue), None) for queue in queues}

    def _declared(self, queue: str) -> int:
        with self._connection.channel() as channel:  # its own: RabbitMQ closes a channel over a missing queue
            try:
                return int(channel.queue_declare(queue, passive=True).message_count)
            except self._connection.channel_errors as error:
                if getattr(error, "reply_code", 404) != 404:
                    raise
                return 0

    def _in_redis(self, queue: str) -> Waiting:
        name = f"{self._prefix}{queue}"
        lists = [name, *(f"{name}{self._sep}{priority}" for priority in PRIORITIES)]
        with _plain(self._connection).pipeline(transaction=False) as pipe:
            for key in lists:
                pipe.llen(key).lindex(key, -1)
            found = pipe.execute()
        ages = [age for message in found[1::2] if (age := _age(message)) is not None]
        return Waiting(sum(found[::2]), max(ages, default=None))


def _age(message: Any) -> float | None:
    """Seconds since a message was sent; None for no message, and for one that does not say so."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):  # another program's message
        return max(0.0, time.time() - float(json.loads(message)["headers"]["sent_at"]))
    return None


@contextmanager
def broker(url: str, timeout: float, keys: Keys, queues: Sequence[str]) -> Iterator[Broker]:
    """A broker at a checked address, with `timeout` seconds for each operation. Raises Failed.

    Every address of its name is tried. `denied`: the login or the command is refused.
    """
    connection = _connected(url, timeout, keys.global_keyprefix or "")
    prefix = keys.global_keyprefix or ""
    try:
        if keys.global_keyprefix is None and connection.transport.driver_type == "redis":
            prefix = _prefix(connection, queues)
        if prefix and keys.global_keyprefix is None:
            connection.release()
            connection = _connected(url, timeout, prefix)
        yield Broker(connection, prefix, keys.sep or SEPARATOR)
    except _errors(connection) as error:
        raise _failure(error) from None
    finally:
        connection.release()


def connects(url: str, timeout: float) -> float:
    """Seconds that a connection to the broker takes. Raises Failed."""
    started = time.perf_counter()
    with broker(url, timeout, Keys(global_keyprefix=""), ()):
        return time.perf_counter() - started


def _errors(connection: Any) -> Any:
    return (KombuError, OSError, *connection.connection_errors, *connection.channel_errors)


def _failure(error: BaseException) -> Failed:
    from amqp.exceptions import AccessRefused, NotAllowed  # type: ignore[import-untyped]
    from redis.exceptions import AuthenticationError, NoPermissionError

    cause = error.__cause__ or error  # kombu wraps what the clients raise
    denied = isinstance(cause, AccessRefused | NotAllowed | AuthenticationError | NoPermissionError)
    if denied or str(cause).startswith(("NOPERM", "NOAUTH", "WRONGPASS")):
        return Failed(Kind.DENIED, f"the broker refused the connection: {cause}")
    return Failed(Kind.CONNECT, f"the broker does not respond: {error}")


def _connected(url: str, timeout: float, prefix: str) -> Any:
    """A connection to the first address that takes one. Raises Failed."""
    addresses, last = _addresses(url, timeout), None
    for address, seconds in in_turn(addresses, time.monotonic() + timeout):
        connection = _connection(url, address, max(0.05, seconds), prefix)
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=connection.connect_timeout)
        except _errors(connection) as error:
            connection.release()
            last = _failure(error)
        else:
            return connection
    assert last is not None
    raise last


def _addresses(url: str, timeout: float) -> list[str]:
    """The checked addresses of the broker's name; only the empty one where the client must look it up, or there is none."""
    found = [""]
    for node_url in url.split(";"):  # RabbitMQ's several nodes
        parts = urlsplit(node_url)
        if parts.scheme in PORTS:
            endpoints = resolve_now(parts.hostname or "", parts.port or PORTS[parts.scheme], timeout)
            if node_url == url and parts.scheme in PLAIN:
                found = [endpoint.address for endpoint in endpoints]
    return found


def _connection(url: str, address: str, timeout: float, prefix: str) -> Any:
    redis = url.startswith("redis")
    options = {"socket_timeout": timeout + 1, "socket_connect_timeout": timeout, "global_keyprefix": prefix} if redis else {}
    connection = make_connection(url, connect_timeout=timeout, transport_options=options)
    if address:
        connection.hostname = f"[{address}]" if ":" in address and not redis else address
    return connection


def _plain(connection: Any) -> Any:
    """A client that takes keys as they are; kombu's own puts the prefix before some of them."""
    from redis import Redis

    return Redis(connection_pool=connection.default_channel.client.connection_pool)


def _prefix(connection: Any, queues: Sequence[str]) -> str:
    """Before the keys of the application that has these queues; empty when it has none, or cannot be found."""
    client, at, found = _plain(connection), 0, set[str]()
    with suppress(connection.channel_errors):  # SCAN is not permitted
        if client.exists(f"{BINDING}celery.pidbox", *(key for queue in queues for key in (queue, BINDING + queue))):
            return ""
        for _ in range(SCANS):
            at, keys = client.scan(at, match=f"*{BINDING}*", count=SCANNED)
            found |= {key.decode(errors="replace").partition(BINDING)[0] for key in keys}
            if not at:
                break
        for prefix in sorted(found):
            if any(client.exists(f"{prefix}{BINDING}{queue}") for queue in queues):
                return prefix
    return found.pop() if len(found) == 1 else ""
