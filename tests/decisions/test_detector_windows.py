"""What no single value gives away: windows that lean or stray, what last week excuses, and what it costs to look."""

import json
import math
import random
import time
from datetime import timedelta

import pytest

from app.rules.detector import Detector, Deviation, Direction, Judgement, Tuning
from app.rules.detector.rarity import Tail
from tests.decisions.test_detector import A_DAY, MONDAY, SHAPES, Shape, episodes, learnt_from, series, watch

MINUTE = timedelta(minutes=1)
QUARTER = A_DAY // 4


def noise(seed: int, length: int, mean: float = 100.0, width: float = 5.0) -> list[float]:
    """Gaussian samples."""
    rng = random.Random(seed)
    return [rng.gauss(mean, width) for _ in range(length)]


def spikes(seed: int, length: int, share: float) -> list[float]:
    """Mostly nothing; so large a share of the samples are spikes of one height."""
    rng = random.Random(seed)
    return [20.0 if rng.random() < share else rng.random() for _ in range(length)]


TOGETHER = {
    "all a little high": (noise(1, 10 * A_DAY), noise(2, QUARTER, mean=112), Deviation.LEANS_UP),
    "all a little low": (noise(1, 10 * A_DAY), noise(2, QUARTER, mean=88), Deviation.LEANS_DOWN),
    "restless": (noise(1, 10 * A_DAY), noise(2, QUARTER, width=12), Deviation.VARIES),
    "spikes as ever, and far more of them": (spikes(1, 10 * A_DAY, 0.01), spikes(2, QUARTER, 0.5), None),
}


@pytest.mark.parametrize("before,then,deviation", TOGETHER.values(), ids=TOGETHER)
def test_values_that_are_usual_one_by_one_alarm_together(
    before: list[float], then: list[float], deviation: Deviation | None
) -> None:
    judgements = watch([*before, *then])[len(before) :]
    alarms = [one for one in judgements if one.bad]
    found = {one.window for one in alarms} - {Deviation.NONE}
    assert deviation in found if deviation else found
    assert max(one.score for one in judgements) > 0.7


@pytest.mark.parametrize("direction,mean", [("up", 88), ("down", 112)])
def test_a_window_that_leans_to_the_side_not_asked_for_does_not_alarm(direction: Direction, mean: float) -> None:
    values = [*noise(1, 10 * A_DAY), *noise(2, QUARTER, mean=mean)]
    assert not any(one.bad for one in watch(values, Tuning(direction=direction))[10 * A_DAY :])


def test_a_band_open_on_one_side_is_said_so() -> None:
    values = series(SHAPES["white noise"], 3 * A_DAY)
    up, down = (watch([*values, 100.0], Tuning(direction=direction))[-1] for direction in ("up", "down"))
    assert (up.low, down.high) == (-math.inf, math.inf)


def test_samples_an_hour_apart_are_judged_one_by_one() -> None:
    judgements = watch([*noise(1, 24 * 60), *noise(2, 12, mean=112)], step=timedelta(hours=1))
    assert not any(one.window is not Deviation.NONE for one in judgements)


def test_a_window_does_not_reach_across_a_gap() -> None:
    detector = learnt_from([*noise(1, 10 * A_DAY), *[108.0] * 4])
    later = MONDAY + timedelta(days=12)
    assert not detector.advance(later, 108.0).bad


def weekend(day: int) -> float:
    """By how much a day of the week is quieter."""
    return 100.0 if day % 7 > 4 else 0.0


def test_a_quiet_weekend_is_excused_as_soon_as_there_has_been_one() -> None:
    rng = random.Random(1)
    values = [
        500 + 200 * math.sin(math.tau * number / A_DAY) - weekend(number // A_DAY) + rng.gauss(0, 15)
        for number in range(21 * A_DAY)
    ]
    judgements = watch(values)
    second, third = (episodes(judgements[first * A_DAY : (first + 4) * A_DAY]) for first in (11, 18))
    assert second + third <= 1


def bursts() -> Shape:
    """Noise whose width wanders by factors."""
    wide = [0.0]

    def one(rng: random.Random, _: int) -> float:
        wide[0] = 0.98 * wide[0] + rng.gauss(0, 0.15)
        return math.exp(wide[0]) * rng.gauss(0, 1)

    return one


HARD: dict[str, Shape] = {
    "heavy tails": lambda rng, _: rng.paretovariate(3),
    "bursts of variance": bursts(),
    "a step at midnight of every weekend": lambda rng, number: (
        500 + 200 * math.sin(math.tau * number / 1440) - weekend(number // 1440) + rng.gauss(0, 15)
    ),
}


@pytest.mark.parametrize("shape", HARD.values(), ids=HARD)
def test_a_month_by_the_minute_of_what_is_hard_keeps_within_a_few_times_the_knob(shape: Shape) -> None:
    assert episodes(watch(series(shape, 30 * 1440), step=MINUTE)) <= 4


def test_the_shape_of_a_heavy_tail_is_found() -> None:
    rng, tail = random.Random(1), Tail(0)
    for _ in range(200_000):
        tail.learn(rng.paretovariate(3) if rng.random() < 0.5 else 0.0)
    shape, _ = tail._form()
    assert 0.2 < shape < 0.45, "a third in truth"


def test_the_memory_stays_small_however_long_it_learns() -> None:
    memory = learnt_from(series(SHAPES["heavy tails"], 12 * A_DAY)).memory()
    assert len(json.dumps(memory)) < 4000


def test_a_memory_of_the_first_version_is_learnt_anew() -> None:
    one = Detector.load({"v": 1, "n": "", "a": ""}, Tuning()).advance(MONDAY, 1.0)
    assert one.learning


def test_a_sample_costs_the_same_however_long_the_past() -> None:
    values, detector = series(SHAPES["a daily season"], 4 * A_DAY), Detector.load(None, Tuning())

    def day(number: int) -> float:
        began = time.process_time()
        found: list[Judgement] = [
            detector.advance(MONDAY + timedelta(days=number, minutes=5 * place), value)
            for place, value in enumerate(values[number * A_DAY : (number + 1) * A_DAY])
        ]
        return (time.process_time() - began) / len(found)

    costs = [day(number) for number in range(4)]
    assert costs[3] < 3 * costs[1]
