"""How much is covered, and by whom it is not."""

import pytest

from app.oncall.coverage import coverage, coverages
from app.oncall.model import Span
from tests.oncall.words import PARIS, always, at, between, schedule

NOW = at("2026-11-02 00:00")
OFFICE = schedule(always("day", "ada", only=[{"from": "06:00", "to": "18:00"}]), timezone="UTC")


def test_coverage_is_the_share_of_time_with_the_gaps() -> None:
    told = coverage(OFFICE, PARIS, [], NOW, 2)
    assert told.share == 0.5
    assert told.percent == 50.0
    assert told.gaps == (
        Span(at("2026-11-02 00:00"), at("2026-11-02 06:00")),
        Span(at("2026-11-02 18:00"), at("2026-11-03 06:00")),
        Span(at("2026-11-03 18:00"), at("2026-11-04 00:00")),
    )


def test_overrides_count() -> None:
    assert coverage(OFFICE, PARIS, [between("2026-11-02 18:00", "2026-11-03 00:00", "bo")], NOW, 1).share == 0.75


def test_one_minute_a_week_is_not_full_coverage() -> None:
    split = [
        {"from": "00:00", "to": "23:59"},
        {"days": ["mon", "tue", "wed", "thu", "fri", "sat"], "from": "23:00", "to": "00:00"},
    ]
    told = coverage(schedule(always("day", "ada", only=split), timezone="UTC"), PARIS, [], NOW, 7)
    assert [gap.start for gap in told.gaps] == [at("2026-11-08 23:59")]
    assert told.share < 1.0
    assert told.percent == 99.99


def test_each_schedule_has_its_own_overrides() -> None:
    told = coverages({"s": OFFICE, "t": OFFICE}, PARIS, [between("2026-11-02 18:00", "2026-11-03 00:00", "bo")], NOW, 1)
    assert {name: one.share for name, one in told.items()} == {"s": 0.75, "t": 0.5}
    assert list(told) == ["s", "t"]


@pytest.mark.parametrize("days", [0, -1])
def test_coverage_of_no_days_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        coverage(OFFICE, PARIS, [], NOW, days)
