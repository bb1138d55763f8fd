"""A MySQL or MariaDB server: sessions, role, replication and connections.

Metrics: `seconds` (session, queries), `connections`, `connections_used_percent` of max_connections, `threads_running`,
`uptime_seconds`, `read_only` (1 = yes), `slow_queries_per_second` since the last run; with `min_replicas` the number of
connected `replicas`; on a replica `lag_seconds` (of the source that is furthest behind), and by `channel` `io_running`,
`sql_running` (1 = yes) and `lag_seconds`.

Critical: no session, a different role than `role`, a replica whose threads are not running, or fewer replicas than
`min_replicas`. Warning and critical: connections used, replication lag. Unknown: wrong credentials, or a replica that does not
report its lag. If the user lacks the privilege to see replication (SLAVE MONITOR or REPLICATION CLIENT), the message says so;
the result is unknown if the check's settings need it.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal

import pymysql

from app.checks.probe import (
    Duration,
    Field,
    Reading,
    Run,
    Series,
    Spec,
    Status,
    Unreachable,
    length,
    measured,
    probe,
    unanswered,
    worst,
)
from app.failure import Failed, Kind
from app.net.mysql import MysqlUrl, Session, ask, code, error_text

STATUS = "show global status where variable_name in ('Threads_connected', 'Threads_running', 'Uptime', 'Slow_queries')"
VARIABLES = "select @@global.max_connections as most, @@global.read_only as read_only"
REPLICAS = ("show slave hosts", "show replicas", "show slave hosts")  # MariaDB; MySQL 8.0.22 and later; before
REPLICATION = ("show all slaves status", "show replica status", "show slave status")  # MariaDB; MySQL 8.0.22 and later; before

NOT_ALLOWED, SYNTAX = (1227, 1045, 1142), 1064  # source: the servers' lists of errors


class Target(Spec):
    """Which server, what it must be, and what is too much."""

    url: MysqlUrl = Field(
        description="mysql:// or mariadb:// URL; ?ssl-mode=VERIFY_IDENTITY&ssl-ca=PATH for verified TLS",
        examples=["mysql://watch:${MYSQL_PASSWORD:-secret}@db2.example.org/shop"],
    )
    role: Literal["primary", "replica"] | None = Field(
        default=None,
        description="expected role: a primary is writable, a replica follows a source; unset = either",
        examples=["replica"],
    )
    warning_percent: float = Field(default=80, gt=0, le=100, description="connections used, in percent, at which it warns")
    critical_percent: float = Field(
        default=95, gt=0, le=100, description="connections used, in percent, at which it is critical"
    )
    warning_lag: Duration = Field(default=timedelta(minutes=1), description="replication lag at which it warns")
    critical_lag: Duration = Field(default=timedelta(minutes=10), description="replication lag at which it is critical")
    min_replicas: int | None = Field(
        default=None,
        ge=0,
        description="minimum number of connected replicas (needs REPLICATION MASTER ADMIN or REPLICATION SLAVE)",
    )


@dataclass(frozen=True, slots=True)
class Channel:
    """One source that a replica follows."""

    name: str
    io: str
    sql: str
    lag: float | None
    error: str


@dataclass(frozen=True, slots=True)
class State:
    """The server's status; channels None: hidden from this user."""

    counters: Mapping[str, float]
    most: float
    read_only: bool
    channels: tuple[Channel, ...] | None
    replicas: float | None  # that follow it; None: not asked, or hidden from this user


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    started = time.perf_counter()
    try:
        state = await ask(spec.url, run.timeout, partial(_state, count_replicas=spec.min_replicas is not None))
    except Failed as failed:
        raise unanswered(failed, Kind.DENIED) from None
    except pymysql.MySQLError as error:
        raise Unreachable(f"it rejected a simple query: {error_text(error)}") from None
    seconds = time.perf_counter() - started
    memory = {"at": time.time(), "uptime": state.counters["uptime"], "slow_queries": state.counters["slow_queries"]}
    metrics = {"seconds": seconds, **_metrics(state), **_rate(run.memory, memory)}
    findings = list(_findings(state, metrics, spec))
    texts = [text for _, text in findings]
    return Reading(
        worst(status for status, _ in findings),
        "; ".join(texts) or f"answered in {measured(seconds)}, {metrics['connections_used_percent']:.0f} % of connections used",
        metrics,
        tuple(_series(state)),
        memory,
    )


def _state(session: Session, *, count_replicas: bool) -> State:
    counters = {row["Variable_name"].lower(): float(row["Value"]) for row in session.rows(STATUS)}
    variables = session.rows(VARIABLES)[0]
    read_only = str(variables["read_only"]).upper() in ("1", "ON")  # MariaDB 12 has more values than ON and OFF
    channels, replicas = _shown(session, REPLICATION), _shown(session, REPLICAS) if count_replicas else None
    return State(
        counters,
        float(variables["most"]),
        read_only,
        None if channels is None else tuple(map(_channel, channels)),
        None if replicas is None else float(len(replicas)),
    )


def _shown(session: Session, queries: tuple[str, ...]) -> list[dict[str, Any]] | None:
    """Rows of the first query that this server knows; None when it knows none, or this user may not ask."""
    for query in queries[0 if session.is_mariadb else 1 :]:
        try:
            return session.rows(query)
        except pymysql.MySQLError as error:
            if code(error) in NOT_ALLOWED:
                return None
            if code(error) != SYNTAX:
                raise
    return None


def _channel(row: Mapping[str, Any]) -> Channel:
    """A row of SHOW REPLICA STATUS, whose columns had other names for thirty years."""
    named = {name.lower().replace("master", "source").replace("slave", "replica"): value for name, value in row.items()}
    lag = named.get("seconds_behind_source")
    return Channel(
        str(named.get("connection_name") or named.get("channel_name") or "default"),
        str(named["replica_io_running"]),
        str(named["replica_sql_running"]),
        None if lag is None else float(lag),
        str(named.get("last_io_error") or named.get("last_sql_error") or ""),
    )


def _metrics(state: State) -> dict[str, float]:
    connected = state.counters["threads_connected"]
    found = {
        "connections": connected,
        "connections_used_percent": 100 * connected / max(state.most, 1),
        "threads_running": state.counters["threads_running"],
        "uptime_seconds": state.counters["uptime"],
        "read_only": float(state.read_only),
    }
    lags = [channel.lag for channel in state.channels or () if channel.lag is not None]
    found |= {} if state.replicas is None else {"replicas": state.replicas}
    return found | ({"lag_seconds": max(lags)} if lags else {})


def _rate(before: Mapping[str, Any], now: Mapping[str, float]) -> dict[str, float]:
    """Slow queries since the last run; nothing on the first one and after a restart, which counts from zero."""
    if not before or now["uptime"] < before["uptime"] or now["at"] <= before["at"]:
        return {}
    grown = now["slow_queries"] - before["slow_queries"]
    return {"slow_queries_per_second": grown / (now["at"] - before["at"])} if grown >= 0 else {}


def _series(state: State) -> Iterator[Series]:
    for channel in state.channels or ():
        labels = {"channel": channel.name}
        yield Series("io_running", float(channel.io == "Yes"), labels)
        yield Series("sql_running", float(channel.sql == "Yes"), labels)
        if channel.lag is not None:
            yield Series("lag_seconds", channel.lag, labels)


def _findings(state: State, metrics: Mapping[str, float], spec: Target) -> Iterator[tuple[Status, str]]:
    if spec.role == "primary" and state.read_only:
        yield Status.CRITICAL, "it is read-only, expected a primary"
    if spec.role == "replica" and state.channels == ():
        yield Status.CRITICAL, "it has no source, expected a replica"
    if state.channels is None:
        wanted = spec.role == "replica" or spec.model_fields_set & {"warning_lag", "critical_lag"}
        status = Status.UNKNOWN if wanted else Status.OK
        yield status, "replication is hidden from this user: grant it slave monitor (MySQL: replication client) on *.*"
    for channel in state.channels or ():
        yield from _channel_findings(channel)
    if spec.min_replicas is not None:
        yield from _replica_findings(state, spec.min_replicas)
    lag = metrics.get("lag_seconds")
    if lag is not None and lag >= min(spec.warning_lag, spec.critical_lag).total_seconds():
        late = Status.CRITICAL if lag >= spec.critical_lag.total_seconds() else Status.WARNING
        yield late, f"replication lag {length(lag)}"
    used = metrics["connections_used_percent"]
    if used >= min(spec.warning_percent, spec.critical_percent):
        full = Status.CRITICAL if used >= spec.critical_percent else Status.WARNING
        yield full, f"{used:.0f} % of connections used ({metrics['connections']:.0f} of {state.most:.0f})"


def _channel_findings(channel: Channel) -> Iterator[tuple[Status, str]]:
    """Findings of a channel whose threads do not run, or whose lag is unknown."""
    for thread, runs in (("receives nothing (IO", channel.io), ("applies nothing (SQL", channel.sql)):
        if runs != "Yes":
            because = f": {channel.error}" if channel.error else ""
            yield Status.CRITICAL, f"channel {channel.name} {thread} thread: {runs.lower()}){because}"
    if channel.lag is None and channel.io == channel.sql == "Yes":
        yield Status.UNKNOWN, f"channel {channel.name}: replication lag unknown"


def _replica_findings(state: State, least: int) -> Iterator[tuple[Status, str]]:
    if state.replicas is None:
        yield (
            Status.UNKNOWN,
            "its replicas are hidden from this user: grant it replication master admin (MySQL: replication slave)",
        )
    elif state.replicas < least:
        count = f"{state.replicas:.0f} {'replica is' if state.replicas == 1 else 'replicas are'}"
        yield Status.CRITICAL, f"{count} connected, expected {least}"
