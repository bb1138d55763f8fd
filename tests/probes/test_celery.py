"""health.celery against the run's real broker, a worker's own mailbox, and brokers that hang and lie."""

import json
import threading
import time
from collections.abc import Iterator

import pytest
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.pidbox import Mailbox
from kombu.transport.redis import Channel
from pydantic import ValidationError
from redis import Redis

from app import plugins
from app.checks.own import own_broker
from tests.net.serve import Handler, hangs, slams
from tests.probes.run import against, measure


def client_of(broker: Connection) -> "Redis[bytes]":
    """What speaks to the broker of a connection."""
    assert isinstance(broker.default_channel, Channel)
    client: Redis[bytes] = broker.default_channel.client
    return client


@pytest.fixture
def broker() -> Iterator[Connection]:
    """The run's broker, emptied of what these tests put there."""
    with Connection(own_broker()) as connection:
        yield connection
        client = client_of(connection)
        for key in client.keys("probe-*"):
            client.delete(key)
        client.delete("_kombu.binding.probe")


@pytest.fixture
def worker(broker: Connection) -> Iterator[None]:
    """Answers `active_queues` as a Celery worker does, for queue probe-a."""
    node = Mailbox("celery", type="fanout", accept=["json"], serializer="json")(broker).Node(
        "w1@test", channel=broker.channel()
    )

    def active_queues(state: object, **_: object) -> list[dict[str, object]]:
        return [{"name": "probe-a", "exchange": {"name": "probe-a"}, "routing_key": "probe-a"}]

    node.handlers["active_queues"] = active_queues
    consumer = node.listen()
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                broker.drain_events(timeout=0.1)
            except TimeoutError:
                continue

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()
    consumer.cancel()


def put(broker: Connection, queue: str, count: int, **headers: object) -> None:
    producer = broker.Producer()
    for _ in range(count):
        producer.publish(
            [[], {}, {}],
            routing_key=queue,
            exchange=Exchange("probe"),
            declare=[Queue(queue, Exchange("probe"), queue)],
            headers=headers,
        )


def test_a_queue_with_a_worker_is_ok_and_one_without_is_critical(worker: None) -> None:
    reading = measure("health.celery", queues=["probe-a"], timeout=8.0)
    assert reading.status == "ok", reading.message
    assert reading.metrics == {"workers": 1, "backlog": 0, "oldest_seconds": 0}
    reading = measure("health.celery", queues=["probe-a", "probe-b"], timeout=8.0)
    assert reading.status == "critical"
    assert reading.message == "no worker on probe-b"
    assert {(one.metric, one.labels["queue"], one.value) for one in reading.series} >= {
        ("workers", "probe-a", 1),
        ("workers", "probe-b", 0),
    }


def test_a_backlog_and_its_age_are_told(broker: Connection) -> None:
    put(broker, "probe-c", 1, sent_at=time.time() - 90)
    put(broker, "probe-c", 4, sent_at=time.time())
    reading = measure("health.celery", queues=["probe-c"], timeout=4.0)
    assert reading.metrics["backlog"] == 5
    assert 90 <= reading.metrics["oldest_seconds"] < 100
    assert "the oldest message in probe-c has been waiting for 1 min 3" in reading.message
    assert client_of(Connection(own_broker())).llen("probe-c") == 5  # looked at, not taken
    many = measure("health.celery", queues=["probe-c"], timeout=4.0, warning_backlog=5)
    assert "5 messages waiting in probe-c" in many.message


@pytest.mark.parametrize(
    "message", ["rubbish", json.dumps({"headers": {}}), json.dumps([1]), json.dumps({"headers": {"sent_at": "soon"}})]
)
def test_a_message_of_another_program_has_no_age(broker: Connection, message: str) -> None:
    client_of(broker).lpush("probe-d", message)
    reading = measure("health.celery", queues=["probe-d"], timeout=2.0)
    assert reading.metrics["backlog"] == 1
    assert "oldest_seconds" not in reading.metrics


def test_looking_leaves_nothing_in_the_broker(broker: Connection) -> None:
    client = client_of(broker)
    before = set(client.keys("*"))
    measure("health.celery", queues=["probe-e"], timeout=2.0)
    assert {key for key in client.keys("*") if key not in before and b"reply" in key} == set()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://guest:s3cret@127.0.0.1:1//"])
def test_no_broker_is_critical(url: str) -> None:
    reading = measure("health.celery", url=url, timeout=2.0)
    assert reading.status == "critical"
    assert "s3cret" not in reading.message


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
@pytest.mark.parametrize("handler", [hangs, slams])
def test_a_broker_that_hangs_or_lies_is_critical_in_time(scheme: str, handler: Handler) -> None:
    started = time.monotonic()
    reading = against(handler, "health.celery", timeout=1.0, url=f"{scheme}://127.0.0.1:PORT/0")
    assert reading.status == "critical", reading.message
    assert time.monotonic() - started < 2.5


def test_a_forbidden_or_unknown_broker_is_refused() -> None:
    for url in (
        "redis://169.254.169.254/0",
        "amqp://u:p@2852039166//",
        "carrier+pigeon://h/",
        "memory://",
        "filesystem://",
        "sqs://",
    ):
        with pytest.raises(ValidationError):
            plugins.probe_module("health.celery").Target(url=url)
