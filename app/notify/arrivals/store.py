"""The statements about what arrived and what failed last over each channel."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, text

from app.notify.model import LastPage, Outcome, PageState

# Of each channel the end of an index: `page_arrived_idx`, `page_trouble_idx`. Predicates are written as the indexes have them.
_ARRIVED = text("""
select page.channel, page.state, page.ended_at as at, page.incident, cast(null as text) as error
from unnest(cast(:channels as text[])) as wanted(channel) cross join lateral (
  select * from page where page.channel = wanted.channel and state in ('accepted', 'delivered') and ended_at is not null
  order by ended_at desc limit 1) as page
""")
_FAILED = text("""
select distinct on (page.channel) page.channel, page.state, attempt.ended_at as at, page.incident, attempt.error
from unnest(cast(:channels as text[])) as wanted(channel) cross join lateral (
  select * from page where page.channel = wanted.channel and state not in ('superseded', 'expired')
    and (attempts > 1 or attempts = 1 and state in ('queued', 'failed'))
  order by next_at desc limit :most) as page
join page_attempt attempt on attempt.page = page.id
where attempt.outcome = any(:failed) and attempt.ended_at is not null
order by page.channel, attempt.ended_at desc
""")
LOOKED_AT = 50  # pages of a channel with an attempt that may have failed: one that is retried is due later than it failed


def last_arrived(db: Connection, channels: Sequence[str]) -> dict[str, LastPage]:
    """By channel the newest page that arrived."""
    return _last(db.execute(_ARRIVED, {"channels": list(channels)}))


def last_failed(db: Connection, channels: Sequence[str]) -> dict[str, LastPage]:
    """By channel the newest attempt that failed, be it that another one is to come."""
    values = {"channels": list(channels), "most": LOOKED_AT, "failed": [Outcome.TRANSIENT, Outcome.PERMANENT]}
    return _last(db.execute(_FAILED, values))


def _last(rows: CursorResult[Any]) -> dict[str, LastPage]:
    return {row.channel: LastPage(**{**row._mapping, "state": PageState(row.state)}) for row in rows}
