"""What people read of a rule's decision, branch by branch: `because` of `rules test`, of an alert, in a summary."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app import plugins
from app.reason import Code, Reason, dumped, loaded, recorded
from app.rules.evaluate import TOO_MANY, over_results, series_name
from app.rules.kinds import change, threshold
from app.rules.model import Point, RuleState, SeriesState, View
from app.rules.past import Past
from app.wording import because, present, text
from tests.decisions.recordings import Row, book, every, run
from tests.decisions.words import NOON, s

HOUR, DAY = 3600.0, 86_400.0
PAIR = {"long": "10m", "short": "1m", "budget": "1%"}


def noise(seed: int, length: int, mean: float = 100.0, width: float = 5.0) -> list[float]:
    rng = random.Random(seed)
    return [round(rng.gauss(mean, width), 3) for _ in range(length)]


def hourly(days: int) -> list[float]:
    return [round(500 + 200 * (8 <= hour % 24 < 18) + random.Random(hour).gauss(0, 8), 3) for hour in range(24 * days)]


def hosts(*runs: Mapping[str, float]) -> list[tuple[float, float, dict[str, str]]]:
    """Runs a minute apart, each a value by host."""
    return [(60.0 * n, value, {"host": host}) for n, named in enumerate(runs) for host, value in named.items()]


Samples = Sequence[tuple[Any, ...]]
SAID: dict[str, tuple[Mapping[str, Any], Samples, list[str]]] = {
    "threshold: above": (
        {"kind": "threshold", "metric": "m", "above": 5},
        every(60, [9, 5, 1e-7, None]),
        ["last m 9 > 5", "last m 5 <= 5", "last m 1e-07 <= 5", "no sample in the window"],
    ),
    "threshold: below, over a window": (
        {"kind": "threshold", "metric": "m", "below": 0.8, "window": "5m"},
        every(60, [0.5, 3]),
        ["avg m 0.5 < 0.8 over 5m", "avg m 1.75 >= 0.8 over 5m"],
    ),
    "threshold: too few samples": (
        {"kind": "threshold", "metric": "m", "above": 5, "agg": "rate", "window": "5m"},
        every(60, [1, 2]),
        ["rate needs more samples than the 1 in the window", "rate m 0.0167 <= 5 over 5m"],
    ),
    "threshold: no data": (
        {"kind": "threshold", "metric": "m", "above": 5, "no_data": "alert"},
        every(60, [1, None, None, None, None]),
        ["last m 1 <= 5", "no sample in the window", "no data for 3m: no sample in the window"],
    ),
    "threshold: too large": (
        {"kind": "threshold", "metric": "m", "above": 1, "window": "5m", "agg": "sum"},
        every(60, [1.7e308] * 2),
        ["sum m 1.7e+308 > 1 over 5m", "the values are too large to evaluate"],
    ),
    "threshold: a series ends": (
        {"kind": "threshold", "metric": "m", "above": 5},
        hosts({"a": 9, "b": 1}, {"b": 1}, {"b": 1}, {"b": 1}, {"a": 1, "b": 1}),
        ["last m 9 > 5", "last m 1 <= 5"],
    ),
    "threshold: too many series": (
        {"kind": "threshold", "metric": "m", "above": 5, "max_series": 2},
        hosts({"a": 9, "b": 1, "c": 1}, {"a": 9, "b": 1}),
        ["last m 9 > 5", "last m 1 <= 5"],
    ),
    "change: by a share": (
        {"kind": "change", "metric": "m", "rises": "40%", "window": "1m", "compared_to": "5m"},
        every(60, [10, 12, 0, 0, None, 15, 6, 0, 12]),
        [
            "learning: nothing 5m ago to compare with yet",
            "no sample in the window",
            "avg m 15 is 50 % above the 10 of 5m ago",
            "avg m 6 is 50 % below the 12 of 5m ago",
            "avg m 0 is the same as the 0 of 5m ago",
            "avg m rose from 0 to 12 within 5m",
        ],
    ),
    "change: by a number": (
        {"kind": "change", "metric": "m", "changes": 5, "window": "1m", "compared_to": "2m"},
        every(60, [1, 1, 9, 1.5, 9]),
        [
            "learning: nothing 2m ago to compare with yet",
            "avg m 9 is 8 above the 1 of 2m ago",
            "avg m 1.5 is 0.5 above the 1 of 2m ago",
            "avg m 9 is the same as the 9 of 2m ago",
        ],
    ),
    "change: nothing then": (
        {"kind": "change", "metric": "m", "drops": "5%", "window": "1m", "compared_to": "5m"},
        [(0, 1.0), (300, 1.0), (420, 1.0)],
        [
            "learning: nothing 5m ago to compare with yet",
            "avg m 1 is the same as the 1 of 5m ago",
            "no sample 5m ago to compare with",
        ],
    ),
    "change: to less than nothing": (
        {"kind": "change", "metric": "m", "changes": "40%", "window": "1m", "compared_to": "1m"},
        every(60, [0, -12]),
        ["learning: nothing 1m ago to compare with yet", "avg m fell from 0 to -12 within 1m"],
    ),
    "change: number too large": (
        {"kind": "change", "metric": "m", "changes": 10, "window": "1m", "agg": "sum"},
        [(0, 1.7e308), (1, 1.7e308), (61, 1.7e308), (62, -1.7e308)],
        ["learning: nothing 1m ago to compare with yet", "the values are too large to evaluate"],
    ),
    "forecast: rising": (
        {"kind": "forecast", "metric": "m", "above": 100, "window": "1h", "within": "24h"},
        every(600, [10, 11, 12, 13, 14, None, 150]),
        [
            "learning: seen 0 s of the 15m it needs",
            "learning: seen 10 min of the 15m it needs",
            "m 12, rising 6 an hour: above 100 in 14 h 40 min; 156 in 1d",
            "m 13, rising 6 an hour: above 100 in 14 h 30 min; 157 in 1d",
            "m 14, rising 6 an hour: above 100 in 14 h 20 min; 158 in 1d",
            "no data for 3m: no sample in the window",
            "m 150, rising 158.1 an hour: above 100 now; 3908.38 in 1d",
        ],
    ),
    "forecast: falling and level": (
        {"kind": "forecast", "metric": "m", "below": 1, "window": "20m", "within": "1h"},
        every(300, [9, 9, 9, 8, 7, 9.5]),
        [
            "learning: seen 0 s of the 5m it needs",
            "learning: seen 5 min of the 5m it needs",
            "m 9, level: below 1 never; 9 in 1h",
            "m 8, falling 3.6 an hour: below 1 in 2 h 1 min; 4.7 in 1h",
            "m 7, falling 8.4 an hour: below 1 in 44 min; -1.2 in 1h",
            "m 9.5, rising 0.6 an hour: below 1 never; 9.05 in 1h",
        ],
    ),
    "forecast: far away": (
        {"kind": "forecast", "metric": "m", "above": 1e12, "window": "20m", "within": "1h"},
        every(300, [1, 1, 1, 1.001, 1.002]),
        [
            "learning: seen 0 s of the 5m it needs",
            "learning: seen 5 min of the 5m it needs",
            "m 1, level: above 1e+12 never; 1 in 1h",
            "m 1.001, rising 0.0036 an hour: above 1e+12 in more than 100 years; 1.0043 in 1h",
            "m 1.002, rising 0.0084 an hour: above 1e+12 in more than 100 years; 1.0102 in 1h",
        ],
    ),
    "forecast: too large": (
        {"kind": "forecast", "metric": "m", "above": 1e308, "window": "3m", "within": "1h"},
        every(60, [-1.7e308, 0, 1.7e308, 1.7e308]),
        [
            "learning: seen 0 s of the 45s it needs",
            "learning: seen 1 min of the 45s it needs",
            "m is too large to fit a line",
            "the values are too large to evaluate",
        ],
    ),
    "burn rate": (
        {"kind": "burn_rate", "objective": "99%", "period": "1d", "windows": [PAIR]},
        every(60, [0.0] * 9 + [None, 0.0, 1.0, 1.0, 0.05]),
        [
            "learning until the window of 10m is full; 100% of the 1d budget left",
            "no result",
            "burns 0 times the sustainable rate over 10m and 0 over 1m, limit 1.44; 100% of the 1d budget left",
            "burns 11.1 times the sustainable rate over 10m and 100 over 1m, limit 1.44; 93% of the 1d budget left",
            "burns 22.2 times the sustainable rate over 10m and 100 over 1m, limit 1.44; 86% of the 1d budget left",
            "burns 22.8 times the sustainable rate over 10m and 5 over 1m, limit 1.44; 86% of the 1d budget left",
        ],
    ),
    "burn rate: two pairs": (
        {"kind": "burn_rate", "objective": "99.9%", "metric": "m", "above": 5},
        every(300, [1.0] * 20 + [9.0, 9.0, 1.0]),
        [
            "learning until the window of 1h is full; 100% of the 30d budget left",
            "burns 0 times the sustainable rate over 1h and 0 over 5m, limit 14.4; 100% of the 30d budget left",
            "burns 83.3 times the sustainable rate over 1h and 1000 over 5m, limit 14.4; 89% of the 30d budget left",
            "burns 167 times the sustainable rate over 1h and 1000 over 5m, limit 14.4; 78% of the 30d budget left",
            "burns 87 times the sustainable rate over 3d and 87 over 6h, limit 1; 78% of the 30d budget left",
        ],
    ),
    "absence: a result": (
        {"kind": "absence"},
        [(0, 1), (60, 1), (200, 1)],
        ["sample received", "no result for 1m"],
    ),
    "absence: a label set is taken for gone": (
        {"kind": "absence", "metric": "m", "forget": "3m"},
        hosts({"a": 1, "b": 2}, {"b": 1}, {"b": 1}, {"b": 1}, {"b": 1}),
        ["sample received", "no m for 1m", "no m for 2m", "no m for 3m: considered gone"],
    ),
    "status": (
        {"kind": "status", "after": "2 of 3"},
        every(60, ["ok", "critical", "warning", "unknown", "ok"]),
        [
            "the last result is ok: ok",
            "1 of the last 2 results are bad: critical",
            "2 of the last 3 results are bad: warning",
            "unknown",
            "2 of the last 3 results are bad: ok",
        ],
    ),
    "anomaly: learning": (
        {"kind": "anomaly", "metric": "m"},
        every(600, [1.0, 2.0, None, 1.0]),
        [
            "learning: the first sample",
            "learning: 0 of 12 h; daily season after 3 days",
            "no data for 3m: no sample in the window",
        ],
    ),
    "anomaly: learning for days": (
        {"kind": "anomaly", "metric": "m", "learn": "5d"},
        every(43_200, [1.0, 2.0, 1.5]),
        [
            "learning: the first sample",
            "learning: 0 of 5 days; daily season after 3 days",
            "learning: 1 of 5 days; daily season after 3 days",
        ],
    ),
    "anomaly: samples are few": (
        {"kind": "anomaly", "metric": "m", "learn": "1h"},
        every(43_200, [1.0, 2.0, 1.5]),
        ["learning: the first sample", "learning: 1 of 30 samples", "learning: 2 of 30 samples"],
    ),
    "anomaly: too few in the window": (
        {"kind": "anomaly", "metric": "m", "agg": "rate", "window": "5m"},
        every(60, [1.0, 2.0]),
        ["rate needs more samples than there are in the window", "learning: the first sample"],
    ),
    "anomaly: plain": (
        {"kind": "anomaly", "metric": "m", "learn": "1h"},
        every(3600, [*noise(1, 30), 100.0, 300.0, 12345678.0, -40.0]),
        [
            "m 100 is within 84.52..116.5 expected",
            "m 300 is above 85.01..116 expected",
            "m 1.235e+07 is above 87.35..123.1 expected",
            "m -40 is below 95.21..136.3 expected",
        ],
    ),
    "anomaly: one side": (
        {"kind": "anomaly", "metric": "m", "learn": "1h", "direction": "up"},
        every(3600, [*noise(1, 30), 100.0]),
        ["learning: 29 of 30 samples", "m 100 is within up to 114.2 expected"],
    ),
    "anomaly: the other side": (
        {"kind": "anomaly", "metric": "m", "learn": "1h", "direction": "down"},
        every(3600, [*noise(1, 30), 100.0]),
        ["learning: 29 of 30 samples", "m 100 is within 86.8 or more expected"],
    ),
    "anomaly: a season": (
        {"kind": "anomaly", "metric": "m", "learn": "1h", "timezone": "Europe/Paris"},
        every(3600, [*hourly(5), 505.0, 900.0]),
        [
            "m 505 is within 381.7..647.3 expected for 13:00 (season of 5 days)",
            "m 900 is above 391.8..650.5 expected for 14:00 (season of 5 days)",
        ],
    ),
    "anomaly: a holiday": (
        {"kind": "anomaly", "metric": "m", "holidays": ["2026-11-24"]},
        every(43_200, [1.0, 2.0]),
        ["learning: the first sample", "not evaluated: excluded day"],
    ),
    "anomaly: together": (
        {"kind": "anomaly", "metric": "m", "learn": "1h"},
        every(300, [*noise(1, 700), *noise(2, 70, mean=112)]),
        [
            "m 113.3 is within 63.77..139.2 expected, but the last 1 h together are too high",
            "m 113.2 is within 61.39..142.1 expected, but the last 1 h together are too high",
        ],
    ),
    "anomaly: together low": (
        {"kind": "anomaly", "metric": "m", "learn": "1h"},
        every(300, [*noise(1, 700), *noise(2, 70, mean=88)]),
        ["m 83.78 is within 61.32..131 expected, but the last 1 h together are too low"],
    ),
    "anomaly: together restless": (
        {"kind": "anomaly", "metric": "m", "learn": "1h"},
        every(300, [*noise(1, 700), *noise(2, 70, width=16)]),
        ["m 86.5 is within 62.88..134.7 expected, but the last 1 h together vary too much"],
    ),
    "composite": (
        {"kind": "composite", "when": "slow and not loud"},
        every(60, [None, 9, 3, None]),
        ["slow is unknown; loud is unknown", "slow is firing; loud is not firing", "slow is not firing; loud is not firing"],
    ),
}


MEMBERS: dict[str, Any] = {
    "slow": {"kind": "threshold", "metric": "m", "above": 5},
    "loud": {"kind": "threshold", "metric": "m", "above": 50},
}


def play(rule: Mapping[str, Any], samples: Samples) -> list[Row]:
    return run(rule, samples, **(MEMBERS if rule["kind"] == "composite" else {}))


@pytest.mark.parametrize("rule,samples,expected", SAID.values(), ids=SAID)
def test_the_words_of_every_branch(rule: Mapping[str, Any], samples: Samples, expected: list[str]) -> None:
    said = dict.fromkeys(row.because for row in play(rule, samples))
    assert [one for one in said if one in expected] == expected


HOST = series_name({"host": "a"})


def reasons(rule: Mapping[str, Any], known: Sequence[str], news: Sequence[str], **more: Any) -> dict[str, str]:
    """The words of each series after one run that names some."""
    active = next(one for one in book({"r": rule}).rules if one.name == "r")
    point, past = Point(NOON, 9.0), Past()
    past.add(NOON, 9.0)
    states = {series: SeriesState(RuleState.OK, known_at=NOON - s(60)) for series in known}
    found = {series: {NOON.timestamp(): point} for series in news}
    pasts = {series: dict.fromkeys(active.ranges, past) for series in news}
    return {
        step.series: because(step.verdict.reasons)
        for step in over_results(active, states, found, pasts, [NOON], {NOON}, **more)
    }


ABOVE = {"kind": "threshold", "metric": "m", "above": 5}


def test_the_words_of_what_every_kind_has_in_common() -> None:
    assert reasons(ABOVE, [HOST], ["{}"]) == {HOST: "series ended", "{}": "last m 9 > 5"}
    assert reasons(ABOVE, ["{}"], []) == {"{}": "the result does not have this metric"}
    many = [series_name({"host": one}) for one in "abc"]
    assert reasons({**ABOVE, "max_series": 2}, [], many)[TOO_MANY] == (
        "too many series: 3 label sets, 1 of them not evaluated; raise max_series or select fewer"
    )
    excused = Reason(Code.REFERENCES_SILENT, {"references": ["a:443"]})
    assert reasons(ABOVE, ["{}"], ["{}"], excused={NOON: excused}) == {"{}": "the reference target a:443 does not respond"}
    assert text(Reason(Code.RULE_BROKE, {"error": "ValueError: no"})) == "rule error: ValueError: no"
    assert text(Reason(Code.CHECK_PAUSED)) == "check paused"


def test_what_a_probe_says_is_its_own_words() -> None:
    spec = threshold.Spec.model_validate({**ABOVE, "check": "c"})
    found = threshold.evaluate(spec, View(NOON, Point(NOON, None, message="timeout after 5 s"), {s(0): Past()}, s(60)), {})
    assert found.reason == recorded("timeout after 5 s")


def test_a_change_from_what_is_no_number_cannot_be_compared() -> None:
    assert text(Reason(change.Code.TOO_LARGE, {"metric": "m"})) == "m cannot be compared: out of range"


def test_a_reason_is_code_facts_and_words() -> None:
    reason = Reason(threshold.Code.ABOVE, {"agg": "last", "metric": "m", "value": 9.0, "limit": 5.0, "window": None})
    assert present(reason) == {"code": "threshold.above", "facts": dict(reason.facts), "text": "last m 9 > 5"}
    assert loaded(dumped([reason])) == (reason,)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (Reason("threshold.above", {"value": 9.0}), "threshold.above"),
        (Reason("threshold.sideways"), "threshold.sideways"),
        (Reason("gone_kind.bad", {"text": "it was bad"}), "it was bad"),
        (Reason("of_tomorrow"), "of_tomorrow"),
    ],
    ids=["facts of another release", "a branch of another release", "a kind that is gone", "a code of another release"],
)
def test_a_reason_without_its_words_is_shown_all_the_same(reason: Reason, said: str) -> None:
    assert text(reason) == said


def test_every_branch_of_every_kind_is_met_above() -> None:
    met = {one["code"] for rule, samples, _ in SAID.values() for row in play(rule, samples) for one in row.reasons}
    missing = {str(code) for _, kind in plugins.each(plugins.RULE_KINDS) for code in kind.Code} - met
    assert missing == {change.Code.TOO_LARGE}  # met where a past is no number, see test_kinds_numbers
