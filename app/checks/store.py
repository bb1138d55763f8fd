"""The statements about checks, results and samples."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Row, case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.checks.model import Baseline, Check, CheckState, Claimed, Evaluation, Result, silent_after
from app.checks.pause import Pause, PauseFields, flat
from app.checks.probe import Status
from app.checks.table import check_baseline, check_result, check_state, sample
from app.db import move_back
from app.reason import nested, revived

LONGEST_LEASE = 120.0  # seconds; more than any time-out, so a lease that ends later is of a clock that was set back
SPREAD = timedelta(milliseconds=10)  # between the first runs of two new checks: they keep their beat

# A check that is late by whole intervals (a stopped machine) goes on from now, on its old beat.
# One that is pinned to a location waits until a worker there lives: a broker keeps what nobody takes, for ever.
_CLAIM = text("""
with due as (
  select name, next_due_at from check_state
  where family = any(:families) and not paused and next_due_at <= :until and (lease_until is null or lease_until <= :now)
    and (queue not like '%@%' or queue = any(:served))
  order by next_due_at limit :limit for update skip locked
)
update check_state c set lease_until = greatest(due.next_due_at, :now) + make_interval(secs => :lease),
  next_due_at = due.next_due_at + make_interval(secs => c.every / 1000.0
      * greatest(1, ceil(extract(epoch from (cast(:now as timestamptz) - due.next_due_at)) * 1000 / c.every)))
from due where c.name = due.name
returning c.name, c.probe, c.queue
""")
# Each the first entry of an index; `exists` would drop the order.
_ANY_DUE = text("""
select (
    select 1 from unnest(cast(:families as text[])) as of(family) cross join lateral (
      select from check_state
      where family = of.family and not paused and next_due_at <= :until order by next_due_at limit 1) as due
    limit 1) is not null
  or (select 1 from check_state where paused and paused_until <= :now order by paused_until limit 1) is not null
""")
# Due further ahead than its interval, or leased for longer than any run lasts: the clock was set back.
_PULL_IN = text("""
update check_state set next_due_at = least(next_due_at, :now), lease_until = null
where not paused and (next_due_at > :now + make_interval(secs => every / 1000.0 + 2)
  or lease_until > :now + make_interval(secs => :longest))
""")
# One that gives no result after it was resumed is silent, too.
_RESUME = text("""
update check_state c set paused = false, paused_at = null, paused_until = null, pause_reason = null, paused_by = null,
  next_due_at = :now, lease_until = null, evaluate_at = r.silent_at
from unnest(cast(:names as text[]), cast(:silent as timestamptz[])) as r(name, silent_at) where c.name = r.name
""")
# One statement and one parameter for a slice of results: their rows, their samples, and how their checks stand now. Checks are
# locked by name: those of two slices (a run by the clock, one by hand) must not wait for each other.
_FINISH = text("""
with r as materialized (
  select * from json_to_recordset(cast(:rows as json)) as r(name text, status text, message text, metrics json, series json,
    seconds float8, at timestamptz, memory json, unreachable text, reason jsonb)
), held as materialized (
  select c.name from check_state c where c.name in (select name from r) order by c.name for update
), kept as (
  insert into check_result (check_name, at, status, message, seconds, metrics, reason)
  select name, at, status, message, seconds, metrics, reason from r on conflict do nothing
), measured as (
  insert into sample (check_name, metric, at, value, labels)
  select r.name, m.key, r.at, cast(m.value as float8), '{}' from r, json_each_text(r.metrics) m
  union all
  select r.name, s.metric, r.at, s.value, s.labels
  from r, json_to_recordset(r.series) as s(metric text, value float8, labels jsonb)
)
update check_state c set status = r.status, message = r.message, metrics = r.metrics, seconds = r.seconds, at = r.at,
  memory = coalesce(r.memory, c.memory), unreachable = r.unreachable, reason = r.reason, lease_until = null,
  evaluate_at = least(coalesce(c.evaluate_at, r.at), r.at)
from r join held using (name) where c.name = r.name and (c.at is null or c.at <= r.at)
""")
# The first observation is the baseline; later ones wait for somebody to accept them.
_OBSERVE = text("""
insert into check_baseline as b (check_name, accepted, accepted_at, observed, observed_at)
select r.name, r.observed, r.at, r.observed, r.at
from json_to_recordset(cast(:rows as json)) as r(name text, observed json, at timestamptz)
on conflict (check_name) do update set observed = excluded.observed, observed_at = excluded.observed_at
where b.observed_at <= excluded.observed_at
""")


def sync(db: Connection, checks: Mapping[str, Check], now: datetime) -> None:
    """Make exactly these the checks. New ones are due now, a little apart; a changed interval counts from now; others go on.

    What a probe remembers and the baseline go with the check: they are forgotten when it is removed or has another probe.
    """
    probes = [f"{name} {check.probe}" for name, check in checks.items()]
    db.execute(delete(check_state).where((check_state.c.name + " " + check_state.c.probe).not_in(probes)))
    db.execute(delete(check_baseline).where(check_baseline.c.check_name.not_in(select(check_state.c.name))))
    if not checks:
        return
    rows = [
        {
            "name": name,
            "probe": check.probe,
            "family": check.family,
            "queue": check.queue,
            "every": int(check.every.total_seconds() * 1000),
            "next_due_at": now + min(check.every / len(checks), SPREAD) * place,
            "evaluate_at": now + silent_after(check.every),  # a check that never runs is silent, too
        }
        for place, (name, check) in enumerate(checks.items())
    ]
    statement = upsert(check_state)
    fresh = {name: statement.excluded[name] for name in ("probe", "family", "queue", "every")}
    sooner = func.least(
        check_state.c.next_due_at, text("excluded.next_due_at + make_interval(secs => excluded.every / 1000.0)")
    )
    db.execute(statement.on_conflict_do_update(index_elements=["name"], set_={**fresh, "next_due_at": sooner}), rows)


def any_due(db: Connection, families: Sequence[str], now: datetime, until: datetime) -> bool:
    """Whether there is something to claim, or a pause to end: most often not, and one look says so."""
    found: bool = db.execute(_ANY_DUE, {"families": list(families), "now": now, "until": until}).scalar_one()
    return found


def claim_due(
    db: Connection,
    families: Sequence[str],
    now: datetime,
    until: datetime,
    lease: float,
    limit: int,
    served: Collection[str] = (),
) -> list[Claimed]:
    """Checks due by `until`, leased for `lease` seconds after they are due.

    served: of those that are pinned to a location, only the checks whose queue is one of these.
    """
    values: dict[str, Any] = {"families": list(families), "now": now, "until": until, "lease": lease, "limit": limit}
    values["served"] = sorted(served)
    return [Claimed(name=row.name, probe=row.probe, queue=row.queue) for row in db.execute(_CLAIM, values)]


def pull_in(db: Connection, now: datetime) -> int:
    """Make due now what is due further ahead than its interval; how many checks."""
    return db.execute(_PULL_IN, {"now": now, "longest": LONGEST_LEASE}).rowcount


def pinned_queues(db: Connection) -> list[str]:
    """The queues of locations that checks are pinned to."""
    found = select(check_state.c.queue).where(check_state.c.queue.contains("@"), ~check_state.c.paused).distinct()
    return list(db.scalars(found.order_by(check_state.c.queue)))


def extend(db: Connection, names: Sequence[str], until: datetime) -> None:
    """Hold the lease of checks that are being run."""
    wanted = select(check_state.c.name).where(check_state.c.name.in_(names)).order_by(check_state.c.name)
    held = list(db.scalars(wanted.with_for_update()))  # in the order of whoever keeps their results
    db.execute(update(check_state).where(check_state.c.name.in_(held)).values(lease_until=until))


def finish(db: Connection, results: Sequence[Result]) -> None:
    """Store results and samples, set the checks' state, and put them on the evaluation list."""
    rows = [
        {
            "name": one.check,
            "status": one.status.value,
            "message": one.message,
            "metrics": dict(one.metrics),
            "series": [{"metric": s.metric, "value": s.value, "labels": dict(s.labels)} for s in one.series],
            "seconds": one.seconds,
            "at": one.at,
            "memory": dict(one.memory) if one.memory is not None else None,
            "unreachable": one.host,
            "reason": nested(one.reason) if one.reason else None,
        }
        for one in results
    ]
    db.execute(_FINISH, {"rows": orjson.dumps(rows).decode()})
    seen = [{"name": one.check, "observed": dict(one.observed), "at": one.at} for one in results if one.observed is not None]
    if seen:
        db.execute(_OBSERVE, {"rows": orjson.dumps(seen).decode()})


def claim_evaluation(db: Connection, now: datetime, limit: int) -> list[Evaluation]:
    """Checks whose rules have something to look at, locked until the transaction ends; others skip them."""
    query = (
        select(*(check_state.c[name] for name in ("name", "every", "paused", "at", "evaluated_at", "lease_until")))
        .where(check_state.c.evaluate_at <= now)
        .order_by(check_state.c.evaluate_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Evaluation(**{**row, "every": timedelta(milliseconds=row["every"])}) for row in db.execute(query).mappings()]


def evaluated(db: Connection, rows: Sequence[tuple[str, datetime | None, datetime | None]]) -> None:
    """Per check: the newest result its rules have seen, and when they must look again even without a new one."""
    statement = text(
        "update check_state c set evaluated_at = r.seen, evaluate_at = r.again"
        " from unnest(cast(:names as text[]), cast(:seen as timestamptz[]), cast(:again as timestamptz[]))"
        " as r(name, seen, again) where c.name = r.name"
    )
    names, seen, again = zip(*rows, strict=True)
    db.execute(statement, {"names": list(names), "seen": list(seen), "again": list(again)})


_OWN = [one.name for one in fields(CheckState) if one.name != "pause"]
_STATE = select(*(check_state.c[name] for name in (*_OWN, "paused", *PauseFields.__annotations__)))


def states(db: Connection) -> dict[str, CheckState]:
    """Every check's state, in the order of their names."""
    return {row.name: _state(row) for row in db.execute(_STATE.order_by(check_state.c.name))}


def _state(row: Row[Any]) -> CheckState:
    values = {name: row._mapping[name] for name in _OWN}
    values["pause"] = Pause(row.paused_at, row.paused_until, row.pause_reason or "", row.paused_by) if row.paused else None
    values["every"] = timedelta(milliseconds=values["every"])
    values["status"] = Status(values["status"]) if values["status"] else None
    values["reason"] = revived(values["reason"])
    return CheckState(**values)


_UNKNOWN_SINCE = text("""
select c.name, (
  select min(r.at) from check_result r where r.check_name = c.name and r.at > coalesce((
    select max(known.at) from check_result known where known.check_name = c.name and known.status <> 'unknown'), '-infinity')
) as since
from check_state c where c.status = 'unknown' and not c.paused
""")


def unknown_since(db: Connection) -> dict[str, datetime | None]:
    """The checks that cannot tell now, and since when; None when that was too long ago to be kept."""
    return {row.name: row.since for row in db.execute(_UNKNOWN_SINCE)}


def pauses(db: Connection) -> dict[str, Pause]:
    """The checks that are paused, by name."""
    paused = [_state(row) for row in db.execute(_STATE.where(check_state.c.paused).order_by(check_state.c.name))]
    return {one.name: one.pause for one in paused if one.pause is not None}


def count_by_status(db: Connection) -> dict[str, int]:
    """How many checks stand how: by status, `new` before a first result, `paused`."""
    how = case((check_state.c.paused, "paused"), else_=func.coalesce(check_state.c.status, "new")).label("how")
    return {row.how: row.n for row in db.execute(select(how, func.count().label("n")).group_by(how))}


def states_of(db: Connection, names: Sequence[str]) -> dict[str, CheckState]:
    """The state of each of these checks."""
    return {row.name: _state(row) for row in db.execute(_STATE.where(check_state.c.name.in_(names)))}


def baselines(db: Connection, names: Sequence[str]) -> dict[str, Baseline]:
    """The baselines of those of these checks that have one."""
    rows = db.execute(select(check_baseline).where(check_baseline.c.check_name.in_(names))).mappings()
    return {row["check_name"]: Baseline(**{one.name: row[one.name] for one in fields(Baseline)}) for row in rows}


def accept(db: Connection, name: str, by: str, now: datetime) -> bool:
    """Make the newest observation the baseline; whether there is one."""
    values = {"accepted": check_baseline.c.observed, "accepted_at": now, "accepted_by": by}
    return db.execute(update(check_baseline).where(check_baseline.c.check_name == name).values(values)).rowcount == 1


def pause(db: Connection, name: str, wanted: Pause) -> CheckState | None:
    """Pause a check, or change its pause; how it was before, None where there is none."""
    before = _locked(db, name)
    db.execute(update(check_state).where(check_state.c.name == name).values(paused=True, **flat(wanted)))
    return before


def resume(db: Connection, name: str, now: datetime) -> CheckState | None:
    """Go on with a check that is paused, now, counting afresh; how it was before, None where there is none."""
    before = _locked(db, name)
    if before is not None and before.paused:
        _resume(db, [before], now)
    return before


def end_pauses(db: Connection, now: datetime) -> dict[str, Pause]:
    """The same for all whose pause is over: by name."""
    over = _STATE.where(check_state.c.paused, check_state.c.paused_until <= now).order_by(check_state.c.name)
    found = [_state(row) for row in db.execute(over.with_for_update(skip_locked=True))]
    if found:
        _resume(db, found, now)
    return {one.name: one.pause for one in found if one.pause is not None}


def _resume(db: Connection, paused: Sequence[CheckState], now: datetime) -> None:
    silent = [now + silent_after(one.every) for one in paused]
    db.execute(_RESUME, {"names": [one.name for one in paused], "silent": silent, "now": now})


def _locked(db: Connection, name: str) -> CheckState | None:
    row = db.execute(_STATE.where(check_state.c.name == name).with_for_update()).one_or_none()
    return _state(row) if row else None


def clock_set_back(db: Connection, by: timedelta, now: datetime) -> None:
    """What waits for an instant of a clock that was set back."""
    columns = [
        check_state.c[name] for name in ("next_due_at", "lease_until", "evaluate_at", "at", "evaluated_at", "paused_until")
    ]
    move_back(db, columns, by, now)
    for table in (check_result, sample):  # stamped by a clock that was wrong: they would hide what comes now
        db.execute(delete(table).where(table.c.at > now))
