"""The statements that read results and samples back: for rules, for pages and for graphs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Row, delete, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from app.checks.model import excused, status_value
from app.checks.probe import Status
from app.checks.samples.table import rollup_1h, rollup_mark
from app.checks.table import check_result, sample
from app.reason import Reason, revived

# One value a metric and slice of time, so that a page of sparklines is one statement whatever the interval of the checks.
_TRENDS = text("""
select s.check_name, s.metric, date_bin(make_interval(secs => :slice), s.at, :since) as at, avg(s.value)::float8 as value
from sample s join unnest(cast(:names as text[]), cast(:metrics as text[])) as w(name, metric)
  on s.check_name = w.name and s.metric = w.metric
where s.at >= :since and s.at < :until and s.labels = '{}'
group by 1, 2, 3 order by 1, 2, 3
""")
# Each check from where its own rules have read, so that one that is new does not fetch days of all the others.
_AFTER_RESULTS = text("""
select x.* from check_result x join unnest(cast(:names as text[]), cast(:after as timestamptz[])) w(name, after)
  on x.check_name = w.name and x.at > w.after and x.at > :first
order by x.check_name, x.at
""")
# The bounds on the whole keep the planner out of days that nobody asked for.
_BETWEEN = """
select w.name as check_name, w.metric, w.back, x.at, {value} as value, {labels} as labels
from unnest(cast(:names as text[]), cast(:metrics as text[]), cast(:backs as float8[]), cast(:after as timestamptz[]),
            cast(:until as timestamptz[])) w(name, metric, back, after, until)
join {table} x on x.check_name = w.name and {match} and x.at > w.after and x.at <= w.until and x.at > :first and x.at <= :last
order by x.at
"""
_SAMPLES_BETWEEN = text(_BETWEEN.format(table="sample", value="x.value", labels="x.labels", match="x.metric = w.metric"))
_VALUES = {one: value for one in Status if (value := status_value(one)) is not None}
_CASES = " ".join(f"when '{one}' then {value}" for one, value in _VALUES.items())
_STATUS_VALUE, _KNOWN = f"(case x.status {_CASES} end)::float8", f"x.status = any('{{{','.join(_VALUES)}}}')"
_STATUSES_BETWEEN = text(_BETWEEN.format(table="check_result", value=_STATUS_VALUE, labels="'{}'::json", match=_KNOWN))

_SAMPLES_OF = text("""
select at, value from sample
where check_name = :name and metric = :metric and labels = cast(:labels as jsonb) and at > :after and at <= :until order by at
""")
_STATUSES_OF = text(f"""
select x.at, {_STATUS_VALUE} as value from check_result x
where x.check_name = :name and {_KNOWN} and x.at > :after and x.at <= :until order by x.at
""")

_SUMS = {
    "sample": "count(*), min(value), max(value), sum(value)",
    "rollup_5m": "sum(count), min(low), max(high), sum(total)",
}
_ROLL_UP = """
insert into {target} (check_name, metric, labels, at, count, low, high, total)
select check_name, metric, labels, date_bin(make_interval(secs => :size), at, timestamptz 'epoch'), {sums}
from {source} where at >= :since and at < :until group by 1, 2, 3, 4
"""
# What is rolled up, and the raw end that is not yet.
_ROLLED = """(
  select at, labels, count, low, high, total from {rolled}
  where check_name = :name and metric = :metric and at >= :since and at < least(:mark, :until)
  union all
  select at, labels, 1, value, value, value from sample
  where check_name = :name and metric = :metric and at >= greatest(:mark, :since) and at < :until
) x"""
_CURVE = f"""
select date_bin(make_interval(secs => :slice), at, :since) as at, labels,
       min(low) as low, sum(total) / sum(count) as mean, max(high) as high
from {_ROLLED} where cast(:only as jsonb[]) is null or labels = any(cast(:only as jsonb[])) group by 1, 2 order by 1
"""
_SERIES = f"""
select min(at) as at, labels, min(low) as low, sum(total) / sum(count) as mean, max(high) as high from {_ROLLED} group by labels
"""
# One step of the index a metric, however many samples there are.
_METRICS = text("""
with recursive known(metric) as (
  (select metric from sample where check_name = :name and at >= :since order by metric limit 1)
  union all
  select (select s.metric from sample s where s.check_name = :name and s.at >= :since and s.metric > k.metric
          order by s.metric limit 1)
  from known k where k.metric is not null
)
select metric from known where metric is not null
""")


@dataclass(frozen=True, slots=True)
class Slice:
    """What one series was like over a slice of time that begins at `at`."""

    at: datetime
    labels: Mapping[str, str]
    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRecord:
    """A run's result as stored."""

    at: datetime
    status: Status
    message: str
    seconds: float
    metrics: Mapping[str, float]
    reason: Reason | None  # of an unknown that says nothing of the target

    @property
    def excused(self) -> bool:
        """Whether the prober was cut off: then it says nothing of the target."""
        return excused(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRecord:
    """A sample as stored."""

    metric: str
    at: datetime
    value: float
    labels: Mapping[str, str]


def _result(row: Row[Any]) -> ResultRecord:
    return ResultRecord(
        at=row.at,
        status=Status(row.status),
        message=row.message,
        seconds=row.seconds,
        metrics=row.metrics,
        reason=revived(row.reason),
    )


def results_after(db: Connection, after: Mapping[str, datetime]) -> dict[str, list[ResultRecord]]:
    """Results newer than each check's `after`, oldest first, per check."""
    found: dict[str, list[ResultRecord]] = {name: [] for name in after}
    values = {"names": list(after), "after": list(after.values()), "first": min(after.values())}
    for row in db.execute(_AFTER_RESULTS, values):
        found[row.check_name].append(_result(row))
    return found


def samples_between(
    db: Connection, wanted: Sequence[tuple[str, str | None, timedelta, datetime, datetime]]
) -> list[tuple[str, str | None, timedelta, datetime, float, Mapping[str, str]]]:
    """Per (check, metric, back, after, until) the samples in `(after, until]`, oldest first.

    Without a metric: each result that could tell, 1.0 where it was critical, else 0.0.
    """
    found: list[tuple[str, str | None, timedelta, datetime, float, Mapping[str, str]]] = []
    for statement, of_status in ((_SAMPLES_BETWEEN, False), (_STATUSES_BETWEEN, True)):
        asked = [one for one in wanted if (one[1] is None) is of_status]
        if not asked:
            continue
        names, metrics, backs, after, until = (list(column) for column in zip(*asked, strict=True))
        seconds = [back.total_seconds() for back in backs]
        values = {"names": names, "metrics": metrics, "backs": seconds, "after": after, "until": until}
        rows = db.execute(statement, {**values, "first": min(after), "last": max(until)}).all()
        found += [(row.check_name, row.metric, timedelta(seconds=row.back), row.at, row.value, row.labels) for row in rows]
    return found


def values(
    db: Connection, name: str, metric: str | None, labels: Mapping[str, str], after: datetime, until: datetime
) -> list[tuple[datetime, float]]:
    """One series in `(after, until]`, oldest first; without a metric as `samples_between` has it."""
    known: dict[str, Any] = {"name": name, "after": after, "until": until}
    if metric is None:
        rows = db.execute(_STATUSES_OF, known)
    else:
        rows = db.execute(_SAMPLES_OF, {**known, "metric": metric, "labels": orjson.dumps(dict(labels)).decode()})
    return [(row.at, row.value) for row in rows]


def results(db: Connection, name: str, since: datetime, until: datetime, limit: int) -> list[ResultRecord]:
    """Results of a check within [since, until), newest first."""
    query = select(check_result).where(check_result.c.check_name == name)
    query = query.where(check_result.c.at >= since, check_result.c.at < until)
    return [_result(row) for row in db.execute(query.order_by(check_result.c.at.desc()).limit(limit))]


def samples(db: Connection, name: str, metric: str, since: datetime, until: datetime, limit: int) -> list[SampleRecord]:
    """The samples of one metric of a check within [since, until), newest first."""
    query = select(sample).where(sample.c.check_name == name, sample.c.metric == metric)
    query = query.where(sample.c.at >= since, sample.c.at < until)
    rows = db.execute(query.order_by(sample.c.at.desc()).limit(limit))
    return [SampleRecord(metric=row.metric, at=row.at, value=row.value, labels=row.labels) for row in rows]


def trends(
    db: Connection, wanted: Mapping[str, str], since: datetime, until: datetime, slice_: float
) -> dict[str, list[tuple[datetime, float]]]:
    """Per check its `wanted` metric, averaged over slices of so many seconds, oldest first."""
    found: dict[str, list[tuple[datetime, float]]] = {name: [] for name in wanted}
    values = {"names": list(wanted), "metrics": list(wanted.values()), "since": since, "until": until, "slice": slice_}
    for row in db.execute(_TRENDS, values):
        found[row.check_name].append((row.at, row.value))
    return found


RAW = timedelta(hours=26)  # a graph of so much is drawn from the samples themselves
FINE = timedelta(days=15)  # and of so much from slices of five minutes
SLICES = 300
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def curve(
    db: Connection, name: str, metric: str, since: datetime, until: datetime, only: Sequence[Mapping[str, str]] | None = None
) -> list[Slice]:
    """A metric of a check within [since, until) in at most SLICES slices a series, oldest first, however long that is.

    only: of these label sets.
    """
    slice_ = max((until - since).total_seconds() / SLICES, 1.0)
    wanted = None if only is None else [orjson.dumps(dict(one)).decode() for one in only]
    return _slices(db, _CURVE, (name, metric, since, until), {"slice": slice_, "only": wanted})


def series(db: Connection, name: str, metric: str, since: datetime, until: datetime) -> list[Slice]:
    """The whole of [since, until) as one slice a label set."""
    return _slices(db, _SERIES, (name, metric, since, until), {})


def metrics(db: Connection, name: str, since: datetime) -> list[str]:
    """The metrics, with labels or without, that a check had since then, sorted."""
    return list(db.scalars(_METRICS, {"name": name, "since": since}))


def _slices(db: Connection, statement: str, what: tuple[str, str, datetime, datetime], more: Mapping[str, Any]) -> list[Slice]:
    """Raw or rolled up, whichever is fine enough for so long a time."""
    name, metric, since, until = what
    rolled = "rollup_5m" if until - since <= FINE else "rollup_1h"
    mark = _NEVER if until - since <= RAW else mark_of(db, rolled)
    values = {"name": name, "metric": metric, "since": since, "until": until, "mark": mark, **more}
    rows = db.execute(text(statement.format(rolled=rolled)), values)
    return [Slice(row.at, row.labels, row.low, row.mean, row.high) for row in rows]


def mark_of(db: Connection, target: str) -> datetime:
    """Up to where a roll-up is made."""
    return db.scalar(select(rollup_mark.c.until).where(rollup_mark.c.name == target)) or _NEVER


def claim_mark(db: Connection, target: str, now: datetime) -> datetime | None:
    """Up to where a roll-up is made, locked; None while somebody else is at it. The first time it begins with a day ago."""
    start = (now - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    db.execute(upsert(rollup_mark).values(name=target, until=start).on_conflict_do_nothing())
    found: datetime | None = db.scalar(
        select(rollup_mark.c.until).where(rollup_mark.c.name == target).with_for_update(skip_locked=True)
    )
    return found


def move_mark(db: Connection, target: str, until: datetime) -> None:
    """Note up to where a roll-up is made."""
    db.execute(rollup_mark.update().where(rollup_mark.c.name == target).values(until=until))


def roll_up(db: Connection, source: str, target: str, size: timedelta, since: datetime, until: datetime) -> int:
    """Write the slices of [since, until); how many."""
    statement = text(_ROLL_UP.format(source=source, target=target, sums=_SUMS[source]))
    return db.execute(statement, {"size": size.total_seconds(), "since": since, "until": until}).rowcount


def delete_hours(db: Connection, before: datetime) -> None:
    """Drop the slices of an hour that began before that; finer ones go with the partition of their day."""
    db.execute(delete(rollup_1h).where(rollup_1h.c.at < before))
