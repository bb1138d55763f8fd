"""When Tocsin itself ran: each part ticks, a gap between two ticks is downtime, and in downtime nobody's silence counts.

Parts: `checks` (this stack runs checks and rules), `checks@LOCATION` (a worker there does), `intake` (pings are heard).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Table, Text, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app import clock
from app.db import instant, metadata
from app.downtime import Downtime, Tick, between

CHECKS = "checks"
INTAKE = "intake"
EVERY = 0.5  # seconds between two ticks of this stack's parts
EVERY_AWAY = 1.5  # seconds between two ticks of a location
GAP = timedelta(seconds=2)  # without a tick for so long, a part did not run
GAP_AWAY = timedelta(seconds=5)
LOOKED_AT = 50  # newest downtimes of a part that are of interest
KEPT = 500

uptime = Table(
    "uptime",
    metadata,
    Column("part", Text, primary_key=True),
    instant("since", required=True),
    instant("seen_at", required=True),
)
downtime = Table(
    "downtime",
    metadata,
    Column("part", Text, primary_key=True),
    instant("ended", key=True),
    instant("began", required=True),
)


def part_of(location: str) -> str:
    """The part that runs the checks of a location; empty is where the stack is."""
    return f"{CHECKS}@{location}" if location else CHECKS


def gap_of(part: str) -> timedelta:
    """How long this part may go without a tick."""
    return GAP_AWAY if "@" in part else GAP


def tick(db: Connection, part: str, at: datetime | None = None) -> Tick:
    """Say that this part runs; `at` stands for the database's time.

    The time is read once the row is held: who was stopped in between would take its own pause for a clock that was set back.
    """
    seen = select(uptime.c.seen_at).where(uptime.c.part == part)
    last, now = db.execute(seen).scalar_one_or_none(), at or clock.now(db)
    if last is not None and timedelta(0) <= now - last < timedelta(seconds=EVERY / 2):
        return Tick()
    last = db.execute(seen.with_for_update()).scalar_one_or_none()
    now = at or clock.now(db)
    found = between(last, now, gap_of(part))
    statement = upsert(uptime).values(part=part, since=now, seen_at=now)
    fresh = {"seen_at": now, **({"since": now} if found.downtime else {})}
    db.execute(statement.on_conflict_do_update(index_elements=["part"], set_=fresh))
    if found.set_back:
        db.execute(delete(downtime).where(downtime.c.ended > now))
        db.execute(update(uptime).where(uptime.c.since > now).values(since=now))
    if found.downtime is not None:
        row = {"part": part, "began": found.downtime.began, "ended": now}
        db.execute(upsert(downtime).values(row).on_conflict_do_nothing())
    return found


_DOWNTIMES = text("""
select wanted.part, d.began, d.ended from unnest(cast(:parts as text[])) as wanted(part) cross join lateral (
  select began, ended from downtime where part = wanted.part and ended <= :now order by ended desc limit :most) as d
union all
select part, seen_at, cast(:now as timestamptz) from uptime
where part = any(:parts)
  and clock_timestamp() - seen_at > make_interval(secs => case when part like '%@%' then :away else :here end)
  and seen_at < :now
order by 1, 3
""")


_FORGET = text("""
delete from downtime using (
  select part, ended, row_number() over (partition by part order by ended desc) as n from downtime
) as d where downtime.part = d.part and downtime.ended = d.ended and (d.n > :kept or d.ended < :before)
""")


def downtimes(db: Connection, parts: Iterable[str], now: datetime) -> Mapping[str, Sequence[Downtime]]:
    """The newest downtimes of each part, oldest first; one that lasts ends `now`. A part that never ticked has none.

    Whether one lasts is asked of the real clock: `now` may be a story's.
    """
    found: dict[str, list[Downtime]] = {part: [] for part in parts}
    values = {"parts": sorted(found), "most": LOOKED_AT, "now": now}
    values |= {"here": GAP.total_seconds(), "away": GAP_AWAY.total_seconds()}
    for row in db.execute(_DOWNTIMES, values):
        found[row.part].append(Downtime(row.began, row.ended))
    return found


def last_seen(db: Connection) -> Mapping[str, datetime]:
    """When each part ticked last."""
    return {row.part: row.seen_at for row in db.execute(select(uptime.c.part, uptime.c.seen_at))}


def forget(db: Connection, before: datetime) -> None:
    """Drop downtimes that ended before that, and all but the newest of each part."""
    db.execute(_FORGET, {"before": before, "kept": KEPT})
