"""Runs on all its nodes without an alarm, and its queues are there and drained: RabbitMQ, by its management API.

Metrics: `nodes` and `nodes_running`, `alarms`, `partitions`, `connections`, `channels`, `consumers`, `queues`,
`messages_ready`, `messages_unacked`, `unroutable_messages` since the last run, `seconds` for all answers; by `queue` and
`vhost`: `queue_messages_ready`, `queue_messages_unacked`, `queue_consumers`; by `node`: `node_memory_used_bytes`,
`node_memory_used_percent` (of the limit), `node_disk_free_bytes`. Critical: no answer, a node is down or cut off, a memory or
disk alarm, a queue of `queues` is missing, down or has too few consumers, or a limit. Unknown: the login is refused, or it is
not told what a limit or `min_consumers` should judge: the queue is new, or the broker's statistics are off.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import StringConstraints

from app.checks.probe import CannotTell, Field, Reading, Run, Series, Spec, Status, Unreachable, probe, unanswered, worst
from app.failure import Failed, Kind
from app.net.ask import MARGIN, Server
from app.net.rabbitmq import Management, Node, Overview, Queue
from app.net.url import Url

BROKEN = frozenset({"down", "crashed", "stopped", "minority"})
NOT_TOLD = "(statistics are off, or the queue is new)"
NAMED = 10  # findings that are said; the rest is counted
FIXES = {  # what its refusal holds -> what helps
    "Not m": "it needs the tag monitoring: rabbitmqctl set_user_tags {} monitoring",  # not monitor, or not management user
    "queues": 'it may not see the queues: rabbitmqctl set_permissions -p VHOST {} "^$" "^$" "^$"',
}

QueueName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Limit = Annotated[float | None, Field(ge=0)]
Finding = tuple[Status, str]


class Target(Server, Spec):
    """Which broker, which queues, and how much may wait in each."""

    url: Url = Field(description="address of the management API, e.g. `http://rabbit.example:15672`")
    queues: list[QueueName] = Field(
        default=[], max_length=100, description="queues that must be there; unset = the 500 deepest"
    )
    vhost: str | None = Field(default=None, description="virtual host of the queues; unset = `/` for `queues`, else all")
    min_consumers: int = Field(default=0, ge=0, description="consumers that each queue of `queues` must have")
    ready_warning_above: Limit = Field(default=None, description="messages ready in one queue, above which it warns")
    ready_critical_above: Limit = Field(default=None, description="messages ready in one queue, above which it is critical")
    unacked_warning_above: Limit = Field(default=None, description="messages unacknowledged in one queue, above which it warns")
    unacked_critical_above: Limit = Field(default=None, description="the same, above which it is critical")
    max_bytes: int = Field(default=4_194_304, ge=1, le=67_108_864, description="bytes of an answer that are read")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the broker told."""

    overview: Overview
    nodes: Sequence[Node]
    queues: Sequence[Queue]
    missing: Sequence[str]
    there: int  # queues there are, of which the deepest are in `queues`


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    started = time.perf_counter()
    limit = run.timeout * MARGIN
    broker = Management(spec, run.timeout)
    try:
        async with asyncio.timeout(limit):
            seen = await _look(spec, broker)
    except TimeoutError:
        raise Unreachable(f"no answer to {broker.asked} within {limit:.3g} s") from None
    except Failed as failed:
        if failed.kind is Kind.DENIED:
            raise CannotTell(_refused(spec, str(failed))) from None
        raise unanswered(failed) from None
    except (KeyError, TypeError, AttributeError):
        raise Unreachable(f"{broker.asked} answers what is no management API's") from None
    metrics = _metrics(seen, run) | {"seconds": time.perf_counter() - started}
    findings = [*_of_nodes(seen.nodes), *_of_queues(spec, seen)]
    findings.sort(key=lambda finding: finding[0] is not Status.CRITICAL)
    return Reading(
        worst(status for status, _ in findings),
        _told(seen, [said for _, said in findings]),
        metrics,
        (*_node_series(seen.nodes), *_queue_series(seen.queues)),
        memory={"unroutable": seen.overview.unroutable},
    )


async def _look(spec: Target, broker: Management) -> Seen:
    overview = await broker.overview()
    nodes = await broker.nodes()
    if not spec.queues:
        queues, there = await broker.queues(spec.vhost)
        return Seen(overview, nodes, queues, (), there)
    found = {name: await broker.queue(spec.vhost or "/", name) for name in spec.queues}
    known = [queue for queue in found.values() if queue is not None]
    return Seen(overview, nodes, known, [name for name, queue in found.items() if queue is None], len(known))


def _refused(spec: Target, said: str) -> str:
    fix = next((f"; {text.format(spec.username)}" for part, text in FIXES.items() if part in said and spec.username), "")
    return f"the management API refuses {spec.username or 'us'}: {said}{fix}"


def _of_nodes(nodes: Sequence[Node]) -> Iterator[Finding]:
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


def _of_queues(spec: Target, seen: Seen) -> Iterator[Finding]:
    known = seen.overview.totals.get("queues", 0.0)
    if known and not (seen.there or spec.queues or spec.vhost):
        yield Status.UNKNOWN, _refused(spec, f"none of its {known:.0f} queues is shown")
    for name in seen.missing:
        yield Status.CRITICAL, f"queue {name} is missing in {spec.vhost or '/'}"
    for queue in seen.queues:
        if queue.state in BROKEN:
            yield Status.CRITICAL, f"queue {queue.name} is {queue.state}"
            continue
        yield from _consumed(spec, queue)
        ready, unacked = f"queue {queue.name}: {{}} messages ready", f"queue {queue.name}: {{}} messages unacknowledged"
        yield from _over(ready, queue.ready, spec.ready_warning_above, spec.ready_critical_above)
        yield from _over(unacked, queue.unacked, spec.unacked_warning_above, spec.unacked_critical_above)


def _consumed(spec: Target, queue: Queue) -> Iterator[Finding]:
    if not (spec.queues and spec.min_consumers):
        return
    if queue.consumers is None:
        yield Status.UNKNOWN, f"queue {queue.name}: it is not told how many consumers {NOT_TOLD}"
    elif queue.consumers < spec.min_consumers:
        yield Status.CRITICAL, f"queue {queue.name} has {queue.consumers:.0f} consumers, {spec.min_consumers} must be"


def _over(said: str, value: float | None, warning: float | None, critical: float | None) -> Iterator[Finding]:
    if value is None and (warning is not None or critical is not None):
        yield Status.UNKNOWN, f"{said.format('it is not told how many')} {NOT_TOLD}"
        return
    for status, limit in ((Status.CRITICAL, critical), (Status.WARNING, warning)):
        if limit is not None and value is not None and value > limit:
            yield status, f"{said.format(f'{value:.0f}')}, above {limit:g}"
            return


def _told(seen: Seen, findings: Sequence[str]) -> str:
    running = sum(node.running for node in seen.nodes)
    told = f"{running} of {len(seen.nodes)} nodes run RabbitMQ {seen.overview.version}"
    more = [f"{len(findings) - NAMED} more"] if len(findings) > NAMED else []
    if seen.there > len(seen.queues):
        more.append(f"only the {len(seen.queues)} deepest of {seen.there} queues were looked at")
    return "; ".join([told, *findings[:NAMED], *more])


def _metrics(seen: Seen, run: Run) -> dict[str, float]:
    found = {
        "nodes": float(len(seen.nodes)),
        "nodes_running": float(sum(node.running for node in seen.nodes)),
        "alarms": float(sum(node.memory_alarm + node.disk_alarm for node in seen.nodes)),
        "partitions": float(sum(bool(node.cut_off) for node in seen.nodes)),
        **seen.overview.totals,
    }
    before, now = run.number("unroutable"), seen.overview.unroutable
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
        told = (("messages_ready", queue.ready), ("messages_unacked", queue.unacked), ("consumers", queue.consumers))
        yield from (Series(f"queue_{name}", value, labels) for name, value in told if value is not None)


def _mib(size: float | None) -> str:
    return "?" if size is None else f"{size / (1 << 20):.0f} MiB"
