"""Burn rates against the SRE Workbook's own figures (chapter 5) and against shares counted by hand."""

import random
from typing import Any

import pytest

from tests.decisions.recordings import Row, every, run, states, within

HOUR, DAY = 3600.0, 86_400.0
RULE = {"kind": "burn_rate", "objective": "99.9%", "severity": {"fast": "critical", "slow": "warning"}}
PAIRS = ((HOUR, 300.0, 14.4, "critical"), (6 * HOUR, 1800.0, 6.0, "critical"), (3 * DAY, 6 * HOUR, 1.0, "warning"))


def burn(samples: list[tuple[float, float | None]], t: float, window: float) -> float:
    found = within(samples, t, window)
    return sum(value for _, value in found) / len(found) / 0.001 if found else 0.0


def bad_pairs(samples: list[tuple[float, float | None]], t: float) -> list[tuple[float, float, float, str]]:
    """The pairs that burn too fast at t; none before its long window is full."""
    return [
        pair
        for pair in PAIRS
        if t - samples[0][0] >= pair[0]
        and burn(samples, t, pair[0]) > pair[2] * (1 + 1e-9)
        and burn(samples, t, pair[1]) > pair[2] * (1 + 1e-9)
    ]


def quiet_then(error: float, step: float, after: float, quiet: float = 3 * DAY) -> list[tuple[float, float | None]]:
    """A good past as long as the longest window, then errors at one rate."""
    good = int(quiet / step) + 1  # the last good one is when the errors begin
    return every(step, [0.0] * good + [error] * int(after / step))


def first(rows: list[Row], severity: str, since: float) -> float | None:
    """Seconds until the first line that fires so badly."""
    return next((row.t - since for row in rows if row.state == "firing" and row.severity == severity), None)


# Time until it fires = share of the budget x period / burn rate: Workbook, tables 5-6 to 5-8, for its recommended pairs.
DETECTION: dict[str, tuple[float, float, float | None, float | None]] = {
    "an outage: 52 s": (1.0, 30.0, 51.84, None),
    "10 % of errors: 8 min 38 s": (0.1, 30.0, 518.4, None),
    "2 %: 43 min 12 s": (0.02, 60.0, 2592.0, None),
    "1 %: too slow for 1 h, 3 h 36 min by 6 h": (0.01, 60.0, 12_960.0, None),
    "0.5 %: only slowly, 14 h 24 min": (0.005, 300.0, None, 51_840.0),
    "0.2 %: 36 h": (0.002, 900.0, None, 129_600.0),
    "0.1 %, which the objective allows: never": (0.001, 900.0, None, None),
}


@pytest.mark.parametrize("error,step,fast,slow", DETECTION.values(), ids=DETECTION)
def test_the_time_until_it_fires_is_that_of_the_workbook(
    error: float, step: float, fast: float | None, slow: float | None
) -> None:
    after = 4 * DAY if fast is None else fast + 20 * step
    samples = quiet_then(error, step, after)
    rows = run(RULE, samples, every=f"{step:.0f}s")
    start = samples[int(3 * DAY / step)][0]
    for severity, expected in (("critical", fast), ("warning", slow)):
        found = first(rows, severity, start)
        if expected is None:
            assert found is None or (severity == "warning" and fast is not None), found
        else:
            assert expected < (found or 0) <= expected + step, (found, expected)  # the first sample beyond it


@pytest.mark.parametrize("error,short", [(1.0, 300.0), (0.1, 1800.0)], ids=["an outage", "10 % of errors"])
def test_it_ends_by_its_short_windows(error: float, short: float) -> None:
    """After an outage of 10 minutes the fast pairs end within 5 and 30 minutes: those are their short windows."""
    bad = 600 if error == 1.0 else 1800
    samples = quiet_then(error, 30, bad)
    samples += [(samples[-1][0] + 30 * n, 0.0) for n in range(1, 24 * 120)]
    rows = run(RULE, samples, every="30s")
    end = 3 * DAY + bad
    fast = [row.t for row in rows if row.state == "firing" and row.severity == "critical"]
    assert fast
    assert fast[-1] - end <= 1800
    assert all(row.state == "firing" for row in rows if fast[0] <= row.t <= end)
    every_one = [row.t for row in rows if row.state == "firing"]
    assert every_one[-1] - end <= 6 * HOUR  # the slow pair's short window


@pytest.mark.parametrize("seed", range(3))
def test_every_line_is_what_counting_says(seed: int) -> None:
    chance = random.Random(seed)
    samples: list[tuple[float, float | None]] = []
    level = 0.0
    for number in range(1300):
        if number % 40 == 0:
            level = chance.choice([0, 0, 0.001, 0.004, 0.01, 0.05, 1])
        samples.append((number * 300.0, None if chance.random() < 0.05 else min(1.0, level * chance.uniform(0.5, 1.5))))
    rows = run(RULE, samples, every="5m")
    told = [number for number, (_, value) in enumerate(samples) if value is not None]
    samples_told = samples[told[0] :]
    for number, row in list(enumerate(rows))[:: 1 + seed]:
        if samples[number][1] is None:
            assert row.state == "unknown"
            continue
        bad = bad_pairs(samples_told[: number + 1 - told[0]], row.t)
        full = row.t - samples_told[0][0] >= HOUR
        assert row.state == ("firing" if bad else "ok" if full else "learning"), row
        if bad:
            assert row.severity == ("critical" if any(pair[3] == "critical" for pair in bad) else "warning")


STARTS: dict[str, tuple[str, float]] = {
    "samples as often as the check runs": ("1m", 60.0),
    "more often": ("5m", 30.0),
    "less often": ("30s", 60.0),
}


@pytest.mark.parametrize("interval,step", STARTS.values(), ids=STARTS)
def test_no_pair_fires_before_its_long_window_is_full(interval: str, step: float) -> None:
    rows = run(RULE, every(step, [1.0] * int(1.5 * HOUR / step)), every=interval)
    assert {row.state for row in rows if row.t < HOUR} == {"learning"}
    assert {row.state for row in rows if row.t >= HOUR} == {"firing"}
    later = {**RULE, "windows": [{"long": "6h", "short": "30m", "budget": "5%", "speed": "fast"}]}
    rows = run(later, every(60, [1.0] * 400))
    assert first(rows, "critical", 0) == 6 * HOUR


BUDGETS: dict[str, tuple[float, float, str]] = {
    "nothing burnt": (0.0, 3 * HOUR, "100% of the 30d budget left"),
    "30 % of errors for 72 minutes: half of the budget": (0.3, 72 * 60, "50% of the 30d budget left"),
    "an outage of 21.6 minutes: half of it": (1.0, 21.6 * 60, "50% of the 30d budget left"),
    "more than there was: nothing is left": (1.0, 2 * HOUR, "; 0% of the 30d budget left"),
}


@pytest.mark.parametrize("error,length,expected", BUDGETS.values(), ids=BUDGETS)
def test_the_budget_that_is_left(error: float, length: float, expected: str) -> None:
    samples = quiet_then(error, 60 if length % 60 == 0 else 48, length, quiet=DAY)
    assert expected in run(RULE, samples)[-1].because


def test_a_share_beyond_0_to_1_is_taken_as_the_nearest_in_every_figure() -> None:
    good: list[Any] = [0.0] * 120
    wild = run(RULE, every(60, [*good, 1e300, 1e300, -1e300, 250.0, *good]))
    tame = run(RULE, every(60, [*good, 1.0, 1.0, 0.0, 1.0, *good]))
    assert wild == tame
    assert "F" in states(tame)


@pytest.mark.parametrize("limit", [{"above": 0.8}, {"below": -0.8}], ids=["above", "below"])
def test_a_sample_of_the_metric_beyond_a_limit_is_a_bad_one(limit: dict[str, float]) -> None:
    chance = random.Random(4)
    sign = 1 if "above" in limit else -1
    values = [sign * chance.choice([0.1, 0.5, 0.8, 0.81 if number > 80 else 0.2]) for number in range(300)]
    found = run({**RULE, "metric": "seconds", **limit}, every(60, values))
    expected = run(RULE, every(60, [float(abs(value) > 0.8) for value in values]))
    assert [row.state for row in found] == [row.state for row in expected]
    assert "F" in states(found)


def test_one_severity_for_all_is_that_of_every_pair() -> None:
    rows = run({**RULE, "severity": "error"}, quiet_then(1.0, 60, 600))
    assert {row.severity for row in rows} == {"error"}


def test_a_window_that_lay_empty_for_its_length_is_full_again_only_after_it() -> None:
    before = [(60.0 * n, 0.0) for n in range(300)]
    gap = before[-1][0] + 4 * DAY
    rows = run(RULE, [*before, *((gap + 60 * n, 1.0) for n in range(61))])
    after = [row for row in rows if row.t >= gap]
    assert {row.state for row in after[:-1]} == {"learning"}
    assert after[-1].state == "firing"
    short = run(RULE, [*before, *((before[-1][0] + 1800 + 60 * n, 1.0) for n in range(3))])
    assert short[-1].state == "firing"  # half an hour of silence empties no long window
