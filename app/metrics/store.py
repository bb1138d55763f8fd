"""The statements that count what is open, and find what is late.

They read tables of every stage: one query each for readiness and for a scrape, instead of one call of each stage's store.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

_OVERDUE = text("""
select coalesce(max(extract(epoch from clock_timestamp() - due)), 0)::float8 from (
  select min(due_at) as due from escalation where due_at is not null
  union all select min(next_at) from page where state = 'queued'
  union all select min(lease_until) from page where state = 'sending'
  union all select min(dedup_at) from alert where dedup_at is not null
  union all select min(look_at) from heartbeat where look_at is not null
  union all select min(evaluate_at) from check_state where evaluate_at is not null and not paused
) as rows where due < clock_timestamp()
""")
_COUNTS = text("""
select 'incidents' as what, state as label, count(*) as n from incident where state <> 'resolved' group by state
union all select 'alerts', state, count(*) from alert where state <> 'resolved' group by state
union all select 'checks', coalesce(status, 'new'), count(*) from check_state where not paused group by 2
union all select 'heartbeats', state, count(*) from heartbeat where removed_at is null group by state
union all select 'pages', state, count(*) from page where state = 'queued' group by state
union all select 'pages', state, count(*) from page where state = 'sending' group by state
union all select 'obligations', state, count(*) from obligation where state = 'open' group by state
""")
_READ_ONLY = text("select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on'")
# A minute covers what starts a little apart. The clock was set back when something is due later than its interval allows.
_TOO_FAR = text("""
select count(*) from check_state
where not paused and next_due_at > clock_timestamp() + make_interval(secs => every / 1000.0 + 60)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many things of a kind are open in a state."""

    what: str
    label: str  # the state
    n: int


def oldest_overdue(db: Connection) -> float:
    """Age in seconds of the oldest row that is due and not done; the one number to alarm on."""
    seconds: float = db.execute(_OVERDUE).scalar_one()
    return max(seconds, 0.0)


def counts(db: Connection) -> list[Count]:
    """Open things by kind and state."""
    return [Count(what=row.what, label=row.label, n=row.n) for row in db.execute(_COUNTS)]


def is_read_only(db: Connection) -> bool:
    """Whether this session cannot write: a standby, or `default_transaction_read_only`."""
    return bool(db.execute(_READ_ONLY).scalar_one())


def due_too_late(db: Connection) -> int:
    """Checks that are due further ahead than their interval: a clock was set back, and until then they do not run."""
    return int(db.execute(_TOO_FAR).scalar_one())
