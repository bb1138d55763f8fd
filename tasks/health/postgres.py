"""A PostgreSQL server: sessions, role, replication and connections.

Metrics: `seconds` (session and query), `connections_used_percent` of those available to ordinary users, `in_recovery` (1 =
standby); on a standby `receiving` (1 = connected to its primary), on a primary `standbys` and `inactive_slots`.

Critical: no session; a standby if `role` is primary, or the reverse; a standby that lost its primary; a primary with fewer than
`min_standbys`, without the synchronous standby that commits wait for, or with a lost replication slot. Warning: a standby that
was connected has disappeared, or a replication slot is inactive. Warning and critical: connections used. Unknown: wrong
credentials.
"""

import time
from collections.abc import Iterator
from typing import Literal

import psycopg

from app.checks.own import own_database
from app.checks.probe import Field, Reading, Run, Spec, Status, Unreachable, measured, probe, unanswered, worst
from app.failure import Failed, Kind
from app.net.postgres import DatabaseUrl, session
from app.net.postgres_replication import Replication, fetch_replication, findings

# Of other sessions a role without rights sees only the database, not even the backend_type.
QUERY = """
select pg_is_in_recovery(),
       (select count(*) from pg_stat_activity
         where datname is not null and coalesce(backend_type, 'client backend') = 'client backend') * 100.0
       / greatest(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int, 1)
"""


class Target(Spec):
    """Which server, and when it is too full."""

    url: DatabaseUrl | None = Field(
        default=None,
        description="postgresql:// URL; unset = Tocsin's own database",
        examples=["postgresql://watch:${SHOP_DB_PASSWORD:-secret}@db1.example.org/shop"],
    )
    role: Literal["primary", "standby"] | None = Field(
        default=None, description="expected role; unset = either", examples=["primary"]
    )
    warning_percent: float = Field(default=80, gt=0, le=100, description="connections used, in percent, at which it warns")
    critical_percent: float = Field(
        default=95, gt=0, le=100, description="connections used, in percent, at which it is critical"
    )
    min_standbys: int | None = Field(
        default=None,
        ge=0,
        description="minimum number of standbys of a primary; unset = as many as were seen in the last 7 days",
        examples=[1],
    )
    ignore_slots: list[str] = Field(default=[], max_length=100, description="replication slots that may be inactive")


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    started = time.perf_counter()
    try:
        async with session(spec.url or own_database(), run.timeout) as database:
            row = await (await database.execute(QUERY)).fetchone()
            seconds = time.perf_counter() - started
            replication = await fetch_replication(
                database, run.memory, expect_back=spec.min_standbys is None, ignored=spec.ignore_slots
            )
    except Failed as failed:
        raise unanswered(failed, Kind.DENIED) from None
    except psycopg.Error as error:
        raise Unreachable(f"it rejected a simple query: {error}") from None
    assert row is not None
    standby, used = bool(row[0]), float(row[1])
    found = list(_findings(standby, used, replication, spec))
    return Reading(
        worst(status for status, _ in found),
        "; ".join(text for _, text in found) or f"answered in {measured(seconds)}, {used:.0f} % of connections used",
        {
            "seconds": seconds,
            "connections_used_percent": used,
            "in_recovery": float(standby),
            **_replication_metrics(replication),
        },
        memory=replication.memory if replication is not None else None,
    )


def _replication_metrics(replication: Replication | None) -> dict[str, float]:
    if replication is None:
        return {}
    if replication.standby:
        return {"receiving": float(replication.receiving)}
    return {"standbys": float(replication.connected()), "inactive_slots": float(len(replication.slots))}


def _findings(standby: bool, used: float, replication: Replication | None, spec: Target) -> Iterator[tuple[Status, str]]:
    role = "standby" if standby else "primary"
    if spec.role is not None and spec.role != role:
        yield Status.CRITICAL, f"role is {role}, expected {spec.role}"
    if used >= min(spec.warning_percent, spec.critical_percent):
        yield Status.CRITICAL if used >= spec.critical_percent else Status.WARNING, f"{used:.0f} % of connections used"
    if replication is not None:
        yield from ((Status(grade), text) for grade, text in findings(replication, spec.min_standbys))
    elif spec.min_standbys is not None:
        yield Status.UNKNOWN, "replication state unknown: the server does not report it"
