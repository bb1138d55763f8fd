"""Threshold and change, sample by sample, against sums made by hand: aggregates, window edges, gaps, duplicates, resets."""

import math
import random
from typing import Any

import pytest

from tests.decisions.recordings import every, run, states, summed, within

AGGS = ("avg", "min", "max", "sum", "count", "last", "rate", "stddev", "p50", "p75", "p90", "p95", "p99")


def recording(seed: int, length: int = 250) -> list[tuple[float, float | None]]:
    """A counter that restarts, or a level: samples of uneven distance, some empty, some instants told twice, some gaps."""
    chance = random.Random(seed)
    t, count, found = 0.0, 0.0, list[tuple[float, float | None]]()
    for _ in range(length):
        t += chance.choice([0, 15, 30, 30, 30, 60, 60, 60, 300, 900]) if found else 0
        count = chance.uniform(0, 5) if chance.random() < 0.05 else count + chance.uniform(0, 10)
        level = chance.choice([0.0, -3.5, chance.gauss(0, 50), 1e6])
        found.append((t, None if chance.random() < 0.1 else count if seed % 2 else level))
    return found


def same(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-6)


@pytest.mark.parametrize("agg", AGGS)
@pytest.mark.parametrize("seed", range(4))
def test_every_aggregate_is_that_of_the_samples_in_the_window(agg: str, seed: int) -> None:
    samples = recording(seed)
    limit = 5.0
    rows = run({"kind": "threshold", "metric": "m", "agg": agg, "window": "5m", "above": limit}, samples)
    assert [row.t for row in rows] == [at for at, _ in samples]
    for number, row in enumerate(rows):
        seen = samples[: number + 1]
        expected = summed(agg, within(seen, row.t, 300)) if samples[number][1] is not None else None
        assert same(row.value, expected), (row, expected)
        if expected is None:
            assert row.state == "unknown"
        elif abs(expected - limit) > 1e-6:
            assert row.state == ("firing" if expected > limit else "ok")


EDGES: dict[str, tuple[str, list[tuple[float, float | None]], list[float | None]]] = {
    "a sample as old as the window is out of it": ("sum", [(0, 1), (300, 10)], [1, 10]),
    "one a millisecond younger is in it": ("sum", [(0.001, 1), (300, 10)], [1, 11]),
    "the newest is in it": ("max", [(0, 1), (60, 7)], [1, 7]),
    "of an instant told twice the last counts": ("sum", [(0, 1), (0, 5), (60, 1)], [1, 5, 6]),
    "an empty value is not a zero": ("avg", [(0, 4), (60, None), (120, 8)], [4, None, 6]),
    "a gap empties the window": ("count", [(0, 1), (60, 1), (3600, 1)], [1, 2, 1]),
    "a rate over a restart": ("rate", [(0, 100), (60, 160), (120, 30)], [None, 1, 0.75]),
    "a rate of one instant is not known": ("rate", [(0, 1), (0, 5)], [None, None]),
    "the percentile between two": ("p75", [(0, 1), (60, 2)], [1, 1.75]),
    "the deviation of a sample": ("stddev", [(0, 2), (60, 4)], [None, math.sqrt(2)]),
}


@pytest.mark.parametrize("agg,samples,expected", EDGES.values(), ids=EDGES)
def test_edges(agg: str, samples: list[tuple[float, float | None]], expected: list[float | None]) -> None:
    rows = run({"kind": "threshold", "metric": "m", "agg": agg, "window": "5m", "above": 1e9}, samples)
    assert len(rows) == len(expected)
    assert all(same(row.value, one) for row, one in zip(rows, expected, strict=True)), [row.value for row in rows]


WAITING: dict[str, tuple[dict[str, Any], list[Any], str]] = {
    "no window compares the newest": ({"above": 5}, [1, 9, 1], "oFo"),
    "the limit itself is neither above nor below": ({"above": 5}, [5, 5.1, 5], "oFo"),
    "for holds it back and a break starts it again": ({"above": 5, "for": "2m"}, [9, 9, 1, 9, 9, 9, 1], "ppoppFo"),
    "clear is what it must go below": ({"above": 5, "clear": 3}, [9, 4, 3, 2.9, 4], "FFFoo"),
    "clear of a lower limit": ({"below": 5, "clear": 7}, [4, 6, 7, 7.1], "FFFo"),
    "within the clear a pending one is over": ({"above": 5, "clear": 3, "for": "2m"}, [9, 4, 9, 9, 9], "poppF"),
    "two of three": ({"above": 5, "after": "2 of 3"}, [9, 1, 1, 9, 1, 9, 9, 1, 9], "oooooFFoo"),
    "three of three, then for": ({"above": 5, "after": "2 of 2", "for": "1m"}, [9, 9, 9, 1], "opFo"),
    "an empty value changes nothing": ({"above": 5}, [9, None, 9, 1], "FUFo"),
    "silence is an alert where that is wanted": ({"above": 5, "no_data": "alert"}, [1, None, None, None, None, 1], "ouuUUo"),
    "or it is well": ({"above": 5, "no_data": "ok"}, [9, None, None, None, 1], "FUUuo"),
    "or the alert stays as it was": ({"above": 5, "no_data": "keep"}, [9] + [None] * 9 + [1], "F" + "U" * 9 + "o"),
    "in the shadow it decides the same": ({"above": 5, "mode": "shadow"}, [9, 1], "Fo"),
    "NaN and infinity could not be told": ({"above": 5}, ["nan", "inf", "-inf", 9], "uuuF"),
}


@pytest.mark.parametrize("rule,values,expected", WAITING.values(), ids=WAITING)
def test_waiting(rule: dict[str, Any], values: list[Any], expected: str) -> None:
    assert states(run({"kind": "threshold", "metric": "m", **rule}, every(60, values))) == expected


def reference_change(samples: list[tuple[float, float | None]], number: int, window: float, back: float, agg: str) -> Any:
    """(now, then) by hand."""
    t = samples[number][0]
    seen = samples[: number + 1]
    now = summed(agg, within(seen, t, window)) if samples[number][1] is not None else None
    old = within(seen, t - back, window)
    return now, summed(agg, old) if old else None


@pytest.mark.parametrize("limit", ["40%", 3.0], ids=["percent", "absolute"])
@pytest.mark.parametrize("way", ["drops", "rises", "changes"])
@pytest.mark.parametrize("agg", ["avg", "sum", "p90", "count"])
def test_change_is_now_against_then(agg: str, way: str, limit: str | float) -> None:
    samples = recording(2, 400)
    rule = {"kind": "change", "metric": "m", "agg": agg, "window": "5m", "compared_to": "20m", way: limit}
    rows = run(rule, samples)
    judged = 0
    for number, row in enumerate(rows):
        now, then = reference_change(samples, number, 300, 1200, agg)
        if now is None:
            assert row.state == "unknown"
        elif then is None:
            assert row.state == ("learning" if row.t - samples[0][0] < 1200 else "unknown"), row
        else:
            size = now - then
            if isinstance(limit, str):
                size = size / abs(then) if then else math.copysign(math.inf, now) if now else 0.0
            over = {"drops": -size, "rises": size, "changes": abs(size)}[way] - (0.4 if isinstance(limit, str) else limit)
            assert same(row.value, now)
            if abs(over) > 1e-9:
                judged += 1
                assert row.state == ("firing" if over > 0 else "ok"), (row, now, then)
    assert judged > 100


BASELINES: dict[str, tuple[dict[str, Any], float, float, str]] = {
    "40 % down is not more than 40 %": ({"drops": "40%"}, 100, 60, "o"),
    "41 % down is": ({"drops": "40%"}, 100, 59, "F"),
    "to nothing is 100 % down": ({"drops": "99%"}, 100, 0, "F"),
    "from nothing to something rises beyond every percentage": ({"rises": "1000%"}, 0, 0.001, "F"),
    "from nothing to less drops beyond every percentage": ({"drops": "1000%"}, 0, -1, "F"),
    "nothing and nothing is the same": ({"changes": "1%"}, 0, 0, "o"),
    "a percentage of a negative value is of its size: less": ({"drops": "40%"}, -100, -141, "F"),
    "and more": ({"rises": "40%"}, -100, -59, "F"),
    "and to the other side of nothing": ({"rises": "100%"}, -100, 1, "F"),
    "a number, from negative to positive": ({"changes": 5}, -2, 4, "F"),
    "a number that is just reached": ({"changes": 5}, -2, 3, "o"),
    "a rise is no drop": ({"drops": 5}, 0, 100, "o"),
}


@pytest.mark.parametrize("rule,then,now,expected", BASELINES.values(), ids=BASELINES)
def test_baselines(rule: dict[str, Any], then: float, now: float, expected: str) -> None:
    rows = run({"kind": "change", "metric": "m", "window": "1m", "compared_to": "5m", **rule}, [(0, then), (300, now)])
    assert states(rows) == "l" + expected


def test_change_recovers_only_within_its_clear() -> None:
    rule = {"kind": "change", "metric": "m", "window": "1m", "compared_to": "1h", "drops": "40%", "clear": "20%"}
    samples = every(60, [100.0] * 61 + [50, 70, 79, 81, 70, 59])
    assert states(run(rule, samples)) == "l" * 60 + "o" + "FFFooF"
