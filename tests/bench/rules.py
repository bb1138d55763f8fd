"""How many series a core judges in a second: 10 000 label sets of one check, and 10 000 checks of one series.

`next` is a process that has judged them before and sees one more result; `cold` one that has just started, reads what lies
within the rule's reach and judges the same. Loading, deciding and saving count, of Tocsin and PostgreSQL.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.bench.figure import Figure
from tests.bench.meter import metered
from tests.bench.stage import declare, stage

if TYPE_CHECKING:
    from app.checks.model import Result

SERIES, PAST, ROUNDS = 10_000, 10, 2
EVERY = timedelta(seconds=30)
SLICE = 500  # results stored at once
KINDS: Mapping[str, Mapping[str, Any]] = {
    "threshold, avg over 5m": {"kind": "threshold", "window": "5m", "agg": "avg", "above": 1e9},
    "threshold, p95 over 5m": {"kind": "threshold", "window": "5m", "agg": "p95", "above": 1e9},
    "anomaly": {"kind": "anomaly", "learn": "1m"},
    "burn_rate": {"kind": "burn_rate", "objective": "99.9%", "above": 1e9},
}


def measure() -> Iterator[Figure]:
    """Series per core-second, and the CPU a series."""
    with stage() as postgres:
        for name, rule in KINDS.items():
            for wide in (True, False):
                shape = "labels of one check" if wide else "checks"
                for start, (rounds, ended) in _judged(rule, wide, postgres).items():
                    if not rounds:
                        raise RuntimeError(f"{name}, {shape}, {start}: the database ended every evaluation")
                    ours, server = (sorted(column)[len(rounds) // 2] for column in zip(*rounds, strict=True))
                    beside = f"per series: Tocsin {ours / SERIES * 1e6:.0f} µs, PostgreSQL {server / SERIES * 1e6:.0f} µs"
                    beside += f"; {ended} more evaluations aborted by the database, not counted" if ended else ""
                    rates = [SERIES / (ours + server) for ours, server in rounds]
                    yield Figure(f"{name}; {shape}; {start}", rates, "series per core-second", beside=beside)


Judged = dict[str, tuple[list[tuple[float, float]], int]]


def _judged(rule: Mapping[str, Any], wide: bool, postgres: int) -> Judged:
    """By how it starts: CPU seconds of Tocsin and PostgreSQL, a pair a round, and how many rounds the database ended.

    It ends a transaction that asks nothing for ten seconds: on a busy machine one check's 10 000 series come near that.
    """
    from app.rules.sample_cache import CACHE

    at = _begin(rule, wide)
    spent: dict[str, list[tuple[float, float]]] = {"next": [], "cold": []}
    ended = dict.fromkeys(spent, 0)
    for number in range(2 * ROUNDS + 1):  # next and cold in turn
        at += EVERY
        _store(at, wide)
        start = "cold" if number % 2 else "next"
        if start == "cold":
            CACHE.clear()
        with metered(ours=[0], postgres=[postgres]) as meter:
            whole = _evaluate(at)
        if number and whole:  # the first sees every series for the first time
            spent[start].append((meter.cpu["ours"], meter.cpu["postgres"]))
        ended[start] += not whole
    return {start: (rounds, ended[start]) for start, rounds in spent.items()}


def _begin(rule: Mapping[str, Any], wide: bool) -> datetime:
    """Checks with a past of which nothing is left to judge; the instant of its end."""
    from app.db import transaction

    with transaction() as db:
        db.exec_driver_sql("truncate check_state, check_result, sample, series_state, verdict, band")
    count = 1 if wide else SERIES
    settings = {"metric": "value", "max_series": SERIES, **rule}
    declare(count, count, rule=settings, alert="off")
    start = datetime.now(UTC) - EVERY * (PAST + 2 * ROUNDS + 2)
    for number in range(PAST):
        _store(start + EVERY * number, wide)
    at = start + EVERY * (PAST - 1)
    with transaction() as db:
        db.exec_driver_sql("update check_state set evaluated_at = %s, evaluate_at = null", (at,))
    with transaction() as db:
        db.exec_driver_sql("analyze")
    return at


def _store(at: datetime, wide: bool) -> None:
    """One result of every check, with a value for every series."""
    from app.checks import store
    from app.db import transaction

    results = _results(at, wide)
    for start in range(0, len(results), SLICE):
        with transaction() as db:
            store.finish(db, results[start : start + SLICE])


def _results(at: datetime, wide: bool) -> Sequence["Result"]:
    from app.checks.model import Result
    from app.checks.probe import Series, Status

    values = [100 + 10 * math.sin(number + at.timestamp() / 97) for number in range(SERIES)]
    if wide:
        series = tuple(Series("value", value, {"shop": f"s{number:05}"}) for number, value in enumerate(values))
        return [Result("c00000", at, Status.OK, "", 0.01, series=series)]
    return [Result(f"c{number:05}", at, Status.OK, "", 0.01, {"value": value}) for number, value in enumerate(values)]


def _evaluate(at: datetime) -> bool:
    """Judge everything; whether the database bore it at the first try."""
    from sqlalchemy.exc import DBAPIError

    from app import line
    from app.errors import Unavailable

    whole, tries = True, 5
    while True:
        try:
            if not line.evaluate(now=at):
                return whole
        except (DBAPIError, Unavailable):
            whole, tries = False, tries - 1
            if not tries:
                raise
