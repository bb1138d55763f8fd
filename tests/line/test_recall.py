"""Rules over stored samples: the same verdicts whoever evaluates and however often, and each row is read once."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from app.checks import service as checks
from app.checks.model import Result
from app.checks.probe import Series, Status
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import engine, transaction
from app.people.model import SYSTEM
from app.rules import service
from app.rules.sample_cache import OVERLAP, SampleCache

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RUNS = 60
CONFIG = """
routes: []
checks:
  web: {probe: health.tcp, every: 1m, with: {host: 127.0.0.1, port: 9}, alert: {after: 2 of 3}}
  log: {probe: health.tcp, every: 1m, with: {host: 127.0.0.1, port: 9}, alert: off}
rules:
  plain: {kind: threshold, check: web, metric: seconds, above: 8}
  p90: {kind: threshold, check: web, metric: seconds, agg: p90, window: 10m, above: 8, for: 2m}
  rate: {kind: threshold, check: web, metric: seconds, agg: rate, window: 5m, above: 0.06, after: 2 of 3}
  many: {kind: threshold, check: log, metric: failed, agg: sum, window: 3m, above: 12, max_series: 3}
  drop: {kind: change, check: web, metric: seconds, window: 5m, compared_to: 15m, drops: 20%}
  soon: {kind: forecast, check: web, metric: seconds, window: 10m, within: 10m, above: 9}
  budget: {kind: burn_rate, check: web, objective: 90%, period: 1h, windows: [{long: 10m, short: 2m, budget: 5%}]}
  slow:
    {kind: burn_rate, check: web, objective: 90%, period: 1h, metric: seconds, above: 8,
     windows: [{long: 10m, short: 2m, budget: 20%}]}
  quiet: {kind: absence, check: log, metric: failed, forget: 5m}
  both: {kind: composite, when: p90 or drop}
"""


RULES = ("plain", "p90", "rate", "many", "drop", "soon", "budget", "slow", "quiet", "both")


def configure() -> None:
    loaded = load_texts({"a.yaml": CONFIG}, {})
    assert not loaded.errors, loaded.errors
    with transaction() as db:
        apply(db, loaded, SYSTEM, NOON - MINUTE)


def result(number: int) -> list[Result]:
    """What one minute brings, the same in every world."""
    chance = random.Random(number)
    status = chance.choice([Status.OK, Status.OK, Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN])
    at = NOON + MINUTE * number
    seconds = {} if status is Status.UNKNOWN else {"seconds": chance.uniform(0, 10)}
    series = tuple(Series("failed", chance.randint(0, 9), {"source": one}) for one in "abcde" if chance.random() < 0.5)
    return [Result("web", at, status, "said", 0.01, seconds), Result("log", at, Status.OK, "", 0.01, {}, series)]


def record(number: int) -> None:
    with transaction() as db:
        checks.record(db, result(number))


def evaluate(number: int, recall: SampleCache) -> None:
    """Once more, by the process that remembers this."""
    with transaction() as db:
        service.evaluate(db, NOON + MINUTE * number, cache=recall)


def verdicts(but: tuple[str, ...] = ()) -> tuple[list[Any], list[Any]]:
    """Every change that was kept, and where everything stands."""
    with transaction() as db:
        kept = db.execute(text("select rule, series, at, state, alerting, value, reasons from verdict")).all()
        stands = db.execute(
            text("select rule, series, state, firing, bad_since, known_at, memory::text from series_state")
        ).all()
    return tuple(sorted(tuple(map(str, row)) for row in rows if row[0] not in but) for rows in (kept, stands))  # type: ignore[return-value]


def one_process_after_each() -> None:
    memory = SampleCache()
    for number in range(RUNS):
        record(number)
        evaluate(number, memory)


def two_in_turn() -> None:
    memories = (SampleCache(), SampleCache())
    for number in range(RUNS):
        record(number)
        evaluate(number, memories[random.Random(-number).randint(0, 1)])


def anew_each_time() -> None:
    for number in range(RUNS):
        record(number)
        evaluate(number, SampleCache())


def some_at_a_time() -> None:
    memory = SampleCache()
    for number in range(RUNS):
        record(number)
        if number % 7 == 6 or number == RUNS - 1:
            evaluate(number, memory)


def all_at_the_end() -> None:
    for number in range(RUNS):
        record(number)
    evaluate(RUNS - 1, SampleCache())


def empty(db: Connection) -> None:
    for table in ("sample", "check_result", "verdict", "series_state", "alert", "check_state"):
        db.execute(text(f"delete from {table}"))


@pytest.mark.parametrize("other", [two_in_turn, anew_each_time, some_at_a_time, all_at_the_end])
def test_verdicts_do_not_depend_on_who_evaluates_and_when(clean: None, other: Callable[[], None]) -> None:
    configure()
    one_process_after_each()
    expected = verdicts()
    assert {row[0] for row in expected[0]} >= set(RULES)  # each had something to say
    with transaction() as db:
        empty(db)
    configure_again()
    other()
    late = (
        ("both",) if other in (some_at_a_time, all_at_the_end) else ()
    )  # decided once an evaluation, from where its parts stand
    kept, stands = verdicts(late)
    assert kept == [row for row in expected[0] if row[0] not in late]
    assert stands == [row for row in expected[1] if row[0] not in late]


def configure_again() -> None:
    from app.checks.service import declared, sync

    with transaction() as db:
        sync(db, declared(db), NOON - MINUTE)


@contextmanager
def rows_read() -> Iterator[list[int]]:
    """How many samples and results each statement gave back."""
    counted: list[int] = []

    def count(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "join sample x" in statement or "join check_result x" in statement:
            counted.append(cursor.rowcount)

    event.listen(engine(), "after_cursor_execute", count)
    try:
        yield counted
    finally:
        event.remove(engine(), "after_cursor_execute", count)


def test_a_second_evaluation_reads_what_is_new_and_a_minute_before_it(clean: None) -> None:
    configure()
    memory = SampleCache()
    for number in range(RUNS):
        record(number)
    with rows_read() as first:
        evaluate(RUNS - 1, memory)
    assert sum(first) > 3 * RUNS
    overlap = int(OVERLAP / MINUTE) + 1
    for number in range(RUNS, RUNS + 20):
        record(number)
        with rows_read() as again:
            evaluate(number, memory)
        # two results; seconds now and 15 min ago, statuses, and the five sources at most: each new, and what overlaps
        assert sum(again) <= 2 + (1 + 1 + 1 + 5) * (1 + overlap), again


def test_a_process_that_starts_reads_what_lies_within_reach_and_no_more(clean: None) -> None:
    configure()
    for number in range(RUNS):
        record(number)
        evaluate(number, SampleCache())
    record(RUNS)
    with rows_read() as counted:
        evaluate(RUNS, SampleCache())
    assert sum(counted) <= 2 + 11 + 11 + 7 + 11 + 5 * 5  # of an hour


def test_a_sample_that_is_committed_late_is_in_the_next_window(clean: None) -> None:
    configure()
    memory = SampleCache()
    for number in range(10):
        record(number)
        evaluate(number, memory)
    with transaction() as db:
        checks.record(db, [Result("web", NOON + MINUTE * 9 - timedelta(seconds=30), Status.OK, "", 0.01, {"seconds": 1e6})])
    record(10)
    evaluate(10, memory)
    with transaction() as db:
        value = db.execute(text("select value from series_state where rule = 'drop'")).scalar_one()
    assert value > 1e5


def test_a_result_of_a_clock_that_is_ahead_is_judged_with_its_samples(clean: None) -> None:
    configure()
    with transaction() as db:
        checks.record(db, [Result("web", NOON, Status.OK, "", 0.01, {"seconds": 1})])
        checks.record(db, [Result("web", NOON + MINUTE, Status.OK, "", 0.01, {"seconds": 9.5})])
    evaluate(0, SampleCache())
    with transaction() as db:
        state = db.execute(text("select state from series_state where rule = 'plain'")).scalar_one()
    assert state == "firing"


def test_another_configuration_forgets_what_was_read(clean: None) -> None:
    configure()
    memory = SampleCache()
    record(0)
    evaluate(0, memory)
    with transaction() as db:
        db.execute(text("delete from sample"))
        loaded = load_texts({"a.yaml": CONFIG.replace("above: 8,", "above: 7,")}, {})
        apply(db, loaded, SYSTEM, NOON)
    with transaction() as db:
        checks.record(db, [Result("web", NOON + MINUTE, Status.OK, "", 0.01, {"seconds": 2})])
    evaluate(1, memory)
    with transaction() as db:
        assert db.execute(text("select value from series_state where rule = 'drop'")).scalar_one() == 2
