"""The statements about escalations and obligations. An escalation row changes only under its incident's lock.

So what claims escalations joins `incident`: both rows must be locked by one statement.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, text, tuple_, update

from app.db import dumps, move_back
from app.escalation.model import Due, EscalationState, EscalationStatus, Obligation, ObligationState
from app.escalation.table import escalation, obligation
from app.priority import BELOW, EACH, FEW, LIFTED, LOW, MOST_URGENT, PRIORITIES
from app.reason import Reason, loaded, nested

# Both rows are locked, so that a worker with an older snapshot sees the newest version of both, or skips them.
_CLAIM = text(f"""
select one.*, of.priority from {BELOW} cross join lateral (
  select e.incident, e.generation, e.round, e.step, e.due_at, e.due, e.state, e.held
  from escalation e join incident i on i.number = e.incident
  where e.priority = of.priority and e.due_at <= :now order by e.due_at, e.incident limit :limit
  for update of i, e skip locked) as one
order by one.due_at + of.priority * {LIFTED}, one.incident limit :limit
""")
_CLAIM_ONE = text("""
select e.incident, e.generation, e.round, e.step, e.due_at, e.due, e.state, e.held
from escalation e join incident i on i.number = e.incident
where e.incident = :only and e.due_at <= :now for update of i, e skip locked
""")
_DUE = text(f"""
select one.incident from {EACH} cross join lateral (
  select incident, due_at from escalation where priority = of.priority and due_at <= :now order by due_at, incident limit :limit
) as one order by one.due_at + of.priority * {LIFTED}, one.incident limit :limit
""")
_POSTPONE = text("""
update escalation set due_at = :until where due_at is not null and incident in (
  select e.incident from escalation e join incident i on i.number = e.incident
  where e.incident = any(:numbers) for update of i, e skip locked)
""")
_NEXT_DUE = text(f"""
select min(one.due_at) from {EACH} cross join lateral (
  select due_at from escalation where priority = of.priority and due_at is not null order by due_at limit 1) as one
""")

_COLUMNS = ("generation", "round", "step", "due_at", "due", "state", "held", "reason", "priority")
_PUT = text(f"""
insert into escalation (incident, {", ".join(_COLUMNS)})
select i.number, r.generation, r.round, r.step, r.due_at, r.due, r.state, r.held, r.reason, i.priority
from jsonb_to_recordset(cast(:rows as jsonb)) as r(incident bigint, generation int, round int, step int, due_at timestamptz,
  due text, state text, held text, reason jsonb)
join incident i on i.number = r.incident
on conflict (incident) do update set {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)}
""")
_HELD = text("""
select e.incident, e.generation, e.round, e.step, e.due_at, e.due, e.state, e.held
from escalation e join incident i on i.number = e.incident
where e.held is not null order by i.number for update of i, e
""")

_END = text("""
update obligation o set state = r.state, reason = r.reason, ended_at = :now
from jsonb_to_recordset(cast(:rows as jsonb)) as r(id bigint, state text, reason jsonb)
where o.id = r.id and o.state = 'open' returning o.id
""")

# The step is the last one taken, and reaches nobody any more.
_ABANDONED = text("""
select distinct o.incident from obligation o where o.id = any(:ids) and not exists (
  select from obligation x where x.incident = o.incident and x.generation = o.generation and case
    when (x.round, x.step) is distinct from (o.round, o.step) then x.id > o.id
    else x.state in ('open', 'met', 'fallback') end
)
""")


def due(db: Connection, now: datetime, limit: int) -> list[int]:
    """Incidents with an escalation whose time has come, in the order in which they are claimed, not locked."""
    return list(db.scalars(_DUE, {"now": now, "limit": limit}))


def postpone(db: Connection, incidents: Sequence[int], until: datetime) -> None:
    """Take the next steps of these then. What somebody else is at is left as it is."""
    if incidents:
        db.execute(_POSTPONE, {"numbers": list(incidents), "until": until})


def claim_due(db: Connection, now: datetime, limit: int, only: int | None = None) -> list[EscalationState]:
    """Escalations (of `only`) whose time has come, locked with their incidents; others skip them.

    limit: of those of low urgency; they are left out while one of high urgency is the first and more than FEW are urgent.
    FEW are all there are.
    """
    if only is not None:
        return [_state(row) for row in db.execute(_CLAIM_ONE, {"now": now, "only": only})]
    few = min(FEW, limit)
    found = db.execute(_CLAIM, {"now": now, "limit": few + 1, "below": len(PRIORITIES)}).all()
    if len(found) > few and found[0].priority < LOW:
        urgent = db.execute(_CLAIM, {"now": now, "limit": MOST_URGENT, "below": LOW}).all()
        known = {row.incident for row in urgent}
        found = urgent if len(urgent) > few else [*urgent, *(row for row in found if row.incident not in known)]
    elif len(found) > few:
        found = db.execute(_CLAIM, {"now": now, "limit": limit, "below": len(PRIORITIES)}).all()
    return [_state(row) for row in found]


def put_all(db: Connection, states: Sequence[EscalationState], reason: Reason | None = None) -> None:
    """Write where these incidents stand (each once)."""
    if not states:
        return
    rows = [
        {
            "incident": one.incident,
            "generation": one.generation,
            "round": one.round,
            "step": one.step,
            "due_at": one.due_at,
            "due": one.due,
            "state": one.state,
            "held": one.held,
            "reason": nested(reason) if reason else None,
        }
        for one in states
    ]
    db.execute(_PUT, {"rows": dumps(rows)})


def get(db: Connection, incident: int) -> EscalationState | None:
    """Where one incident stands."""
    row = db.execute(select(escalation).where(escalation.c.incident == incident)).one_or_none()
    return _state(row) if row else None


def of_incidents(db: Connection, incidents: Sequence[int]) -> dict[int, EscalationState]:
    """Where each of these incidents stands."""
    rows = db.execute(select(escalation).where(escalation.c.incident.in_(incidents)))
    return {row.incident: _state(row) for row in rows}


def held(db: Connection) -> list[EscalationState]:
    """Those that wait for hours, locked with their incidents."""
    return [_state(row) for row in db.execute(_HELD)]


def next_due(db: Connection) -> datetime | None:
    """When the next step of all is due."""
    found: datetime | None = db.execute(_NEXT_DUE).scalar_one()
    return found


def promise_all(db: Connection, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Write obligations; their ids in the order of `rows`."""
    if not rows:
        return []
    statement = insert(obligation).returning(obligation.c.id, sort_by_parameter_order=True)
    return list(db.scalars(statement, list(rows)))


def end_obligations(db: Connection, ends: Mapping[int, tuple[ObligationState, Reason]], now: datetime) -> list[int]:
    """End those of these obligations that are open, each with its state and reason; the ids that ended."""
    if not ends:
        return []
    rows = [{"id": id_, "state": state, "reason": nested(reason)} for id_, (state, reason) in sorted(ends.items())]
    return list(db.scalars(_END, {"rows": dumps(rows), "now": now}))


def promised(db: Connection, users: Mapping[int, tuple[int, str]]) -> set[int]:
    """The incidents of which this generation has an obligation to reach this user; both by number."""
    if not users:
        return set()
    columns = tuple_(obligation.c.incident, obligation.c.generation, obligation.c.user_name)
    wanted = [(number, generation, login) for number, (generation, login) in users.items()]
    return set(db.scalars(select(obligation.c.incident).where(columns.in_(wanted))))


def abandoned(db: Connection, ids: Sequence[int]) -> list[int]:
    """The incidents of these obligations, which ended, whose newest step is to reach nobody else."""
    return list(db.scalars(_ABANDONED, {"ids": list(ids)})) if ids else []


def excuse_incident(db: Connection, incidents: Sequence[int], reason: Reason, now: datetime) -> None:
    """End every open obligation of these incidents as excused."""
    statement = update(obligation).where(obligation.c.incident.in_(incidents), obligation.c.state == ObligationState.OPEN)
    db.execute(statement.values(state=ObligationState.EXCUSED, reason=nested(reason), ended_at=now))


def of_generation(db: Connection, incident: int, generation: int) -> list[Obligation]:
    """The obligations of one start of an incident's policy, oldest first."""
    query = select(obligation).where(obligation.c.incident == incident, obligation.c.generation == generation)
    return [_obligation(row) for row in db.execute(query.order_by(obligation.c.id))]


def move(db: Connection, ids: Sequence[int], generation: int) -> None:
    """Let these obligations be of another generation."""
    db.execute(update(obligation).where(obligation.c.id.in_(ids)).values(generation=generation))


def obligations(
    db: Connection, *, state: ObligationState | None, incident: int | None, before: int | None, limit: int
) -> list[Obligation]:
    """Obligations, newest first, from below id `before`."""
    query = select(obligation).order_by(obligation.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(obligation.c.state == state)
    if incident is not None:
        query = query.where(obligation.c.incident == incident)
    if before is not None:
        query = query.where(obligation.c.id < before)
    return [_obligation(row) for row in db.execute(query)]


def by_ids(db: Connection, ids: Sequence[int]) -> dict[int, Obligation]:
    """These obligations."""
    return {row.id: _obligation(row) for row in db.execute(select(obligation).where(obligation.c.id.in_(ids)))}


def _state(row: Row[Any]) -> EscalationState:
    return EscalationState(
        row.incident, row.generation, row.round, row.step, row.due_at, Due(row.due), EscalationStatus(row.state), row.held
    )


def _obligation(row: Row[Any]) -> Obligation:
    return Obligation(
        row.id,
        row.incident,
        row.generation,
        row.round,
        row.step,
        row.target,
        row.user_name,
        ObligationState(row.state),
        row.made_at,
        next(iter(loaded([row.reason])), None),
    )


def clock_set_back(db: Connection, by: timedelta, now: datetime) -> None:
    """What waits for an instant of a clock that was set back."""
    columns = [escalation.c.due_at]
    move_back(db, columns, by, now)
