"""How well a Redis or Valkey works: operations, hits, evictions, memory, latency, slow commands, replicas.

Metrics: `ping_p50_seconds`, `ping_p95_seconds`, `ping_max_seconds` of `pings` PINGs, `operations_per_second` (its own figure),
`used_memory_bytes`, `memory_used_percent` (of maxmemory, or of the host's memory without one), `fragmentation_ratio` (resident
to used memory), `clients`, `blocked_clients`, `slow_commands` in its log; on a primary `replicas` and
`replica_lag_bytes` of the slowest, on a replica `lag_seconds` since it heard of its primary and `replica_lag_bytes`; since the
last run `hit_percent`, `commands_per_second`, `evicted_per_second`, `expired_per_second` and `new_slow_commands`. Critical: no
answer, a replica cut off. Warning and critical: PINGs too slow, clients blocked, keys evicted, when a limit is set.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from app.checks.probe import CannotTell, Field, Reading, Run, Series, Spec, Status, Unreachable, own_broker, probe, worst
from app.net.failure import Failed, Kind
from app.net.redis import NETWORK, SOCKETS, RedisUrl, Session, session

COUNTED = {  # metric -> counter of INFO
    "commands_per_second": "total_commands_processed",
    "evicted_per_second": "evicted_keys",
    "expired_per_second": "expired_keys",
}
HITS, MISSES, UPTIME = "keyspace_hits", "keyspace_misses", "uptime_in_seconds"
REMEMBERED = (*COUNTED.values(), HITS, MISSES, UPTIME)
REPLICA = re.compile(r"^slave\d+$")
LITTLE = 64 << 20  # bytes; below, fragmentation is the allocator's start-up and means nothing


class Target(Spec):
    """Which server, and what is too much."""

    url: RedisUrl | None = Field(
        default=None, description="redis://, rediss://, redis+socket:// or unix:// URL; unset = Tocsin's own broker"
    )
    pings: int = Field(default=10, ge=1, le=100, description="PINGs that are timed, one after another")
    warning_seconds: float = Field(default=0.1, gt=0, description="95th percentile of PING, in seconds, from which it warns")
    critical_seconds: float = Field(default=1, gt=0, description="95th percentile of PING, in seconds, that is critical")
    warning_fragmentation: float = Field(
        default=2, ge=1, description="resident to used memory from which it warns, once 64 MiB are used"
    )
    warning_evicted_per_second: float | None = Field(default=None, ge=0, description="evictions above which it warns")
    warning_blocked_clients: int | None = Field(default=None, ge=0, description="clients above which it warns")
    warning_lag_bytes: int = Field(default=16_777_216, ge=1, description="bytes a replica is behind from which it warns")


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    url = spec.url or own_broker()
    if url.partition("://")[0] not in (*NETWORK, *SOCKETS):
        return Reading(Status.OK, "the broker is not Redis: nothing to look at here")
    try:
        async with session(url, run.timeout * 0.95) as server:
            pings = sorted([await _ping(server) for _ in range(spec.pings)])
            info = _parsed(str(await server.ask("INFO")))
            slow = await _slow(server)
    except Failed as failed:
        if failed.kind is Kind.DENIED and str(failed).startswith(("LOADING", "MASTERDOWN", "ERR max number of clients")):
            raise Unreachable(str(failed)) from None
        blind = failed.kind in (Kind.BLOCKED, Kind.DENIED)
        raise (CannotTell if blind else Unreachable)(str(failed)) from None
    memory = {"at": time.time(), **{name: _number(info, name) for name in REMEMBERED}, **slow}
    replicas = tuple(_replicas(info))
    metrics = _metrics(pings, info) | slow | _replication(info, replicas) | _since(run.memory, memory)
    findings = list(_findings(metrics, info, spec))
    told = "; ".join(text for _, text in findings)
    calm = f"PING took {metrics['ping_p95_seconds'] * 1000:.3g} ms, {metrics['operations_per_second']:.0f} operations/s"
    return Reading(worst(status for status, _ in findings), told or calm, metrics, replicas, memory)


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


def _parsed(info: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in info.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def _number(found: Mapping[str, str], name: str) -> float:
    try:
        number = float(found.get(name, "0"))
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _metrics(pings: list[float], info: Mapping[str, str]) -> dict[str, float]:
    used, most = _number(info, "used_memory"), _number(info, "maxmemory") or _number(info, "total_system_memory")
    found = {
        "ping_p50_seconds": pings[len(pings) // 2],
        "ping_p95_seconds": pings[math.ceil(0.95 * len(pings)) - 1],
        "ping_max_seconds": pings[-1],
        "operations_per_second": _number(info, "instantaneous_ops_per_sec"),
        "used_memory_bytes": used,
        "fragmentation_ratio": _number(info, "used_memory_rss") / used if used else 0.0,
        "clients": _number(info, "connected_clients"),
        "blocked_clients": _number(info, "blocked_clients"),
    }
    return found | ({"memory_used_percent": 100 * used / most} if most else {})


def _replicas(info: Mapping[str, str]) -> Iterator[Series]:
    """How far each replica of a primary is behind: `slave0:ip=..,port=..,state=online,offset=..,lag=1`."""
    at = _number(info, "master_repl_offset")
    for name, value in info.items():
        if REPLICA.match(name):
            told = dict(pair.partition("=")[::2] for pair in value.split(","))
            replica = f"{told.get('ip', '')}:{told.get('port', '')}"
            yield Series("replica_lag_bytes", max(0.0, at - _number(told, "offset")), {"replica": replica})


def _replication(info: Mapping[str, str], replicas: tuple[Series, ...]) -> dict[str, float]:
    if info.get("role") == "slave":
        behind = _number(info, "slave_read_repl_offset") - _number(info, "slave_repl_offset")
        return {"lag_seconds": max(0.0, _number(info, "master_last_io_seconds_ago")), "replica_lag_bytes": max(0.0, behind)}
    found = {"replicas": float(len(replicas))}
    return found | ({"replica_lag_bytes": max(one.value for one in replicas)} if replicas else {})


def _since(before: Mapping[str, Any], now: Mapping[str, float]) -> dict[str, float]:
    """What happened since the last run; nothing on the first one and after a restart, which counts from zero."""
    if any(name not in before or before[name] > now[name] for name in (*REMEMBERED, "at")) or now["at"] <= before["at"]:
        return {}
    grown = {name: now[name] - before[name] for name in (*REMEMBERED, "at")}
    found = {metric: grown[name] / grown["at"] for metric, name in COUNTED.items()}
    if grown[HITS] + grown[MISSES]:
        found["hit_percent"] = 100 * grown[HITS] / (grown[HITS] + grown[MISSES])
    if "slow_commands" in now and "slow_commands" in before:
        found["new_slow_commands"] = max(0.0, now["slow_commands"] - before["slow_commands"])
    return found


def _findings(metrics: Mapping[str, float], info: Mapping[str, str], spec: Target) -> Iterator[tuple[Status, str]]:
    slow = metrics["ping_p95_seconds"]
    if slow >= min(spec.warning_seconds, spec.critical_seconds):
        status = Status.CRITICAL if slow >= spec.critical_seconds else Status.WARNING
        yield status, f"PING takes {slow:.3g} s (95th percentile of {spec.pings})"
    if info.get("role") == "slave" and info.get("master_link_status") == "down":
        yield (
            Status.CRITICAL,
            f"it is a replica, and cut off from its primary for {info.get('master_link_down_since_seconds')} s",
        )
    ratio = metrics["fragmentation_ratio"]
    if ratio >= spec.warning_fragmentation and metrics["used_memory_bytes"] >= LITTLE:
        yield Status.WARNING, f"it holds {ratio:.3g} times the memory that it uses: fragmented"
    for name, limit, told in (
        ("evicted_per_second", spec.warning_evicted_per_second, "keys are evicted per second: maxmemory is reached"),
        ("blocked_clients", spec.warning_blocked_clients, "clients are blocked"),
        ("replica_lag_bytes", spec.warning_lag_bytes, "bytes of the primary's stream are missing on a replica"),
    ):
        if limit is not None and metrics.get(name, 0.0) > limit:
            yield Status.WARNING, f"{metrics[name]:.3g} {told}"
