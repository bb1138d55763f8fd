"""RabbitMQ, through its management API: nodes and alarms, and queues that have consumers and drain.

Metrics: `nodes` and `nodes_running`, `alarms`, `partitions`, `connections`, `channels`, `consumers`, `queues`,
`messages_ready`, `messages_unacked`, `unroutable_messages` since the last run, `seconds` for all responses; by `queue` and
`vhost`: `queue_messages_ready`, `queue_messages_unacked`, `queue_consumers`; by `node`: `node_memory_used_bytes`,
`node_memory_used_percent` (of the limit), `node_disk_free_bytes`.

Critical: no response; a node is down or partitioned; a memory or disk alarm; one of `queues` is missing, down, has too few
consumers, or is above a limit. Unknown: the login is rejected, or the value for a limit or for `min_consumers` is missing
because the queue is new or the broker's statistics are off.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import StringConstraints

from app.checks.probe import Field, Reading, Run, Series, Spec, Status, Unknown, Unreachable, probe, unanswered, worst
from app.failure import Failed, Kind
from app.net.ask import MARGIN, Server
from app.net.rabbitmq import Management, Node, Overview, Queue
from app.net.url import Url

BROKEN = frozenset({"down", "crashed", "stopped", "minority"})
NO_STATISTICS = "(statistics are off, or the queue is new)"
MAX_SHOWN = 10  # findings in the message; the rest is counted
FIXES = {  # part of its error -> fix
    "Not m": "it needs the tag monitoring: rabbitmqctl set_user_tags {} monitoring",  # not monitor, or not management user
    "queues": 'it may not see the queues: rabbitmqctl set_permissions -p VHOST {} "^$" "^$" "^$"',
}

QueueName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Limit = Annotated[float | None, Field(ge=0)]
Finding = tuple[Status, str]


class Target(Server, Spec):
    """Which broker, which queues, and how much may wait in each."""

    url: Url = Field(
        description="address of the management API, e.g. `http://rabbit.example:15672`",
        examples=["http://rabbit.example.org:15672"],
    )
    queues: list[QueueName] = Field(
        default=[], max_length=100, description="queues that must exist; unset = the 500 longest queues", examples=[["orders"]]
    )
    vhost: str | None = Field(
        default=None, description="virtual host of the queues; unset = `/` if `queues` is set, otherwise all"
    )
    min_consumers: int = Field(
        default=0, ge=0, description="minimum number of consumers of each queue in `queues`", examples=[2]
    )
    ready_warning_above: Limit = Field(default=None, description="messages ready in one queue, above which it warns")
    ready_critical_above: Limit = Field(default=None, description="messages ready in one queue, above which it is critical")
    unacked_warning_above: Limit = Field(default=None, description="messages unacknowledged in one queue, above which it warns")
    unacked_critical_above: Limit = Field(default=None, description="the same, above which it is critical")
    max_bytes: int = Field(default=4_194_304, ge=1, le=67_108_864, description="maximum bytes of a response to read")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One answer of the management API."""

    overview: Overview
    nodes: Sequence[Node]
    queues: Sequence[Queue]
    missing: Sequence[str]
    queue_total: int  # queues there are, of which the deepest are in `queues`


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    started = time.perf_counter()
    limit = run.timeout * MARGIN
    broker = Management(spec, run.timeout)
    try:
        async with asyncio.timeout(limit):
            snapshot = await _fetch(spec, broker)
    except TimeoutError:
        raise Unreachable(f"no response to {broker.asked} within {limit:.3g} s") from None
    except Failed as failed:
        if failed.kind is Kind.DENIED:
            raise Unknown(_refused(spec, str(failed))) from None
        raise unanswered(failed) from None
    except (KeyError, TypeError, AttributeError):
        raise Unreachable(f"{broker.asked} does not respond like a management API") from None
    metrics = _metrics(snapshot, run) | {"seconds": time.perf_counter() - started}
    findings = [*_node_findings(snapshot.nodes), *_queue_findings(spec, snapshot)]
    findings.sort(key=lambda finding: finding[0] is not Status.CRITICAL)
    return Reading(
        worst(status for status, _ in findings),
        _summary(snapshot, [text for _, text in findings]),
        metrics,
        (*_node_series(snapshot.nodes), *_queue_series(snapshot.queues)),
        memory={"unroutable": snapshot.overview.unroutable},
    )


async def _fetch(spec: Target, broker: Management) -> Snapshot:
    overview = await broker.overview()
    nodes = await broker.nodes()
    if not spec.queues:
        queues, queue_total = await broker.queues(spec.vhost)
        return Snapshot(overview, nodes, queues, (), queue_total)
    found = {name: await broker.queue(spec.vhost or "/", name) for name in spec.queues}
    known = [queue for queue in found.values() if queue is not None]
    return Snapshot(overview, nodes, known, [name for name, queue in found.items() if queue is None], len(known))


def _refused(spec: Target, error: str) -> str:
    fix = next((f"; {text.format(spec.username)}" for part, text in FIXES.items() if part in error and spec.username), "")
    return f"the management API rejected {spec.username or 'the request'}: {error}{fix}"


def _node_findings(nodes: Sequence[Node]) -> Iterator[Finding]:
    for node in nodes:
        if not node.running:
            yield Status.CRITICAL, f"node {node.name} is down"
        if node.cut_off:
            yield Status.CRITICAL, f"node {node.name} is cut off from {', '.join(node.cut_off)}: a network partition"
        if node.memory_alarm:
            used = f" ({_mib(node.memory_used)} used, limit {_mib(node.memory_limit)})"
            yield Status.CRITICAL, f"node {node.name} has a memory alarm{used}: publishers are blocked"
        if node.disk_alarm:
            free = f" ({_mib(node.disk_free)} free, limit {_mib(node.disk_limit)})"
            yield Status.CRITICAL, f"node {node.name} has a disk alarm{free}: publishers are blocked"


def _queue_findings(spec: Target, snapshot: Snapshot) -> Iterator[Finding]:
    known = snapshot.overview.totals.get("queues", 0.0)
    if known and not (snapshot.queue_total or spec.queues or spec.vhost):
        yield Status.UNKNOWN, _refused(spec, f"none of its {known:.0f} queues are visible")
    for name in snapshot.missing:
        yield Status.CRITICAL, f"queue {name} not found in {spec.vhost or '/'}"
    for queue in snapshot.queues:
        if queue.state in BROKEN:
            yield Status.CRITICAL, f"queue {queue.name} is {queue.state}"
            continue
        yield from _consumer_findings(spec, queue)
        ready, unacked = f"queue {queue.name}: {{}} messages ready", f"queue {queue.name}: {{}} messages unacknowledged"
        yield from _over(ready, queue.ready, spec.ready_warning_above, spec.ready_critical_above)
        yield from _over(unacked, queue.unacked, spec.unacked_warning_above, spec.unacked_critical_above)


def _consumer_findings(spec: Target, queue: Queue) -> Iterator[Finding]:
    if not (spec.queues and spec.min_consumers):
        return
    if queue.consumers is None:
        yield Status.UNKNOWN, f"queue {queue.name}: number of consumers unknown {NO_STATISTICS}"
    elif queue.consumers < spec.min_consumers:
        yield Status.CRITICAL, f"queue {queue.name} has {queue.consumers:.0f} consumers, expected {spec.min_consumers}"


def _over(template: str, value: float | None, warning: float | None, critical: float | None) -> Iterator[Finding]:
    if value is None and (warning is not None or critical is not None):
        yield Status.UNKNOWN, f"{template.format('unknown number of')} {NO_STATISTICS}"
        return
    for status, limit in ((Status.CRITICAL, critical), (Status.WARNING, warning)):
        if limit is not None and value is not None and value > limit:
            yield status, f"{template.format(f'{value:.0f}')}, above {limit:g}"
            return


def _summary(snapshot: Snapshot, findings: Sequence[str]) -> str:
    running = sum(node.running for node in snapshot.nodes)
    summary = f"{running} of {len(snapshot.nodes)} nodes run RabbitMQ {snapshot.overview.version}"
    more = [f"{len(findings) - MAX_SHOWN} more"] if len(findings) > MAX_SHOWN else []
    if snapshot.queue_total > len(snapshot.queues):
        more.append(f"only the {len(snapshot.queues)} longest of {snapshot.queue_total} queues were checked")
    return "; ".join([summary, *findings[:MAX_SHOWN], *more])


def _metrics(snapshot: Snapshot, run: Run) -> dict[str, float]:
    found = {
        "nodes": float(len(snapshot.nodes)),
        "nodes_running": float(sum(node.running for node in snapshot.nodes)),
        "alarms": float(sum(node.memory_alarm + node.disk_alarm for node in snapshot.nodes)),
        "partitions": float(sum(bool(node.cut_off) for node in snapshot.nodes)),
        **snapshot.overview.totals,
    }
    before, now = run.number("unroutable"), snapshot.overview.unroutable
    if "unroutable" in run.memory and now is not None:  # a restart counts from zero
        found["unroutable_messages"] = max(0.0, now - (before or 0.0))
    return found


def _node_series(nodes: Sequence[Node]) -> Iterator[Series]:
    for node in nodes:
        labels = {"node": node.name}
        if node.memory_used is not None:
            yield Series("node_memory_used_bytes", node.memory_used, labels)
            if node.memory_limit:
                yield Series("node_memory_used_percent", 100 * node.memory_used / node.memory_limit, labels)
        if node.disk_free is not None:
            yield Series("node_disk_free_bytes", node.disk_free, labels)


def _queue_series(queues: Sequence[Queue]) -> Iterator[Series]:
    for queue in queues:
        labels = {"queue": queue.name, "vhost": queue.vhost}
        values = (("messages_ready", queue.ready), ("messages_unacked", queue.unacked), ("consumers", queue.consumers))
        yield from (Series(f"queue_{name}", value, labels) for name, value in values if value is not None)


def _mib(size: float | None) -> str:
    return "?" if size is None else f"{size / (1 << 20):.0f} MiB"
