"""Takes a PostgreSQL session and answers a query.

Metrics: `seconds` (session and query), `connections_used_percent` of those open to ordinary users, `in_recovery` (1 = standby).
Critical: no session, or a standby where `role` says primary and the other way round; warning and critical: the share of
connections used. Wrong credentials are unknown: the probe then cannot tell.
"""

import time
from typing import Literal

import psycopg

from app.checks.probe import CannotTell, Field, Reading, Run, Spec, Status, Unreachable, own_database, probe
from app.net.failure import Failed, Kind
from app.net.postgres import DatabaseUrl, session

# Of other people's sessions a role without rights is told the database, and nothing else, not even the backend_type.
QUERY = """
select pg_is_in_recovery(),
       (select count(*) from pg_stat_activity
         where datname is not null and coalesce(backend_type, 'client backend') = 'client backend') * 100.0
       / greatest(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int, 1)
"""


class Target(Spec):
    """Which server, and when it is too full."""

    url: DatabaseUrl | None = Field(default=None, description="postgresql:// URL; unset = Tocsin's own database")
    role: Literal["primary", "standby"] | None = Field(default=None, description="what it must be; unset = either")
    warning_percent: float = Field(default=80, gt=0, le=100, description="connections used, in percent, from which it warns")
    critical_percent: float = Field(default=95, gt=0, le=100, description="connections used, in percent, that are critical")


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    started = time.perf_counter()
    try:
        async with session(spec.url or own_database(), run.timeout) as database:
            row = await (await database.execute(QUERY)).fetchone()
    except Failed as failed:
        blind = failed.kind in (Kind.BLOCKED, Kind.DENIED)
        raise (CannotTell if blind else Unreachable)(str(failed)) from None
    except psycopg.Error as error:
        raise Unreachable(f"it refused a simple query: {error}") from None
    assert row is not None
    standby, used, seconds = bool(row[0]), float(row[1]), time.perf_counter() - started
    status, message = _judge(standby, used, spec)
    return Reading(
        status,
        message or f"answered in {seconds:.3g} s, {used:.0f} % of connections used",
        {"seconds": seconds, "connections_used_percent": used, "in_recovery": float(standby)},
    )


def _judge(standby: bool, used: float, spec: Target) -> tuple[Status, str]:
    role = "standby" if standby else "primary"
    if spec.role is not None and spec.role != role:
        return Status.CRITICAL, f"it is a {role}, and must be a {spec.role}"
    if used >= spec.critical_percent:
        return Status.CRITICAL, f"{used:.0f} % of connections used"
    if used >= spec.warning_percent:
        return Status.WARNING, f"{used:.0f} % of connections used"
    return Status.OK, ""
