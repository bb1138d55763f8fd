"""The statements about heartbeats and their pings."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Connection, LargeBinary, Row, Select, func, insert, select, text, update

from app.checks.heartbeats.decide import last_line
from app.checks.heartbeats.model import (
    Beat,
    Cause,
    Heartbeat,
    HeartbeatRecord,
    HeartbeatState,
    Judged,
    Kind,
    MeasuredRun,
    Ping,
    PingRecord,
    PingRequest,
    RemovedHeartbeat,
    Run,
    RunEnd,
)
from app.checks.heartbeats.table import heartbeat, heartbeat_ping
from app.checks.pause import Pause, flat
from app.checks.table import sample
from app.db import move_back
from app.reason import dumped, loaded

KEPT = 100  # pings of one heartbeat
TAIL = 400  # bytes of a failure's body that are looked at

# The whole of some pings: their rows, and a mark for whoever judges. The heartbeat's row lock gives its pings their order;
# many are locked in one order. A slug counts if one heartbeat has it.
_AT = "coalesce(cast(:now as timestamptz), clock_timestamp())"
_RECEIVE = text(f"""
with called as (
  select * from unnest(cast(:uuids as uuid[]), cast(:slugs as text[]), cast(:kinds as text[]), cast(:statuses as int[]),
    cast(:rids as text[]), cast(:methods as text[]), cast(:remotes as text[]), cast(:agents as text[]),
    cast(:bodies as bytea[])) with ordinality as r(uuid, slug, kind, exit_status, rid, method, remote, agent, body, i)
), whose as (
  select i, id from called join heartbeat using (uuid) where removed_at is null
  union all
  select i, min(id) from called join heartbeat on heartbeat.slug = called.slug
  where called.uuid is null and removed_at is null group by i having count(*) = 1
), ranked as (
  select i, id, row_number() over (partition by id order by i) as rank, count(*) over (partition by id) as many from whose
), held as (
  select id from heartbeat where id in (select id from whose) order by id for update
), beat as (
  update heartbeat h set pings = h.pings + r.many, pinged_at = {_AT}, look_at = least(h.look_at, {_AT})
  from ranked r join held on held.id = r.id
  where h.id = r.id and r.rank = 1 and h.removed_at is null returning h.id, h.pings - r.many as before, h.pinged_at, h.state
), kept as (
  insert into heartbeat_ping (heartbeat, n, at, kind, exit_status, rid, method, remote, agent, body)
  select id, beat.before + rank, pinged_at, kind, exit_status, rid, method, remote, agent, body
  from beat join ranked using (id) join called using (i)
)
select i - 1 as place, beat.before + rank as n, state from beat join ranked using (id)
""")
_UNJUDGED = text("""
select p.heartbeat, p.n, p.at, p.kind, p.exit_status, p.rid,
  case when p.kind = 'fail' then substring(p.body from greatest(1, length(p.body) - :tail + 1)) end as tail
from unnest(cast(:ids as bigint[]), cast(:judged as bigint[])) as w(id, judged) cross join lateral (
  select * from heartbeat_ping where heartbeat = w.id and n > w.judged order by n limit :each) as p
order by p.heartbeat, p.n
""")
_ENDS = text("""
select p.* from unnest(cast(:ids as bigint[])) as w(id) cross join lateral (
  select heartbeat, n, at, kind, seconds from heartbeat_ping where heartbeat = w.id and kind in ('success', 'fail')
  order by n desc limit :each) as p
order by p.heartbeat, p.n
""")
_SAVE = text("""
update heartbeat h set state = r.state, cause = r.cause, reasons = r.reasons, since = r.since, counts_from = r.counts_from,
  last_ping = r.last_ping, last_start = r.last_start, runs = r.runs, run_seconds = r.run_seconds, expected_at = r.expected_at,
  due_at = r.due_at, look_at = case when r.state = 'paused' then least(r.look_at, h.paused_until) else r.look_at end,
  judged = r.judged,
  paused_at = case when r.state = 'paused' then h.paused_at end,
  paused_until = case when r.state = 'paused' then h.paused_until end,
  pause_reason = case when r.state = 'paused' then h.pause_reason end,
  paused_by = case when r.state = 'paused' then h.paused_by end
from jsonb_to_recordset(cast(:rows as jsonb)) as r(id bigint, state text, cause text, reasons jsonb, since timestamptz,
  counts_from timestamptz, last_ping timestamptz, last_start timestamptz, runs jsonb, run_seconds float8,
  expected_at timestamptz, due_at timestamptz, look_at timestamptz, judged bigint)
where h.id = r.id
""")
_MEASURED = text("""
update heartbeat_ping p set seconds = r.seconds
from unnest(cast(:ids as bigint[]), cast(:numbers as bigint[]), cast(:seconds as float8[])) as r(id, n, seconds)
where p.heartbeat = r.id and p.n = r.n
""")
_TRIM = text("""
delete from heartbeat_ping p using unnest(cast(:ids as bigint[]), cast(:before as bigint[])) as r(id, before)
where p.heartbeat = r.id and p.n <= r.before
""")
_SYNC = text("""
insert into heartbeat as h (name, uuid, slug, origin, spec, zone, created_at)
select r.name, gen_random_uuid(), r.slug, :origin, r.spec, :zone, :now
from jsonb_to_recordset(cast(:rows as jsonb)) as r(name text, slug text, spec jsonb)
on conflict (name) do update set slug = excluded.slug, origin = excluded.origin, spec = excluded.spec, zone = excluded.zone,
  look_at = case when (h.removed_at, h.spec, h.zone) is distinct from (null, excluded.spec, excluded.zone) then :now
                 else h.look_at end,
  removed_at = null
""")


@lru_cache(maxsize=4096)
def _spec(stored: bytes) -> Heartbeat:
    return Heartbeat.model_validate(orjson.loads(stored))


def _beat(row: Row[Any]) -> Beat:
    return Beat(
        state=HeartbeatState(row.state),
        cause=Cause(row.cause),
        reasons=loaded(row.reasons),
        since=row.since,
        counts_from=row.counts_from,
        last_ping=row.last_ping,
        last_start=row.last_start,
        runs=tuple(Run(rid, datetime.fromisoformat(since)) for rid, since in row.runs),
        run_seconds=row.run_seconds,
    )


def _record(row: Row[Any]) -> HeartbeatRecord:
    return HeartbeatRecord(
        id=row.id,
        name=row.name,
        uuid=row.uuid,
        slug=row.slug,
        origin=row.origin,
        spec=_spec(orjson.dumps(row.spec)),
        zone=row.zone,
        beat=_beat(row),
        expected_at=row.expected_at,
        due_at=row.due_at,
        pings=row.pings,
        judged=row.judged,
        pause=Pause(row.paused_at, row.paused_until, row.pause_reason or "", row.paused_by) if row.state == "paused" else None,
    )


def receive(db: Connection, calls: Sequence[PingRequest], now: datetime | None) -> dict[int, tuple[int, HeartbeatState]]:
    """Keep pings: by place the number of each and its heartbeat's state before; those that are nobody's, or several's, lack."""
    values = {
        "uuids": [one.uuid for one in calls],
        "slugs": [one.slug for one in calls],
        "kinds": [one.kind.value for one in calls],
        "statuses": [one.exit_status for one in calls],
        "rids": [one.rid for one in calls],
        "methods": [one.method for one in calls],
        "remotes": [one.remote for one in calls],
        "agents": [one.agent for one in calls],
        "bodies": [one.body for one in calls],
        "now": now,
    }
    return {row.place: (row.n, HeartbeatState(row.state)) for row in db.execute(_RECEIVE, values)}


def count_slug(db: Connection, slug: str) -> int:
    """How many heartbeats have this slug."""
    query = select(func.count()).where(heartbeat.c.slug == slug, heartbeat.c.removed_at.is_(None))
    return db.execute(query).scalar_one()


def count_made(db: Connection) -> int:
    """How many heartbeats were made by pings."""
    query = select(func.count()).where(heartbeat.c.origin == "ping", heartbeat.c.removed_at.is_(None))
    return db.execute(query).scalar_one()


def sync(db: Connection, rows: Sequence[Mapping[str, Any]], origin: str, zone: str, now: datetime) -> None:
    """Make these heartbeats, change them, or bring them back as they were: name, slug and spec each."""
    if rows:
        values = {"rows": orjson.dumps(list(rows)).decode(), "origin": origin, "zone": zone, "now": now}
        db.execute(_SYNC, values)


def lock_removed(db: Connection, names: Sequence[str]) -> list[RemovedHeartbeat]:
    """Those of these heartbeats that were removed, locked until the transaction ends."""
    query = select(heartbeat).where(heartbeat.c.name.in_(names), heartbeat.c.removed_at.is_not(None)).order_by(heartbeat.c.id)
    rows = db.execute(query.with_for_update())
    return [RemovedHeartbeat(id=row.id, name=row.name, pings=row.pings, beat=_beat(row)) for row in rows]


def remove_others(db: Connection, names: Sequence[str], now: datetime) -> None:
    """Remove what the configuration declared before and does not any more."""
    gone = (heartbeat.c.origin == "config", heartbeat.c.name.not_in(names), heartbeat.c.removed_at.is_(None))
    db.execute(update(heartbeat).where(*gone).values(removed_at=now, look_at=None))


def remove(db: Connection, name: str, now: datetime) -> None:
    """Remove one."""
    db.execute(update(heartbeat).where(heartbeat.c.name == name).values(removed_at=now, look_at=None))


def claim(db: Connection, now: datetime, limit: int) -> list[HeartbeatRecord]:
    """Heartbeats somebody has to look at, locked until the transaction ends; others skip them."""
    query = (
        select(heartbeat)
        .where(heartbeat.c.look_at <= now, heartbeat.c.removed_at.is_(None))
        .order_by(heartbeat.c.look_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [_record(row) for row in db.execute(query)]


def lock(db: Connection, name: str) -> HeartbeatRecord | None:
    """One heartbeat, locked until the transaction ends."""
    query = select(heartbeat).where(heartbeat.c.name == name, heartbeat.c.removed_at.is_(None)).with_for_update()
    row = db.execute(query).one_or_none()
    return _record(row) if row else None


def unjudged(db: Connection, judged: Mapping[int, int], each: int) -> dict[int, list[Ping]]:
    """Pings after the last judged one of each heartbeat id, oldest first, at most `each`."""
    found: dict[int, list[Ping]] = {one: [] for one in judged}
    values = {"ids": list(judged), "judged": list(judged.values()), "each": each, "tail": TAIL}
    for row in db.execute(_UNJUDGED, values):
        tail = last_line(bytes(row.tail or b""))
        found[row.heartbeat].append(Ping(row.n, row.at, Kind(row.kind), row.exit_status, row.rid, tail))
    return found


def save(db: Connection, looked_at: Sequence[Judged]) -> None:
    """Write down how heartbeats stand, and drop the pings that are judged and beyond the newest hundred."""
    db.execute(_SAVE, {"rows": orjson.dumps([_row(one) for one in looked_at]).decode()})
    db.execute(_TRIM, {"ids": [one.id for one in looked_at], "before": [one.judged - KEPT for one in looked_at]})


def _row(one: Judged) -> dict[str, Any]:
    beat = one.assessment.beat
    return {
        "id": one.id, "state": beat.state, "cause": beat.cause, "reasons": dumped(beat.reasons), "since": beat.since,
        "counts_from": beat.counts_from, "last_ping": beat.last_ping, "last_start": beat.last_start,
        "runs": [[run.rid, run.since] for run in beat.runs], "run_seconds": beat.run_seconds,
        "expected_at": one.assessment.expected_at, "due_at": one.assessment.due_at, "judged": one.judged,
        "look_at": one.look_at,
    }  # fmt: skip


def measured(db: Connection, runs: Sequence[MeasuredRun]) -> None:
    """Keep how long runs took: beside their last ping, and as samples of `run_seconds`."""
    if not runs:
        return
    ids, numbers, seconds = [run.id for run in runs], [run.n for run in runs], [run.seconds for run in runs]
    db.execute(_MEASURED, {"ids": ids, "numbers": numbers, "seconds": seconds})
    samples = [
        {"check_name": f"heartbeat:{run.name}", "metric": "run_seconds", "at": run.at, "value": run.seconds, "labels": {}}
        for run in runs
    ]
    db.execute(insert(sample), samples)


def listed(db: Connection) -> list[HeartbeatRecord]:
    """Every heartbeat, by name."""
    query = select(heartbeat).where(heartbeat.c.removed_at.is_(None)).order_by(heartbeat.c.name)
    return [_record(row) for row in db.execute(query)]


def get(db: Connection, name: str) -> HeartbeatRecord | None:
    """One heartbeat."""
    query = select(heartbeat).where(heartbeat.c.name == name, heartbeat.c.removed_at.is_(None))
    row = db.execute(query).one_or_none()
    return _record(row) if row else None


def pause(db: Connection, id_: int, wanted: Pause) -> None:
    """Until when it is paused, why, and by whom; whoever saves it as paused reads that."""
    db.execute(update(heartbeat).where(heartbeat.c.id == id_).values(flat(wanted)))


def pauses(db: Connection) -> dict[str, Pause]:
    """The heartbeats that are paused, by name."""
    paused = (heartbeat.c.state == HeartbeatState.PAUSED, heartbeat.c.removed_at.is_(None))
    found = [_record(row) for row in db.execute(select(heartbeat).where(*paused).order_by(heartbeat.c.name))]
    return {one.name: one.pause for one in found if one.pause is not None}


def names_in(db: Connection, state: str) -> list[str]:
    """Names of the heartbeats in this state."""
    query = select(heartbeat.c.name).where(heartbeat.c.state == state, heartbeat.c.removed_at.is_(None))
    return list(db.scalars(query.order_by(heartbeat.c.name)))


def pings(db: Connection, id_: int, before: int | None, limit: int, most: int) -> list[PingRecord]:
    """Pings of a heartbeat, newest first, from below number `before`, each with the first `most` bytes of what it carried."""
    columns = [column for column in heartbeat_ping.c if column.name not in ("heartbeat", "body")]
    shown = func.substring(heartbeat_ping.c.body, 1, most, type_=LargeBinary).label("body")
    size = func.length(heartbeat_ping.c.body).label("body_bytes")
    query: Select[Any] = select(*columns, shown, size).where(heartbeat_ping.c.heartbeat == id_)
    if before is not None:
        query = query.where(heartbeat_ping.c.n < before)
    rows = db.execute(query.order_by(heartbeat_ping.c.n.desc()).limit(limit))
    return [_ping(row) for row in rows]


def _ping(row: Row[Any]) -> PingRecord:
    return PingRecord(
        n=row.n,
        at=row.at,
        kind=Kind(row.kind),
        exit_status=row.exit_status,
        rid=row.rid,
        seconds=row.seconds,
        method=row.method,
        remote=row.remote,
        agent=row.agent,
        body=bytes(row.body),
        body_bytes=row.body_bytes,
    )


def body(db: Connection, id_: int, n: int) -> bytes | None:
    """What one ping carried; None when there is no such ping (any more)."""
    query = select(heartbeat_ping.c.body).where(heartbeat_ping.c.heartbeat == id_, heartbeat_ping.c.n == n)
    return db.execute(query).scalar_one_or_none()


def ends(db: Connection, ids: Sequence[int], each: int) -> dict[int, list[RunEnd]]:
    """The newest ends of runs of each heartbeat, oldest first."""
    found: dict[int, list[RunEnd]] = {one: [] for one in ids}
    for row in db.execute(_ENDS, {"ids": list(ids), "each": each}):
        found[row.heartbeat].append(RunEnd(at=row.at, kind=Kind(row.kind), seconds=row.seconds))
    return found


def clock_set_back(db: Connection, by: timedelta, now: datetime) -> None:
    """What waits for an instant of a clock that was set back."""
    columns = [heartbeat.c.look_at, heartbeat.c.due_at, heartbeat.c.expected_at, heartbeat.c.paused_until]
    move_back(db, columns, by, now)
