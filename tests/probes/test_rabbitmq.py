"""health.rabbitmq against a real node, and management APIs that tell of trouble, fail, hang and lie."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading, Status
from app.net import http
from app.net.http import Request
from tests.net.serve import Handler, drips, floods, hangs, slams
from tests.probes.run import Options, against, measure
from tests.probes.servers.engine import api
from tests.probes.servers.rabbitmq import rabbitmq
from tests.probes.test_celery_keys import worker

pytestmark = pytest.mark.xdist_group("rabbitmq")
GUEST: Options = {"username": "guest", "password": "guest"}
ODD = "a/b c%d"


def told(url: str, path: str, body: Any = None, method: str = "PUT") -> Any:
    """What the real API returned to the administrator."""

    async def story() -> Any:
        try:
            response = await http.fetch(Request(url + path, method, body=json.dumps(body or {}).encode(), **GUEST))
            assert response.status < 300, response.text
            return json.loads(response.text or "null")
        finally:
            await http.close()

    return asyncio.run(story())


@pytest.fixture(scope="session")
def node() -> Iterator[str]:
    """Its management API. Queue orders holds 3 messages, an oddly named one none; one message found no queue."""
    with rabbitmq() as url:
        for user, tag in (("watch", "monitoring"), ("blind", "monitoring"), ("half", "management")):
            told(url, f"/api/users/{user}", {"password": "s3cret-hare", "tags": tag})
        told(url, "/api/vhosts/shop")
        for vhost in ("%2F", "shop"):
            told(url, f"/api/permissions/{vhost}/watch", {"configure": "", "write": "", "read": ""})
        told(url, "/api/queues/%2F/orders")
        told(url, f"/api/queues/%2F/{quote(ODD, safe='')}")
        for key in ("orders", "orders", "orders", "nowhere"):
            message: Options = {"properties": {}, "routing_key": key, "payload": "x", "payload_encoding": "string"}
            told(url, "/api/exchanges/%2F/amq.default/publish", message, "POST")
        while told(url, "/api/queues/%2F/orders", method="GET").get("messages_ready") != 3:  # counted within a second
            pass
        yield url


def seen(node: str, **with_: Any) -> Reading:
    return measure("health.rabbitmq", url=node, **({"username": "watch", "password": "s3cret-hare"} | with_))


def test_a_node_without_alarms_is_ok_and_its_queues_are_counted(node: str) -> None:
    reading = seen(node)
    assert reading.status is Status.OK, reading.message
    assert reading.message.startswith("1 of 1 nodes run RabbitMQ 3.")
    assert {key: reading.metrics[key] for key in ("nodes", "nodes_running", "alarms", "partitions", "queues")} == {
        "nodes": 1, "nodes_running": 1, "alarms": 0, "partitions": 0, "queues": 2,
    }  # fmt: skip
    assert reading.metrics["messages_ready"] == 3
    series = {(one.metric, one.labels.get("queue")): one.value for one in reading.series}
    assert series["queue_messages_ready", "orders"] == 3
    assert series["queue_messages_ready", ODD] == series["queue_consumers", "orders"] == 0
    assert series["node_memory_used_bytes", None] > 1e7
    assert 0 < series["node_memory_used_percent", None] < 100


def test_messages_that_no_queue_took_are_counted_since_the_last_run(node: str) -> None:
    first = seen(node)
    assert "unroutable_messages" not in first.metrics
    assert first.memory == {"unroutable": 1.0}
    assert seen(node, memory=first.memory).metrics["unroutable_messages"] == 0
    assert seen(node, memory={"unroutable": None}).metrics["unroutable_messages"] == 1
    assert seen(node, memory={"unroutable": 900.0}).metrics["unroutable_messages"] == 0  # it was started again


@pytest.mark.parametrize(
    "with_, status, said",
    [
        ({"queues": ["orders", ODD]}, "ok", "nodes run"),
        ({"queues": ["orders", "mails"]}, "critical", "queue mails not found in /"),
        ({"queues": ["orders"], "vhost": "shop"}, "critical", "queue orders not found in shop"),
        ({"vhost": "shop", "ready_critical_above": 0}, "ok", "nodes run"),
        ({"queues": ["orders"], "min_consumers": 2}, "critical", "queue orders has 0 consumers, expected 2"),
        ({"ready_warning_above": 3, "ready_critical_above": 9}, "ok", "nodes run"),
        ({"ready_warning_above": 2, "ready_critical_above": 9}, "warning", "queue orders: 3 messages ready, above 2"),
        ({"ready_warning_above": 1, "ready_critical_above": 2}, "critical", "queue orders: 3 messages ready, above 2"),
        ({"unacked_critical_above": 0}, "ok", "nodes run"),
    ],
    ids=str,
)
def test_queues_are_judged(node: str, with_: Options, status: str, said: str) -> None:
    reading = seen(node, **with_)
    assert reading.status == status, reading.message
    assert said in reading.message


@pytest.mark.parametrize(
    "with_, said",
    [
        ({"password": "wr0ng-hare"}, "rejected watch: /api/overview returned 401: Login failed"),
        ({"username": None, "password": None}, "rejected the request: /api/overview returned 401"),
        ({"username": "half"}, "it needs the tag monitoring: rabbitmqctl set_user_tags half monitoring"),
        (
            {"username": "blind"},
            "none of its 2 queues are visible; it may not see the queues: rabbitmqctl set_permissions -p VHOST blind",
        ),
        ({"username": "blind", "queues": ["orders"]}, "not authorised to access virtual host; it may not see the queues"),
        ({"vhost": "no such"}, "/api/queues/no%20such returned 404"),
    ],
    ids=["a wrong password", "no password", "no right to see nodes", "nor any queue", "nor this one", "no such virtual host"],
)
def test_what_it_does_not_let_us_see_is_never_ok(node: str, with_: Options, said: str) -> None:
    reading = seen(node, **with_)
    assert reading.status is (Status.CRITICAL if "vhost" in with_ else Status.UNKNOWN), reading.message
    assert said in reading.message
    assert "hare" not in reading.message


OVERVIEW = {"rabbitmq_version": "4.1.0", "cluster_name": "c", "object_totals": {"queues": 0}, "queue_totals": {}}
ONE, TWO = {"name": "rabbit@a", "running": True}, {"name": "rabbit@b", "running": True}
LOW = {"mem_alarm": True, "mem_used": 3 << 30, "mem_limit": 2 << 30}
FULL = {"disk_free_alarm": True, "disk_free": 40 << 20, "disk_free_limit": 48 << 20}
ALARM = [{"node": "rabbit@b", "resource": "disk space"}, {"node": "rabbit@a", "resource": "memory"}]


def cluster(nodes: Any = (ONE, TWO), queues: Any = (), alarms: Any = (), there: int | None = None, **paths: Any) -> Any:
    """A management API with these answers; `paths` replaces whole ones, by their last word."""

    def answer(target: str) -> tuple[int, Any]:
        path = urlsplit(target).path
        word = path.rpartition("/")[2]
        if word in paths:
            return paths[word] if isinstance(paths[word], tuple) else (200, paths[word])
        for name, whole in (("alarms", alarms), ("queues", queues)):
            if word == name and isinstance(whole, tuple | dict) and whole:
                return whole if isinstance(whole, tuple) else (200, whole)
        if word == "alarms":
            return (503, {"status": "failed", "alarms": alarms}) if alarms else (200, {"status": "ok"})
        if word == "queues":
            return 200, {"items": list(queues), "filtered_count": there if there is not None else len(queues)}
        return 200, OVERVIEW if word == "overview" else list(nodes)

    return api(answer)


def queue(**told: Any) -> dict[str, Any]:
    return {"name": "orders", "vhost": "/", "state": "running", **told}


ONE_MUST = {"queues": ["orders"], "min_consumers": 1}


@pytest.mark.parametrize(
    "handler, with_, status, said",
    [
        (cluster(), {}, "ok", "2 of 2 nodes run RabbitMQ 4.1.0"),
        (cluster([ONE, TWO | {"running": False}]), {}, "critical", "1 of 2 nodes run RabbitMQ 4.1.0; node rabbit@b is down"),
        (cluster([ONE | LOW, TWO]), {}, "critical", "node rabbit@a has a memory alarm (3072 MiB used, limit 2048 MiB)"),
        (cluster([ONE, TWO | FULL]), {}, "critical", "node rabbit@b has a disk alarm (40 MiB free, limit 48 MiB)"),
        (cluster(alarms=ALARM), {}, "critical", "rabbit@a has a memory alarm (? used, limit ?): publishers are blocked; node"),
        (cluster([ONE | LOW], alarms=(404, {"error": "x"})), {}, "critical", "memory alarm"),
        (cluster([ONE | {"partitions": ["rabbit@b"]}, TWO]), {}, "critical", "cut off from rabbit@b: a network partition"),
        (cluster(queues=[queue(state="down")]), {"ready_warning_above": 1}, "critical", "queue orders is down"),
        (cluster(queues=[queue()]), {"ready_warning_above": 1}, "unknown", "unknown number of messages ready"),
        (cluster(queues=[queue(messages_ready=1)]), {"unacked_critical_above": 1}, "unknown", "number of messages unack"),
        (
            cluster(orders=queue()),
            ONE_MUST,
            "unknown",
            "number of consumers unknown (statistics are off, or the queue is",
        ),
        (cluster(orders=queue(consumers=None)), ONE_MUST, "unknown", "number of consumers unknown"),
        (cluster(orders=queue(consumers="2")), ONE_MUST, "unknown", "number of consumers unknown"),
        (cluster(orders=queue(consumers=0)), ONE_MUST, "critical", "queue orders has 0 consumers, expected 1"),
        (cluster(orders=queue(consumers=1)), ONE_MUST, "ok", "nodes run"),
        (cluster(orders=queue()), {"queues": ["orders"]}, "ok", "nodes run"),
        (cluster([ONE, TWO | {"running": False}], orders=queue()), ONE_MUST, "critical", "number of consumers unknown"),
        (cluster(queues=[queue(messages_unacknowledged=8)]), {"unacked_warning_above": 7}, "warning", "8 messages unack"),
        (cluster(queues=[queue()], there=900), {}, "ok", "only the 1 longest of 900 queues were checked"),
        (cluster(queues=[queue(state="down")] * 12), {}, "critical", "queue orders is down; 2 more"),
        (cluster(overview=(404, b"no such page")), {}, "critical", "/api/overview returned 404, no management API"),
        (cluster(overview=(500, {"reason": "mnesia is away"})), {}, "critical", "/api/overview returned 500, mnesia is away"),
        (cluster(overview={"status": "ok"}), {}, "critical", "/api/overview does not respond like a management API"),
        (cluster(nodes=["x", 7]), {}, "critical", "does not respond like a management API"),
        (cluster(alarms=["x"]), {}, "critical", "does not respond like a management API"),
        (cluster(alarms=(503, b"no backend")), {}, "critical", "/api/health/checks/alarms returned 503, no management API"),
        (cluster(queues={"items": 7}), {}, "critical", "does not respond like a management API"),
        (cluster(overview=(302, b"")), {}, "critical", "/api/overview returned 302"),
        (floods, {"max_bytes": 9999}, "critical", "more than 9999 bytes; raise max_bytes"),
        (slams, {}, "critical", ""),
        (hangs, {"timeout": 0.5}, "critical", "no response to /api/overview within 0.475 s"),
        (drips, {"timeout": 0.5}, "critical", "no response to /api/overview within 0.475 s"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_an_api_that_tells_of_trouble_fails_hangs_or_lies(handler: Handler, with_: Options, status: str, said: str) -> None:
    reading = against(handler, "health.rabbitmq", url="http://127.0.0.1:PORT", **GUEST, **with_)
    assert reading.status == status, reading.message
    assert said in reading.message


@pytest.mark.parametrize(
    "told, metrics",
    [
        ({"object_totals": {"queues": 2}}, {"queues": 2}),
        ({"object_totals": {"queues": 2}, "queue_totals": {"messages_ready": 3}}, {"queues": 2, "messages_ready": 3}),
        ({"object_totals": {"queues": 0}}, {"queues": 0, "messages_ready": 0, "messages_unacked": 0}),
        ({}, {}),
        ({"message_stats": {"return_unroutable": 4}}, {"unroutable_messages": 3}),
        ({"message_stats": {}}, {"unroutable_messages": 0}),
    ],
    ids=str,
)
def test_totals_that_are_not_told_are_no_metric(told: dict[str, dict[str, int]], metrics: dict[str, float]) -> None:
    overview = {"rabbitmq_version": "4.1.0", **told}
    reading = against(
        cluster(overview=overview, queues=[queue()]), "health.rabbitmq", url="http://127.0.0.1:PORT", memory={"unroutable": 1.0}
    )
    always = {"nodes", "nodes_running", "alarms", "partitions", "seconds"}
    assert {name: value for name, value in reading.metrics.items() if name not in always} == metrics


def test_a_broker_whose_statistics_are_off_is_judged_by_what_it_tells() -> None:
    with rabbitmq("management_agent.disable_metrics_collector = true") as url:
        told(url, "/api/queues/%2F/orders")
        calm = measure("health.rabbitmq", url=url, **GUEST, queues=["orders"])
        assert (calm.status, "messages_ready" in calm.metrics, "consumers" in calm.metrics) == ("ok", False, False), (
            calm.message
        )
        assert not [one for one in calm.series if one.metric.startswith("queue_")]
        for with_ in ({"min_consumers": 1}, {"ready_critical_above": 5}, {"unacked_warning_above": 5}):
            reading = measure("health.rabbitmq", url=url, **GUEST, queues=["orders"], **with_)
            assert (reading.status, "statistics are off" in reading.message) == ("unknown", True), reading.message


def amqp(node: str) -> str:
    """The broker's own URL; its management API does not say it where statistics are young."""
    found: list[int] = []
    while not found:
        listeners = told(node, "/api/overview", method="GET").get("listeners", [])
        found = [one["port"] for one in listeners if one["protocol"] == "amqp"]
    return f"amqp://guest:guest@127.0.0.1:{found[0]}//"


def test_tocsins_own_broker_is_looked_at_when_it_is_rabbitmq(node: str, broker_is: Callable[[str], None]) -> None:
    url = amqp(node)
    broker_is(url)
    reading = measure("health.redis")
    assert (reading.status, "the broker is RabbitMQ: connected in" in reading.message) == ("ok", True), reading.message
    assert 0 < reading.metrics["seconds"] < 5
    broker_is(url.replace("guest:guest", "guest:wr0ng"))
    refused = measure("health.redis")
    assert (refused.status, "wr0ng" in refused.message) == (Status.UNKNOWN, False), refused.message


@pytest.mark.filterwarnings("ignore:A node named w@host is already using this process mailbox")
def test_celery_over_rabbitmq_two_workers_of_one_name_and_a_wrong_password(node: str) -> None:
    url = amqp(node)
    with worker(url, "w@host", "paid"), worker(url, "w@host", "mails"):
        reading = measure("health.celery", url=url, queues=["paid", "mails"], timeout=10.0)
        assert reading.status is Status.OK, reading.message
    told(url=node, path="/api/queues/%2F/paid")
    waits = measure("performance.celery", url=url, queues=["orders"], timeout=6.0, warning_age="5m")
    assert (waits.status, "message age unknown in orders" in waits.message) == ("critical", True)
    for name in ("health.celery", "performance.celery"):
        refused = measure(name, url=url.replace("guest:guest", "guest:wr0ng"), queues=["paid"], timeout=6.0)
        assert (refused.status, "wr0ng" in refused.message) == (Status.UNKNOWN, False), refused.message


def test_nobody_there_is_critical_and_wrong_settings_are_refused() -> None:
    assert measure("health.rabbitmq", url="http://127.0.0.1:1", **GUEST).status is Status.CRITICAL
    for with_ in ({"url": "amqp://h"}, {"url": "http://169.254.169.254"}, {"queues": [""]}, {"ready_warning_above": -1}):
        with pytest.raises(ValidationError):
            plugins.probe_module("health.rabbitmq").Target(**{"url": "http://h:15672", **with_})
