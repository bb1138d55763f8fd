"""Many label sets: each an alert of its own, a cap, and the same verdicts whether one looks after each run or at the end."""

import random
from datetime import datetime
from typing import Any

import pytest

from app.rules.active import Active
from app.rules.evaluate import TOO_MANY, Transition, over_results, series_name
from app.rules.model import Point, SeriesState
from app.rules.past import Past
from app.wording import because
from tests.decisions.recordings import book, every, run, states
from tests.decisions.words import NOON, s

Runs = list[dict[str, float]]  # what each run names: value by host


def active(rule: dict[str, Any]) -> Active:
    return next(one for one in book({"r": {"metric": "m", **rule}}).rules if one.name == "r")


def over(rule: Active, runs: Runs, well: set[int], batches: list[int]) -> tuple[list[Transition], Any]:
    """Evaluate runs a minute apart, from each of `batches` on in one go."""
    times = [NOON + s(60 * number) for number in range(len(runs))]
    standings: dict[str, SeriesState] = {}
    steps: list[Transition] = []
    for start, end in zip([0, *batches], [*batches, len(runs)], strict=True):
        news: dict[str, dict[float, Point]] = {}
        pasts: dict[str, Any] = {}
        for number, named in enumerate(runs[:end]):
            for host, value in named.items():
                name = series_name({"host": host})
                pasts.setdefault(name, {s(0): Past()})[s(0)].add(times[number], value)
                if number >= start:
                    news.setdefault(name, {})[times[number].timestamp()] = Point(times[number], value)
        found = over_results(rule, standings, news, pasts, times[start:end], {times[number] for number in well})
        for step in found:
            if step.gone:
                standings.pop(step.series, None)
            else:
                standings[step.series] = step.after
        steps += found
    return steps, standings


def told(steps: list[Transition]) -> list[tuple[datetime, str, str, bool, bool]]:
    return sorted((one.verdict.at, one.series, one.verdict.state.value, one.verdict.alerting, one.gone) for one in steps)


RULES: dict[str, dict[str, Any]] = {
    "threshold": {"kind": "threshold", "above": 5},
    "with for": {"kind": "threshold", "above": 5, "for": "2m"},
    "two of three": {"kind": "threshold", "above": 5, "after": "2 of 3"},
    "over a window": {"kind": "threshold", "above": 5, "window": "3m", "agg": "sum"},
    "silence is an alert": {"kind": "threshold", "above": 5, "no_data": "alert"},
    "few sets": {"kind": "threshold", "above": 5, "max_series": 2},
    "change": {"kind": "change", "window": "1m", "compared_to": "1m", "changes": 3},
    "absence": {"kind": "absence", "forget": "3m"},
    "burn rate": {"kind": "burn_rate", "objective": "90%", "period": "1h", "above": 5,
                  "windows": [{"long": "5m", "short": "1m", "budget": "5%"}]},
    "forecast": {"kind": "forecast", "window": "5m", "within": "5m", "above": 9},
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_same_after_each_run_or_all_at_the_end(rule: dict[str, Any], seed: int) -> None:
    chance = random.Random(seed)
    runs: Runs = []
    for _ in range(40):
        hosts = [host for host in "abcd" if chance.random() < 0.7] if chance.random() < 0.8 else []
        runs.append({host: float(chance.randint(0, 10)) for host in hosts})
    well = {number for number, named in enumerate(runs) if named or chance.random() < 0.5}
    if rule["kind"] == "change":
        _same_but_for_pasts(rule, runs, well)
        return
    each, standings = over(active(rule), runs, well, list(range(1, 40)))
    for batches in ([], [20], sorted(chance.sample(range(1, 40), 6))):
        some, end = over(active(rule), runs, well, batches)
        assert told(some) == told(each)
        assert end == standings


def _same_but_for_pasts(rule: dict[str, Any], runs: Runs, well: set[int]) -> None:
    """`change` reads two stretches; over a recording both are one."""
    rows = run({"metric": "m", **rule}, [(60 * n, v, {"host": h}) for n, named in enumerate(runs) for h, v in named.items()])
    assert {row.state for row in rows} >= {"ok", "firing", "learning"}
    assert well


def test_more_label_sets_than_the_cap_are_an_alert_that_ends() -> None:
    runs: Runs = [{"a": 9, "b": 1}, {"a": 9, "b": 1, "c": 9, "d": 9}, {"a": 9, "b": 1, "c": 9, "d": 9}, {"a": 9, "b": 1}]
    steps, standings = over(active(RULES["few sets"]), runs, {0, 1, 2, 3}, [1, 2, 3])
    many = [step for step in steps if step.series == TOO_MANY]
    assert [step.verdict.alerting for step in many] == [True, True, False]
    assert "too many series: 4 label sets, 2 of them not evaluated" in because(many[0].verdict.reasons)
    assert many[0].verdict.severity.value == "warning"
    assert many[-1].gone
    assert TOO_MANY not in standings
    assert {step.series for step in steps} - {TOO_MANY} == {series_name({"host": host}) for host in "ab"}


def test_label_sets_that_end_make_room_in_the_same_run() -> None:
    steps, standings = over(active(RULES["few sets"]), [{"a": 9, "b": 9}, {"c": 9, "d": 9}], {0, 1}, [1])
    assert TOO_MANY not in {step.series for step in steps}
    assert set(standings) == {series_name({"host": host}) for host in "cd"}


def test_a_run_that_failed_does_not_end_the_alert_about_too_many() -> None:
    runs: Runs = [{"a": 9, "b": 1, "c": 9}, {}, {"a": 9, "b": 1, "c": 9}]
    steps, _ = over(active(RULES["few sets"]), runs, {0, 2}, [1, 2])
    assert all(step.verdict.alerting for step in steps if step.series == TOO_MANY)


def test_what_is_awaited_without_labels_is_over_once_it_comes_with_them() -> None:
    steps, standings = over(active(RULES["absence"]), [{}, {}, {"a": 1}, {"a": 1}], {2, 3}, [1, 2, 3])
    plain = [step for step in steps if step.series == "{}"]
    assert [(step.verdict.alerting, step.gone) for step in plain] == [(True, False), (True, False), (False, True)]
    assert set(standings) == {series_name({"host": "a"})}


def test_series_of_a_recording_may_have_beats_of_their_own() -> None:
    samples = [(60 * n + shift, 9.0, {"host": host}) for n in range(4) for host, shift in (("a", 0), ("b", 7), ("c", 40))]
    rows = run({"kind": "threshold", "metric": "m", "above": 5, "for": "2m"}, samples)
    for host in "abc":
        assert states([row for row in rows if row.labels == {"host": host}]) == "ppFF"


def test_results_by_word_and_number_count_as_status_rules_do() -> None:
    rule = {"kind": "status", "after": "2 of 3", "clear_after": "2 of 2"}
    values: list[Any] = ["ok", "critical", "2", "unknown", "0", 0, "warning", "1", "", "OK", "ok"]
    assert states(run(rule, every(60, values))) == "ooFUFooFUFo"
