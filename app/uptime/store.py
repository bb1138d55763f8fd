"""The statements about ticks and downtimes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.downtime import Downtime
from app.uptime.model import gap_of
from app.uptime.table import downtime, uptime

LOOKED_AT = 50  # newest downtimes of a part that are of interest
KEPT = 500

_DOWNTIMES = text("""
select wanted.part, d.began, d.ended from unnest(cast(:parts as text[])) as wanted(part) cross join lateral (
  select began, ended from downtime where part = wanted.part and ended <= :now order by ended desc limit :most) as d
union all
select part, seen_at, cast(:now as timestamptz)
from uptime join unnest(cast(:parts as text[]), cast(:gaps as float8[])) as wanted(part, gap) using (part)
where clock_timestamp() - seen_at > make_interval(secs => gap) and seen_at < :now
order by 1, 3
""")
_FORGET = text("""
delete from downtime using (
  select part, ended, row_number() over (partition by part order by ended desc) as n from downtime
) as d where downtime.part = d.part and downtime.ended = d.ended and (d.n > :kept or d.ended < :before)
""")


def ticked_at(db: Connection, part: str) -> datetime | None:
    """When this part ticked last; None when it never did."""
    return db.execute(select(uptime.c.seen_at).where(uptime.c.part == part)).scalar_one_or_none()


def hold(db: Connection, part: str) -> datetime | None:
    """The same, and nobody else may tick for it until the transaction ends."""
    return db.execute(select(uptime.c.seen_at).where(uptime.c.part == part).with_for_update()).scalar_one_or_none()


def save_tick(db: Connection, part: str, now: datetime, *, anew: bool) -> None:
    """The part runs `now`; `anew` since now."""
    statement = upsert(uptime).values(part=part, since=now, seen_at=now)
    fresh = {"seen_at": now, **({"since": now} if anew else {})}
    db.execute(statement.on_conflict_do_update(index_elements=["part"], set_=fresh))


def add(db: Connection, part: str, found: Downtime) -> None:
    """Keep a downtime that just ended."""
    row = {"part": part, "began": found.began, "ended": found.ended}
    db.execute(upsert(downtime).values(row).on_conflict_do_nothing())


def clock_set_back(db: Connection, now: datetime) -> None:
    """The clock was set back: what is ahead of it never was."""
    db.execute(delete(downtime).where(downtime.c.ended > now))
    db.execute(update(uptime).where(uptime.c.since > now).values(since=now))


def downtimes(db: Connection, parts: Iterable[str], now: datetime) -> Mapping[str, Sequence[Downtime]]:
    """The newest downtimes of each part, oldest first; one that lasts ends `now`. A part that never ticked has none.

    Whether one lasts is asked of the real clock: `now` may be a story's.
    """
    found: dict[str, list[Downtime]] = {part: [] for part in parts}
    wanted = sorted(found)
    values = {"parts": wanted, "gaps": [gap_of(part).total_seconds() for part in wanted], "most": LOOKED_AT, "now": now}
    for row in db.execute(_DOWNTIMES, values):
        found[row.part].append(Downtime(row.began, row.ended))
    return found


def last_seen(db: Connection) -> Mapping[str, datetime]:
    """When each part ticked last."""
    return {row.part: row.seen_at for row in db.execute(select(uptime.c.part, uptime.c.seen_at))}


def delete_old(db: Connection, before: datetime) -> None:
    """Drop downtimes that ended before that, and all but the newest of each part."""
    db.execute(_FORGET, {"before": before, "kept": KEPT})
