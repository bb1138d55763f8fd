"""The alert table's statements. Batches go in as one JSON value: cheaper than arrays, and one statement for any size."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, text, update

from app.alerts.model import Alert, AlertState, Tally, Worst
from app.alerts.table import WORST_FIRST, alert
from app.catalog.model import Severity
from app.db import move_back
from app.people.model import Urgency
from app.priority import FEW, LIFTED, MOST_URGENT
from app.reason import Reason, dumped, loaded, texts
from app.signals.model import PUSHED

INTAKE = 7_001  # the class of advisory locks that calls of one source take


SEVERITIES = sorted(Severity, key=lambda one: -one.rank)  # worst first
URGENT = [one for one in SEVERITIES if one.urgency is Urgency.HIGH]
_DUE = f"""
select one.* from unnest(cast(:severities as text[])) with ordinality as of(severity, place) cross join lateral (
  select * from alert where severity = of.severity and dedup_at <= :now order by dedup_at, id limit :limit {{lock}}) as one
order by one.dedup_at + (of.place - 1) * {LIFTED}, one.id limit :limit
"""
_CHANGED = text(_DUE.format(lock=""))
_CLAIM = text(_DUE.format(lock="for update skip locked"))
# Rows arrive sorted by fingerprint, so that two writers cannot lock each other out. `lifecycle` has what becomes of an alert.
_RAISE = text("""
insert into alert (fingerprint, source, key, alertname, state, severity, summary, service, labels, annotations, links,
                   runbook, value, reasons, reason_in_summary, shadow, trace, content, starts_at, seen_at, dedup_at)
select fingerprint, source, key, alertname, state, severity, summary, service, labels, annotations, links,
       runbook, value, reasons, reason_in_summary, shadow, trace, content, coalesce(starts_at, :now), :now,
       case when state = 'firing' and not shadow then cast(:now as timestamptz) end
from jsonb_to_recordset(cast(:rows as jsonb)) as r(
       fingerprint text, source text, key text, alertname text, state text, severity text, summary text, service text,
       labels jsonb, annotations jsonb, links jsonb, runbook text, value float8, reasons jsonb, reason_in_summary bool,
       shadow bool, trace text, content text, starts_at timestamptz)
on conflict (fingerprint) where state <> 'resolved' do update set
  state = case when alert.state in ('suppressed', 'firing') then alert.state else excluded.state end,
  starts_at = case when alert.state = 'pending' and excluded.state = 'firing' then excluded.starts_at else alert.starts_at end,
  severity = excluded.severity, summary = excluded.summary, service = excluded.service, labels = excluded.labels,
  annotations = excluded.annotations, links = excluded.links, runbook = excluded.runbook, value = excluded.value,
  reasons = excluded.reasons, reason_in_summary = excluded.reason_in_summary,
  summary_at = case when alert.summary <> excluded.summary and alert.incident is not null
    then excluded.seen_at else alert.summary_at end,
  shadow = excluded.shadow, trace = excluded.trace, content = excluded.content, seen_at = excluded.seen_at,
  dedup_at = case
    when excluded.dedup_at is not null and (alert.state = 'pending' or alert.severity <> excluded.severity or alert.shadow)
    then excluded.dedup_at else alert.dedup_at end
returning id, fingerprint, dedup_at is not null as changed
""")

# A select finds those that are as they were; only what was seen long ago is written, and waits for nobody.
_SEE = text("""
with sent as (
  select split_part(one, ' ', 1) as fingerprint, split_part(one, ' ', 2) as content
  from string_to_table(:sent, ',') as one
), known as (
  select a.id, a.fingerprint, a.trace, a.seen_at from alert a join sent on a.fingerprint = sent.fingerprint
  where a.state <> 'resolved' and a.content = sent.content
), stale as (
  select id from alert where id in (select id from known where seen_at < :before) order by fingerprint for update skip locked
), seen as (
  update alert set seen_at = :now from stale where alert.id = stale.id
)
select fingerprint, trace from known
""")

_END = text("""
with ended as (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as x(fingerprint text, end_reasons jsonb)
), held as (
  select alert.id, ended.end_reasons from alert join ended using (fingerprint)
  where alert.state <> 'resolved' order by alert.fingerprint for update of alert
)
update alert set state = 'resolved', ends_at = :now, seen_at = :now, end_reasons = held.end_reasons,
       dedup_at = case when alert.state = 'pending' or alert.shadow then null else cast(:now as timestamptz) end
from held where alert.id = held.id
returning alert.id, dedup_at is not null as changed
""")

_SHOWN = text("""
select a.* from unnest(cast(:numbers as bigint[])) as wanted(number) cross join lateral (
  select * from alert where incident = number order by (state = 'resolved'), id limit :each) as a
order by a.incident, (a.state = 'resolved'), a.id
""")


_TALLY = text("""
select t.incident, t.open, t.total, a.id, a.severity, a.starts_at, a.summary
from (
  select incident, count(*) filter (where state <> 'resolved') as open, count(*) as total,
    (array_agg(id order by precedence, starts_at, id) filter (where state = 'firing'))[1] as worst
  from alert where incident = any(:numbers) group by incident
) as t left join alert a on a.id = t.worst
""")
_OTHERS = text(f"""
select number, w.id is not null as open, case when w.state = 'firing' then w.id end as id, w.severity, w.starts_at, w.summary
from unnest(cast(:numbers as bigint[])) as number left join lateral (
  select * from alert where incident = number and state <> 'resolved' and id <> all(:but)
  order by {", ".join(WORST_FIRST)} limit 1) as w on true
""")


def raise_all(db: Connection, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[int]:
    """Open or update one alert per row (unique fingerprints); ids of those the dedup stage must look at."""
    ordered = sorted(rows, key=lambda row: str(row["fingerprint"]))
    found = db.execute(_RAISE, {"rows": orjson.dumps(ordered).decode(), "now": now})
    return [row.id for row in found if row.changed]


def see(db: Connection, contents: Mapping[str, str], now: datetime, before: datetime) -> dict[str, str]:
    """The traces of the open alerts (content by fingerprint) that are still so; seen `now`, unless they were since `before`."""
    sent = ",".join(f"{fingerprint} {content}" for fingerprint, content in contents.items())
    found = db.execute(_SEE, {"sent": sent, "now": now, "before": before})
    return {row.fingerprint: row.trace for row in found}


def end_all(db: Connection, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[int]:
    """End the open alerts with these fingerprints; ids of those the dedup stage must look at."""
    found = db.execute(_END, {"rows": orjson.dumps(list(rows)).decode(), "now": now})
    return [row.id for row in found if row.changed]


def open_of_sources(db: Connection, sources: Sequence[str]) -> list[str]:
    """Fingerprints of the open alerts of these sources."""
    query = select(alert.c.fingerprint).where(alert.c.source.in_(sources), alert.c.state != AlertState.RESOLVED)
    return list(db.scalars(query))


def open_of(db: Connection, fingerprint: str) -> Alert | None:
    """The open alert with this fingerprint, not locked."""
    query = select(alert).where(alert.c.fingerprint == fingerprint, alert.c.state != AlertState.RESOLVED)
    row = db.execute(query).one_or_none()
    return _alert(row) if row else None


def changed(db: Connection, now: datetime, limit: int) -> list[int]:
    """Ids of the alerts the dedup stage must look at, in its order, not locked."""
    return [row.id for row in db.execute(_CHANGED, {"now": now, "limit": limit, "severities": SEVERITIES})]


def postpone(db: Connection, ids: Sequence[int], until: datetime) -> None:
    """Look at these again then: somebody holds their incident. What somebody is just writing is left as it is."""
    if ids:
        waiting = select(alert.c.id).where(alert.c.id.in_(ids), alert.c.dedup_at.is_not(None))
        found = waiting.with_for_update(skip_locked=True).scalar_subquery()
        db.execute(update(alert).where(alert.c.id.in_(found)).values(dedup_at=until))


def _locked(db: Connection, which: ColumnElement[bool]) -> list[int]:
    """Lock these alerts in the order of every other writer; their ids."""
    return list(db.scalars(select(alert.c.id).where(which).order_by(alert.c.fingerprint, alert.c.id).with_for_update()))


def claim_changed(db: Connection, now: datetime, limit: int, only: Sequence[int] | None = None) -> list[Alert]:
    """Alerts (of `only`) the dedup stage must look at, locked until the transaction ends; others skip them.

    limit: of those that are not urgent; they are left out while an urgent one is the first and more than FEW are urgent.
    FEW are all there are.
    """
    if only is None:
        few = min(FEW, limit)
        found = db.execute(_CLAIM, {"now": now, "limit": few + 1, "severities": SEVERITIES}).all()
        if len(found) > few and found[0].severity in URGENT:
            urgent = db.execute(_CLAIM, {"now": now, "limit": MOST_URGENT, "severities": URGENT}).all()
            found = urgent if len(urgent) > few else _together(urgent, found)
        elif len(found) > few:
            found = db.execute(_CLAIM, {"now": now, "limit": limit, "severities": SEVERITIES}).all()
        return [_alert(row) for row in found]
    query = (
        select(alert).where(alert.c.dedup_at <= now, alert.c.id.in_(only)).order_by(alert.c.dedup_at, alert.c.id).limit(limit)
    )
    return [_alert(row) for row in db.execute(query.with_for_update(skip_locked=True))]


def _together(first: Sequence[Row[Any]], then: Sequence[Row[Any]]) -> list[Row[Any]]:
    """All of these, each once: more than FEW, so that it shows that there may be more."""
    ids = {row.id for row in first}
    return [*first, *(row for row in then if row.id not in ids)]


def place_all(db: Connection, placed: Mapping[int, int | None]) -> None:
    """Write down the incident of each alert id and take it off the dedup stage's list."""
    statement = text(
        "update alert set incident = p.incident, dedup_at = null"
        " from unnest(cast(:ids as bigint[]), cast(:incidents as bigint[])) as p(id, incident) where alert.id = p.id"
    )
    db.execute(statement, {"ids": list(placed), "incidents": list(placed.values())})


def move_all(db: Connection, ids: Sequence[int], into: int) -> None:
    """Give these alerts, which this transaction has locked, to another incident."""
    db.execute(update(alert).where(alert.c.id.in_(ids)).values(incident=into))


def lock_of(db: Connection, incidents: Sequence[int]) -> list[int]:
    """Lock every alert of these incidents, in the order in which the other stages take them; their ids."""
    return _locked(db, alert.c.incident.in_(incidents))


def ids_of(db: Connection, incidents: Sequence[int]) -> list[int]:
    """The ids of the alerts of these incidents, not locked."""
    return list(db.scalars(select(alert.c.id).where(alert.c.incident.in_(incidents))))


def end_pushed(db: Connection, ids: Sequence[int], reason: Reason, now: datetime) -> None:
    """End those of these alerts, which this transaction has locked, that senders push; a later signal is then a new alert.

    `lifecycle.ended` has what becomes of each.
    """
    pushed = or_(*(alert.c.source.startswith(prefix) for prefix in PUSHED))
    statement = update(alert).where(alert.c.id.in_(ids), alert.c.state != AlertState.RESOLVED, pushed)
    db.execute(statement.values(state=AlertState.RESOLVED, ends_at=now, end_reasons=dumped([reason]), dedup_at=None))


def take_turns(db: Connection, sources: Iterable[str], *, alone: bool) -> None:
    """Wait until no other call of these sources is under way, or, unless `alone`, none that has to be alone."""
    lock_ = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    ordered = "(select distinct hashtext(one) as source from unnest(cast(:sources as text[])) as one order by source) as of"
    db.execute(text(f"select {lock_}({INTAKE}, source) from {ordered}"), {"sources": list(sources)})


def lock(db: Connection, fingerprints: Sequence[str]) -> None:
    """Lock the open alerts with these fingerprints, all at once in the order of every other writer."""
    _locked(db, alert.c.fingerprint.in_(fingerprints) & (alert.c.state != AlertState.RESOLVED))


def shown(db: Connection, numbers: Sequence[int], each: int) -> list[Alert]:
    """The first `each` alerts of each of these incidents, the open ones before those that are over, oldest first."""
    return [_alert(row) for row in db.execute(_SHOWN, {"numbers": list(numbers), "each": each})]


def end_codes(db: Connection, numbers: Sequence[int]) -> dict[int, set[str | None]]:
    """By which reason's code the alerts of each of these incidents ended; None for one that has not."""
    code = alert.c.end_reasons[(0, "code")].astext
    query = select(alert.c.incident, func.array_agg(code.distinct())).where(alert.c.incident.in_(numbers))
    return {number: set(codes) for number, codes in db.execute(query.group_by(alert.c.incident))}


def of_incidents(db: Connection, numbers: Sequence[int]) -> list[Alert]:
    """Every alert of these incidents, oldest first."""
    query = select(alert).where(alert.c.incident.in_(numbers)).order_by(alert.c.id)
    return [_alert(row) for row in db.execute(query)]


def tally(db: Connection, number: int) -> Tally:
    """What an incident's alerts are, counted one by one."""
    row = db.execute(_TALLY, {"numbers": [number]}).one_or_none()
    return Tally(row.open, row.total, _worst(row)) if row else Tally()


def others(db: Connection, numbers: Sequence[int], but: Sequence[int]) -> dict[int, tuple[bool, Worst | None]]:
    """Per incident, of its alerts `but` these: whether one is open, and the worst that fires. However many there are."""
    rows = db.execute(_OTHERS, {"numbers": list(numbers), "but": list(but)})
    return {row.number: (row.open, _worst(row)) for row in rows}


def _worst(row: Row[Any]) -> Worst | None:
    return None if row.id is None else Worst(Severity(row.severity), row.starts_at, row.id, row.summary)


def listed(
    db: Connection, *, state: AlertState | None, service: str | None, labels: Mapping[str, str], before: int | None, limit: int
) -> list[Alert]:
    """Alerts, newest first, from below id `before`; `labels` must be contained (the GIN index answers)."""
    query = select(alert).order_by(alert.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(alert.c.state == state)
    if service is not None:
        query = query.where(alert.c.service == service)
    if labels:
        query = query.where(alert.c.labels.contains(dict(labels)))
    if before is not None:
        query = query.where(alert.c.id < before)
    return [_alert(row) for row in db.execute(query)]


def _alert(row: Row[Any]) -> Alert:
    values = dict(row._mapping)
    for name in ("dedup_at", "content", "summary_at", "precedence"):
        values.pop(name)
    values["state"] = AlertState(values["state"])
    values["severity"] = Severity(values["severity"])
    values["reasons"], values["end_reasons"] = loaded(values["reasons"]), loaded(values["end_reasons"])
    values["links"] = texts(values["links"])
    values["suppressed_by"] = tuple(values["suppressed_by"])
    return Alert(**values)


def clock_set_back(db: Connection, by: timedelta, now: datetime) -> None:
    """What waits for an instant of a clock that was set back."""
    columns = [alert.c.dedup_at]
    _locked(db, alert.c.dedup_at > now)
    move_back(db, columns, by, now)
