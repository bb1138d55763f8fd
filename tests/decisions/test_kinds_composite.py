"""Rules made of rules: truth with three values, label sets that meet, one inside another, waiting, and the cap."""

from itertools import product
from typing import Any

import pytest

from app.configfile.load import load_texts
from app.rules.active import Active
from app.rules.combine import over_members
from app.rules.evaluate import TOO_MANY, Transition, series_name
from app.rules.expression import parse
from app.rules.model import RuleState, SeriesState
from app.wording import because
from tests.decisions.recordings import book, every, run, states
from tests.decisions.words import NOON, s

T, F, N = True, False, None
VALUES = (T, F, N)


def kleene_and(a: bool | None, b: bool | None) -> bool | None:
    return {(T, T): T, (T, F): F, (T, N): N, (F, T): F, (F, F): F, (F, N): F, (N, T): N, (N, F): F, (N, N): N}[a, b]


def kleene_or(a: bool | None, b: bool | None) -> bool | None:
    return {(T, T): T, (T, F): T, (T, N): T, (F, T): T, (F, F): F, (F, N): N, (N, T): T, (N, F): N, (N, N): N}[a, b]


def kleene_not(a: bool | None) -> bool | None:
    return {T: F, F: T, N: N}[a]


EXPRESSIONS: dict[str, Any] = {
    "a": lambda a, b, c: a,
    "not a": lambda a, b, c: kleene_not(a),
    "not not a": lambda a, b, c: a,
    "a and b": lambda a, b, c: kleene_and(a, b),
    "a or b": lambda a, b, c: kleene_or(a, b),
    "a or b and c": lambda a, b, c: kleene_or(a, kleene_and(b, c)),
    "(a or b) and c": lambda a, b, c: kleene_and(kleene_or(a, b), c),
    "not a and b": lambda a, b, c: kleene_and(kleene_not(a), b),
    "not (a and b)": lambda a, b, c: kleene_not(kleene_and(a, b)),
    "a and not (b or not c)": lambda a, b, c: kleene_and(a, kleene_not(kleene_or(b, kleene_not(c)))),
    "a and a": lambda a, b, c: a,
    "a and b and c": lambda a, b, c: kleene_and(kleene_and(a, b), c),
}


@pytest.mark.parametrize("expression,truth", EXPRESSIONS.items(), ids=EXPRESSIONS)
def test_truth_has_three_values(expression: str, truth: Any) -> None:
    for a, b, c in product(VALUES, repeat=3):
        assert parse(expression).value({"a": a, "b": b, "c": c}) is truth(a, b, c), (a, b, c)


@pytest.mark.parametrize(
    "text", ["", "   ", "a and", "and a", "a b", "(a", "a)", "()", "not", "a && b", "a or or b", "(" * 60 + "a" + ")" * 60]
)
def test_what_is_no_expression_is_refused_with_a_reason(text: str) -> None:
    loaded = load_texts({"r.yaml": f"rules: {{r: {{kind: composite, when: {text!r}}}}}"}, {})
    assert any("when" in str(one) for one in loaded.errors), loaded.errors


ABOVE: Any = {
    "high": {"kind": "threshold", "metric": "m", "above": 5},
    "huge": {"kind": "threshold", "metric": "m", "above": 50},
}
STORIES: dict[str, tuple[dict[str, Any], list[float | None], str]] = {
    "and": ({"when": "high and huge"}, [1, 9, 90, 9], "ooFo"),
    "and not": ({"when": "high and not huge"}, [1, 9, 90, 9], "oFoF"),
    "or": ({"when": "high or huge"}, [1, 9, 90, 1], "oFFo"),
    "for": ({"when": "high", "for": "2m"}, [9, 9, 1, 9, 9, 9, 1], "ppoppFo"),
    "two of three": ({"when": "high", "after": "2 of 3"}, [9, 1, 9, 1], "ooFo"),
    "cannot tell": ({"when": "high and huge"}, [1, None, 90, None, 1], "ouFFo"),
}


@pytest.mark.parametrize("rule,values,expected", STORIES.values(), ids=STORIES)
def test_over_a_recording(rule: dict[str, Any], values: list[float | None], expected: str) -> None:
    assert states(run({"kind": "composite", **rule}, every(60, values), **ABOVE)) == expected


def test_one_is_made_of_another_in_whatever_order_they_are_written() -> None:
    more = {
        "outer": {"kind": "composite", "when": "inner or huge"},
        "inner": {"kind": "composite", "when": "high and not huge"},
    }
    assert states(run({"kind": "composite", "when": "not outer"}, every(60, [1, 9, 90, 1]), **{**more, **ABOVE})) == "FooF"


def test_its_members_learn_and_it_cannot_tell() -> None:
    drop = {"kind": "change", "metric": "m", "window": "1m", "compared_to": "2m", "drops": "50%"}
    said = states(run({"kind": "composite", "when": "drop"}, every(60, [9, 9, 9, 1, 1, 9]), drop=drop))
    assert said == "uuoFFo"


def made(rule: dict[str, Any]) -> Active:
    known = book({"a": {"kind": "threshold", "metric": "m", "above": 1}, "b": {"kind": "threshold", "metric": "m", "above": 1},
                  "r": {"kind": "composite", **rule}})  # fmt: skip
    return next(one for one in known.rules if one.name == "r")


ON, OFF, BLIND = SeriesState(RuleState.FIRING, True), SeriesState(RuleState.OK), SeriesState(RuleState.UNKNOWN)
X, Y = series_name({"host": "x"}), series_name({"host": "y"})


def fires(steps: list[Transition]) -> dict[str, str]:
    return {step.series: step.verdict.state.value for step in steps if not step.gone}


JOINS: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, str]]] = {
    "neither has labels": ("a and b", {"{}": ON}, {"{}": ON}, {"{}": "firing"}),
    "set by set": ("a and b", {X: ON, Y: ON}, {X: ON, Y: OFF}, {X: "firing", Y: "ok"}),
    "one without labels holds for all": ("a and b", {X: ON, Y: OFF}, {"{}": ON}, {X: "firing", Y: "ok"}),
    "a set that only one has": ("a and not b", {X: ON, Y: ON}, {Y: ON}, {X: "firing", Y: "ok"}),
    "a member that was never judged": ("a and b", {X: ON}, {}, {X: "unknown"}),
    "and one that cannot tell": ("a or b", {X: ON, Y: OFF}, {X: BLIND, Y: BLIND}, {X: "firing", Y: "unknown"}),
    "the alert about too many sets is no set": ("a", {X: ON, TOO_MANY: ON}, {}, {X: "firing"}),
}


@pytest.mark.parametrize("when,a,b,expected", JOINS.values(), ids=JOINS)
def test_label_sets_meet(when: str, a: dict[str, Any], b: dict[str, Any], expected: dict[str, str]) -> None:
    assert fires(over_members(made({"when": when}), {"a": a, "b": b}, NOON)) == expected


def test_a_label_set_that_its_members_lost_ends_and_so_does_the_one_without_once_there_are_some() -> None:
    rule = made({"when": "a"})
    steps = over_members(rule, {"a": {Y: OFF}, "r": {X: ON, "{}": ON}}, NOON)
    assert {step.series: (step.gone, step.verdict.alerting) for step in steps} == {
        X: (True, False), "{}": (True, False), Y: (False, False),
    }  # fmt: skip


def test_more_label_sets_than_the_cap_are_an_alert_that_ends_and_known_ones_stay() -> None:
    rule = made({"when": "a", "max_series": 2})
    sets = {series_name({"host": str(n)}): ON for n in range(5)}
    own: dict[str, SeriesState] = {}
    for shown in (list(sets)[:2], list(reversed(sets))):
        steps = over_members(rule, {"a": dict.fromkeys(shown, ON), "r": own}, NOON)
        own = {step.series: step.after for step in steps if not step.gone}
    assert set(own) == {*list(sets)[:2], TOO_MANY}
    assert own[TOO_MANY].firing
    assert "5 label sets, 3 of them" in because(steps[-1].verdict.reasons)
    steps = over_members(rule, {"a": dict.fromkeys(list(sets)[:2], ON), "r": own}, NOON + s(60))
    assert steps[-1].series == TOO_MANY
    assert steps[-1].gone
    assert not steps[-1].verdict.alerting
