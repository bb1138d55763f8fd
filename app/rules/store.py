"""The statements about standings and verdicts."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, tuple_

from app.db import dumps
from app.db import turn_back as clock_set_back
from app.rules.model import Standing, State, Verdict
from app.rules.table import band, standing, verdict

Place = tuple[str, str]  # rule, series

_SAVE = text("""
insert into standing (rule, series, check_name, state, firing, bad_since, known_at, memory, value, because, at)
select rule, series, check_name, state, firing, bad_since, known_at, memory, value, because, at
from json_to_recordset(cast(:rows as json)) as r(rule text, series text, check_name text, state text, firing boolean,
  bad_since timestamptz, known_at timestamptz, memory json, value float8, because text, at timestamptz)
on conflict (rule, series) do update set check_name = excluded.check_name, state = excluded.state, firing = excluded.firing,
  bad_since = excluded.bad_since, known_at = excluded.known_at, memory = excluded.memory, value = excluded.value,
  because = excluded.because, at = excluded.at
""")


def standings(db: Connection, rules: Sequence[str]) -> dict[Place, Standing]:
    """Where every series of these rules stands, whichever check they read then."""
    rows = db.execute(select(standing).where(standing.c.rule.in_(rules))).all()
    return {
        (row.rule, row.series): Standing(State(row.state), row.firing, row.bad_since, row.known_at, row.memory) for row in rows
    }


def save(db: Connection, rows: Sequence[tuple[Place, str, Standing, Verdict]]) -> None:
    """Write standings: (rule, series), check, standing, newest verdict."""
    if not rows:
        return
    values = [
        {
            "rule": place[0],
            "series": place[1],
            "check_name": check,
            "state": one.state.value,
            "firing": one.firing,
            "bad_since": one.bad_since,
            "known_at": one.known_at,
            "memory": dict(one.memory),
            "value": said.value,
            "because": said.because,
            "at": said.at,
        }
        for place, check, one, said in rows
    ]
    db.execute(_SAVE, {"rows": dumps(values)})


def drop(db: Connection, places: Sequence[Place]) -> None:
    """Forget series that are gone."""
    for start in range(0, len(places), 1000):
        db.execute(delete(standing).where(tuple_(standing.c.rule, standing.c.series).in_(places[start : start + 1000])))


def keep(db: Connection, verdicts: Sequence[tuple[Place, Verdict]]) -> None:
    """Keep verdicts that changed something."""
    if verdicts:
        rows = [
            {
                "rule": place[0],
                "series": place[1],
                "at": one.at,
                "state": one.state,
                "alerting": one.alerting,
                "value": one.value,
                "because": one.because,
            }
            for place, one in verdicts
        ]
        db.execute(insert(verdict), rows)


def keep_bands(db: Connection, verdicts: Sequence[tuple[Place, Verdict]]) -> None:
    """Keep where rules that learn expected each value, for the graph."""
    rows = [
        {
            "rule": place[0],
            "series": place[1],
            "at": one.at,
            "low": one.band.low,
            "expected": one.band.expected,
            "high": one.band.high,
        }
        for place, one in verdicts
        if one.band is not None
    ]
    if rows:
        db.execute(insert(band), rows)


def bands(
    db: Connection, rule: str, series: str, since: datetime, until: datetime
) -> list[tuple[datetime, float, float, float]]:
    """Where a rule expected one series within [since, until), oldest first: at, low, expected, high."""
    query = select(band.c.at, band.c.low, band.c.expected, band.c.high).where(
        band.c.rule == rule, band.c.series == series, band.c.at >= since, band.c.at < until
    )
    return [tuple(row) for row in db.execute(query.order_by(band.c.at))]


def take_time(db: Connection) -> None:
    """Let this transaction think for longer than the 10 s that a session may be idle in one."""
    db.execute(text("set local idle_in_transaction_session_timeout = '60s'"))


def one_at_a_time(db: Connection) -> None:
    """Wait for, and hold until the end of the transaction, the right to decide composite rules."""
    db.execute(text("select pg_advisory_xact_lock(7073111)"))


def forget(db: Connection, keep_rules: Sequence[str]) -> list[str]:
    """Drop the standings of rules that are not among these; the rules that were dropped."""
    gone = delete(standing).where(standing.c.rule.not_in(list(keep_rules))).returning(standing.c.rule)
    return sorted(set(db.scalars(gone)))


def states(db: Connection, rules: Sequence[str] | None = None) -> list[Mapping[str, Any]]:
    """Where everything stands, by rule and series; of these rules, if some are named."""
    query = select(standing).order_by(standing.c.rule, standing.c.series)
    if rules is not None:
        query = query.where(standing.c.rule.in_(rules))
    return [dict(row) for row in db.execute(query).mappings()]


def verdicts(db: Connection, rule: str, since: datetime, until: datetime) -> list[Mapping[str, Any]]:
    """The changes of a rule within [since, until), oldest first."""
    query = select(verdict).where(verdict.c.rule == rule, verdict.c.at >= since, verdict.c.at < until).order_by(verdict.c.at)
    return [dict(row) for row in db.execute(query).mappings()]


def turn_back(db: Connection, by: timedelta, now: datetime) -> None:
    """What waits for an instant of a clock that was set back."""
    columns = [standing.c.known_at, standing.c.bad_since]
    clock_set_back(db, columns, by, now)
    for table in (verdict, band):
        db.execute(delete(table).where(table.c.at > now))
