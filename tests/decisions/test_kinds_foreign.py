"""A kind of rule is a plug-in that anybody may write: what it gets wrong is its own alert's matter, and nobody else's."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from app.reason import Code, Reason, recorded
from app.rules.active import Active
from app.rules.evaluate import TOO_MANY, over_results, over_silence
from app.rules.model import Band, Finding, Point, RuleState, SeriesState, Verdict
from app.rules.past import Past
from app.wording import because
from tests.decisions.recordings import book
from tests.decisions.words import NOON, s

INF, NAN = float("inf"), float("nan")


def found(**more: Any) -> Finding:
    """What a sound kind finds."""
    sound: dict[str, Any] = {"bad": True, "clear": False, "value": 7.0, "score": 2.0, "band": Band(1.0, 2.0, 3.0)}
    return Finding(**sound | {"reason": recorded("it is high"), "memory": {"kept": 1}} | more)


def active(evaluate: Callable[..., Finding]) -> Active:
    """A rule of a kind that is nothing but this."""
    kind = ModuleType("foreign")
    vars(kind).update(evaluate=evaluate, lookbacks=lambda _: ())
    known = book({"r": {"kind": "threshold", "metric": "m", "above": 5}})
    return replace(next(one for one in known.rules if one.name == "r"), kind=kind)


def judged(evaluate: Callable[..., Finding], before: SeriesState | None = None) -> tuple[SeriesState, Verdict]:
    past = Past()
    past.add(NOON, 7.0)
    known = {"{}": before} if before else {}
    (step,) = over_results(active(evaluate), known, {"{}": {NOON.timestamp(): Point(NOON, 7.0)}}, {"{}": {s(0): past}}, [NOON])
    return step.after, step.verdict


def raises(error: Exception) -> Callable[..., Finding]:
    def evaluate(*_: object) -> Finding:
        raise error

    return evaluate


@pytest.mark.parametrize(
    "evaluate, why",
    [
        (raises(ZeroDivisionError("division by zero")), "ZeroDivisionError: division by zero"),
        (raises(KeyError("m")), "KeyError: 'm'"),
        (raises(OverflowError("beyond")), "too large"),
        (lambda *_: found(value=INF), "too large"),
        (lambda *_: found(value=NAN), "too large"),
        (lambda *_: found(reason=Reason(Code.NO_DATA, {"seconds": -INF})), "too large"),
    ],
    ids=[
        "it divides by zero",
        "it finds no key",
        "it overflows",
        "an infinite value",
        "no number",
        "an infinity in its reason",
    ],
)
def test_a_kind_that_breaks_is_unknown_says_why_and_changes_nothing(evaluate: Callable[..., Finding], why: str) -> None:
    firing = SeriesState(RuleState.FIRING, firing=True, bad_since=NOON - s(60), known_at=NOON - s(60), memory={"kept": 1})
    after, verdict = judged(evaluate, firing)
    assert (verdict.state, verdict.alerting, verdict.value) == (RuleState.UNKNOWN, True, None)
    assert why in because(verdict.reasons)
    assert after == replace(firing, state=RuleState.UNKNOWN)


@pytest.mark.parametrize(
    "more, score, band",
    [
        ({}, 2.0, Band(1.0, 2.0, 3.0)),
        ({"score": INF}, None, Band(1.0, 2.0, 3.0)),
        ({"score": NAN}, None, Band(1.0, 2.0, 3.0)),
        ({"band": Band(-INF, 2.0, 3.0)}, 2.0, None),
        ({"band": Band(1.0, NAN, 3.0)}, 2.0, None),
        ({"score": -INF, "band": Band(1.0, 2.0, INF)}, None, None),
    ],
    ids=["all is finite", "an infinite score", "a score that is none", "a band without end", "no expected value", "both"],
)
def test_a_measure_without_end_is_left_out_and_the_alert_fires(
    more: dict[str, Any], score: float | None, band: Band | None
) -> None:
    _, verdict = judged(lambda *_: found(**more))
    assert (verdict.state, verdict.value, verdict.score, verdict.band) == (RuleState.FIRING, 7.0, score, band)


def test_silence_says_nothing_about_how_many_series_there_are() -> None:
    one = '{"host":"a"}'
    known = {TOO_MANY: SeriesState(RuleState.FIRING, firing=True, known_at=NOON), one: SeriesState(known_at=NOON)}
    steps = over_silence(active(raises(AssertionError("it is not asked"))), known, NOON + s(3600), never_ran=False)
    assert [step.series for step in steps] == [one]
