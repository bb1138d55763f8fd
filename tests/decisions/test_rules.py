"""What a series of results means: counting, limits, waiting, missing data, and the words of a summary."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.model import Severity
from app.checks.model import OutOf, StatusAlert, out_of
from app.checks.probe import Status
from app.rules.aggregate import percentile
from app.rules.judge import NO_RESULT, judge, judge_missing
from app.rules.kinds import status, threshold
from app.rules.model import Finding, Point, RuleState, SeriesState, Timing, View
from app.rules.past import Past
from app.rules.summary import render
from app.signals.model import SUMMARY_LIMIT
from app.wording import because
from tests.decisions.words import NOON, quick, s

LETTERS = {"o": Status.OK, "w": Status.WARNING, "c": Status.CRITICAL, "?": Status.UNKNOWN}
COUNTS = {
    "two of three bad results fire, the first ok recovers": ("2 of 3", None, "ocooccoo", ".....F.."),
    "the third result back counts": ("2 of 3", None, "coc", "..F"),
    "a result out of the window does not": ("2 of 3", None, "cooc", "...."),
    "counting starts afresh after a recovery": ("2 of 3", None, "ccocc", ".F..F"),
    "one of one fires at once": ("1 of 1", None, "oco", ".F."),
    "unknown is neither good nor bad": ("2 of 3", None, "c?c?o", "..FF."),
    "unknown does not recover": ("1 of 1", None, "c??", "FFF"),
    "the end waits for two oks of the last three since it fired": ("1 of 1", "2 of 3", "cococoo", "FFF.FF."),
    "oks from before it fired do not end it": ("1 of 1", "3 of 5", "oooocccooo", "....FFFFF."),
    "warnings are bad, too": ("2 of 3", None, "wwo", ".F."),
}  # fmt: skip


def view(*points: Point) -> View:
    """What a rule sees of one series at its newest point."""
    past = Past()
    for point in points:
        if point.value is not None:
            past.add(point.at, point.value)
    newest = points[-1] if points else Point(NOON, None)
    return View(newest.at, newest, {s(0): past}, s(10))


def on_off(after: str, clear_after: str | None, results: str) -> str:
    """F while it fires, a dot otherwise, a letter a result."""
    spec = status.Spec(kind="status", check="c", after=after, clear_after=clear_after)
    standing, said = SeriesState(), ""
    for number, letter in enumerate(results):
        at = NOON + s(30 * number)
        finding = status.evaluate(spec, view(Point(at, None, LETTERS[letter])), standing.memory)
        standing, _ = judge(standing, finding, Timing(s(0), "keep", s(10_000)), Severity.ERROR, at)
        said += "F" if standing.firing else "."
    return said


@pytest.mark.parametrize("after,clear_after,results,expected", COUNTS.values(), ids=COUNTS)
def test_counting(after: str, clear_after: str | None, results: str, expected: str) -> None:
    assert on_off(after, clear_after, results) == expected


def test_an_alert_for_lack_of_data_stays_until_enough_results_are_ok() -> None:
    spec = status.Spec(kind="status", check="c", after="2 of 3", clear_after="2 of 2")
    standing, said = SeriesState(known_at=NOON), ""
    for number, letter in enumerate("?????coo"):
        at = NOON + s(30 * number)
        finding = status.evaluate(spec, view(Point(at, None, LETTERS[letter])), standing.memory)
        standing, _ = judge(standing, finding, Timing(s(0), "alert", s(90)), Severity.ERROR, at)
        said += "F" if standing.firing else "."
    assert said == "...FFFF."


@quick
@given(st.text("owc?", max_size=30), st.integers(1, 4), st.integers(0, 3))
def test_it_fires_only_by_a_bad_result_and_ends_only_by_an_ok(results: str, needed: int, more: int) -> None:
    states = on_off(f"{needed} of {needed + more}", None, results)
    for before, now, letter in zip("." + states, states, results, strict=False):
        assert (before, now) != (".", "F") or letter in "wc"
        assert (before, now) != ("F", ".") or letter == "o"
        assert not (before == "F" and letter == "o" and now == "F")  # by default the first ok recovers


@pytest.mark.parametrize(
    "results,severity",
    [
        ("cc", Severity.CRITICAL),
        ("ww", Severity.WARNING),
        ("wc", Severity.WARNING),
        ("wcc", Severity.CRITICAL),
        ("ccw", Severity.CRITICAL),
    ],
    ids=["critical results", "warnings", "one of each", "it gets worse", "it does not get better before it ends"],
)
def test_critical_results_fire_at_the_alerts_severity_and_warnings_at_warning(results: str, severity: Severity) -> None:
    spec = status.Spec(kind="status", check="c", severity=Severity.CRITICAL)
    memory: Any = {}
    for letter in results:
        finding = status.evaluate(spec, view(Point(NOON, None, LETTERS[letter])), memory)
        memory = finding.memory
    assert (finding.bad, finding.severity) == (True, severity)


@quick
@given(st.text("oc", max_size=40), st.integers(1, 5), st.integers(0, 4))
def test_a_rule_that_is_bad_where_results_are_fires_and_recovers_with_their_checks_own_alert(
    results: str, needed: int, more: int
) -> None:
    after = f"{needed} of {needed + more}"
    timing, standing, said = Timing(s(0), "keep", s(10_000), out_of(after)), SeriesState(), ""
    for number, letter in enumerate(results):
        bad = letter == "c"
        standing, _ = judge(standing, Finding(bad, not bad, 1.0, NO_RESULT), timing, Severity.ERROR, NOON + s(30 * number))
        said += "F" if standing.firing else "."
    assert said == on_off(after, None, results)


@pytest.mark.parametrize(
    "text,expected", [("2 of 3", OutOf(2, 3)), (" 1  of 1 ", OutOf(1, 1)), ("100 of 100", OutOf(100, 100))]
)
def test_k_of_n_is_read_once(text: str, expected: OutOf) -> None:
    assert out_of(text) == expected
    assert StatusAlert.model_validate({"after": text}).after == str(expected)


@pytest.mark.parametrize("text", ["0 of 3", "4 of 3", "1 of 101", "2 from 3", "2 of", ""])
def test_k_of_n_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 2 of 3|K must be 1 to N"):
        out_of(text)
    with pytest.raises(ValueError, match=r"write 2 of 3|K must be 1 to N"):
        StatusAlert.model_validate({"after": text})


def points(*values: float | None) -> list[Point]:
    return [Point(NOON + s(10 * number), value) for number, value in enumerate(values)]


LIMITS: dict[str, tuple[dict[str, Any], Sequence[float | None], tuple[bool | None, bool]]] = {
    "above": ({"above": 5}, [6], (True, False)),
    "the limit itself is not above it": ({"above": 5}, [5], (False, True)),
    "below": ({"below": 5}, [4], (True, False)),
    "the limit itself is not below it": ({"below": 5}, [5], (False, True)),
    "between clear and above: neither bad nor well": ({"above": 5, "clear": 3}, [4], (False, False)),
    "clear itself is not well": ({"above": 5, "clear": 3}, [3], (False, False)),
    "under clear: well": ({"above": 5, "clear": 3}, [2.9], (False, True)),
    "over clear of a lower limit: well": ({"below": 5, "clear": 7}, [7.1], (False, True)),
    "the average by default with a window": ({"above": 5, "window": "1m"}, [0, 12], (True, False)),
    "the newest without one": ({"above": 5}, [9, 1], (False, True)),
    "no newest value: cannot tell": ({"above": 5, "window": "1m"}, [9, None], (None, False)),
    "no value at all: cannot tell": ({"above": 5}, [], (None, False)),
    "a rate needs two values": ({"above": 0, "window": "1m", "agg": "rate"}, [1], (None, False)),
    "a deviation needs two values": ({"above": 0, "window": "1m", "agg": "stddev"}, [1], (None, False)),
    "a counter that restarts goes on from zero": ({"above": 0.9, "window": "1m", "agg": "rate"}, [100, 110, 10], (True, False)),
    "zero is a value": ({"below": 1}, [0], (True, False)),
}


@pytest.mark.parametrize("spec,values,expected", LIMITS.values(), ids=LIMITS)
def test_limits(spec: dict[str, Any], values: Sequence[float | None], expected: tuple[bool | None, bool]) -> None:
    parsed = threshold.Spec.model_validate({"kind": "threshold", "check": "c", "metric": "m", **spec})
    found = threshold.evaluate(parsed, view(*points(*values)), {})
    assert (found.bad, found.clear) == expected


@pytest.mark.parametrize(
    "spec",
    [{}, {"above": 1, "below": 2}, {"above": 1, "clear": 2}, {"below": 2, "clear": 1}, {"above": 1, "agg": "avg"}],
    ids=["no limit", "two limits", "clear over above", "clear under below", "an average of no window"],
)
def test_a_threshold_that_makes_no_sense_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        threshold.Spec.model_validate({"kind": "threshold", "check": "c", "metric": "m", **spec})


@quick
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_lies_within_the_values_and_grows_with_its_share(numbers: list[float], share: float) -> None:
    assert min(numbers) <= percentile(numbers, share) <= max(numbers)
    assert percentile(numbers, 0) == min(numbers)
    assert percentile(numbers, 1) == max(numbers)


def run(findings: str, timing: Timing, every: float = 30) -> str:
    """b bad, o well, - neither, ? cannot tell -> p pending, F firing, o ok, u unknown (U while its alert is on)."""
    standing, said = SeriesState(), ""
    for number, letter in enumerate(findings):
        finding = Finding({"b": True, "?": None}.get(letter, False), letter == "o", None if letter == "?" else 1.0, NO_RESULT)
        standing, verdict = judge(standing, finding, timing, Severity.ERROR, NOON + s(every * number))
        letter = {RuleState.PENDING: "p", RuleState.FIRING: "F", RuleState.OK: "o", RuleState.UNKNOWN: "u"}[verdict.state]
        said += letter.upper() if verdict.alerting else letter
    return said


WAITS = {
    "for holds it back": ("bbbo", Timing(s(60), "keep", s(90)), "ppFo"),
    "a good result in between starts it again": ("bobbb", Timing(s(60), "keep", s(90)), "poppF"),
    "without for it fires at once": ("bo", Timing(s(0), "keep", s(90)), "Fo"),
    "only clear recovers": ("b--o", Timing(s(0), "keep", s(90)), "FFFo"),
    "neither is well before it fired": ("-b", Timing(s(0), "keep", s(90)), "oF"),
    "unknown changes nothing": ("b?b", Timing(s(60), "keep", s(900)), "puF"),
    "unknown for long is an alert if wanted": ("o????", Timing(s(0), "alert", s(90)), "ouuUU"),
    "unknown from the start is one as well": ("????", Timing(s(0), "alert", s(90)), "uuUU"),
    "unknown for long keeps an alert on": ("b????", Timing(s(0), "keep", s(90)), "FUUUU"),
    "unknown for long ends it only if told so": ("b????", Timing(s(0), "ok", s(90)), "FUUuu"),
    "data that are back and not bad end what only their absence began": ("o????-", Timing(s(0), "alert", s(90)), "ouuUUo"),
    "data that are back and bad keep it on": ("o????bb-o", Timing(s(0), "alert", s(90)), "ouuUUFFFo"),
}


@pytest.mark.parametrize("findings,timing,expected", WAITS.values(), ids=WAITS)
def test_waiting(findings: str, timing: Timing, expected: str) -> None:
    assert run(findings, timing) == expected


@quick
@given(st.text("bo-?", max_size=40), st.sampled_from(["alert", "keep", "ok"]), st.integers(0, 120))
def test_a_verdict_agrees_with_its_standing_and_pending_never_alerts(findings: str, no_data: Any, hold: int) -> None:
    standing = SeriesState()
    for number, letter in enumerate(findings):
        at: datetime = NOON + s(30 * number)
        finding = Finding({"b": True, "?": None}.get(letter, False), letter == "o", None, NO_RESULT)
        standing, verdict = judge(standing, finding, Timing(s(hold), no_data, s(90)), Severity.ERROR, at)
        assert (verdict.state, verdict.alerting) == (standing.state, standing.firing)
        assert standing.state is not RuleState.PENDING or not standing.firing
        assert standing.state is not RuleState.FIRING or standing.firing
        assert standing.firing or letter != "b" or hold


def test_silence_says_for_how_long() -> None:
    _, verdict = judge_missing(SeriesState(known_at=NOON), Timing(s(0), "alert", s(90)), Severity.ERROR, NOON + s(90))
    assert verdict.alerting
    assert because(verdict.reasons) == "no data for 1m30s: no result"


SUMMARIES = {
    "a value": ("{{ value }} s", "0.123457 s"),
    "without spaces": ("{{value}}", "0.123457"),
    "a label": ("{{ labels.host }} is slow", "web 1 is slow"),
    "a label that is missing is empty": ("<{{ labels.zone }}>", "<>"),
    "nothing is unknown": ("{{ nothing }}", "?"),
    "a name that is not known stays as it was written": ("{{ valeu }}", "{{ valeu }}"),
    "what comes in is not read again": ("{{ labels.evil }}", "{{ value }}"),
}


@pytest.mark.parametrize("template,expected", SUMMARIES.values(), ids=SUMMARIES)
def test_summaries(template: str, expected: str) -> None:
    assert render(template, {"value": 0.12345678, "nothing": None}, {"host": "web 1", "evil": "{{ value }}"}).text == expected


@quick
@given(st.text())
def test_any_template_gives_a_text_of_bounded_length(template: str) -> None:
    assert len(render(template * 40, {"value": 1.0}, {"a": "x" * 5000}).text) <= SUMMARY_LIMIT
