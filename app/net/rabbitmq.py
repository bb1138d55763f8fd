"""What RabbitMQ's management API reports of nodes, queues and the cluster, as far as a monitoring user may see it.

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
    """A member of the cluster; figures are None while not reported."""

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
    """A queue and what waits in it; None while not reported."""

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
    totals: Mapping[str, float]  # of TOTALS and messages_ready and messages_unacked those that are reported
    unroutable: float | None  # messages that no queue took, ever; None while not reported


class Refused(Failed):
    """This account may not read that."""

    def __init__(self, error: str) -> None:
        super().__init__(Kind.DENIED, error)


class Management:
    """The API of one broker. Everything raises Failed; `asked` is what is waited for, to say what hung."""

    def __init__(self, server: Server, timeout: float) -> None:
        self._server, self._timeout = server, timeout
        self.asked = ""

    async def overview(self) -> Overview:
        answer = await self._ask("/api/overview")
        objects, waiting, messages = (_object(answer.get(name)) for name in ("object_totals", "queue_totals", "message_stats"))
        totals = {name: count for name in TOTALS if (count := _number(objects.get(name))) is not None}
        for name, of_api in (("messages_ready", "messages_ready"), ("messages_unacked", "messages_unacknowledged")):
            count = 0.0 if totals.get("queues") == 0 else _number(waiting.get(of_api))
            totals |= {} if count is None else {name: count}
        unroutable_counts = [_number(messages.get(name)) for name in ("return_unroutable", "drop_unroutable")]
        has_stats = isinstance(answer.get("message_stats"), dict)
        unroutable = sum(filter(None, unroutable_counts)) if has_stats else None
        return Overview(str(answer.get("cluster_name") or "?"), str(answer["rabbitmq_version"]), totals, unroutable)

    async def nodes(self) -> list[Node]:
        """Every member of the cluster, also those that are down."""
        answer = await self._ask(f"/api/nodes?columns={NODE}", list)
        # Where statistics are left to Prometheus, nodes report no alarms themselves; before 3.8.10 only they do.
        health = await self._ask("/api/health/checks/alarms", may_lack=True) or {}
        alarms = {(one["node"], one["resource"]) for one in health.get("alarms", ())}
        return [_node(one, alarms) for one in answer]

    async def queue(self, vhost: str, name: str) -> Queue | None:
        """One queue; None when there is none."""
        answer = await self._ask(f"/api/queues/{quote(vhost, safe='')}/{quote(name, safe='')}?columns={QUEUE}", may_lack=True)
        return _queue(answer) if answer is not None else None

    async def queues(self, vhost: str | None) -> tuple[list[Queue], int]:
        """The deepest PAGE queues of a virtual host, or of all, and how many there are."""
        vhost_path = f"/{quote(vhost, safe='')}" if vhost is not None else ""
        page = f"page=1&page_size={PAGE}&sort=messages&sort_reverse=true"
        answer = await self._ask(f"/api/queues{vhost_path}?{page}&columns={QUEUE}")
        items = answer["items"]
        return [_queue(one) for one in items], int(_number(answer.get("filtered_count")) or len(items))

    async def _ask(self, path: str, kind: type = dict, *, may_lack: bool = False) -> Any:
        self.asked = path.partition("?")[0]
        response = await fetch(self._server.request(self._server.url.rstrip("/") + path, self._timeout))
        try:
            answer = orjson.loads(response.body)
        except ValueError:
            answer = None
        error = str(_object(answer).get("reason") or _object(answer).get("error") or "")[:200]
        if response.status in (401, 403):
            raise Refused(f"{self.asked} returned {response.status}: {error or 'not allowed'}")
        if response.status == 404 and error and may_lack:
            return None
        ok = response.status == 200 or (response.status == 503 and "alarms" in _object(answer))
        if not ok or not isinstance(answer, kind):
            what = (
                f"more than {len(response.body)} bytes; raise max_bytes" if response.truncated else error or "no management API"
            )
            raise Failed(Kind.PROTOCOL, f"{self.asked} returned {response.status}, {what}")
        return answer


def _node(row: Any, alarms: Collection[tuple[str, str]]) -> Node:
    return Node(
        name=str(row["name"]),
        running=row.get("running") is True,
        cut_off=tuple(map(str, row.get("partitions") or ())),
        memory_alarm=row.get("mem_alarm") is True or (row["name"], "memory") in alarms,
        memory_used=_number(row.get("mem_used")),
        memory_limit=_number(row.get("mem_limit")),
        disk_alarm=row.get("disk_free_alarm") is True or (row["name"], "disk space") in alarms,
        disk_free=_number(row.get("disk_free")),
        disk_limit=_number(row.get("disk_free_limit")),
    )


def _queue(row: Any) -> Queue:
    ready, unacked, consumers = (_number(row.get(name)) for name in QUEUE.split(",")[3:])
    return Queue(str(row["name"]), str(row["vhost"]), str(row.get("state") or ""), ready, unacked, consumers)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
