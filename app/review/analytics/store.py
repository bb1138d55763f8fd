"""The statements of the weekly review. They read incidents, their events and alerts, obligations and pages; they write nothing.

A range and the one before it are read at once: `before` says which of the two a row is of.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from app.catalog.model import Severity
from app.review.analytics.model import Clocks, Counted, Filter, Key, Level, Opened, Paged, Range, Spread

# What counts as a page is written out, as `page_reached_idx` has it: the index serves no other words.
_COUNTED = "p.kind = 'page' and p.user_name is not null and p.channel <> 'inbox' and p.state in ('accepted', 'delivered')"
_ANSWERED = "e.kind in ('acknowledged', 'snoozed', 'resolved')"  # as `incident_event_answered_idx` has it
_BY_HAND = "(e.actor is not null or e.detail ->> 'via' is not null)"  # a link in a channel's page is followed without a login
_SOMEBODY = f"bool_or(e.kind <> 'resolved' or {_BY_HAND})"  # of the answers to an incident: whether a person gave one
_NEEDED_NOBODY = """i.state = 'resolved' and i.resolved_by is null and i.merged_into is null and i.acknowledged_at is null
      and {somebody} is not true as needed_nobody"""
_OF = "(cast(:service as text) is null or i.service = :service) and (cast(:team as text) is null or i.team = :team)"
# Both ranges as one, which an index serves, without what may lie between them.
_WITHIN = "{at} >= :before_start and {at} < :end and ({at} >= :start or {at} < :before_end)"
_BEFORE_AND_DAY = "{at} < :start as before, width_bucket({at}, cast(:days as timestamptz[])) as day"

# What is best for a week of one team is not for three months of everything: planned for each range anew.
_PLAN_EACH = text("set local plan_cache_mode = force_custom_plan")
_OPENED = text(f"""
with opened as materialized (
  select {_BEFORE_AND_DAY.format(at="i.opened_at")}, i.severity, i.service, i.team, a.alertname, a.source,
    {_NEEDED_NOBODY.format(somebody="e.somebody")},
    i.reopened_at is not null as reopened,
    (select true from obligation o where o.incident = i.number and (o.step > 1 or o.round > 0) limit 1) as escalated,
    cast(extract(epoch from e.acknowledged_at - i.opened_at) as float8) as acknowledge,
    cast(extract(epoch from case when i.state = 'resolved' and i.merged_into is null then i.resolved_at - i.opened_at end)
      as float8) as resolve
  from incident i left join alert a on a.id = i.titled_by cross join lateral (
    select min(e.at) filter (where e.kind <> 'resolved') as acknowledged_at, {_SOMEBODY} as somebody
    from incident_event e where e.incident = i.number and {_ANSWERED}) as e
  where {_WITHIN.format(at="i.opened_at")} and {_OF} and (cast(:user as text) is null or exists (
    select from page p where p.incident = i.number and p.user_name = :user and {_COUNTED}))
)
select before, day, severity, service, team, alertname, source,
  case grouping(day, service, team, alertname)
    when 15 then 'total' when 7 then 'day' when 11 then 'service' when 13 then 'team' else 'alert' end as level,
  count(*) as incidents, count(*) filter (where needed_nobody) as needed_nobody,
  count(*) filter (where reopened) as reopened, count(escalated) as escalated,
  count(acknowledge) as acknowledged, avg(acknowledge) as acknowledge_mean,
  count(resolve) as resolved, avg(resolve) as resolve_mean,
  case when grouping(day, service, team, alertname) = 15 then (
    select percentile_cont(array[0.5, 0.9]) within group (order by acknowledge) from opened o where o.before = opened.before
  ) end as acknowledge_at,
  case when grouping(day, service, team, alertname) = 15 then (
    select percentile_cont(array[0.5, 0.9]) within group (order by resolve) from opened o where o.before = opened.before
  ) end as resolve_at
from opened
group by grouping sets ((before), (before, day, severity), (before, service), (before, team), (before, alertname, source))
""")
_PAGED = text(f"""
with clock as materialized (
  select name, cast(nights as timestamptz[]) as nights, cast(weekends as timestamptz[]) as weekends
  from unnest(cast(:zones as text[]), cast(:nights as text[]), cast(:weekends as text[])) as zone(name, nights, weekends)
), person as materialized (
  select login, clock.* from unnest(cast(:logins as text[]), cast(:login_zones as text[])) as of(login, zone)
  join clock on name = zone
), paged as materialized (
  select {_BEFORE_AND_DAY.format(at="p.ended_at")}, i.service, i.team, p.user_name as person, a.alertname, a.source,
    width_bucket(p.ended_at, coalesce(person.nights, otherwise.nights)) % 2 = 1 as night,
    width_bucket(p.ended_at, coalesce(person.weekends, otherwise.weekends)) % 2 = 1 as weekend,
    {_NEEDED_NOBODY.format(somebody=f"(select {_SOMEBODY} from incident_event e where e.incident = i.number and {_ANSWERED})")}
  from page p join clock as otherwise on otherwise.name = :otherwise left join person on person.login = p.user_name
    left join incident i on i.number = p.incident left join alert a on a.id = i.titled_by
  where {_COUNTED} and {_WITHIN.format(at="p.ended_at")} and {_OF} and (cast(:user as text) is null or p.user_name = :user)
)
select before, day, service, team, person, alertname, source,
  case grouping(day, service, team, person, alertname)
    when 31 then 'total' when 15 then 'day' when 23 then 'service' when 27 then 'team' when 29 then 'user' else 'alert'
  end as level,
  count(*) as pages, count(*) filter (where night) as night, count(*) filter (where weekend) as weekend,
  count(*) filter (where needed_nobody) as needed_nobody,
  count(*) filter (where needed_nobody and night) as night_needed_nobody
from paged
group by grouping sets
  ((before), (before, day), (before, service), (before, team), (before, person), (before, alertname, source))
""")


def counted(db: Connection, within: Range, days: Sequence[datetime], clocks: Clocks, only: Filter) -> Counted:
    """Pages and incidents of both ranges. days: when each day of the range begins."""
    values: dict[str, Any] = {"start": within.start, "end": within.end, "days": list(days)}
    values |= {"before_start": within.before_start, "before_end": within.before_end}
    values |= {"service": only.service, "team": only.team, "user": only.user}
    db.execute(_PLAN_EACH)
    opened = db.execute(_OPENED, values).all()
    paged = db.execute(_PAGED, values | _clocks(clocks)).all()
    severities: dict[int, dict[Severity, int]] = {}
    for row in opened:
        if row.level == Level.DAY and not row.before:
            severities.setdefault(row.day, {})[Severity(row.severity)] = row.incidents
    return Counted(
        paged={_key(row): _paged(row) for row in paged if row.level != Level.DAY and not row.before},
        paged_before={_key(row): _paged(row) for row in paged if row.level != Level.DAY and row.before},
        paged_days={row.day: _paged(row) for row in paged if row.level == Level.DAY and not row.before},
        opened={_key(row): _opened(row) for row in opened if row.level != Level.DAY and not row.before},
        opened_before={_key(row): _opened(row) for row in opened if row.level != Level.DAY and row.before},
        opened_days=severities,
    )


def _clocks(clocks: Clocks) -> dict[str, Any]:
    return {
        "zones": list(clocks.of_zones),
        "nights": [_array(one.nights) for one in clocks.of_zones.values()],
        "weekends": [_array(one.weekends) for one in clocks.of_zones.values()],
        "logins": list(clocks.zones),
        "login_zones": list(clocks.zones.values()),
        "otherwise": clocks.otherwise,
    }


def _array(instants: Sequence[datetime]) -> str:
    """An array as PostgreSQL writes it: lists of lists must be as long as each other there."""
    return f"{{{','.join(at.isoformat() for at in instants)}}}"


def _key(row: Row[Any]) -> Key:
    level = Level(row.level)
    if level is Level.ALERT:
        return Key(level, row.alertname, row.source)
    names = {Level.SERVICE: row.service, Level.TEAM: row.team, Level.USER: row.person if level is Level.USER else None}
    return Key(level, names.get(level))


def _paged(row: Row[Any]) -> Paged:
    return Paged(row.pages, row.night, row.weekend, row.needed_nobody, row.night_needed_nobody)


def _opened(row: Row[Any]) -> Opened:
    return Opened(
        row.incidents,
        row.needed_nobody,
        row.reopened,
        row.escalated,
        _spread(row.incidents, row.acknowledged, row.acknowledge_mean, row.acknowledge_at),
        _spread(row.incidents, row.resolved, row.resolve_mean, row.resolve_at),
    )


def _spread(incidents: int, count: int, mean: float | None, at: Sequence[float | None] | None) -> Spread:
    median, p90 = at or (None, None)
    return Spread(count, incidents - count, mean, median, p90)
