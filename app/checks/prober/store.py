"""The statements about places that are cut off."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.checks.prober.model import ProberNews
from app.checks.prober.table import prober

RECENT = timedelta(minutes=2)  # failures that count as at once
_UNREACHABLE = text("""
select distinct unreachable from check_state
where unreachable is not null and at > :since and name <> all(:names)
  and (queue like '%@' || :location or (:location = '' and queue not like '%@%'))
""")
_ORPHANED = text("""
select location from prober p
where online_since is null and not exists (
  select 1 from check_state where queue like '%@' || p.location or (p.location = '' and queue not like '%@%'))
""")


def unreachable(db: Connection, location: str, but: Sequence[str], now: datetime) -> list[str]:
    """Hosts that checks of this location, `but` these, could not reach lately."""
    rows = db.scalars(_UNREACHABLE, {"since": now - RECENT, "location": location, "names": list(but)})
    return list(rows)


def orphaned(db: Connection) -> list[str]:
    """Locations that are cut off and that no check is of any more: nobody will ever say that they are back."""
    return list(db.scalars(_ORPHANED))


def offline(db: Connection) -> dict[str, datetime]:
    """The locations that are cut off, with since when."""
    query = select(prober.c.location, prober.c.offline_since).where(prober.c.online_since.is_(None))
    return {row.location: row.offline_since for row in db.execute(query)}


def went_off(db: Connection, location: str, answers: Mapping[str, bool], now: datetime) -> bool:
    """Note that a location is cut off; whether that is news."""
    fresh = {"offline_since": now, "answers": dict(answers), "online_since": None, "judged": False}
    statement = upsert(prober).values(location=location, **fresh)
    statement = statement.on_conflict_do_update(
        index_elements=["location"], set_=fresh, where=prober.c.online_since.is_not(None)
    )
    return db.scalar(statement.returning(prober.c.location)) is not None


def came_back(db: Connection, location: str, answers: Mapping[str, bool], now: datetime) -> bool:
    """Note that a location is not cut off any more; whether that is news. `answers` is empty where nobody asks any more."""
    statement = update(prober).where(prober.c.location == location, prober.c.online_since.is_(None))
    return db.execute(statement.values(online_since=now, answers=dict(answers), judged=False)).rowcount == 1


def take_news(db: Connection) -> list[ProberNews]:
    """What changed since it was asked last, each once; a location that is back is forgotten with that."""
    news = update(prober).where(~prober.c.judged).values(judged=True).returning(prober)
    found = [ProberNews(location=row.location, answers=row.answers, online_since=row.online_since) for row in db.execute(news)]
    if found:
        db.execute(delete(prober).where(prober.c.judged, prober.c.online_since.is_not(None)))
    return found
