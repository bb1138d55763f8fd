"""Absence over recordings: a line without a value for each interval that was missed, of the check or of a label set."""

import itertools
from typing import Any

import pytest

from tests.decisions.recordings import Row, every, run, states

A, B = {"host": "a"}, {"host": "b"}


def lines(rows: list[Row], **labels: str) -> list[tuple[float, float | None, str]]:
    """Minute, value, letter; of one label set."""
    return [(row.t / 60, row.value, states([row])) for row in rows if dict(row.labels) == labels]


GAPS: dict[str, tuple[dict[str, Any], list[float], str]] = {
    "nothing is missed": ({}, [0, 1, 2, 3], "oooo"),
    "one interval": ({}, [0, 1, 3], "ooFo"),
    "each of three": ({}, [0, 1, 2, 6], "oooFFFo"),
    "for says how long it may last": ({"for": "2m"}, [0, 1, 2, 6], "oooppFo"),
    "a window says how old the newest may be": ({"window": "3m"}, [0, 1, 2, 6], "oooooFo"),
    "two of three": ({"after": "2 of 3"}, [0, 1, 2, 6], "ooooFFo"),
    "two samples and an hour between them": ({}, [0, 60], "o" + "F" * 59 + "o"),
    "runs that begin a little late miss nothing": ({}, [0, 1.02, 2.01, 3.04], "oooo"),
    "so late that one was missed": ({}, [0, 1, 2, 3.5], "oooFo"),
}


@pytest.mark.parametrize("rule,minutes,expected", GAPS.values(), ids=GAPS)
def test_a_line_for_each_interval_that_was_missed(rule: dict[str, Any], minutes: list[float], expected: str) -> None:
    rows = run({"kind": "absence", **rule}, [(60 * minute, 1.0) for minute in minutes])
    assert states(rows) == expected
    told = [row.t / 60 for row in rows if row.value is not None]
    assert told == pytest.approx(minutes)
    missed = [row.t / 60 for row in rows if row.value is None]
    assert missed == pytest.approx([start + n for start, end in itertools.pairwise(minutes)
                                    for n in range(1, int(end - start + 0.5))])  # fmt: skip


def test_an_empty_value_is_a_sample_that_did_not_come() -> None:
    rows = run({"kind": "absence"}, every(60, [1, None, None, 1]))
    assert (states(rows), [row.value for row in rows]) == ("oFFo", [1, None, None, 1])


def test_each_label_set_is_missed_for_itself() -> None:
    samples = [(60 * n, 1.0, labels) for n in range(8) for labels in (A, B) if not (labels is B and 2 <= n <= 4)]
    rows = run({"kind": "absence", "metric": "m"}, samples)
    assert lines(rows, host="a") == [(n, 1.0, "o") for n in range(8)]
    assert lines(rows, host="b") == [(n, None if 2 <= n <= 4 else 1.0, "F" if 2 <= n <= 4 else "o") for n in range(8)]


def test_label_sets_that_come_at_other_times_are_not_missed_in_between() -> None:
    samples = sorted([(60 * n, 1.0, A) for n in range(6)] + [(60 * n + 20, 1.0, B) for n in range(6) if n not in (2, 3)],
                     key=lambda one: one[0])  # fmt: skip
    rows = run({"kind": "absence", "metric": "m"}, samples)
    assert {letter for _, _, letter in lines(rows, host="a")} == {"o"}
    assert len(lines(rows, host="a")) == 6
    assert "".join(letter for _, _, letter in lines(rows, host="b")) == "ooFFoo"


def test_a_label_set_that_stays_away_is_forgotten_and_its_alert_ends() -> None:
    samples: list[Any] = [(0, 1.0, B), *((60 * n, 1.0, A) for n in range(20))]
    rows = run({"kind": "absence", "metric": "m", "forget": "5m"}, samples)
    found = lines(rows, host="b")
    assert "".join(letter for _, _, letter in found) == "oFFFFo"
    assert "gone" in [row for row in rows if dict(row.labels) == B][-1].because
    assert {letter for _, _, letter in lines(rows, host="a")} == {"o"}
    again = run({"kind": "absence", "metric": "m", "forget": "5m"}, [*samples, (1200, 1.0, A), (1200, 1.0, B), (1260, 1.0, A)])
    assert lines(again, host="b")[-2:] == [(20, 1.0, "o"), (21, None, "F")]
