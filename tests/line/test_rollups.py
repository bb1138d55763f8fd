"""Roll-ups: what they hold is what the samples held, however often and late they are made."""

import random
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from app.checks.samples import store
from app.checks.samples.rollup import roll_up
from app.upkeep import drop_old

START = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def fill(db: Connection, length: timedelta, every: timedelta = MINUTE) -> list[tuple[datetime, float]]:
    """Samples of one series, and of another with labels that is twice as high."""
    chance = random.Random(7)
    known = [(START + every * n, chance.gauss(100, 20)) for n in range(length // every)]
    rows = [{"at": at, "value": value, "labels": "{}"} for at, value in known]
    rows += [{"at": at, "value": value * 2, "labels": '{"host": "b"}'} for at, value in known]
    db.execute(
        text(
            "insert into sample (check_name, metric, at, value, labels) values ('c', 'm', :at, :value, cast(:labels as jsonb))"
        ),
        rows,
    )
    return known


def roll_all(db: Connection, until: datetime) -> None:
    now = START + timedelta(minutes=7, seconds=13)
    while now < until:
        roll_up(db, now)
        now += timedelta(hours=5, minutes=17)
    roll_up(db, until)


def test_the_slices_hold_count_least_greatest_and_sum_of_their_samples(db: Connection) -> None:
    known = fill(db, DAY)
    roll_all(db, START + DAY + HOUR)
    for table, size in (("rollup_5m", 5 * MINUTE), ("rollup_1h", HOUR)):
        rows = db.execute(text(f"select * from {table} where labels = '{{}}' order by at")).all()
        assert [row.at for row in rows] == [START + size * n for n in range(DAY // size)]
        for row in rows:
            values = [value for at, value in known if row.at <= at < row.at + size]
            assert (row._mapping["count"], row.low, row.high) == (len(values), min(values), max(values))
            assert abs(row.total - sum(values)) < 1e-6


def test_a_slice_that_is_not_over_is_not_rolled_up(db: Connection) -> None:
    fill(db, HOUR)
    roll_up(db, START)
    roll_up(db, START + timedelta(minutes=11))  # the slice to 00:10 is over, but a result may come two minutes late
    assert db.execute(text("select max(at) from rollup_5m")).scalar_one() == START
    assert db.execute(text("select count(*) from rollup_1h")).scalar_one() == 0


def test_a_graph_of_weeks_is_the_same_by_slices_as_by_samples_and_reaches_up_to_now(db: Connection) -> None:
    known = fill(db, 3 * DAY)
    roll_all(db, START + 3 * DAY - 20 * MINUTE)
    since, until = START, START + 3 * DAY
    curve = [one for one in store.curve(db, "c", "m", since, until) if not one.labels]
    assert len(curve) <= store.SLICES
    assert curve[-1].at + timedelta(seconds=(until - since).total_seconds() / store.SLICES) >= known[-1][0]
    assert max(one.high for one in curve) == max(value for _, value in known)
    assert min(one.low for one in curve) == min(value for _, value in known)
    mean = sum(one.mean for one in curve) / len(curve)
    assert abs(mean - sum(value for _, value in known) / len(known)) < 1


def test_what_is_older_than_its_retention_is_dropped_level_by_level(db: Connection) -> None:
    fill(db, 2 * HOUR)
    roll_all(db, START + DAY)
    drop_old(db, START + timedelta(days=40))
    counts = {
        name: db.execute(text(f"select count(*) from {name}")).scalar_one() for name in ("sample", "rollup_5m", "rollup_1h")
    }
    assert (counts["sample"], counts["rollup_5m"] > 0, counts["rollup_1h"] > 0) == (0, True, True)
    drop_old(db, START + timedelta(days=100))
    assert db.execute(text("select count(*) from rollup_5m")).scalar_one() == 0
    drop_old(db, START + timedelta(days=402))
    assert db.execute(text("select count(*) from rollup_1h")).scalar_one() == 0
