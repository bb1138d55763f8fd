"""What RabbitMQ's management API tells of nodes, queues and the whole, as far as a monitoring user may see it.

Source: RabbitMQ documentation, "Management HTTP API" (3.8 to 4.x); figures may be 5 s old, a new queue has none yet.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from app.failure import Failed, Kind
from app.net.ask import Server
from app.net.http import fetch

PAGE = 500  # queues the API gives at most at a time
NODE = "name,running,partitions,mem_alarm,mem_used,mem_limit,disk_free_alarm,disk_free,disk_free_limit"
QUEUE = "name,vhost,state,messages_ready,messages_unacknowledged,consumers"
TOTALS = ("connections", "channels", "consumers", "queues")


@dataclass(frozen=True, slots=True)
class Node:
    """A member of the cluster; figures are None while it does not tell them."""

    name: str
    running: bool
    cut_off: tuple[str, ...]  # nodes it has lost sight of: a network partition
    memory_alarm: bool
    memory_used: float | None  # bytes
    memory_limit: float | None  # bytes, at which publishers are stopped
    disk_alarm: bool
    disk_free: float | None  # bytes
    disk_limit: float | None  # bytes, below which publishers are stopped


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and what waits in it; None while the broker does not tell."""

    name: str
    vhost: str
    state: str  # running, idle, down, crashed ...
    ready: float | None
    unacked: float | None
    consumers: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The cluster as a whole."""

    cluster: str
    version: str
    totals: Mapping[str, float]  # of TOTALS and messages_ready and messages_unacked those that are told
    unroutable: float | None  # messages that no queue took, ever; None while it does not tell


class Refused(Failed):
    """It does not let us see that."""

    def __init__(self, said: str) -> None:
        super().__init__(Kind.DENIED, said)


class Management:
    """The API of one broker. Everything raises Failed; `asked` is what is waited for, to say what hung."""

    def __init__(self, server: Server, timeout: float) -> None:
        self._server, self._timeout = server, timeout
        self.asked = ""

    async def overview(self) -> Overview:
        told = await self._ask("/api/overview")
        objects, waiting, messages = (_object(told.get(name)) for name in ("object_totals", "queue_totals", "message_stats"))
        totals = {name: count for name in TOTALS if (count := _number(objects.get(name))) is not None}
        for name, of_api in (("messages_ready", "messages_ready"), ("messages_unacked", "messages_unacknowledged")):
            count = 0.0 if totals.get("queues") == 0 else _number(waiting.get(of_api))
            totals |= {} if count is None else {name: count}
        lost = [_number(messages.get(name)) for name in ("return_unroutable", "drop_unroutable")]
        counts = isinstance(told.get("message_stats"), dict)
        unroutable = sum(filter(None, lost)) if counts else None
        return Overview(str(told.get("cluster_name") or "?"), str(told["rabbitmq_version"]), totals, unroutable)

    async def nodes(self) -> list[Node]:
        """Every member of the cluster, also those that are down."""
        told = await self._ask(f"/api/nodes?columns={NODE}", list)
        # Where statistics are left to Prometheus, nodes tell no alarms of their own; before 3.8.10 only they do.
        health = await self._ask("/api/health/checks/alarms", may_lack=True) or {}
        alarms = {(one["node"], one["resource"]) for one in health.get("alarms", ())}
        return [_node(one, alarms) for one in told]

    async def queue(self, vhost: str, name: str) -> Queue | None:
        """One queue; None when there is none."""
        told = await self._ask(f"/api/queues/{quote(vhost, safe='')}/{quote(name, safe='')}?columns={QUEUE}", may_lack=True)
        return _queue(told) if told is not None else None

    async def queues(self, vhost: str | None) -> tuple[list[Queue], int]:
        """The deepest PAGE queues of a virtual host, or of all, and how many there are."""
        where = f"/{quote(vhost, safe='')}" if vhost is not None else ""
        page = f"page=1&page_size={PAGE}&sort=messages&sort_reverse=true"
        told = await self._ask(f"/api/queues{where}?{page}&columns={QUEUE}")
        items = told["items"]
        return [_queue(one) for one in items], int(_number(told.get("filtered_count")) or len(items))

    async def _ask(self, path: str, kind: type = dict, *, may_lack: bool = False) -> Any:
        self.asked = path.partition("?")[0]
        response = await fetch(self._server.request(self._server.url.rstrip("/") + path, self._timeout))
        try:
            told = orjson.loads(response.body)
        except ValueError:
            told = None
        said = str(_object(told).get("reason") or _object(told).get("error") or "")[:200]
        if response.status in (401, 403):
            raise Refused(f"{self.asked} answers {response.status}: {said or 'not allowed'}")
        if response.status == 404 and said and may_lack:
            return None
        fine = response.status == 200 or (response.status == 503 and "alarms" in _object(told))
        if not fine or not isinstance(told, kind):
            what = (
                f"more than {len(response.body)} bytes; raise max_bytes" if response.truncated else said or "no management API"
            )
            raise Failed(Kind.PROTOCOL, f"{self.asked} answers {response.status}, {what}")
        return told


def _node(told: Any, alarms: Collection[tuple[str, str]]) -> Node:
    return Node(
        name=str(told["name"]),
        running=told.get("running") is True,
        cut_off=tuple(map(str, told.get("partitions") or ())),
        memory_alarm=told.get("mem_alarm") is True or (told["name"], "memory") in alarms,
        memory_used=_number(told.get("mem_used")),
        memory_limit=_number(told.get("mem_limit")),
        disk_alarm=told.get("disk_free_alarm") is True or (told["name"], "disk space") in alarms,
        disk_free=_number(told.get("disk_free")),
        disk_limit=_number(told.get("disk_free_limit")),
    )


def _queue(told: Any) -> Queue:
    ready, unacked, consumers = (_number(told.get(name)) for name in QUEUE.split(",")[3:])
    return Queue(str(told["name"]), str(told["vhost"]), str(told.get("state") or ""), ready, unacked, consumers)


def _object(told: Any) -> dict[str, Any]:
    return told if isinstance(told, dict) else {}


def _number(told: Any) -> float | None:
    return float(told) if isinstance(told, int | float) and not isinstance(told, bool) else None
