"""Redis or Valkey: response to PING, memory, evictions and replication.

Metrics: `seconds` (connect and PING), `used_memory_bytes`, `memory_used_percent` (of maxmemory, if it is set), `clients`,
`evicted_keys` and `rejected_connections` since the last run.

Critical: no response, the server cannot save to disk, or it is a replica that lost its primary. Warning: little memory is left
and nothing may be evicted, or connections were rejected. Unknown: wrong credentials. An account that may only PING gets no
other values, and the message says so; the result is unknown if the check sets a limit. If Tocsin's own broker is RabbitMQ, the
check only tests whether it accepts a connection.
"""

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from app.checks.own import own_broker
from app.checks.probe import Field, Reading, Run, Spec, Status, measured, probe, unanswered, worst
from app.concurrency.threads import result
from app.failure import Failed, Kind
from app.net.redis import NETWORK, SOCKETS, RedisUrl, Refused, cut_off, grant, info, number, session

COUNTED = ("evicted_keys", "rejected_connections")
UPTIME = "uptime_in_seconds"
LIMITS = {"warning_percent", "critical_percent"}


class Target(Spec):
    """Which server, and when it is too full."""

    url: RedisUrl | None = Field(
        default=None,
        description="redis://, rediss://, redis+socket:// or unix:// URL; unset = Tocsin's own broker",
        examples=["redis://:${REDIS_PASSWORD:-secret}@cache.example.org/0"],
    )
    warning_percent: float = Field(
        default=80, gt=0, le=100, description="share of maxmemory used, in percent, at which it warns"
    )
    critical_percent: float = Field(
        default=95, gt=0, le=100, description="share of maxmemory used, in percent, at which it is critical"
    )


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    url = spec.url or own_broker()
    if url.partition("://")[0] not in (*NETWORK, *SOCKETS):
        return await _other(url, run)
    started = time.perf_counter()
    try:
        async with session(url, run.timeout * 0.95) as server:
            await server.ask("PING")
            seconds = time.perf_counter() - started
            fields = await info(server)
    except Refused as refused:
        why = f"INFO was rejected ({refused}), other values are unknown: {grant(url, 'info')}"
        status = Status.UNKNOWN if spec.model_fields_set & LIMITS else Status.OK
        return Reading(status, f"answered in {measured(seconds)}; {why}", {"seconds": seconds})
    except Failed as failed:
        raise unanswered(failed, Kind.DENIED) from None
    counters = {name: number(fields, name) or 0.0 for name in (*COUNTED, UPTIME)}
    metrics = {"seconds": seconds, **_metrics(fields), **_since(run.memory, counters)}
    found = list(_findings(metrics, fields, spec))
    message = "; ".join(text for _, text in found) or f"answered in {measured(seconds)}"
    return Reading(worst(status for status, _ in found), message, metrics, memory=counters)


async def _other(url: str, run: Run) -> Reading:
    """Tocsin's own broker, which is no Redis."""
    from app.net.celery import connects  # which imports kombu

    try:
        seconds = await result(partial(connects, url, run.timeout / 3))
    except Failed as failed:
        raise unanswered(failed, Kind.DENIED) from None
    message = f"the broker is RabbitMQ: connected in {measured(seconds)}; health.rabbitmq reports more"
    return Reading(Status.OK, message, {"seconds": seconds})


def _metrics(fields: Mapping[str, str]) -> dict[str, float]:
    """Metrics of INFO; fields that are missing give none."""
    used, most = number(fields, "used_memory"), number(fields, "maxmemory")
    found = {"used_memory_bytes": used, "clients": number(fields, "connected_clients")}
    if most and used is not None:
        found["memory_used_percent"] = 100 * used / most
    return {name: value for name, value in found.items() if value is not None}


def _since(before: Mapping[str, Any], now: Mapping[str, float]) -> dict[str, float]:
    if not before or before[UPTIME] > now[UPTIME]:  # a restart counts from zero
        return {}
    return {name: max(0.0, now[name] - before[name]) for name in COUNTED}


def _findings(metrics: Mapping[str, float], fields: Mapping[str, str], spec: Target) -> Iterator[tuple[Status, str]]:
    if fields.get("rdb_last_bgsave_status") == "err" or fields.get("aof_last_write_status") == "err":
        yield Status.CRITICAL, "it cannot save to disk: writes are rejected, or lost on restart"
    if outage := cut_off(fields):
        yield Status.CRITICAL, outage
    if fields.get("maxmemory_policy", "noeviction") == "noeviction":
        yield from _full(metrics, fields, spec)
    if metrics.get("rejected_connections"):
        yield Status.WARNING, f"{metrics['rejected_connections']:.0f} connections rejected: maxclients reached"


def _full(metrics: Mapping[str, float], fields: Mapping[str, str], spec: Target) -> Iterator[tuple[Status, str]]:
    share = metrics.get("memory_used_percent")
    if share is not None and share >= min(spec.warning_percent, spec.critical_percent):
        status = Status.CRITICAL if share >= spec.critical_percent else Status.WARNING
        yield status, f"{share:.0f} % of maxmemory used; writes are rejected when it is full"
    if share is None and number(fields, "maxmemory"):
        yield Status.UNKNOWN, "memory use unknown: the server does not report it"
