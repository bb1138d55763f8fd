"""Days, nights, weekends and ranges of the analytics, held to what a clock on the wall shows."""

from bisect import bisect_right
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.review.analytics.calendar import asked, clock, midnights, range_of

PARIS = ZoneInfo("Europe/Paris")
ZONES = ["Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago", "Asia/Beirut", "UTC"]
zones = st.sampled_from(ZONES).map(ZoneInfo)
instants = st.integers(1_735_689_600, 1_798_761_600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))  # 2025 and 2026


def at(text: str, zone: ZoneInfo = PARIS) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@given(instants, st.timedeltas(timedelta(seconds=1), timedelta(days=100)), zones, zones, st.floats(0, 1))
def test_an_instant_is_in_the_day_night_and_weekend_that_the_wall_shows(
    start: datetime, length: timedelta, zone: ZoneInfo, theirs: ZoneInfo, share: float
) -> None:
    within = range_of(start, start + length, zone)
    moment = min(start + length * share, start + length - timedelta(microseconds=1))
    assert within.days[bisect_right(midnights(within), moment) - 1] == moment.astimezone(zone).date()
    for one in (moment, within.before_start + (within.before_end - within.before_start) * share):
        local, found = one.astimezone(theirs), clock(within, theirs)
        assert bisect_right(found.nights, one) % 2 == (local.time() >= time(22) or local.time() < time(7))
        assert bisect_right(found.weekends, one) % 2 == (local.weekday() >= 5)


@given(instants, st.timedeltas(timedelta(seconds=1), timedelta(days=100)), zones)
def test_the_range_before_ends_before_the_range_begins_and_shows_the_same_wall_times(
    start: datetime, length: timedelta, zone: ZoneInfo
) -> None:
    within = range_of(start, start + length, zone)
    assert within.before_start <= within.before_end <= within.start
    back = timedelta(days=len(within.days))
    for ours, before in ((within.start, within.before_start), (within.end, within.before_end)):
        wall = before.astimezone(zone).replace(tzinfo=None) + back
        assert abs(wall - ours.astimezone(zone).replace(tzinfo=None)) <= timedelta(
            hours=1
        )  # a time that a clock change leaves out


@pytest.mark.parametrize(
    "days, start, end, first, count",
    [
        (7, None, None, "2026-10-20T00:00", 7),
        (None, None, None, "2026-09-27T00:00", 30),
        (1, None, None, "2026-10-26T00:00", 1),
        (2, None, "2026-10-26T00:00", "2026-10-24T00:00", 2),
        (None, "2026-10-24T00:00", "2026-10-26T00:00", "2026-10-24T00:00", 2),
        (None, "2026-10-24T23:00", "2026-10-26T00:00:01", "2026-10-24T23:00", 3),
        (None, "2026-10-26T09:00", None, "2026-10-26T09:00", 1),
    ],
)
def test_a_range_has_whole_days_of_the_zone_and_today(
    days: int | None, start: str | None, end: str | None, first: str, count: int
) -> None:
    found = asked(days, at(start) if start else None, at(end) if end else None, PARIS, at("2026-10-26T15:00"))
    assert (found.start, len(found.days)) == (at(first), count)
    assert found.end == (at(end) if end else at("2026-10-26T15:00"))


def test_a_day_of_a_clock_change_is_as_long_as_it_is() -> None:
    within = asked(2, None, at("2026-10-26T00:00"), PARIS, at("2026-11-02T00:00"))
    assert within.end - within.start == timedelta(hours=49)
    assert midnights(within) == (at("2026-10-24T00:00"), at("2026-10-25T00:00"))
    assert within.before_end - within.before_start == timedelta(hours=48)


@pytest.mark.parametrize(
    "days, start, end",
    [
        (7, "2026-10-01T00:00", None),
        (None, "2026-10-26T00:00", "2026-10-26T00:00"),
        (None, "2026-10-27T00:00", None),
        (None, "2025-10-20T00:00", None),
    ],
    ids=["days and a start", "empty", "ends before it begins", "longer than a year"],
)
def test_a_range_that_cannot_be_is_refused(days: int | None, start: str | None, end: str | None) -> None:
    with pytest.raises(Invalid):
        asked(days, at(start) if start else None, at(end) if end else None, PARIS, at("2026-10-26T15:00"))
