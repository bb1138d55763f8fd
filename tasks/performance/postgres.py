"""How well a PostgreSQL database works: cache, long transactions, deadlocks, replication lag.

Metrics: `seconds` (one simple query), `connections`, `longest_transaction_seconds`, `lag_seconds` (a standby's own, or that of
the primary's slowest standby), and since the last run `cache_hit_percent` and `deadlocks`. Warning and critical: a transaction
open for too long, too much lag. Without the role pg_monitor transactions and standbys stay hidden, and the message says so.
"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from app.checks.probe import CannotTell, Duration, Field, Reading, Run, Spec, Status, Unreachable, own_database, probe
from app.net.failure import Failed, Kind
from app.net.postgres import DatabaseUrl, Session, session

# A standby that has replayed all it received is not late, however old its last transaction is.
QUERY = """
select current_user as me,
       pg_has_role('pg_read_all_stats', 'usage') as sees_all,
       (select count(*) from pg_stat_activity where datname = current_database()) as connections,
       (select extract(epoch from max(now() - xact_start)) from pg_stat_activity
         where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()) as longest,
       d.deadlocks, d.blks_hit as hits, d.blks_read as reads, extract(epoch from d.stats_reset)::float8 as reset,
       case when pg_is_in_recovery()
            then case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
                 else extract(epoch from now() - pg_last_xact_replay_timestamp()) end
            else (select extract(epoch from max(replay_lag)) from pg_stat_replication) end as lag
  from pg_stat_database d where d.datname = current_database()
"""


class Target(Spec):
    """Which database, and what is too long."""

    url: DatabaseUrl | None = Field(default=None, description="postgresql:// URL; unset = Tocsin's own database")
    warning_transaction: Duration = Field(default=timedelta(hours=1), description="age of a transaction from which it warns")
    critical_transaction: Duration = Field(default=timedelta(hours=6), description="age of a transaction that is critical")
    warning_lag: Duration = Field(default=timedelta(minutes=1), description="replication lag from which it warns")
    critical_lag: Duration = Field(default=timedelta(minutes=10), description="replication lag that is critical")


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    try:
        async with session(spec.url or own_database(), run.timeout) as database:
            seconds = await _simple_query(database)
            cursor = await database.cursor(row_factory=dict_row).execute(QUERY)
            row = await cursor.fetchone()
    except Failed as failed:
        blind = failed.kind in (Kind.BLOCKED, Kind.DENIED)
        raise (CannotTell if blind else Unreachable)(str(failed)) from None
    except psycopg.Error as error:
        raise CannotTell(f"the statistics cannot be read: {error}") from None
    assert row is not None
    counters = {name: float(row[name] or 0) for name in ("deadlocks", "hits", "reads", "reset")}
    metrics = {"seconds": seconds, "connections": float(row["connections"]), **_since(run.memory, counters)}
    if row["sees_all"]:
        metrics["longest_transaction_seconds"] = float(row["longest"] or 0)
    if row["lag"] is not None:
        metrics["lag_seconds"] = float(row["lag"])
    status, told = _judge(metrics, spec)
    if not row["sees_all"]:
        told.append(f'transactions and standbys are hidden: grant pg_monitor to "{row["me"]}"')
    return Reading(status, "; ".join(told) or f"answered in {seconds:.3g} s", metrics, memory=counters)


async def _simple_query(database: Session) -> float:
    started = time.perf_counter()
    await database.execute("select 1")
    return time.perf_counter() - started


def _since(before: Mapping[str, Any], now: Mapping[str, float]) -> dict[str, float]:
    """What happened since the last run; nothing on the first one and after the counters began anew."""
    if before.get("reset") != now["reset"] or any(before[name] > value for name, value in now.items()):
        return {}
    deadlocks, hits, reads = (now[name] - before[name] for name in ("deadlocks", "hits", "reads"))
    share = {"cache_hit_percent": 100 * hits / (hits + reads)} if hits + reads else {}
    return {"deadlocks": deadlocks, **share}


def _judge(metrics: Mapping[str, float], spec: Target) -> tuple[Status, list[str]]:
    status, told = Status.OK, []
    for name, what, warning, critical in (
        ("longest_transaction_seconds", "a transaction is open for", spec.warning_transaction, spec.critical_transaction),
        ("lag_seconds", "replication is late by", spec.warning_lag, spec.critical_lag),
    ):
        value = metrics.get(name, 0.0)
        if value >= warning.total_seconds():
            told.append(f"{what} {value:.0f} s")
            if value >= critical.total_seconds():
                status = Status.CRITICAL
            elif status is Status.OK:
                status = Status.WARNING
    return status, told
