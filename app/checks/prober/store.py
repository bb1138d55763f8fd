"""The statements about places that are cut off."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from app.checks.prober.table import prober

RECENT = timedelta(minutes=2)  # failures that count as at once
_UNREACHABLE = text("""
select distinct unreachable from check_state
where unreachable is not null and at > :since and name <> all(:names)
  and (queue like '%@' || :location or (:location = '' and queue not like '%@%'))
""")
_FORSAKEN = text("""
select location from prober p
where not exists (
  select 1 from check_state where queue like '%@' || p.location or (p.location = '' and queue not like '%@%'))
""")


def unreachable(db: Connection, location: str, but: Sequence[str], now: datetime) -> list[str]:
    """Hosts that checks of this location, `but` these, could not reach lately."""
    rows = db.scalars(_UNREACHABLE, {"since": now - RECENT, "location": location, "names": list(but)})
    return list(rows)


def orphaned(db: Connection) -> list[str]:
    """Locations that are cut off and that no check is of any more: nobody will ever say that they are back."""
    return list(db.scalars(_FORSAKEN))


def offline(db: Connection) -> dict[str, datetime]:
    """The locations that are cut off, with since when."""
    return {row.location: row.offline_since for row in db.execute(select(prober.c.location, prober.c.offline_since))}


def went_off(db: Connection, location: str, answers: Mapping[str, bool], now: datetime) -> bool:
    """Note that a location is cut off; whether that is news."""
    statement = upsert(prober).values(location=location, offline_since=now, answers=dict(answers)).on_conflict_do_nothing()
    return db.scalar(statement.returning(prober.c.location)) is not None


def came_back(db: Connection, location: str) -> bool:
    """Note that a location is not cut off any more; whether that is news."""
    return db.execute(delete(prober).where(prober.c.location == location)).rowcount == 1
