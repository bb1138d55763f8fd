"""The incident table's statements.

`_RETITLE` and `_WAITING` read `alert` too: only a join finds the few titles that are out of date without loading every open
incident.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from app.catalog.model import During, Policy, Severity
from app.db import move_back
from app.incidents.model import Event, Incident, IncidentState, TimelineEntry
from app.incidents.table import incident, incident_event
from app.log import get as logger
from app.people.model import Urgency
from app.reason import Reason, texts

log = logger(__name__)
F = TypeVar("F", bound=BaseModel)
FIELDS = tuple(column.name for column in incident.columns if column.computed is None)
OPENING = 7_002  # the class of advisory locks that groups are opened under
_SAVED = (
    "title text, state text, severity text, urgency text, acknowledged_at timestamptz, acknowledged_by text, "
    "resolved_at timestamptz, resolved_by text, snoozed_until timestamptz, merged_into bigint, assigned_to text, "
    "alert_count int, titled_by bigint, generation int, resolve_at timestamptz, reopened_at timestamptz, "
    "hours text, during json, urgency_at timestamptz"
)
_NAMES = [part.split()[0] for part in _SAVED.split(", ")]
_SAVE = text(
    f"update incident set {', '.join(f'{name} = r.{name}' for name in _NAMES)}"
    f" from jsonb_to_recordset(cast(:rows as jsonb)) as r(number bigint, {_SAVED}) where incident.number = r.number"
)
_ALONE = text(f"""
select pg_advisory_xact_lock({OPENING}, hash) from (
  select distinct hashtext(key) & 255 as hash from unnest(cast(:keys as text[])) as key order by 1) as wanted
""")
_OPENED = [name for name in FIELDS if name != "number"]
_QUOTED = ", ".join(f'"{name}"' for name in _OPENED)  # one of them is `window`
# A statement of its own, after the locks: whose snapshot is older than a lock does not see what its last holder opened and uses
# up numbers for rows that conflict.
_OPEN = text(f"""
insert into incident ({_QUOTED})
select {_QUOTED} from json_populate_recordset(cast(null as incident), cast(:rows as json))
where not exists (select from incident where group_key = any(:keys) and state <> 'resolved')
order by group_key
on conflict (group_key) where state <> 'resolved' do nothing returning number, group_key
""")
# Each the first entry of an index. `exists` drops the order, and then a planner that knows no better reads the whole table.
_WAITING = text("""
select
  (select 1 from incident where urgency_at <= :now and state <> 'resolved' order by urgency_at limit 1) is not null as hours,
  (select 1 from incident where resolve_at <= :now and state <> 'resolved' order by resolve_at limit 1) is not null as ending,
  (select 1 from alert where summary_at is not null order by summary_at limit 1) is not null as titles
""")
_RETITLE = text("""
with changed as (
  select id, incident, state, summary from alert
  where summary_at is not null order by summary_at limit :limit for update skip locked
), stale as (
  select i.number, c.id, c.summary from changed c join incident i on i.number = c.incident
  where i.titled_by = c.id and i.state <> 'resolved' and c.state = 'firing' and c.summary <> i.title
  order by i.number for update of i skip locked
), titled as (
  update incident set title = stale.summary from stale where incident.number = stale.number
), held as (
  select c.id from changed c join incident i on i.number = c.incident and i.titled_by = c.id
  where i.state <> 'resolved' and c.state = 'firing' and c.summary <> i.title and c.id not in (select id from stale)
)
update alert set summary_at = null from changed where alert.id = changed.id and changed.id not in (select id from held)
returning alert.id
""")
_FREEZE = text("""
update incident set policy_name = r.policy_name, policy = r.policy, runbook = r.runbook
from jsonb_to_recordset(cast(:rows as jsonb)) as r(number bigint, policy_name text, policy json, runbook text)
where incident.number = r.number
""")
_LATEST = text("""
select i.* from unnest(cast(:keys as text[])) as wanted(key) cross join lateral (
  select * from incident where group_key = key and state = 'resolved' order by resolved_at desc limit 1) as i
""")
_MERGE_TARGETS = text("""
with recursive target(former, number) as (
  select n, n from unnest(cast(:numbers as bigint[])) as n
  union select target.former, i.merged_into from incident i join target using (number) where i.merged_into is not null
)
select target.former, target.number from target join incident i using (number) where i.merged_into is null
""")
_MERGED = text("""
with recursive part(number, whole) as (
  select n, n from unnest(cast(:numbers as bigint[])) as n
  union select i.number, part.whole from incident i join part on i.merged_into = part.number
)
select number, whole from part
""")


class Waiting(NamedTuple):
    """What of the incidents may be due beside what their alerts make of them."""

    hours: bool  # an urgency that follows hours
    ending: bool  # a quiet time
    titles: bool  # a summary that has changed


def waiting(db: Connection, now: datetime) -> Waiting:
    """What there is to do: most often nothing, and one look says so."""
    return Waiting(*db.execute(_WAITING, {"now": now}).one())


def open_all(db: Connection, incidents: Sequence[Incident]) -> dict[int, int] | None:
    """Open these incidents, one a group; the numbers they get by those they had.

    None, and nothing opened, when somebody else opened one of the groups meanwhile: who comes second waits for the first and
    then sees it, instead of using up numbers for rows that conflict.
    """
    keys = [one.group_key for one in incidents]
    rows = [{name: getattr(one, name) for name in _OPENED} for one in incidents]
    values = {"rows": orjson.dumps(rows, default=dumped, option=orjson.OPT_NON_STR_KEYS).decode(), "keys": keys}
    db.execute(_ALONE, {"keys": keys})
    made = {row.group_key: row.number for row in db.execute(_OPEN, values)}
    if len(made) < len(incidents):
        if made:  # a person has reopened one of the others just now
            db.execute(delete(incident).where(incident.c.number.in_(made.values())))
        return None
    return {one.number: made[one.group_key] for one in incidents}


def open_of_group(db: Connection, key: str) -> Incident | None:
    """The open incident of one group, not locked."""
    row = db.execute(
        select(incident).where(incident.c.group_key == key, incident.c.state != IncidentState.RESOLVED)
    ).one_or_none()
    return from_row(row) if row else None


def latest_closed(db: Connection, keys: Sequence[str]) -> dict[str, Incident]:
    """The incident of each group that ended last."""
    return {row.group_key: from_row(row) for row in db.execute(_LATEST, {"keys": list(keys)})}


def lock(db: Connection, numbers: Sequence[int], open_of: Sequence[str] = ()) -> dict[int, Incident]:
    """These incidents, and the open ones of these groups, locked in number order until the transaction ends.

    All at once, so that two callers never wait for each other.
    """
    open_ = and_(incident.c.group_key.in_(open_of), incident.c.state != IncidentState.RESOLVED)
    query = select(incident).where(or_(incident.c.number.in_(numbers), open_)).order_by(incident.c.number).with_for_update()
    return {row.number: from_row(row) for row in db.execute(query)}


def hold(db: Connection, numbers: Sequence[int]) -> None:
    """Keep these incidents from changing until the transaction ends; any number of transactions may hold them."""
    query = select(incident.c.number).where(incident.c.number.in_(numbers)).order_by(incident.c.number)
    db.execute(query.with_for_update(read=True))


def merge_targets(db: Connection, numbers: Sequence[int]) -> dict[int, int]:
    """For each of these incidents the one it went into by merging, however often; itself when it was not merged."""
    return {row.former: row.number for row in db.execute(_MERGE_TARGETS, {"numbers": list(numbers)})}


def merged(db: Connection, numbers: Sequence[int]) -> dict[int, int]:
    """Each of these incidents and all that were merged into them, with the one of these it belongs to."""
    return {row.number: row.whole for row in db.execute(_MERGED, {"numbers": list(numbers)})}


def claim_ending(db: Connection, now: datetime, limit: int) -> list[Incident]:
    """Open incidents whose quiet time has passed, locked; others skip them."""
    query = (
        select(incident)
        .where(incident.c.resolve_at <= now, incident.c.state != IncidentState.RESOLVED)
        .order_by(incident.c.resolve_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [from_row(row) for row in db.execute(query)]


def save_all(db: Connection, incidents: Sequence[Incident]) -> None:
    """Write what may change of incidents that this transaction has locked."""
    if not incidents:
        return
    rows = [{"number": one.number, **{name: getattr(one, name) for name in _NAMES}} for one in incidents]
    db.execute(_SAVE, {"rows": orjson.dumps(rows, default=dumped).decode()})


def retitle(db: Connection, limit: int) -> list[int]:
    """Let open incidents follow the alert that gave them their title; the alerts with another summary that were looked at."""
    return list(db.scalars(_RETITLE, {"limit": limit}))


def dumped(value: object) -> dict[str, Any]:
    """The stored form of what an incident keeps of its routing: a policy, a rule of hours."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"{type(value).__name__} has no stored form")


def claim_due_changes(db: Connection, now: datetime, limit: int) -> list[Incident]:
    """Open incidents whose hours began or ended, locked; others skip them."""
    query = (
        select(incident)
        .where(incident.c.urgency_at <= now, incident.c.state != IncidentState.RESOLVED)
        .order_by(incident.c.urgency_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [from_row(row) for row in db.execute(query)]


def mark_all_due(db: Connection, now: datetime) -> None:
    """Let the urgency of every open incident that follows hours be decided again: the hours themselves may have changed."""
    following = (incident.c.during.is_not(None), incident.c.state != IncidentState.RESOLVED)
    numbers = list(db.scalars(select(incident.c.number).where(*following).order_by(incident.c.number).with_for_update()))
    db.execute(update(incident).where(incident.c.number.in_(numbers)).values(urgency_at=now))


def freeze_all(db: Connection, incidents: Sequence[Incident]) -> None:
    """Write the policies, their names and the runbooks, which change only when an incident is routed again."""
    if not incidents:
        return
    rows = [{name: getattr(one, name) for name in ("number", "policy_name", "policy", "runbook")} for one in incidents]
    db.execute(_FREEZE, {"rows": orjson.dumps(rows, default=dumped).decode()})


def save_alone(db: Connection, incident: Incident) -> bool:
    """Write an incident that is open again; False, and nothing written, when its group has another open one."""
    try:
        with db.begin_nested():
            save_all(db, [incident])
    except IntegrityError:
        return False
    return True


def record(db: Connection, events: Sequence[Event], now: datetime) -> None:
    """Add lines to timelines."""
    if events:
        rows = [
            {
                "incident": e.incident,
                "at": now,
                "kind": e.reason.code,
                "actor": e.actor,
                "detail": dict(e.reason.facts),
            }
            for e in events
        ]
        db.execute(insert(incident_event), rows)


def get(db: Connection, number: int) -> Incident | None:
    """One incident, not locked."""
    row = db.execute(select(incident).where(incident.c.number == number)).one_or_none()
    return from_row(row) if row else None


def last_number(db: Connection) -> int:
    """The last number that an incident got, be it gone by now; 0 before the first."""
    found: int = db.execute(text("select case when is_called then last_value else 0 end from incident_number_seq")).scalar_one()
    return found


def by_numbers(db: Connection, numbers: Sequence[int]) -> dict[int, Incident]:
    """These incidents, not locked."""
    return {row.number: from_row(row) for row in db.execute(select(incident).where(incident.c.number.in_(numbers)))}


def closed(db: Connection, numbers: Sequence[int]) -> set[int]:
    """Those of these incidents that are resolved."""
    query = select(incident.c.number).where(incident.c.number.in_(numbers), incident.c.state == IncidentState.RESOLVED)
    return set(db.scalars(query))


def count_open(db: Connection) -> dict[IncidentState, int]:
    """How many incidents are open, by state."""
    query = select(incident.c.state, func.count()).where(incident.c.state != IncidentState.RESOLVED).group_by(incident.c.state)
    return {IncidentState(state): count for state, count in db.execute(query)}


def timeline(db: Connection, number: int) -> list[TimelineEntry]:
    """One incident's lines, oldest first."""
    query = select(incident_event).where(incident_event.c.incident == number).order_by(incident_event.c.id)
    return [
        TimelineEntry(at=row.at, actor=row.actor, reason=Reason(row.kind, row.detail), text=row.text)
        for row in db.execute(query)
    ]


def from_row(row: Row[Any]) -> Incident:
    """An incident from all columns of its row, whatever else the row has."""
    values = {name: row._mapping[name] for name in FIELDS}
    values["state"] = IncidentState(values["state"])
    values["severity"] = Severity(values["severity"])
    values["urgency"] = Urgency(values["urgency"])
    values["policy"] = _frozen(Policy, values["policy"], values["number"])
    values["during"] = _frozen(During, values["during"], values["number"])
    values["links"] = texts(values["links"])
    return Incident(**values)


def _frozen(kind: type[F], spec: Mapping[str, Any] | None, number: int) -> F | None:
    """What an incident froze; None for what this release cannot read: one bad row must not stop the line."""
    try:
        return kind.model_validate(spec) if spec else None
    except ValidationError as error:
        log.error("incident_unreadable", incident=number, what=kind.__name__, error=str(error))
        return None


def clock_set_back(db: Connection, by: timedelta, now: datetime) -> None:
    """What waits for an instant of a clock that was set back."""
    columns = [incident.c.resolve_at, incident.c.snoozed_until]
    move_back(db, columns, by, now)
    mark_all_due(db, now)
