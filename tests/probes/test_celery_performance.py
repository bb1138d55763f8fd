"""performance.celery against a real worker on a real Valkey, and brokers that hang and lie."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import Handler, hangs, slams
from tests.probes.run import against, measure, remembered
from tests.probes.test_redis_performance import running, tell

NAME = "performance.celery"
celery = plugins.probe_module(NAME)

APP = """
import os, time
from celery import Celery
app = Celery("shop", broker=os.environ["SHOP_BROKER"])
app.conf.broker_connection_retry_on_startup = True
@app.task(name="shop.pay")
def pay(): pass
@app.task(name="shop.wait")
def wait(path):
    while not os.path.exists(path): time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """URL of a Valkey that nobody else uses."""
    with running() as port:
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="module")
def worker(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A worker of two threads on queue `paid`."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text(APP)
    words = ["-m", "celery", "-q", "-A", "shop", "worker", "-P", "threads", "-c", "2", "-Q", "paid", "--without-mingle"]
    environment = {**os.environ, "SHOP_BROKER": broker}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *words], cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while not measure(NAME, url=broker, queues=["paid"], timeout=2.0).metrics.get("workers"):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "the worker does not answer"
        yield broker
    finally:
        process.kill()
        process.wait(10)


def look(url: str, **with_: Any) -> Reading:
    return measure(NAME, url=url, queues=["paid", "unpaid"], timeout=2.4, **with_)


def until(met: Callable[[Reading], bool], url: str) -> Reading:
    deadline = time.monotonic() + 10
    while not met(reading := look(url)):
        assert time.monotonic() < deadline, reading
    return reading


def test_what_runs_and_what_was_done_is_told(worker: str, tmp_path: Path) -> None:
    shop = Celery(broker=worker)
    first = look(worker)
    assert first.status == "ok", first.message
    assert (first.metrics["workers"], first.metrics["concurrency"], first.metrics["depth"]) == (1, 2, 0)
    assert "tasks_per_second" not in first.metrics
    for _ in range(5):
        shop.send_task("shop.pay", queue="paid")
    shop.send_task("shop.wait", [str(tmp_path / "go")], queue="paid")
    running = until(lambda reading: reading.metrics["active_tasks"] == 1, worker)
    assert running.metrics["busy_percent"] == 50
    assert running.metrics["longest_active_seconds"] > 0
    second = look(worker, memory={**remembered(first), "at": remembered(first)["at"] - 10}, warning_active="0s")
    (tmp_path / "go").touch()
    done = {one.labels["task"]: one.value for one in second.series if one.metric == "tasks_per_second"}
    assert 0.1 < done["shop.pay"] <= 0.5
    assert 0 < second.metrics["tasks_per_second"] < 1
    assert second.metrics["drain_seconds"] == 0
    assert (second.status, "a task has been running for" in second.message) == ("warning", True)
    shop.close()


def test_how_long_a_queue_waits_is_told(worker: str) -> None:
    port = int(worker.rpartition(":")[2].partition("/")[0])
    tell(port, *(f'LPUSH unpaid {{"headers":{{"sent_at":{time.time() - age}}}}}' for age in (90, 5, 1)))
    try:
        reading = look(worker)
        assert (reading.status, "the oldest message in unpaid has been waiting for 1 min 3" in reading.message) == (
            "warning",
            True,
        )
        assert reading.metrics["depth"] == 3
        assert 90 <= reading.metrics["oldest_seconds"] < 100
        assert {(one.labels["queue"], one.value) for one in reading.series if one.metric == "depth"} == {
            ("paid", 0),
            ("unpaid", 3),
        }
        assert look(worker, critical_age="1m").status == "critical"
        assert "3 messages waiting in unpaid" in look(worker, warning_depth=3).message
    finally:
        tell(port, "DEL unpaid")


def test_no_worker_is_worse_when_messages_wait() -> None:
    with running() as port:
        url = f"redis://127.0.0.1:{port}/0"
        assert (look(url).status, look(url).message) == ("warning", "no worker responds")
        tell(port, "LPUSH paid rubbish")
        reading = look(url)
    assert (reading.status, reading.message) == ("critical", "no worker responds while messages are waiting")
    assert "oldest_seconds" not in reading.metrics


def test_no_worker_cannot_be_told_from_one_that_starts_until_messages_have_waited() -> None:
    with running() as port:
        url = f"redis://127.0.0.1:{port}/0"
        tell(port, f'LPUSH paid {{"headers":{{"sent_at":{time.time()}}}}}')
        reading = look(url)
        assert (reading.status, "no worker responds yet" in reading.message) == ("unknown", True)
        tell(port, f'LPUSH unpaid {{"headers":{{"sent_at":{time.time() - 11}}}}}')
        assert (look(url).status, look(url).message) == ("critical", "no worker responds while messages are waiting")


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
@pytest.mark.parametrize("handler", [hangs, slams])
def test_a_broker_that_hangs_or_lies_is_critical_in_time(scheme: str, handler: Handler) -> None:
    started = time.monotonic()
    reading = against(handler, NAME, timeout=1.0, url=f"{scheme}://x:s3cret@127.0.0.1:PORT/0")
    assert reading.status == "critical", reading.message
    assert "s3cret" not in reading.message
    assert time.monotonic() - started < 2.5


@pytest.mark.parametrize(
    "stats, active",
    [
        ({"w": {"pool": "x", "total": {"t": "many"}}}, {"w": ["rubbish"]}),
        ({"w": {"pool": {"max-concurrency": "9"}, "total": 5}}, {"w": {"error": "no"}}),
        ({"w": {}}, {"w": [{"time_start": "soon"}]}),
    ],
)
def test_workers_that_answer_nonsense_have_no_figures(stats: dict[str, Any], active: dict[str, Any]) -> None:
    found = celery._running(stats, active, {})
    assert (found["concurrency"], found["longest_active_seconds"]) == (0, 0)
    assert sum(sum(one.values()) for one in celery._done(stats).values()) == 0


def test_a_worker_that_was_started_anew_counts_from_zero() -> None:
    before = {"at": 0.0, "done": {"w 1": {"t": 100.0}}}
    assert celery._rates(before, {"at": 10.0, "done": {"w 2": {"t": 20.0}}}) == {"t": 2.0}
    assert celery._rates(before, {"at": 10.0, "done": {"w 1": {"t": 110.0}}}) == {"t": 1.0}
    assert celery._rates({}, {"at": 10.0, "done": {}}) is None


def test_a_forbidden_or_unknown_broker_is_refused() -> None:
    for url in ("redis://169.254.169.254/0", "amqp://u:p@2852039166//", "memory://"):
        with pytest.raises(ValidationError):
            celery.Target(url=url)
