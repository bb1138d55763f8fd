"""No rule shows, stores or compares an infinity or what is no number: a change from zero, sums beyond all bounds, NaN."""

import io
import math
import re
from typing import Any

import pytest

from app.review.recorded import read
from app.review.replay import Replay
from app.rules.announce import _summary
from app.rules.evaluate import over_results
from app.rules.model import Point, View
from app.rules.past import Past
from app.wording import because
from tests.decisions.recordings import book, every, file, run
from tests.decisions.words import NOON, s

TOLD: dict[str, tuple[dict[str, Any], float, float, str, str]] = {
    "from nothing": ({"rises": "40%"}, 0, 12, "from 0 to 12", "avg m rose from 0 to 12 within 5m"),
    "from nothing to less": ({"changes": "40%"}, 0, -12, "from 0 to -12", "avg m fell from 0 to -12 within 5m"),
    "from nothing to nothing": ({"changes": "40%"}, 0, 0, "0 %", "avg m 0 is the same as the 0 of 5m ago"),
    "from next to nothing": ({"rises": "40%"}, 1e-300, 3, "from 1e-300 to 3", "avg m rose from 1e-300 to 3 within 5m"),
    "beyond any percentage": ({"rises": "40%"}, 0.001, 5, "from 0.001 to 5", "avg m rose from 0.001 to 5 within 5m"),
    "a percentage": ({"rises": "40%"}, 10, 15, "50 %", "avg m 15 is 50 % above the 10 of 5m ago"),
    "to nothing": ({"drops": "40%"}, 12, 0, "100 %", "avg m 0 is 100 % below the 12 of 5m ago"),
    "a number from nothing": ({"rises": 5}, 0, 12, "12", "avg m 12 is 12 above the 0 of 5m ago"),
    "a number beyond all": ({"rises": 5}, -1.7e308, 1.7e308, "from -1.7e+308 to 1.7e+308",
                            "avg m rose from -1.7e+308 to 1.7e+308 within 5m"),
}  # fmt: skip


@pytest.mark.parametrize("rule,then,now,told,because", TOLD.values(), ids=TOLD)
def test_a_change_is_told_as_it_was(rule: dict[str, Any], then: float, now: float, told: str, because: str) -> None:
    rule = {"kind": "change", "metric": "m", "window": "1m", "compared_to": "5m", **rule}
    row = run(rule, [(0, then), (300, now)])[-1]
    assert row.because == because
    assert row.score is not None
    assert math.isfinite(row.score)
    known = book({"r": {**rule, "summary": "it went {{ value }}"}})
    active = next(one for one in known.rules if one.name == "r")
    *_, step = Replay(active, known).run(read(io.StringIO(file([(0, then), (300, now)])), False))
    assert _summary(active, step, {}).text == f"it went {told}"


HUGE: dict[str, tuple[dict[str, Any], list[float | None]]] = {
    "a sum": ({"kind": "threshold", "above": 1, "window": "5m", "agg": "sum"}, [1.7e308] * 3),
    "a mean": ({"kind": "threshold", "above": 1, "window": "5m"}, [1.7e308] * 3),
    "a rate": ({"kind": "threshold", "above": 1, "window": "5m", "agg": "rate"}, [-1.7e308, 1.7e308, 1.7e308]),
    "a spread": ({"kind": "threshold", "above": 1, "window": "5m", "agg": "stddev"}, [-1.7e308, 1.7e308, 1.7e308]),
    "a change": ({"kind": "change", "changes": "10%", "window": "1m"}, [-1.7e308, 1.7e308, 0, 1e-300]),
    "a line": ({"kind": "forecast", "above": 1e308, "window": "3m", "within": "1h"}, [-1.7e308, 0, 1.7e308, 1.7e308]),
    "a line that is nearly level": ({"kind": "forecast", "above": 1e300, "window": "3m"}, [0, 0, 5e-324, 1e-323, 2e-323]),
    "a budget": ({"kind": "burn_rate", "objective": "99.9999999%", "period": "1h", "above": 1,
                  "windows": [{"long": "2m", "short": "1m", "budget": "1%"}]}, [1.7e308] * 5),
    "a share": ({"kind": "burn_rate", "objective": "99%", "period": "1h", "windows": [
        {"long": "2m", "short": "1m", "budget": "1%"}]}, [1.7e308, -1.7e308, 1.7e308, 0, 1]),
    "what is usual": ({"kind": "anomaly", "learn": "1m"}, [*([1.0, 2.0] * 150), 1.7e308, -1.7e308, 0]),
}  # fmt: skip


@pytest.mark.parametrize("rule,values", HUGE.values(), ids=HUGE)
def test_nothing_shows_an_infinity(rule: dict[str, Any], values: list[float | None]) -> None:
    for row in run({"metric": "m", **rule}, every(60, values)):
        assert not re.search(r"\b(?:inf|nan|infinity)\b", row.because, re.IGNORECASE), row
        assert all(math.isfinite(one) for one in (row.value, row.score) if one is not None), row
        assert "broke" not in row.because


@pytest.mark.parametrize("kind", ["threshold", "change", "forecast", "anomaly", "burn_rate"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_unknown(kind: str, value: float) -> None:
    settings: dict[str, dict[str, Any]] = {
        "threshold": {"above": 1}, "change": {"changes": "10%"}, "forecast": {"above": 1}, "burn_rate": {"objective": "99%"},
    }  # fmt: skip
    rule = next(one for one in book({"r": {"kind": kind, "metric": "m", **settings.get(kind, {})}}).rules if one.name == "r")
    past = Past()
    past.add(NOON, value)
    steps = over_results(
        rule, {}, {"{}": {NOON.timestamp(): Point(NOON, value)}}, {"{}": dict.fromkeys(rule.ranges, past)}, [NOON]
    )
    assert [(one.verdict.state.value, because(one.verdict.reasons)) for one in steps] == [
        ("unknown", "the value is not a number")
    ]


def test_a_baseline_that_is_no_number_is_unknown() -> None:
    rule = next(
        one for one in book({"r": {"kind": "change", "metric": "m", "rises": "1%", "window": "1m"}}).rules if one.name == "r"
    )
    then, now = Past(), Past()
    then.add(NOON - s(60), math.nan)
    now.add(NOON, 5.0)
    view = View(NOON, Point(NOON, 5.0), {s(0): now, s(60): then}, s(60))
    assert rule.kind.evaluate(rule.spec, view, {}).bad is None
