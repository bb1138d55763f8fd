"""The statements about pages and attempts."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, false, func, or_, select, text, tuple_, update

from app.db import dumps, move_back, session_name
from app.identity import me
from app.notify.flight import Flight
from app.notify.model import REACHED, Attempt, Claim, Draft, Kind, Outcome, Page, PageState
from app.notify.table import page, page_attempt
from app.people.model import INBOX
from app.priority import EACH, LIFTED, LOW, PRIORITIES
from app.reason import Reason, Reasons, dumped, loaded, nested

ENDED = (*REACHED, PageState.FAILED, PageState.SUPERSEDED, PageState.EXPIRED)
_DRAFTED = (
    "key", "kind", "incident", "obligation", "breached", "generation", "round", "step", "contact", "channel", "to", "due_at",
)  # fmt: skip
_STORED = (*_DRAFTED, "id", "state", "made_at", "next_at", "attempts", "ended_at", "seen_at")

# A channel takes no more than it has room for; a row beyond that is let go with the transaction. Each channel's pages are the
# beginning of an index, and so is the next channel: what waits for one that has no room is not even looked at.
# The last room in a channel is kept for high urgency.
_CLAIM = text(f"""
with recursive known(channel) as (
  (select channel from page where state = 'queued' order by channel limit 1)
  union all
  select (select page.channel from page where state = 'queued' and page.channel > known.channel order by page.channel limit 1)
  from known where known.channel is not null
), open as (
  select channel, coalesce(cast(cast(:room as json) ->> channel as int), :most) as room from known where channel is not null
), leased as (
  select id, channel, priority, lease_until as at from page
  where state = 'sending' and contested and lease_until <= :now and id <> all(:mine) and channel <> all(:full)
  order by lease_until limit :limit for update skip locked
), queued as (
  select one.id, open.channel, of.priority, one.next_at + of.priority * {LIFTED} as at
  from open cross join {EACH} cross join lateral (
    select id, next_at from page
    where state = 'queued' and page.channel = open.channel and priority = of.priority and next_at <= :now
      and expires_at > :now
    order by next_at, id
    limit least(greatest(open.room - case when of.priority >= {LOW} then :kept else 0 end, 0), :limit)
    for update skip locked) as one
), due as (
  select id, channel, priority, first, at, row_number() over (partition by channel order by first, at, id) as n
  from (select 1 as first, * from leased union all select 2, * from queued) as found
), taken as (
  select id from due where n <= coalesce(cast(cast(:room as json) ->> channel as int), :most)
    - case when first = 2 and priority >= {LOW} then :kept else 0 end
  order by first, at limit :limit
), claimed as (
  update page set state = 'sending', attempts = attempts + 1, fence = fence + 1, lease_until = :until, lease_owner = :owner,
    contested = false
  from taken where page.id = taken.id returning page.*
), attempted as (
  insert into page_attempt (page, n, at) select id, attempts, :now from claimed
)
select * from claimed
""")
# Nobody's lease is taken without a warning: who was stopped with everybody else is back, too, and about to write the outcome
# down; who has lost its sessions, not its life, has new ones soon. Both renew what they hold. One without sessions has ended.
_CONTEST = """
update page set lease_until = :until, contested = true
where id in (select id from page where state = 'sending' and not contested and {which} for update skip locked)
returning lease_owner
"""
_CONTEST_LATE = text(_CONTEST.format(which="lease_until <= :now"))
_CONTEST_GONE = text(
    _CONTEST.format(
        which="lease_owner is not null"
        " and not exists (select 1 from pg_stat_activity where application_name = :prefix || lease_owner)"
    )
)
# Many pages are locked in one order, whoever renews or records them.
_OURS = """
with ours as (
  select page.id from page join unnest(cast(:ids as bigint[]), cast(:fences as int[])) as r(id, fence)
    on page.id = r.id and page.fence = r.fence
  where page.state = 'sending' order by page.id for update of page
)
"""
_RENEW = text(f"""{_OURS}
update page set lease_until = :until, contested = false from ours where page.id = ours.id returning page.id, page.generation
""")
_RECORD = text(f"""{_OURS}
update page set state = r.state, next_at = coalesce(r.next_at, page.next_at), lease_until = null, ended_at = r.ended_at
from ours join unnest(cast(:ids as bigint[]), cast(:states as text[]), cast(:next as timestamptz[]),
                      cast(:ended as timestamptz[])) as r(id, state, next_at, ended_at) on r.id = ours.id
where page.id = ours.id returning page.*
""")
_EXPLAIN = text("""
update page set reasons = reasons || r.why from jsonb_to_recordset(cast(:rows as jsonb)) as r(id bigint, why jsonb)
where page.id = r.id
""")
_RECORD_ATTEMPTS = text("""
update page_attempt set outcome = r.outcome, provider_id = r.provider_id, error = r.error, ended_at = :now
from unnest(cast(:pages as bigint[]), cast(:ns as int[]), cast(:outcomes as text[]), cast(:provider_ids as text[]),
            cast(:errors as text[])) as r(page, n, outcome, provider_id, error)
where page_attempt.page = r.page and page_attempt.n = r.n
""")
_NEXT_DUE = text(f"""
select least(
  (select min(one.next_at) from {EACH} cross join lateral (
    select next_at from page where state = 'queued' and priority = of.priority order by next_at limit 1) as one),
  (select min(lease_until) from page where state = 'sending'))
""")
_MOVE = text("""
update page set due_at = r.at, next_at = r.at, expires_at = page.expires_at + (r.at - page.due_at), reasons = r.reasons
from jsonb_to_recordset(cast(:rows as jsonb)) as r(id bigint, at timestamptz, reasons jsonb)
where page.id = r.id and page.state = 'queued' and page.attempts = 0
""")
_QUEUE = text(f"""
insert into page (key, kind, incident, obligation, breached, generation, round, step, user_name, contact, channel, "to",
  due_at, next_at, expires_at, reasons, made_at, priority)
select r.key, r.kind, r.incident, r.obligation, r.breached, r.generation, r.round, r.step, r.user, r.contact, r.channel, r.to,
  r.due_at, r.due_at, r.due_at + :life, r.reasons, :now,
  case when r.kind in ('{Kind.UPDATE}', '{Kind.RESOLVED}') then greatest(i.priority, {LOW}) else coalesce(i.priority, 0) end
from jsonb_to_recordset(cast(:rows as jsonb)) as r(
  key text, kind text, incident bigint, obligation bigint, breached bigint, generation int, round int, step int, "user" text,
  contact text, channel text, "to" text, due_at timestamptz, reasons jsonb, n int)
left join incident i on i.number = r.incident
order by r.n  -- in which they get their ids: a join may come in any
on conflict (key) do nothing returning id
""")


class Ended(NamedTuple):
    """One attempt's outcome, as it is written."""

    claim: Claim
    outcome: Outcome
    state: PageState
    next_at: datetime | None
    provider_id: str | None
    error: str | None


def queue_all(db: Connection, drafts: Sequence[Draft], now: datetime, life: timedelta) -> list[int]:
    """Queue these pages, any number of them; a key that is known already is left as it is. The new ids."""
    if not drafts:
        return []
    rows = [
        {name: getattr(d, name) for name in _DRAFTED} | {"user": d.user, "reasons": dumped(d.reasons), "n": n}
        for n, d in enumerate(drafts)
    ]
    return list(db.scalars(_QUEUE, {"rows": dumps(rows), "now": now, "life": life}))


def hurry(db: Connection, late: Draft, reasons: Reasons, now: datetime) -> bool:
    """Send what the step keeps for the same person for later, the next contact's page, now for these reasons; whether any."""
    slot = [(page.c.user_name, late.user), (page.c.generation, late.generation), (page.c.round, late.round)]
    same = [column == value for column, value in slot]
    same += [page.c.step.is_not_distinct_from(late.step), page.c.breached.is_not_distinct_from(late.breached)]
    waiting = (page.c.incident == late.incident, page.c.state == PageState.QUEUED, page.c.attempts == 0, page.c.due_at > now)
    soonest = select(page.c.id).where(*waiting, *same, page.c.channel != INBOX).order_by(page.c.due_at, page.c.id).limit(1)
    change = update(page).where(page.c.id == soonest.scalar_subquery())
    return db.execute(change.values(due_at=now, next_at=now, reasons=dumped(reasons))).rowcount > 0


def claim(db: Connection, now: datetime, lease: timedelta, limit: int, flight: Flight | None = None) -> list[Claim]:
    """Lease due pages and open an attempt of unknown outcome for each.

    flight: what this process has under way already; a channel that is full there gets nothing.
    """
    flight = flight or Flight()
    room = flight.room()
    values: dict[str, Any] = {"now": now, "until": now + lease, "limit": limit, "owner": me(), "mine": flight.ids}
    full = [channel for channel, left in room.left.items() if not left]
    values |= {"full": full, "room": dumps(room.left), "most": room.most, "kept": room.kept}
    return [_claim(row) for row in db.execute(_CLAIM, values)]


def renew(db: Connection, claims: Sequence[Claim], until: datetime) -> dict[int, int]:
    """Hold the leases of these pages until then; the ids of those that are still ours, with their generations by now."""
    values = {"ids": [one.id for one in claims], "fences": [one.fence for one in claims], "until": until}
    return {row.id: row.generation for row in db.execute(_RENEW, values)}


def contest_late(db: Connection, now: datetime, until: datetime) -> None:
    """Let leases that have run out be renewed until then; after that they are free."""
    db.execute(_CONTEST_LATE, {"now": now, "until": until})


def contest_gone(db: Connection, until: datetime) -> list[str]:
    """The same for those of senders that have ended, whenever they run out; the name of each such sender."""
    return sorted(set(db.scalars(_CONTEST_GONE, {"until": until, "prefix": session_name("")})))


def expire(db: Connection, now: datetime) -> list[Claim]:
    """End the pages whose time has passed unsent."""
    due = (page.c.priority.in_(PRIORITIES), page.c.next_at <= now)  # the index begins with the priority
    waiting = update(page).where(page.c.state == PageState.QUEUED, *due, page.c.expires_at <= now)
    return [_claim(row) for row in db.execute(waiting.values(state=PageState.EXPIRED, ended_at=now).returning(page))]


def record(db: Connection, ended: Sequence[Ended], now: datetime) -> list[Claim]:
    """Write outcomes where the lease is still ours; the pages that were written."""
    over = [now if one.state in ENDED else None for one in ended]
    values = {
        "ids": [one.claim.id for one in ended],
        "fences": [one.claim.fence for one in ended],
        "states": [one.state.value for one in ended],
        "next": [one.next_at for one in ended],
        "ended": over,
    }
    written = [_claim(row) for row in db.execute(_RECORD, values)]
    attempts = {
        "now": now,
        "pages": [one.claim.id for one in ended],
        "ns": [one.claim.attempt for one in ended],
        "outcomes": [one.outcome.value for one in ended],
        "provider_ids": [one.provider_id for one in ended],
        "errors": [one.error for one in ended],
    }
    db.execute(_RECORD_ATTEMPTS, attempts)
    return written


def explain(db: Connection, why: Mapping[int, Reason]) -> None:
    """Add a reason to each of these pages."""
    if why:
        db.execute(_EXPLAIN, {"rows": dumps([{"id": id_, "why": [nested(one)]} for id_, one in why.items()])})


def waiting(db: Connection, login: str | None = None) -> dict[int, Draft]:
    """What is queued for people, or for this person, by id."""
    whose = page.c.user_name.is_not(None) if login is None else page.c.user_name == login
    query = select(page).where(page.c.state == PageState.QUEUED, whose)
    return {row.id: Draft(**_values(row, _DRAFTED)) for row in db.execute(query)}


def make_due(db: Connection, ids: Sequence[int], now: datetime) -> None:
    """Let those of these pages that are queued, and that nobody is at, be looked at now."""
    free = select(page.c.id).where(page.c.id.in_(ids), page.c.state == PageState.QUEUED).with_for_update(skip_locked=True)
    db.execute(update(page).where(page.c.id.in_(free)).values(next_at=now))


def move(db: Connection, whens: Mapping[int, tuple[datetime, Reasons]]) -> None:
    """Let those of these pages that nobody has tried to send yet be due then, for these reasons."""
    if whens:
        rows = [{"id": id_, "at": at, "reasons": dumped(reasons)} for id_, (at, reasons) in whens.items()]
        db.execute(_MOVE, {"rows": dumps(rows)})


def end_claims(db: Connection, claims: Sequence[Claim], state: PageState, now: datetime) -> None:
    """End leased pages that are not to be sent any more; an earlier attempt of unknown outcome stays unknown."""
    db.execute(update(page).where(page.c.id.in_([c.id for c in claims])).values(state=state, ended_at=now, lease_until=None))
    these = tuple_(page_attempt.c.page, page_attempt.c.n).in_([(one.id, one.attempt) for one in claims])
    unsent = {"outcome": Outcome.PERMANENT, "error": f"not sent: {state}", "ended_at": now}
    db.execute(update(page_attempt).where(these).values(unsent))


def supersede(db: Connection, incidents: Sequence[int], now: datetime) -> int:
    """Take back the pages and updates of these incidents that are not on their way; how many."""
    statement = update(page).where(
        page.c.incident.in_(incidents), page.c.state == PageState.QUEUED, page.c.kind.in_([Kind.PAGE, Kind.UPDATE])
    )
    return db.execute(statement.values(state=PageState.SUPERSEDED, ended_at=now)).rowcount


def call_off(db: Connection, incident: int, generation: int, into: int, obligations: Sequence[int], now: datetime) -> None:
    """Take back the pages of this generation that serve these obligations and are not on their way; others go on as `into`."""
    of_it = (page.c.incident == incident, page.c.generation == generation, page.c.kind == Kind.PAGE)
    db.execute(select(page.c.id).where(*of_it).order_by(page.c.id).with_for_update())  # in the order of whoever renews leases
    serving = or_(page.c.obligation.in_(obligations), page.c.breached.in_(obligations))
    db.execute(update(page).where(*of_it, func.coalesce(serving, false()).is_(False)).values(generation=into))
    waiting = update(page).where(*of_it, page.c.state == PageState.QUEUED)
    db.execute(waiting.values(state=PageState.SUPERSEDED, ended_at=now))


def of_incidents(db: Connection, incidents: Sequence[int]) -> list[Page]:
    """Every page of these incidents, oldest first."""
    query = select(page).where(page.c.incident.in_(incidents)).order_by(page.c.id)
    return [_page(row) for row in db.execute(query)]


def of_obligations(db: Connection, ids: Sequence[int]) -> list[Page]:
    """Every page that serves these obligations."""
    query = select(page).where(page.c.obligation.in_(ids)).order_by(page.c.id)
    return [_page(row) for row in db.execute(query)]


def by_key(db: Connection, key: str) -> Page | None:
    """One page."""
    row = db.execute(select(page).where(page.c.key == key)).one_or_none()
    return _page(row) if row else None


def next_due(db: Connection) -> datetime | None:
    """When the next page is to be sent, or taken over from a sender that has gone."""
    found: datetime | None = db.execute(_NEXT_DUE).scalar_one()
    return found


def listed(
    db: Connection, *, incident: int | None, user: str | None, state: PageState | None, before: int | None, limit: int
) -> list[Page]:
    """Pages, newest first, from below id `before`."""
    query = select(page).order_by(page.c.id.desc()).limit(limit)
    conditions = [(page.c.incident, incident), (page.c.user_name, user), (page.c.state, state)]
    for column, value in conditions:
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(page.c.id < before)
    return [_page(row) for row in db.execute(query)]


def attempts(db: Connection, pages: Sequence[int]) -> dict[int, list[Attempt]]:
    """The attempts of each page, in order."""
    found: dict[int, list[Attempt]] = {id_: [] for id_ in pages}
    query = select(page_attempt).where(page_attempt.c.page.in_(pages)).order_by(page_attempt.c.page, page_attempt.c.n)
    for row in db.execute(query):
        found[row.page].append(Attempt(row.page, row.n, row.at, Outcome(row.outcome), row.provider_id, row.error, row.ended_at))
    return found


def count_unseen(db: Connection, user: str) -> int:
    """How many inbox messages this person has not read."""
    query = select(func.count()).where(page.c.user_name == user, page.c.channel == INBOX, page.c.seen_at.is_(None))
    return db.execute(query.where(page.c.state.in_(REACHED))).scalar_one()


def inbox(db: Connection, user: str, before: int | None, limit: int) -> list[Page]:
    """What stands in this person's inbox, newest first, from below id `before`."""
    query = select(page).where(page.c.user_name == user, page.c.channel == INBOX, page.c.state.in_(REACHED))
    if before is not None:
        query = query.where(page.c.id < before)
    return [_page(row) for row in db.execute(query.order_by(page.c.id.desc()).limit(limit))]


def tests(db: Connection, user: str, since: datetime) -> list[tuple[Page, str | None]]:
    """The test messages this person asked for, newest first, with the error of the last attempt."""
    last = (
        select(page_attempt.c.error)
        .where(page_attempt.c.page == page.c.id)
        .order_by(page_attempt.c.n.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(page, last.label("error")).where(page.c.user_name == user, page.c.kind == Kind.TEST, page.c.made_at >= since)
    return [(_page(row), row.error) for row in db.execute(query.order_by(page.c.id.desc()).limit(40))]


def mark_seen(db: Connection, user: str, now: datetime) -> None:
    """Everything in this person's inbox was read."""
    db.execute(update(page).where(page.c.user_name == user, page.c.seen_at.is_(None)).values(seen_at=now))


def _claim(row: Row[Any]) -> Claim:
    return Claim(row.id, row.fence, row.attempts, Draft(**_values(row, _DRAFTED)))


def _page(row: Row[Any]) -> Page:
    return Page(**{**_values(row, _STORED), "state": PageState(row.state)})


def _values(row: Row[Any], names: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in names}
    return values | {"kind": Kind(row.kind), "user": row.user_name, "reasons": loaded(row.reasons)}


def clock_set_back(db: Connection, by: timedelta, now: datetime) -> None:
    """What waits for an instant of a clock that was set back."""
    columns = [page.c.due_at, page.c.next_at, page.c.lease_until]
    move_back(db, columns, by, now)
