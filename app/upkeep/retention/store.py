"""The statements that remove old rows. None reads more than its slice, nor waits for a row that somebody holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, text

_FAMILIES = text("""
with recursive root as (
  select number, resolved_at from incident i
  where state = 'resolved' and resolved_at < :before and (resolved_at, number) > (:at, :number)
    and (merged_into is null or not exists (select from incident whole where whole.number = i.merged_into))
  order by resolved_at, number limit :limit
), family(root, number) as (
  select number, number from root
  union select family.root, i.number from incident i join family on i.merged_into = family.number
)
select root.number, root.resolved_at, array_agg(family.number) as members
from root join family on family.root = root.number group by root.number, root.resolved_at order by root.resolved_at, root.number
""")
_LOCK = text("select number from incident where number = any(:numbers) order by number for update skip locked")
# What an incident has that is not over, or not over for long enough.
_IN_USE = text("""
select number from incident i where number = any(:numbers) and (
  state <> 'resolved' or resolved_at >= :before
  or exists (select from alert where incident = i.number
    and (state <> 'resolved' or dedup_at is not null or ends_at is null or ends_at >= :before))
  or exists (select from page where incident = i.number and (state in ('queued', 'sending') or ended_at >= :before))
  or exists (select from obligation where incident = i.number and state = 'open')
  or exists (select from escalation where incident = i.number and due_at is not null)
  or exists (select from incident other where other.merged_into = i.number and other.number <> all(:numbers)))
""")
_SIZES = text("""
select number, (select count(*) from alert where incident = number)
  + (select count(*) from incident_event where incident = number)
  + (select count(*) from page where incident = number)
  + (select count(*) from obligation where incident = number) as rows
from unnest(cast(:numbers as bigint[])) as number
""")
# In this order: what is left of an incident, when it takes several transactions, never refers to what is gone.
_PARTS = [
    text(one)
    for one in (
        "delete from alert where id in (select id from alert where incident = any(:numbers) order by id limit :limit)",
        """with old as (select id from page where incident = any(:numbers) order by id limit :limit),
           attempts as (delete from page_attempt using old where page_attempt.page = old.id)
           delete from page using old where page.id = old.id""",
        "delete from obligation where id in"
        " (select id from obligation where incident = any(:numbers) order by id limit :limit)",
        "delete from incident_event where id in"
        " (select id from incident_event where incident = any(:numbers) order by incident, id limit :limit)",
    )
]
_WHOLE = [
    text(f"delete from {table} where {key} = any(:numbers)")
    for table, key in (("escalation", "incident"), ("incident", "number"))
]
_ALERTS = text("""
with slice as (
  select id, seen_at < :before as old,
    state = 'resolved' and incident is null and dedup_at is null and ends_at < :before as free
  from alert where id > :after order by id limit :limit
), locked as (
  select alert.id from alert join slice using (id) where slice.free order by alert.fingerprint, alert.id
  for update of alert skip locked
), gone as (delete from alert using locked where alert.id = locked.id returning alert.id)
select (select count(*) from gone) as removed, max(id) as last, coalesce(bool_or(old), false) as old from slice
""")
_PAGES = text("""
with old as (
  select id from page where incident is null and ended_at < :before and state not in ('queued', 'sending')
  order by ended_at limit :limit for update skip locked
), attempts as (delete from page_attempt using old where page_attempt.page = old.id)
delete from page using old where page.id = old.id
""")
# By id, the order of time: the oldest are looked at, and no more than may go.
_AUDIT = text("""
delete from audit where id in (
  select id from (select id, at from audit order by id limit :limit) as oldest where at < :before)
""")
LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where the resolved incidents were looked at, in the order in which they ended."""

    at: datetime = LONG_AGO
    number: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """An incident with all that were merged into it, however often."""

    end: Position
    members: frozenset[int]


def old_families(db: Connection, before: datetime, after: Position, limit: int) -> list[Family]:
    """The next incidents, in the order in which they ended, that ended before that and are no part of another."""
    rows = db.execute(_FAMILIES, {"before": before, "at": after.at, "number": after.number, "limit": limit})
    return [Family(Position(row.resolved_at, row.number), frozenset(row.members)) for row in rows]


def removable(db: Connection, families: Sequence[Family], before: datetime) -> list[Family]:
    """Those of these families that nobody uses, locked: no member is held, open, ended since, or has something open."""
    numbers = [number for one in families for number in one.members]
    locked = set(db.scalars(_LOCK, {"numbers": numbers}))
    used = set(
        db.scalars(_IN_USE, {"numbers": numbers, "before": before})
    )  # after the locks: sees what was committed till then
    return [one for one in families if one.members <= locked - used]


def sizes(db: Connection, families: Sequence[Family]) -> list[int]:
    """How many rows belong to each of these families."""
    numbers = [number for one in families for number in one.members]
    rows = {row.number: row.rows for row in db.execute(_SIZES, {"numbers": numbers})}
    return [sum(rows[number] for number in one.members) for one in families]


def remove(db: Connection, families: Sequence[Family], limit: int) -> bool:
    """Remove these families, which this transaction has locked, with all that belongs to them.

    At most `limit` rows that belong to them; False when some are left, and the incidents with them.
    """
    numbers = [number for one in families for number in one.members]
    for part in _PARTS:
        limit -= db.execute(part, {"numbers": numbers, "limit": limit}).rowcount
        if limit <= 0:
            return False
    for statement in _WHOLE:
        db.execute(statement, {"numbers": numbers})
    return True


def remove_alerts(db: Connection, before: datetime, after: int, limit: int) -> tuple[int, int | None]:
    """Remove the ended alerts without an incident among the next `limit` alerts by id; how many, and the last id.

    The last id is None when all that is old was looked at: what follows was seen since.
    """
    row = db.execute(_ALERTS, {"before": before, "after": after, "limit": limit}).one()
    return row.removed, row.last if row.old else None


def remove_pages(db: Connection, before: datetime, limit: int) -> int:
    """Remove the oldest messages that are about no incident (tests), with their attempts; how many."""
    return db.execute(_PAGES, {"before": before, "limit": limit}).rowcount


def remove_audit(db: Connection, before: datetime, limit: int) -> int:
    """Remove the oldest lines of the audit log; how many."""
    return db.execute(_AUDIT, {"before": before, "limit": limit}).rowcount
