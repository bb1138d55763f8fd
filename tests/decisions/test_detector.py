"""The anomaly detector and its rule kind: what alarms, what is learnt, how many false alarms, and what is remembered."""

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.rules.detector import Detector, Direction, Judgement, Progress, Tuning
from app.rules.kinds import anomaly
from app.rules.model import Finding, Point, View
from app.rules.past import Past
from app.wording import text
from tests.decisions.words import s

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
FIVE = timedelta(minutes=5)
A_DAY = 288  # samples
Shape = Callable[[random.Random, int], float]


def count(rng: random.Random, mean: float) -> float:
    """A Poisson number."""
    limit, product, found = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        found += 1
    return float(found)


SHAPES: dict[str, Shape] = {
    "white noise": lambda rng, _: rng.gauss(100, 5),
    "a daily season": lambda rng, number: 500 + 200 * math.sin(math.tau * number / A_DAY) + rng.gauss(0, 15),
    "heavy tails": lambda rng, _: rng.paretovariate(3),
    "counts that are mostly zero": lambda rng, _: count(rng, 0.3),
    "busy days and quiet nights": lambda rng, number: count(rng, 20 * (1.1 + math.sin(math.tau * number / A_DAY))),
    "a trend": lambda rng, number: number * 0.07 + rng.gauss(0, 5),
    "very small": lambda rng, _: rng.gauss(3e-9, 1e-10),
    "very large and negative": lambda rng, _: rng.gauss(-1e15, 1e12),
}


def series(shape: Shape, length: int, seed: int = 1) -> list[float]:
    """So many samples of a shape."""
    rng = random.Random(seed)
    return [shape(rng, number) for number in range(length)]


def learnt_from(values: list[float], step: timedelta = FIVE) -> Detector:
    """A detector that has seen a series from Monday on."""
    detector = Detector.load(None, Tuning())
    for number, value in enumerate(values):
        detector.advance(MONDAY + step * number, value)
    return detector


def watch(values: list[float], tuning: Tuning | None = None, step: timedelta = FIVE) -> list[Judgement]:
    """What a new detector says of a series from Monday on."""
    detector = Detector.load(None, tuning or Tuning())
    return [detector.advance(MONDAY + step * number, value) for number, value in enumerate(values)]


def episodes(judgements: list[Judgement]) -> int:
    """How many alarms a person has had."""
    found, on = 0, False
    for one in judgements:
        found += one.bad and not on
        on = one.bad or (on and not one.clear)
    return found


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("days", [1, 7])
def test_false_alarms_are_about_as_many_as_the_knob_allows(shape: Shape, days: int) -> None:
    found = episodes(watch(series(shape, 40 * A_DAY), Tuning(per=timedelta(days=days))))
    assert found <= 3 * 40 / days, f"{found} in 40 days"


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_was_never_seen_alarms(shape: Shape) -> None:
    values = series(shape, 10 * A_DAY)
    middle, width = sorted(values)[len(values) // 2], max(values) - min(values)
    judgements = watch([*values, middle + 20 * width])
    assert judgements[-1].bad
    assert judgements[-1].score > 0.8
    assert judgements[-1].high < middle + 20 * width


def test_a_constant_series_alarms_at_a_change_and_not_at_rounding() -> None:
    values = [0.3] * (3 * A_DAY)
    assert not watch([*values, 0.1 + 0.2])[-1].bad
    assert watch([*values, 0.31])[-1].bad
    assert watch([0.0] * (3 * A_DAY) + [1.0])[-1].bad


def test_a_new_level_alarms_and_is_accepted_in_hours() -> None:
    values = series(SHAPES["white noise"], 12 * A_DAY)
    judgements = watch([value + 60 * (number >= 10 * A_DAY) for number, value in enumerate(values)])
    after = [one.bad for one in judgements[10 * A_DAY :]]
    assert all(after[:12]), "an hour is not enough to get used to it"
    assert not any(after[A_DAY // 2 :])
    assert abs(judgements[-1].expected - 160) < 10


def test_an_outlier_is_not_taken_for_the_truth() -> None:
    values = series(SHAPES["white noise"], 10 * A_DAY)
    before, after = watch(values)[-1], watch([*values, *[1e6] * 3, *values[:30]])[-1]
    assert abs(after.expected - before.expected) < 5
    assert after.high - after.low < 2 * (before.high - before.low)


def test_a_season_is_used_after_three_days_and_given_up_when_it_is_gone() -> None:
    judgements = watch(series(SHAPES["a daily season"], 4 * A_DAY))
    assert abs(judgements[3 * A_DAY + A_DAY // 4].expected - 700) < 60
    seasonal = judgements[3 * A_DAY + A_DAY // 4]
    assert (seasonal.season, seasonal.age) == ("day", 3.25 * 86_400)
    flat = watch(series(SHAPES["a daily season"], 10 * A_DAY) + series(lambda rng, _: rng.gauss(500, 15), 20 * A_DAY))
    assert abs(flat[-A_DAY // 4].expected - 500) < 15


def test_a_quiet_sunday_is_expected_after_three_weeks() -> None:
    values = [(100 if number // 24 % 7 == 6 else 500) + random.Random(number).gauss(0, 10) for number in range(24 * 7 * 6)]
    judgements = watch(values, step=timedelta(hours=1))
    sunday = judgements[24 * (7 * 5 - 1) : 24 * 7 * 5]
    assert not any(one.bad for one in sunday)
    assert sunday[12].season == "week"


def test_the_season_follows_the_clock_of_the_zone() -> None:
    zone = ZoneInfo("Europe/Paris")
    detector = Detector.load(None, Tuning(zone=zone))
    start = datetime(2026, 3, 9, tzinfo=UTC)  # clocks move on 29 March
    for number in range(24 * 4 * 28):
        at = start + timedelta(minutes=15) * number
        busy = 9 <= at.astimezone(zone).hour < 17
        one = detector.advance(at, (800 if busy else 200) + random.Random(number).gauss(0, 10))
        if number > 24 * 4 * 24:
            assert not one.bad, one


def test_gaps_late_and_double_samples_do_no_harm() -> None:
    values = series(SHAPES["white noise"], 8 * A_DAY)
    detector = Detector.load(None, Tuning())
    for number, value in enumerate(values):
        if not 4 * A_DAY < number < 5 * A_DAY:
            detector.advance(MONDAY + FIVE * number, value)
    learnt = detector.memory()
    late = MONDAY + FIVE * (len(values) - 2)
    assert detector.advance(late, 1e9).bad
    assert detector.advance(late, 100).clear
    assert Detector.load(learnt, Tuning()).memory()["a"] == detector.memory()["a"]


def test_an_excluded_day_is_neither_judged_nor_learnt() -> None:
    detector = learnt_from(series(SHAPES["white noise"], 5 * A_DAY))
    learnt = detector.memory()
    for number in range(A_DAY):
        one = detector.advance(MONDAY + timedelta(days=5) + FIVE * number, 9000.0, excluded=True)
        assert (one.bad, one.clear) == (False, True)
    assert detector.memory() == learnt


def test_learning_says_how_far_it_is() -> None:
    judgements = watch(series(SHAPES["white noise"], A_DAY))
    assert judgements[36].learning == Progress(3 * 3600, 12 * 3600, 36, 30)
    assert sum(one.learning is not None for one in judgements) == A_DAY // 2
    assert watch([1.0] * 20, step=timedelta(hours=1))[-1].learning == Progress(19 * 3600, 12 * 3600, 19, 30)


@pytest.mark.parametrize("direction,up,down", [("both", True, True), ("up", True, False), ("down", False, True)])
def test_only_the_side_that_was_asked_for_alarms(direction: Direction, up: bool, down: bool) -> None:
    values, tuning = series(SHAPES["white noise"], 3 * A_DAY), Tuning(direction=direction)
    assert (watch([*values, 500.0], tuning)[-1].bad, watch([*values, -300.0], tuning)[-1].bad) == (up, down)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(-60, 4000), st.floats(-1e15, 1e15)), max_size=150), st.integers(0, 300))
def test_saving_and_loading_changes_nothing(samples: list[tuple[int, float]], warm: int) -> None:
    def course() -> Iterator[tuple[datetime, float]]:
        at = MONDAY
        for value in series(SHAPES["a trend"], warm):
            at += FIVE
            yield at, value
        for seconds, value in samples:
            at += timedelta(seconds=seconds)
            yield at, value

    tuning = Tuning(learn=timedelta(0))
    kept, memory = Detector.load(None, tuning), None
    for at, value in course():
        again = Detector.load(memory, tuning)
        one = kept.advance(at, value)
        assert again.advance(at, value) == one
        assert 0.0 <= one.score <= 1.0
        assert one.low <= one.expected <= one.high
        memory = json.loads(json.dumps(again.memory(), allow_nan=False))


def test_the_memory_stays_small() -> None:
    assert len(json.dumps(learnt_from(series(SHAPES["heavy tails"], 24 * 30), timedelta(hours=1)).memory())) < 4000


def judge(spec: anomaly.Spec, values: list[float]) -> list[Finding]:
    """What a rule finds in a series from Monday on."""
    memory: Mapping[str, Any] = {}
    found: list[Finding] = []
    for number, value in enumerate(values):
        at = MONDAY + FIVE * number
        found.append(anomaly.evaluate(spec, View(at, Point(at, value), {s(0): Past()}, FIVE), memory))
        memory = found[-1].memory
    return found


def rule(**fields: object) -> anomaly.Spec:
    """A rule on orders."""
    return anomaly.Spec.model_validate({"kind": "anomaly", "check": "orders", "metric": "orders", **fields})


def test_a_rule_learns_alarms_and_says_why() -> None:
    found = judge(rule(), [*series(SHAPES["white noise"], 2 * A_DAY), 400.0])
    assert found[10].learning
    assert found[-1].bad
    assert text(found[-1].reason).startswith("orders 400 is above ")
    assert found[-1].band is not None


def test_a_rule_is_silent_on_its_holidays() -> None:
    values = [*series(SHAPES["white noise"], 2 * A_DAY), 400.0]
    assert judge(rule(holidays=["2026-01-07"]), values)[-1].reason.code == anomaly.Code.EXCLUDED_DAY
    assert judge(rule(holidays=["US-CA", "FR"]), values)[-1].bad


WRONG = {
    "a rate without its time": ({"false_alarms": "2"}, "write how many in how long: 1 per 30d"),
    "more than one an hour": ({"false_alarms": "90 per 1d"}, "between one an hour and one in ten years"),
    "a country nobody knows": ({"holidays": ["ATLANTIS"]}, "neither a date"),
    "a zone nobody knows": ({"timezone": "Mars/Olympus"}, "is not a time zone"),
    "an aggregate of nothing": ({"agg": "p95"}, "agg p95 needs a window"),
}


@pytest.mark.parametrize("fields,says", WRONG.values(), ids=WRONG)
def test_mistakes_are_explained(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        rule(**fields)
