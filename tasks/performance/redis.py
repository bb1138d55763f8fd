"""Performance of Redis or Valkey: operations, hits, evictions, memory, latency, slow commands, replicas.

Metrics: `ping_p50_seconds`, `ping_p95_seconds`, `ping_max_seconds` of `pings` PINGs, `operations_per_second` (as the server
reports it), `used_memory_bytes`, `memory_used_percent` (of maxmemory or, if it is not set, of the host's memory),
`fragmentation_ratio` (resident to used memory), `clients`, `blocked_clients`, `slow_commands` in its log; on a primary
`replicas` and `replica_lag_bytes` of the slowest, on a replica `lag_seconds` since its primary's last message and
`replica_lag_bytes`; since the last run `hit_percent`, `commands_per_second`, `evicted_per_second`, `expired_per_second` and
`new_slow_commands`.

Critical: no response, or a disconnected replica. Warning and critical: slow PINGs, and blocked clients and evicted keys if a
limit is set. Unknown: the account may not run INFO, the check sets a limit for which there is no value, or Tocsin's own broker
is not Redis.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from app.checks.own import own_broker
from app.checks.probe import Field, Reading, Run, Series, Spec, Status, Unknown, measured, probe, unanswered, worst
from app.failure import Failed, Kind
from app.net.redis import NETWORK, SOCKETS, RedisUrl, Refused, Session, cut_off, grant, info, number, session

COUNTED = {  # metric -> counter of INFO
    "commands_per_second": "total_commands_processed",
    "evicted_per_second": "evicted_keys",
    "expired_per_second": "expired_keys",
}
HITS, MISSES, UPTIME = "keyspace_hits", "keyspace_misses", "uptime_in_seconds"
COUNTERS = (*COUNTED.values(), HITS, MISSES, UPTIME)
REPLICA = re.compile(r"^slave\d+$")
MIN_USED_MEMORY = 64 << 20  # bytes; below, fragmentation is the allocator's start-up and means nothing


class Target(Spec):
    """Which server, and what is too much."""

    url: RedisUrl | None = Field(
        default=None,
        description="redis://, rediss://, redis+socket:// or unix:// URL; unset = Tocsin's own broker",
        examples=["redis://:${REDIS_PASSWORD:-secret}@cache.example.org/0"],
    )
    pings: int = Field(default=10, ge=1, le=100, description="how many PINGs to time, one after another")
    warning_seconds: float = Field(
        default=0.1, gt=0, description="95th percentile of PING, in seconds, at which it warns", examples=[0.05]
    )
    critical_seconds: float = Field(default=1, gt=0, description="95th percentile of PING, in seconds, at which it is critical")
    warning_fragmentation: float = Field(
        default=2, ge=1, description="ratio of resident to used memory at which it warns, once 64 MiB are used"
    )
    warning_evicted_per_second: float | None = Field(
        default=None, ge=0, description="evictions per second above which it warns"
    )
    warning_blocked_clients: int | None = Field(
        default=None, ge=0, description="number of blocked clients above which it warns"
    )
    warning_lag_bytes: int = Field(
        default=16_777_216, ge=1, description="how many bytes a replica may be behind before it warns"
    )


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    url = spec.url or own_broker()
    if url.partition("://")[0] not in (*NETWORK, *SOCKETS):
        raise Unknown("the broker is not Redis; use health.rabbitmq")
    pings: list[float] = []
    try:
        async with session(url, run.timeout * 0.95) as server:
            pings = sorted([await _ping(server) for _ in range(spec.pings)])
            fields = await info(server)
            slow = await _slow(server)
    except Refused as refused:
        return _only_pings(pings, f"INFO was rejected ({refused}): {grant(url, 'info')}", spec)
    except Failed as failed:
        raise unanswered(failed, Kind.DENIED) from None
    if not fields:
        return _only_pings(pings, "INFO is empty", spec)
    memory = {"at": time.time(), **{name: number(fields, name) or 0.0 for name in COUNTERS}, **slow}
    replicas = tuple(_replicas(fields))
    metrics = _ping_metrics(pings) | _metrics(fields) | slow | _replication(fields, replicas) | _since(run.memory, memory)
    findings = [*_ping_findings(metrics, spec), *_findings(metrics, fields, spec), *_unused_limits(metrics, fields, spec)]
    summary = [f"PING took {metrics['ping_p95_seconds'] * 1000:.3g} ms"]
    if "operations_per_second" in metrics:
        summary.append(f"{metrics['operations_per_second']:.0f} operations/s")
    message = "; ".join(text for _, text in findings) or ", ".join(summary)
    return Reading(worst(status for status, _ in findings), message, metrics, replicas, memory)


def _only_pings(pings: list[float], why: str, spec: Target) -> Reading:
    """The reading when only PING is permitted."""
    metrics = _ping_metrics(pings)
    findings = [*_ping_findings(metrics, spec), (Status.UNKNOWN, why)]
    return Reading(worst(status for status, _ in findings), "; ".join(text for _, text in findings), metrics)


async def _ping(server: Session) -> float:
    started = time.perf_counter()
    await server.ask("PING")
    return time.perf_counter() - started


async def _slow(server: Session) -> dict[str, float]:
    """Length of the slow log; nothing where it is forbidden, as it is to users without `@slow` or on hosted servers."""
    try:
        return {"slow_commands": float(await server.ask("SLOWLOG", "LEN") or 0)}
    except Failed as failed:
        if failed.kind is not Kind.DENIED:
            raise
        return {}


def _ping_metrics(pings: list[float]) -> dict[str, float]:
    return {
        "ping_p50_seconds": pings[len(pings) // 2],
        "ping_p95_seconds": pings[math.ceil(0.95 * len(pings)) - 1],
        "ping_max_seconds": pings[-1],
    }


def _metrics(fields: Mapping[str, str]) -> dict[str, float]:
    """Metrics of INFO; fields that are missing give none."""
    used, most = number(fields, "used_memory"), number(fields, "maxmemory") or number(fields, "total_system_memory")
    resident = number(fields, "used_memory_rss")
    found = {
        "operations_per_second": number(fields, "instantaneous_ops_per_sec"),
        "used_memory_bytes": used,
        "fragmentation_ratio": resident / used if used and resident is not None else None,
        "clients": number(fields, "connected_clients"),
        "blocked_clients": number(fields, "blocked_clients"),
        "memory_used_percent": 100 * used / most if most and used is not None else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _replicas(fields: Mapping[str, str]) -> Iterator[Series]:
    """How far each replica of a primary is behind: `slave0:ip=..,port=..,state=online,offset=..,lag=1`."""
    at = number(fields, "master_repl_offset")
    for name, value in fields.items():
        if REPLICA.match(name):
            one = dict(pair.partition("=")[::2] for pair in value.split(","))
            replica, offset = f"{one.get('ip', '')}:{one.get('port', '')}", number(one, "offset")
            if at is not None and offset is not None:
                yield Series("replica_lag_bytes", max(0.0, at - offset), {"replica": replica})


def _replication(fields: Mapping[str, str], replicas: tuple[Series, ...]) -> dict[str, float]:
    if fields.get("role") == "slave":
        return _replica_metrics(fields)
    found = {"replicas": float(sum(map(bool, map(REPLICA.match, fields))))}
    return found | ({"replica_lag_bytes": max(one.value for one in replicas)} if replicas else {})


def _replica_metrics(fields: Mapping[str, str]) -> dict[str, float]:
    """How far a replica is behind its primary. One that is disconnected has no byte lag."""
    down = fields.get("master_link_status") == "down"
    lag = number(fields, "master_link_down_since_seconds" if down else "master_last_io_seconds_ago")
    found = {"lag_seconds": lag} if lag is not None and lag >= 0 else {}
    read, applied = number(fields, "slave_read_repl_offset"), number(fields, "slave_repl_offset")
    if not down and read is not None and applied is not None:
        found["replica_lag_bytes"] = max(0.0, read - applied)
    return found


def _since(before: Mapping[str, Any], now: Mapping[str, float]) -> dict[str, float]:
    """What happened since the last run; nothing on the first one and after a restart, which counts from zero."""
    if any(name not in before or before[name] > now[name] for name in (*COUNTERS, "at")) or now["at"] <= before["at"]:
        return {}
    increase = {name: now[name] - before[name] for name in (*COUNTERS, "at")}
    found = {metric: increase[name] / increase["at"] for metric, name in COUNTED.items()}
    if increase[HITS] + increase[MISSES]:
        found["hit_percent"] = 100 * increase[HITS] / (increase[HITS] + increase[MISSES])
    if "slow_commands" in now and "slow_commands" in before:
        found["new_slow_commands"] = max(0.0, now["slow_commands"] - before["slow_commands"])
    return found


def _ping_findings(metrics: Mapping[str, float], spec: Target) -> Iterator[tuple[Status, str]]:
    slow = metrics["ping_p95_seconds"]
    if slow >= min(spec.warning_seconds, spec.critical_seconds):
        status = Status.CRITICAL if slow >= spec.critical_seconds else Status.WARNING
        yield status, f"PING takes {measured(slow)} (95th percentile of {spec.pings})"


def _findings(metrics: Mapping[str, float], fields: Mapping[str, str], spec: Target) -> Iterator[tuple[Status, str]]:
    if outage := cut_off(fields):
        yield Status.CRITICAL, outage
    ratio = metrics.get("fragmentation_ratio", 0.0)
    if ratio >= spec.warning_fragmentation and metrics["used_memory_bytes"] >= MIN_USED_MEMORY:
        yield Status.WARNING, f"it uses {ratio:.3g} times the memory of its data: fragmented"
    for name, limit, what in (
        ("evicted_per_second", spec.warning_evicted_per_second, "keys evicted per second: maxmemory reached"),
        ("blocked_clients", spec.warning_blocked_clients, "clients are blocked"),
        ("replica_lag_bytes", spec.warning_lag_bytes, "bytes behind the primary on a replica"),
    ):
        if limit is not None and metrics.get(name, 0.0) > limit:
            yield Status.WARNING, f"{metrics[name]:.3g} {what}"


def _unused_limits(metrics: Mapping[str, float], fields: Mapping[str, str], spec: Target) -> Iterator[tuple[Status, str]]:
    """Limits that the check sets itself, without a value from the server."""
    for limit, available in (
        ("warning_fragmentation", "fragmentation_ratio" in metrics),
        ("warning_evicted_per_second", number(fields, "evicted_keys") is not None),
        ("warning_blocked_clients", "blocked_clients" in metrics),
    ):
        if limit in spec.model_fields_set and getattr(spec, limit) is not None and not available:
            yield Status.UNKNOWN, f"{limit} has no effect: the server does not report it"
