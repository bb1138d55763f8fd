"""Answers PING, has memory left, and loses no keys: Redis or Valkey.

Metrics: `seconds` (connect and PING), `used_memory_bytes`, `memory_used_percent` (of maxmemory, when there is one), `clients`,
`evicted_keys` and `rejected_connections` since the last run. Critical: no answer, or it cannot save to disk; warning: little
memory left where nothing may be evicted, or connections were rejected. Wrong credentials are unknown.
"""

import time
from collections.abc import Mapping
from typing import Any

from app.checks.probe import CannotTell, Field, Reading, Run, Spec, Status, Unreachable, own_broker, probe
from app.net.failure import Failed, Kind
from app.net.redis import NETWORK, SOCKETS, RedisUrl, session

COUNTED = ("evicted_keys", "rejected_connections")


class Target(Spec):
    """Which server, and when it is too full."""

    url: RedisUrl | None = Field(
        default=None, description="redis://, rediss://, redis+socket:// or unix:// URL; unset = Tocsin's own broker"
    )
    warning_percent: float = Field(default=80, gt=0, le=100, description="of maxmemory used, in percent, from which it warns")
    critical_percent: float = Field(default=95, gt=0, le=100, description="of maxmemory used, in percent, that is critical")


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    url = spec.url or own_broker()
    if url.partition("://")[0] not in (*NETWORK, *SOCKETS):
        return Reading(Status.OK, "the broker is not Redis: nothing to look at here")
    started = time.perf_counter()
    try:
        async with session(url, run.timeout * 0.95) as server:
            await server.ask("PING")
            seconds = time.perf_counter() - started
            info = _parsed(str(await server.ask("INFO")))
    except Failed as failed:
        if failed.kind is Kind.DENIED and str(failed).startswith(("LOADING", "MASTERDOWN", "ERR max number of clients")):
            raise Unreachable(str(failed)) from None
        blind = failed.kind in (Kind.BLOCKED, Kind.DENIED)
        raise (CannotTell if blind else Unreachable)(str(failed)) from None
    counters = {name: _number(info, name) for name in (*COUNTED, "uptime_in_seconds")}
    metrics = _metrics(seconds, info, run.memory, counters)
    status, message = _judge(metrics, info, spec)
    return Reading(status, message or f"answered in {seconds:.3g} s", metrics, memory=counters)


def _parsed(info: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in info.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def _number(info: Mapping[str, str], name: str) -> float:
    try:
        return float(info.get(name, "0"))
    except ValueError:
        return 0.0


def _metrics(seconds: float, info: Mapping[str, str], before: Mapping[str, Any], now: Mapping[str, float]) -> dict[str, float]:
    used, most = _number(info, "used_memory"), _number(info, "maxmemory")
    found = {"seconds": seconds, "used_memory_bytes": used, "clients": _number(info, "connected_clients")}
    if most:
        found["memory_used_percent"] = 100 * used / most
    if before and before["uptime_in_seconds"] <= now["uptime_in_seconds"]:  # a restart counts from zero
        found |= {name: max(0.0, now[name] - before[name]) for name in COUNTED}
    return found


def _judge(metrics: Mapping[str, float], info: Mapping[str, str], spec: Target) -> tuple[Status, str]:
    share = metrics.get("memory_used_percent", 0.0)
    if info.get("rdb_last_bgsave_status") == "err" or info.get("aof_last_write_status") == "err":
        return Status.CRITICAL, "it cannot save to disk, and refuses writes or loses them at a restart"
    if info.get("maxmemory_policy", "noeviction") == "noeviction":
        if share >= spec.critical_percent:
            return Status.CRITICAL, f"{share:.0f} % of maxmemory used; beyond it writes are refused"
        if share >= spec.warning_percent:
            return Status.WARNING, f"{share:.0f} % of maxmemory used; beyond it writes are refused"
    if metrics.get("rejected_connections"):
        return Status.WARNING, f"{metrics['rejected_connections']:.0f} connections rejected: maxclients is reached"
    return Status.OK, ""
