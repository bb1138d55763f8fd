"""PostgreSQL's performance: cache, long and idle transactions, slow statements, deadlocks, lag, transaction ids.

Metrics: `seconds` (one simple query), `connections` (to this database), `connections_used_percent` (of those available to
ordinary users), `longest_transaction_seconds`, `longest_query_seconds`, `idle_in_transaction` sessions and
`idle_in_transaction_seconds` of the longest of them; `lag_seconds` (on a standby its own, even if it lost its primary; on a
primary that of the slowest standby, connected or not), also by `standby`; `transaction_ids_used_percent` of those after which
the server rejects writes (autovacuum is behind); since the last run `cache_hit_percent`, `deadlocks`, `deadlocks_per_second`,
`commits_per_second`, `rollbacks_per_second`, `temporary_bytes_per_second`. With pg_stat_statements `slow_statements`, whose
mean time is above `slow_statement`, and `slowest_statement_seconds`, the highest mean.

Warning and critical: a transaction that is open for too long, too much lag, too many transaction ids used, and the replication
problems that `health.postgres` reports. Without the role pg_monitor most values are hidden, and the message says so; the result
is unknown if a limit of the check needs one.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from app.checks.own import own_database
from app.checks.probe import (  # fmt: skip
    Duration,
    Field,
    Reading,
    Run,
    Series,
    Spec,
    Status,
    Unknown,
    length,
    measured,
    probe,
    unanswered,
    worst,
)
from app.failure import Failed, Kind
from app.net.postgres import DatabaseUrl, Session, session
from app.net.postgres_replication import Replication, fetch_replication
from app.net.postgres_replication import findings as replication_findings

# Of other sessions a role without rights sees only the database, not even the backend_type.
QUERY = """
select current_user as me,
       pg_has_role('pg_read_all_stats', 'usage') as sees_all,
       a.connections, a.used, a.longest, a.query, a.idle, a.idle_for,
       d.deadlocks, d.blks_hit as hits, d.blks_read as reads, d.xact_commit as commits, d.xact_rollback as rollbacks,
       d.temp_bytes as temporary, extract(epoch from d.stats_reset)::float8 as reset,
       extract(epoch from clock_timestamp())::float8 as at,
       (select max(age(datfrozenxid)) from pg_database) * 100.0 / 2100000000 as ids
  from pg_stat_database d,
       (select count(*) filter (where mine) as connections,
               count(*) * 100.0 / greatest(current_setting('max_connections')::int
                                           - current_setting('superuser_reserved_connections')::int, 1) as used,
               extract(epoch from max(now() - xact_start) filter (where other)) as longest,
               extract(epoch from max(now() - query_start) filter (where other and state = 'active')) as query,
               count(*) filter (where other and waits) as idle,
               extract(epoch from max(now() - state_change) filter (where other and waits)) as idle_for
          from (select *, datname = current_database() as mine, state like 'idle in transaction%' as waits,
                       datname = current_database() and pid <> pg_backend_pid() as other
                  from pg_stat_activity
                 where datname is not null and coalesce(backend_type, 'client backend') = 'client backend') sessions) a
 where d.datname = current_database()
"""

# The extension may live in any schema, and its columns had other names before PostgreSQL 13.
EXTENSION = """
select quote_ident(n.nspname) || '.pg_stat_statements' as place
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace
 where e.extname = 'pg_stat_statements' and current_setting('server_version_num')::int >= 130000
"""
STATEMENTS = """
select count(*) filter (where mean_exec_time >= {slow}) as slow, max(mean_exec_time) as slowest
  from {place} where dbid = (select oid from pg_database where datname = current_database())
"""

COUNTERS = ("deadlocks", "hits", "reads", "commits", "rollbacks", "temporary", "reset", "at")
RATES = {
    "deadlocks_per_second": "deadlocks",
    "commits_per_second": "commits",
    "rollbacks_per_second": "rollbacks",
    "temporary_bytes_per_second": "temporary",
}
TRANSACTION_LIMITS = ("warning_transaction", "critical_transaction")
LAG_LIMITS = ("warning_lag", "critical_lag")
PRIVILEGED_METRICS = {  # column -> metric; needs pg_read_all_stats
    "longest": "longest_transaction_seconds",
    "query": "longest_query_seconds",
    "idle": "idle_in_transaction",
    "idle_for": "idle_in_transaction_seconds",
}


class Target(Spec):
    """Which database, and what is too long."""

    url: DatabaseUrl | None = Field(
        default=None,
        description="postgresql:// URL; unset = Tocsin's own database",
        examples=["postgresql://watch:${SHOP_DB_PASSWORD:-secret}@db1.example.org/shop"],
    )
    warning_transaction: Duration = Field(default=timedelta(hours=1), description="age of a transaction at which it warns")
    critical_transaction: Duration = Field(
        default=timedelta(hours=6), description="age of a transaction at which it is critical"
    )
    warning_lag: Duration = Field(
        default=timedelta(minutes=1), description="replication lag at which it warns", examples=["30s"]
    )
    critical_lag: Duration = Field(default=timedelta(minutes=10), description="replication lag at which it is critical")
    min_standbys: int | None = Field(
        default=None,
        ge=0,
        description="minimum number of standbys of a primary; unset = as many as were seen in the last 7 days",
    )
    ignore_slots: list[str] = Field(default=[], max_length=100, description="replication slots that may be inactive")
    warning_ids_percent: float = Field(
        default=40, gt=0, le=100, description="transaction ids used, in percent of all ids, at which it warns"
    )
    critical_ids_percent: float = Field(
        default=75, gt=0, le=100, description="transaction ids used, in percent of all ids, at which it is critical"
    )
    slow_statement: Duration = Field(
        default=timedelta(seconds=1), description="mean time at which a statement counts as slow (pg_stat_statements)"
    )


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    try:
        async with session(spec.url or own_database(), run.timeout) as database:
            seconds = await _simple_query(database)
            row = (await _rows(database, QUERY))[0]
            before = run.memory.get("replication", {})
            replication = await fetch_replication(
                database, before, expect_back=spec.min_standbys is None, ignored=spec.ignore_slots
            )
            statements = await _statements(database, spec)
    except Failed as failed:
        raise unanswered(failed, Kind.DENIED) from None
    except psycopg.Error as error:
        raise Unknown(f"cannot read the statistics: {error}") from None
    counters = {name: float(row[name] or 0) for name in COUNTERS}
    metrics = {"seconds": seconds, **_metrics(row), **statements, **_since(run.memory, counters), **_lag(replication)}
    status, texts = _judge(metrics, spec)
    findings = [*_replication_findings(replication, spec), *_hidden(row, replication, spec)]
    return Reading(
        worst([status, *(status for status, _ in findings)]),
        "; ".join([*texts, *(text for _, text in findings)]) or f"answered in {measured(seconds)}",
        metrics,
        tuple(
            Series("lag_seconds", lag, {"standby": name}) for name, lag in (replication.lags() if replication else {}).items()
        ),
        memory={**counters, "replication": replication.memory if replication else before},
    )


async def _simple_query(database: Session) -> float:
    started = time.perf_counter()
    await database.execute("select 1")
    return time.perf_counter() - started


async def _rows(database: Session, query: str | sql.Composed) -> list[dict[str, Any]]:
    return await (await database.cursor(row_factory=dict_row).execute(query)).fetchall()


async def _statements(database: Session, spec: Target) -> dict[str, float]:
    """Of the extension, where it is there and this role may read it."""
    found = await _rows(database, EXTENSION)
    if not found:
        return {}
    slow = sql.Literal(spec.slow_statement.total_seconds() * 1000)
    query = sql.SQL(STATEMENTS).format(slow=slow, place=sql.SQL(found[0]["place"]))
    try:
        row = (await _rows(database, query))[0]
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.UndefinedColumn):
        return {}  # created, but not loaded into the server
    return {"slow_statements": float(row["slow"]), "slowest_statement_seconds": float(row["slowest"] or 0) / 1000}


def _metrics(row: Mapping[str, Any]) -> dict[str, float]:
    found = {
        "connections": float(row["connections"]),
        "connections_used_percent": float(row["used"]),
        "transaction_ids_used_percent": float(row["ids"]),
    }
    if row["sees_all"]:
        found |= {metric: float(row[column] or 0) for column, metric in PRIVILEGED_METRICS.items()}
    return found


def _lag(replication: Replication | None) -> dict[str, float]:
    return {} if replication is None or replication.lag is None else {"lag_seconds": replication.lag}


def _since(before: Mapping[str, Any], now: Mapping[str, float]) -> dict[str, float]:
    """What happened since the last run; nothing on the first one and after the counters began anew."""
    if before.get("reset") != now["reset"] or any(name not in before or before[name] > now[name] for name in COUNTERS):
        return {}
    deadlocks, hits, reads, seconds = (now[name] - before[name] for name in ("deadlocks", "hits", "reads", "at"))
    found = {"deadlocks": deadlocks}
    if hits + reads:
        found["cache_hit_percent"] = 100 * hits / (hits + reads)
    if seconds > 0:
        found |= {metric: (now[name] - before[name]) / seconds for metric, name in RATES.items()}
    return found


def _judge(metrics: Mapping[str, float], spec: Target) -> tuple[Status, list[str]]:
    long, late = (spec.warning_transaction, spec.critical_transaction), (spec.warning_lag, spec.critical_lag)
    findings = []
    for name, what, unit, (warning, critical) in (
        ("longest_transaction_seconds", "longest transaction open for", "s", tuple(one.total_seconds() for one in long)),
        ("lag_seconds", "replication lag", "s", tuple(one.total_seconds() for one in late)),
        (
            "transaction_ids_used_percent",
            "run vacuum, writes stop when transaction ids run out: used",
            "%",
            (spec.warning_ids_percent, spec.critical_ids_percent),
        ),
    ):
        if name in metrics and metrics[name] >= min(warning, critical):
            status = Status.CRITICAL if metrics[name] >= critical else Status.WARNING
            amount = length(metrics[name]) if unit == "s" else f"{metrics[name]:.0f} {unit}"
            findings.append((status, f"{what} {amount}"))
    return worst(status for status, _ in findings), [text for _, text in findings]


def _replication_findings(replication: Replication | None, spec: Target) -> Iterator[tuple[Status, str]]:
    if replication is None:
        required = bool(spec.model_fields_set & {*LAG_LIMITS, "min_standbys"})
        yield Status.UNKNOWN if required else Status.OK, "replication state unknown: the server does not report it"
        return
    yield from ((Status(grade), text) for grade, text in replication_findings(replication, spec.min_standbys))
    if replication.standby and replication.lag is None and not replication.cut_off:
        yield Status.UNKNOWN, "replication lag unknown: the standby has not replayed anything since it started"


def _hidden(row: Mapping[str, Any], replication: Replication | None, spec: Target) -> Iterator[tuple[Status, str]]:
    """What is hidden from a role without rights; unknown when it hides what a limit of the check needs."""
    if row["sees_all"]:
        return
    lags = replication is not None and replication.lag is not None
    judged = {*TRANSACTION_LIMITS, *(() if lags else LAG_LIMITS)}
    status = Status.UNKNOWN if spec.model_fields_set & judged else Status.OK
    yield status, f'transactions and standbys are hidden: grant pg_monitor to "{row["me"]}"'
