"""The statements about states of series, verdicts and bands."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, text, tuple_

from app.db import dumps, move_back
from app.reason import dumped, loaded
from app.rules.model import Change, RuleState, SeriesState, SeriesStatus, Verdict
from app.rules.table import band, series_state, verdict

SeriesKey = tuple[str, str]  # rule, series

_SAVE = text("""
insert into series_state (rule, series, check_name, state, firing, bad_since, known_at, memory, value, reasons, at)
select rule, series, check_name, state, firing, bad_since, known_at, memory, value, reasons, at
from json_to_recordset(cast(:rows as json)) as r(rule text, series text, check_name text, state text, firing boolean,
  bad_since timestamptz, known_at timestamptz, memory json, value float8, reasons jsonb, at timestamptz)
on conflict (rule, series) do update set check_name = excluded.check_name, state = excluded.state, firing = excluded.firing,
  bad_since = excluded.bad_since, known_at = excluded.known_at, memory = excluded.memory, value = excluded.value,
  reasons = excluded.reasons, at = excluded.at
""")


def states(db: Connection, rules: Sequence[str]) -> dict[SeriesKey, SeriesState]:
    """The state of every series of these rules, whichever check they read then."""
    rows = db.execute(select(series_state).where(series_state.c.rule.in_(rules))).all()
    return {
        (row.rule, row.series): SeriesState(RuleState(row.state), row.firing, row.bad_since, row.known_at, row.memory)
        for row in rows
    }


def save(db: Connection, rows: Sequence[tuple[SeriesKey, str, SeriesState, Verdict]]) -> None:
    """Write states: (rule, series), check, state, newest verdict."""
    if not rows:
        return
    values = [
        {
            "rule": rule,
            "series": series,
            "check_name": check,
            "state": one.state.value,
            "firing": one.firing,
            "bad_since": one.bad_since,
            "known_at": one.known_at,
            "memory": dict(one.memory),
            "value": newest.value,
            "reasons": dumped(newest.reasons),
            "at": newest.at,
        }
        for (rule, series), check, one, newest in rows
    ]
    db.execute(_SAVE, {"rows": dumps(values)})


def drop(db: Connection, series: Sequence[SeriesKey]) -> None:
    """Forget series that are gone."""
    for start in range(0, len(series), 1000):
        key = tuple_(series_state.c.rule, series_state.c.series)
        db.execute(delete(series_state).where(key.in_(series[start : start + 1000])))


def keep(db: Connection, verdicts: Sequence[tuple[SeriesKey, Verdict]]) -> None:
    """Keep verdicts that changed something."""
    if verdicts:
        rows = [
            {
                "rule": rule,
                "series": series,
                "at": one.at,
                "state": one.state,
                "alerting": one.alerting,
                "value": one.value,
                "reasons": dumped(one.reasons),
            }
            for (rule, series), one in verdicts
        ]
        db.execute(insert(verdict), rows)


def keep_bands(db: Connection, verdicts: Sequence[tuple[SeriesKey, Verdict]]) -> None:
    """Keep where rules that learn expected each value, for the graph."""
    rows = [
        {
            "rule": rule,
            "series": series,
            "at": one.at,
            "low": one.band.low,
            "expected": one.band.expected,
            "high": one.band.high,
        }
        for (rule, series), one in verdicts
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


def extend_idle_timeout(db: Connection) -> None:
    """Allow this transaction to be idle for 60 s instead of 10 s."""
    db.execute(text("set local idle_in_transaction_session_timeout = '60s'"))


def lock_composites(db: Connection) -> None:
    """Take the lock for composite rules until the end of the transaction."""
    db.execute(text("select pg_advisory_xact_lock(7073111)"))


def prune(db: Connection, keep_rules: Sequence[str]) -> list[str]:
    """Drop the states of rules that are not among these; the rules that were dropped."""
    gone = delete(series_state).where(series_state.c.rule.not_in(list(keep_rules))).returning(series_state.c.rule)
    return sorted(set(db.scalars(gone)))


def listed(db: Connection, rules: Sequence[str] | None = None) -> list[SeriesStatus]:
    """Every series with its newest verdict, by rule and series; of these rules, if some are named."""
    columns = [series_state.c[one.name] for one in fields(SeriesStatus)]
    query = select(*columns).order_by(series_state.c.rule, series_state.c.series)
    if rules is not None:
        query = query.where(series_state.c.rule.in_(rules))
    return [
        SeriesStatus(**{**row, "state": RuleState(row["state"]), "reasons": loaded(row["reasons"])})
        for row in db.execute(query).mappings()
    ]


def verdicts(db: Connection, rule: str, since: datetime, until: datetime) -> list[Change]:
    """The changes of a rule within [since, until), oldest first."""
    columns = (verdict.c.series, verdict.c.at, verdict.c.state)
    query = select(*columns).where(verdict.c.rule == rule, verdict.c.at >= since, verdict.c.at < until).order_by(verdict.c.at)
    return [Change(series=row.series, at=row.at, state=RuleState(row.state)) for row in db.execute(query)]


def clock_set_back(db: Connection, by: timedelta, now: datetime) -> None:
    """What waits for an instant of a clock that was set back."""
    columns = [series_state.c.known_at, series_state.c.bad_since]
    move_back(db, columns, by, now)
    for table in (verdict, band):
        db.execute(delete(table).where(table.c.at > now))
