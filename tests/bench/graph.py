"""A graph of a year over samples of every minute: what `curve` reads beside all raw rows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.bench.figure import Figure
from tests.bench.meter import metered
from tests.bench.stage import stage

DAYS, ROUNDS, WARM_UP = 365, 7, 1
_FILL = """
insert into sample (check_name, metric, at, value, labels)
select 'c', 'value', at, 100 + 10 * sin(extract(epoch from at) / 13751) + random(), '{{}}'
from generate_series(timestamptz '{since}', timestamptz '{until}' - interval '1 minute', interval '1 minute') at
"""
_RAW = """
select at, value from sample where check_name = 'c' and metric = 'value' and at >= '{since}' and at < '{until}' order by at
"""


def measure() -> Iterator[Figure]:
    """How many times cheaper, and both in milliseconds."""
    with stage() as postgres:
        rounds, rows, slices = _rounds(postgres)
    curves, raws = ([pair[n] for pair in rounds] for n in (0, 1))
    ratios = [raw[1] / curve[1] for curve, raw in rounds]
    beside = f"{slices} slices instead of {rows} rows; CPU of Tocsin and PostgreSQL"
    yield Figure("a graph of a year, 1-minute samples", ratios, "× cheaper than reading them", aim=20, beside=beside)
    for what, pairs in (("`samples.curve`", curves), ("the raw rows", raws)):
        yield Figure(what, [cpu * 1e3 for _, cpu in pairs], "ms CPU", beside=f"{min(pairs)[0] * 1e3:.0f} ms wall-clock time")


def _rounds(postgres: int) -> tuple[list[tuple[tuple[float, float], tuple[float, float]]], int, int]:
    from app.checks.samples import store
    from app.db import transaction

    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    since = until - timedelta(days=DAYS)
    _fill(since, until)
    rounds, rows, slices = [], 0, 0
    for _ in range(ROUNDS + WARM_UP):
        with transaction() as db:
            with metered(ours=[0], postgres=[postgres]) as curve:
                slices = sum(len(store.curve(db, "c", "value", since, until)) for _ in range(10)) // 10
            with metered(ours=[0], postgres=[postgres]) as raw:
                rows = len(db.exec_driver_sql(_RAW.format(since=since, until=until)).all())
        rounds.append(((curve.wall / 10, curve.total / 10), (raw.wall, raw.total)))
    return rounds[WARM_UP:], rows, slices


def _fill(since: datetime, until: datetime) -> None:
    """A year of samples, rolled up as upkeep would have."""
    from app.checks.samples import store
    from app.db import transaction

    with transaction() as db:
        for table in ("sample", "rollup_5m"):
            db.exec_driver_sql(f"create table {table}_year partition of {table} for values from ('{since}') to ('{until}')")
        db.exec_driver_sql("set local statement_timeout = 0")
        db.exec_driver_sql(_FILL.format(since=since, until=until))
        store.roll_up(db, "sample", "rollup_5m", timedelta(minutes=5), since, until)
        store.roll_up(db, "rollup_5m", "rollup_1h", timedelta(hours=1), since, until)
        for target in ("rollup_5m", "rollup_1h"):
            store.claim_mark(db, target, until)
            store.move_mark(db, target, until)
    with transaction() as db:
        db.exec_driver_sql("analyze sample, rollup_5m, rollup_1h")
