"""Forecasts against a least-squares line drawn by hand, and what Prometheus' predict_linear says of its own test data."""

import math
import random
from typing import Any

import pytest

from tests.decisions.recordings import every, run, states, within

HOUR = 3600.0


def predicted(found: list[tuple[float, float]], t: float, ahead: float) -> float:
    """The normal equations, x counted from t: the line's value at t + ahead."""
    n = len(found)
    sx = sum(at - t for at, _ in found)
    sy = sum(value for _, value in found)
    sxx = sum((at - t) ** 2 for at, _ in found)
    sxy = sum((at - t) * value for at, value in found)
    bottom = n * sxx - sx * sx
    slope = (n * sxy - sx * sy) / bottom if bottom else 0.0
    return (sy - slope * sx) / n + slope * ahead


@pytest.mark.parametrize("seed", range(4))
def test_every_line_is_the_least_squares_fit_of_its_window(seed: int) -> None:
    chance = random.Random(seed)
    t, level = 0.0, 1000.0
    samples: list[tuple[float, float | None]] = []
    for _ in range(400):
        t += chance.choice([30, 60, 60, 60, 300, 1800 if seed > 1 else 60])
        level += chance.gauss(-2 if seed % 2 else 1, 5)
        samples.append((t, None if chance.random() < 0.05 else level))
    rule = {"kind": "forecast", "metric": "m", "window": "1h", "within": "2h", "below": 900}
    judged = 0
    for number, row in enumerate(run(rule, samples)):
        newest = samples[number][1]
        found = within(samples[: number + 1], row.t, HOUR)
        if newest is None:
            assert row.state == "unknown"
        elif len(found) < 3 or row.t - found[0][0] < HOUR / 4:
            assert row.state == "learning"
        else:
            judged += 1
            ahead = predicted(found, row.t, 2 * HOUR)
            assert row.value is not None
            assert math.isclose(row.value, ahead, rel_tol=1e-7, abs_tol=1e-6)
            assert row.state == ("firing" if ahead < 900 or newest < 900 else "ok")
    assert judged > 200


@pytest.mark.parametrize(
    "window,expected", [("51m", 76.81818181818181), ("50m", 70.0)], ids=["all of it", "a sample as old as the window is out"]
)
def test_it_says_what_prometheus_expects_of_its_predict_linear(window: str, expected: float) -> None:
    """Prometheus, promql/promqltest/testdata/functions.test: 0+10x4 0+10x5 every 5 min; at 50 min, for an hour ahead."""
    values = [0, 10, 20, 30, 40, 0, 10, 20, 30, 40, 50]
    rows = run({"kind": "forecast", "metric": "m", "window": window, "within": "1h", "below": -1e9}, every(300, values), "5m")
    assert rows[-1].value == pytest.approx(expected, rel=1e-12)


COURSES: dict[str, tuple[dict[str, Any], list[float], str, str]] = {
    "a disk that will be full within the day": ({"below": 0}, [100 - n for n in range(20)], "F", "below 0 in 1 h 21 min"),
    "one that will not": ({"below": 0}, [1000 - 0.01 * n for n in range(20)], "o", "below 0 in 69 d 10 h"),
    "one that fills from below": ({"above": 100}, [float(n) for n in range(20)], "F", "above 100 in 1 h 21 min"),
    "level": ({"below": 0}, [5.0] * 20, "o", "level: below 0 never"),
    "away from the limit": ({"below": 0}, [5.0 + n for n in range(20)], "o", "below 0 never"),
    "over it already, on the way back": ({"below": 0}, [-30.0 + n for n in range(20)], "F", "below 0 now"),
}


@pytest.mark.parametrize("limit,values,state,because", COURSES.values(), ids=COURSES)
def test_courses(limit: dict[str, Any], values: list[float], state: str, because: str) -> None:
    rule = {"kind": "forecast", "metric": "m", "window": "1h", "within": "24h", **limit}
    rows = run(rule, every(60, values))
    assert states(rows) == "l" * 15 + state * 5  # a quarter of the window, before a line means anything
    assert because in rows[-1].because


def test_it_recovers_by_its_clear() -> None:
    rule = {"kind": "forecast", "metric": "m", "window": "10m", "within": "10m", "above": 100, "clear": 80}
    values = [float(n * 8) for n in range(10)] + [72.0] * 30
    said = states(run(rule, every(60, values)))
    assert said.startswith("lll")
    assert said.endswith("o")
    rows = run(rule, every(60, values))
    ended = next(number for number, row in enumerate(rows) if number > 5 and row.state == "ok")
    assert (rows[ended].value or 0) <= 80 < (rows[ended - 1].value or 0)


@pytest.mark.parametrize(
    "values",
    [[1e308, -1e308] * 10, [1e300 * n for n in range(20)], [5e-324] * 20],
    ids=["beyond all bounds", "huge", "tiny"],
)
def test_numbers_beyond_reason_are_a_verdict_and_no_crash(values: list[float]) -> None:
    rows = run({"kind": "forecast", "metric": "m", "window": "10m", "within": "10m", "above": 100}, every(60, values))
    assert len(rows) == 20


def test_after_a_long_gap_it_learns_anew() -> None:
    samples = [*every(60, [float(n) for n in range(30)]), *[(36_000 + 60 * n, 5.0) for n in range(20)]]
    rule = {"kind": "forecast", "metric": "m", "window": "1h", "within": "1h", "above": 1000}
    assert states(run(rule, samples)) == "l" * 15 + "o" * 15 + "l" * 15 + "o" * 5
