"""health.celery and performance.celery: workers of one name, priorities, prefixes of keys, and brokers that refuse us."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.pidbox import Mailbox

from app.checks.probe import Reading
from app.net.celery import Keys, _prefix, broker
from tests.probes.run import Options, measure, remembered
from tests.probes.test_redis_performance import running, tell
from tests.stack import until

BOTH = pytest.mark.parametrize("name", ["health.celery", "performance.celery"])
DEPTH = {"health.celery": "backlog", "performance.celery": "depth"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running() as found:
        yield found


@pytest.fixture(autouse=True)
def emptied(port: int) -> None:
    tell(port, "FLUSHALL")


def look(name: str, port: int, *queues: str, who: str = "", **with_: Any) -> Reading:
    return measure(name, url=f"redis://{who}127.0.0.1:{port}/0", queues=list(queues) or ["paid"], timeout=3.0, **with_)


@contextmanager
def worker(url: str, name: str, *queues: str, pid: int = 1, options: Options | None = None) -> Iterator[None]:
    """Answers `celery inspect` as a worker of this node name and these queues does."""
    answers = {
        "active_queues": [{"name": queue} for queue in queues],
        "stats": {"pid": pid, "pool": {"max-concurrency": 2}, "total": {"shop.pay": 10}},
        "active": [],
        "reserved": [],
    }
    stop, ready = threading.Event(), threading.Event()

    def work() -> None:
        with Connection(url, transport_options=options or {}) as connection:
            shared = {"queue_exclusive": False, "queue_durable": False}  # over RabbitMQ, as workers before kombu 5.6 had it
            mailbox = Mailbox("celery", type="fanout", accept=["json"], serializer="json", **shared)(connection)
            node = mailbox.Node(name, channel=connection.channel())
            for command, answer in answers.items():
                node.handlers[command] = lambda state, answer=answer, **_: answer
            consumer = node.listen()
            ready.set()
            while not stop.is_set():
                try:
                    connection.drain_events(timeout=0.1)
                except TimeoutError:
                    continue
            consumer.cancel()

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_two_workers_of_one_name_hide_no_queue_of_each_other(port: int) -> None:
    url = f"redis://127.0.0.1:{port}/0"
    with worker(url, "w@host", "paid"), worker(url, "w@host", "mails", "paid", pid=2), worker(url, "x@host", "old"):
        reading = look("health.celery", port, "paid", "mails", "old")
        assert (reading.status, reading.metrics["workers"]) == ("ok", 3), reading.message
        assert "2 workers are named w@host" in reading.message
        served = {one.labels["queue"]: one.value for one in reading.series if one.metric == "workers"}
        assert served == {"paid": 2, "mails": 1, "old": 1}
        fast = look("performance.celery", port)
        assert (fast.metrics["workers"], fast.metrics["concurrency"]) == (3, 6)
        assert set(remembered(fast)["done"]) == {"w@host 1", "w@host 2", "x@host 1"}


def put(port: int, prefix: str = "", **options: Any) -> None:
    """Messages of priorities 3, 9, 5 and 0, sent 300, 30, 20 and 10 seconds ago, as kombu puts them."""
    with Connection(f"redis://127.0.0.1:{port}/0", transport_options={"global_keyprefix": prefix, **options}) as connection:
        for priority, age in ((3, 300), (9, 30), (5, 20), (0, 10)):
            connection.Producer().publish(
                [[], {}, {}],
                routing_key="paid",
                exchange=Exchange("paid"),
                declare=[Queue("paid", Exchange("paid"), "paid")],
                headers={"sent_at": time.time() - age},
                priority=priority,
            )


STEPS = {"the usual steps": {}, "ten steps": {"priority_steps": list(range(10))}, "two steps": {"priority_steps": [0, 5]}}


@BOTH
@pytest.mark.parametrize("options", STEPS.values(), ids=STEPS)
def test_messages_of_every_priority_count_and_have_an_age(name: str, port: int, options: Options) -> None:
    put(port, **options)
    reading = look(name, port)
    assert reading.metrics[DEPTH[name]] == 4
    assert 300 <= reading.metrics["oldest_seconds"] < 330
    assert (reading.status, "has been waiting for 5 min" in reading.message) == ("critical", True), reading.message


@BOTH
def test_a_queue_of_urgent_messages_alone_is_not_empty(name: str, port: int) -> None:
    tell(port, f"LPUSH paid\x06\x163 {json.dumps({'headers': {'sent_at': time.time() - 400}}, separators=(',', ':'))}")
    reading = look(name, port)
    assert (reading.metrics[DEPTH[name]], reading.metrics["oldest_seconds"] >= 400) == (1, True)


@BOTH
def test_another_separator_is_a_setting(name: str, port: int) -> None:
    put(port, sep=":", priority_steps=list(range(10)))
    assert look(name, port).metrics[DEPTH[name]] == 1
    assert look(name, port, sep=":").metrics[DEPTH[name]] == 4


@BOTH
@pytest.mark.parametrize("with_", [{}, {"global_keyprefix": "shop:"}], ids=["found", "set"])
def test_a_prefix_of_all_keys_is_found_or_set(name: str, port: int, with_: Options) -> None:
    put(port, prefix="shop:")
    tell(port, *(f"SET key{number} x" for number in range(50)))
    with worker(f"redis://127.0.0.1:{port}/0", "w@host", "paid", options={"global_keyprefix": "shop:"}):
        reading = until(lambda: (found := look(name, port, **with_)).metrics["workers"] and found, 20)
    assert (reading.metrics[DEPTH[name]], reading.metrics["workers"]) == (4, 1), reading.message
    assert reading.metrics["oldest_seconds"] >= 300
    assert look(name, port, global_keyprefix="").metrics[DEPTH[name]] == 0


@pytest.mark.parametrize(
    "keys, prefix",
    [
        ([], ""),
        (["LPUSH paid x", "SADD shop:_kombu.binding.paid x"], ""),
        (["SADD _kombu.binding.paid x", "SADD shop:_kombu.binding.paid x"], ""),
        (["SADD a:_kombu.binding.other x", "SADD b:_kombu.binding.paid x"], "b:"),
        (["SADD a:_kombu.binding.other x"], "a:"),
        (["SADD a:_kombu.binding.other x", "SADD b:_kombu.binding.more x"], ""),
    ],
    ids=str,
)
def test_which_prefix_is_found(port: int, keys: list[str], prefix: str) -> None:
    if keys:
        tell(port, *keys)
    with Connection(f"redis://127.0.0.1:{port}/0") as connection:
        assert _prefix(connection, ["paid"]) == prefix


@BOTH
def test_a_limit_on_an_age_that_cannot_be_seen_is_never_ok(name: str, port: int) -> None:
    tell(port, "LPUSH paid rubbish")
    with worker(f"redis://127.0.0.1:{port}/0", "w@host", "paid"):
        assert look(name, port).status == "ok"
        reading = look(name, port, critical_age="5m")
        assert (reading.status, reading.message) == ("unknown", "message age unknown in paid")


@BOTH
def test_an_account_that_may_not_do_it_is_unknown_and_names_what_is_missing(name: str, port: int) -> None:
    tell(port, "ACL SETUSER pinger on >s3cret +ping", "ACL SETUSER looker on >s3cret ~* &* +@all -llen")
    reading = look(name, port, who="pinger:s3cret@")
    assert (reading.status, "NOPERM" in reading.message or "permission" in reading.message) == ("unknown", True), (
        reading.message
    )
    blind = look(name, port, who="looker:s3cret@")
    assert (blind.status, "llen" in blind.message) == ("unknown", True), blind.message
    wrong = look(name, port, who="pinger:wr0ng@")
    assert (wrong.status, "wr0ng" in wrong.message) == ("unknown", False), wrong.message


def test_what_waits_is_told_without_taking_it(port: int) -> None:
    put(port)
    with broker(f"redis://127.0.0.1:{port}/0", 1.0, Keys(), ["paid"]) as seen:
        first, second = (seen.waiting(["paid", "none"]) for _ in range(2))
    assert first["paid"].count == second["paid"].count == 4
    assert (first["none"].count, first["none"].age) == (0, None)
