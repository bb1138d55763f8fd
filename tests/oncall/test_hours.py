"""Named hours: open when the wall says so, closed on public holidays, and every question about them agrees."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.oncall.hours import Hours, Timetable
from app.oncall.model import Span
from tests.decisions.words import quick
from tests.oncall.words import PARIS, at

WEEK = ["mon", "tue", "wed", "thu", "fri"]
OFFICE = {"days": WEEK, "from": "09:00", "to": "18:00"}


def table(zone: ZoneInfo = PARIS, **named: Any) -> Timetable:
    return Timetable({name: Hours.model_validate(spec) for name, spec in named.items()}, zone)


def is_open(spec: dict[str, Any], when: str, zone: ZoneInfo = PARIS) -> bool:
    """`when` is what the wall shows in `zone`."""
    wall = datetime.strptime(when, "%Y-%m-%d %H:%M").replace(tzinfo=zone)
    return table(zone, x=spec).is_open("x", wall)


NIGHT = {"from": "22:00", "to": "06:00", "holidays": "FR"}
OPEN = {
    "they begin at from": (OFFICE, "2026-11-23 09:00", True),
    "not a minute earlier": (OFFICE, "2026-11-23 08:59", False),
    "they end before to": (OFFICE, "2026-11-23 17:59", True),
    "half-open": (OFFICE, "2026-11-23 18:00", False),
    "not on other days": (OFFICE, "2026-11-22 12:00", False),
    "without days every day": ({"from": "09:00", "to": "18:00"}, "2026-11-22 12:00", True),
    "a night belongs to the day it begins on": ({"days": ["fri"], "from": "22:00", "to": "06:00"}, "2026-11-28 05:59", True),
    "and not to the day it ends on": ({"days": ["fri"], "from": "22:00", "to": "06:00"}, "2026-11-27 05:59", False),
    "to 24:00 is the whole evening": ({"from": "18:00", "to": "24:00"}, "2026-11-23 23:59", True),
    "and not the next day": ({"from": "18:00", "to": "24:00"}, "2026-11-24 00:00", False),
    "from = to is 24 hours": ({"days": ["mon"], "from": "08:00", "to": "08:00"}, "2026-11-24 07:59", True),
    "and no longer": ({"days": ["mon"], "from": "08:00", "to": "08:00"}, "2026-11-24 08:00", False),
    "a public holiday is closed": ({**OFFICE, "holidays": "FR"}, "2026-07-14 12:00", False),
    "elsewhere it is a Tuesday": ({**OFFICE, "holidays": "DE"}, "2026-07-14 12:00", True),
    "a part of a country has its own": ({**OFFICE, "holidays": "DE-BY"}, "2026-01-06 12:00", False),
    "which the others have not": ({**OFFICE, "holidays": "DE-BE"}, "2026-01-06 12:00", True),
    "dates close too": ({**OFFICE, "holidays": ["FR", "2026-12-24"]}, "2026-12-24 12:00", False),
    "a night ends where the holiday begins": (NIGHT, "2026-12-25 00:00", False),
    "and is open until then": (NIGHT, "2026-12-24 23:59", True),
    "a night does not begin on a holiday": (NIGHT, "2026-12-25 23:00", False),
    "nor reach out of it": (NIGHT, "2026-12-26 05:00", False),
    "the next one does": (NIGHT, "2026-12-26 23:00", True),
    "around the clock a holiday is a hole": ({"from": "00:00", "to": "24:00", "holidays": "FR"}, "2026-12-25 12:00", False),
    "with the days around it": ({"from": "00:00", "to": "24:00", "holidays": "FR"}, "2026-12-26 00:00", True),
    "Norway is a country": ({**OFFICE, "holidays": "NO"}, "2027-05-17 12:00", False),
}


@pytest.mark.parametrize(("spec", "when", "expected"), OPEN.values(), ids=OPEN)
def test_open_and_closed(spec: dict[str, Any], when: str, expected: bool) -> None:
    assert is_open(spec, when) is expected


def test_a_zone_of_their_own_counts_before_the_default() -> None:
    when = at("2026-11-23 14:30")
    assert table(x={**OFFICE, "timezone": "America/New_York"}).is_open("x", when)
    assert not table(x={**OFFICE, "timezone": "America/New_York"}).is_open("x", at("2026-11-23 13:59"))
    assert table(x=OFFICE).is_open("x", at("2026-11-23 08:00"))


CHANGES = {  # what is written, the instant (UTC) at which they open that day
    "a time that does not exist is the first that does": ("2026-03-29", "02:30", "2026-03-29 01:00"),
    "one that exists twice is its first": ("2026-10-25", "02:30", "2026-10-25 00:30"),
    "in winter": ("2026-10-26", "09:00", "2026-10-26 08:00"),
    "in summer": ("2026-07-01", "09:00", "2026-07-01 07:00"),
}


@pytest.mark.parametrize(("day", "begins", "expected"), CHANGES.values(), ids=CHANGES)
def test_clock_changes_follow_the_rule_of_hand_overs(day: str, begins: str, expected: str) -> None:
    times = table(x={"from": begins, "to": "20:00"})
    assert times.opens("x", at(f"{day} 00:00")) == at(expected)


def test_opening_and_changing_look_as_far_as_they_must() -> None:
    times = table(x={**OFFICE, "holidays": "FR"}, always={"from": "00:00", "to": "24:00"})
    evening = at("2026-12-24 17:00")
    assert times.opens("x", evening) == times.changes("x", evening) == at("2026-12-28 08:00")
    assert times.opens("x", at("2026-12-28 08:00")) == at("2026-12-28 08:00")
    assert times.changes("x", at("2026-12-28 08:00")) == at("2026-12-28 17:00")
    assert times.opens("always", evening) == evening
    assert times.changes("always", evening) is None
    assert times.opens("gone", evening) is None
    assert times.changes("gone", evening) is None


def test_only_what_is_declared_is_open_and_nothing_declared_is_no_answer() -> None:
    assert table().open_at(at("2026-11-23 12:00")) is None
    times = table(office=OFFICE, late={"from": "12:00", "to": "22:00"})
    assert times.open_at(at("2026-11-23 12:00")) == ("office", "late")
    assert times.open_at(at("2026-11-23 20:00")) == ("late",)
    assert times.open_at(at("2026-11-23 04:00")) == ()


def test_a_time_is_written_as_its_people_say_it() -> None:
    times = table(x=OFFICE)
    now = at("2026-11-20 17:00")
    assert times.written("x", at("2026-11-21 08:00"), now) == "09:00"
    assert times.written("x", at("2026-11-23 08:00"), now) == "Mon 23 Nov 09:00"


@st.composite
def hours(draw: st.DrawFn) -> dict[str, Any]:
    clock = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.sampled_from([0, 30]))
    spec: dict[str, Any] = {"from": draw(clock), "to": draw(clock | st.just("24:00"))}
    if draw(st.booleans()):
        spec["days"] = draw(st.lists(st.sampled_from([*WEEK, "sat", "sun"]), min_size=1, max_size=7, unique=True))
    if draw(st.booleans()):
        spec["holidays"] = draw(st.sampled_from(["FR", "US-CA", "DE-BY", "2026-03-29"]))
    return spec


ZONES = st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"]).map(ZoneInfo)
INSTANTS = st.integers(0, 365 * 96).map(lambda quarters: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * quarters))


@quick
@given(one=hours(), other=hours(), zone=ZONES, when=INSTANTS)
def test_every_question_about_hours_agrees(one: dict[str, Any], other: dict[str, Any], zone: ZoneInfo, when: datetime) -> None:
    times = table(zone, one=one, other=other)
    now_open = times.is_open("one", when)
    end = when + timedelta(days=3)
    spans = times.spans("one", when, end)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert (bool(spans) and spans[0].start == when) is now_open
    opens, changes = times.opens("one", when), times.changes("one", when)
    if opens is not None:
        assert times.is_open("one", opens)
        assert (opens == when) is now_open
        assert now_open or not times.is_open("one", opens - timedelta(seconds=1))
    if changes is not None:
        before = changes - timedelta(seconds=1)
        assert times.is_open("one", before) is now_open or before < when
        assert times.is_open("one", changes) is not now_open or spans[0].end == changes
    pieces = times.stretches(when, end)
    assert pieces[0][0].start == when
    assert pieces[-1][0].end == end
    for span, opened in pieces:
        middle = span.start + (span.end - span.start) / 2
        assert times.open_at(middle) == opened
    assert isinstance(pieces[0][0], Span)


WRONG = {
    "a day that is none": ({**OFFICE, "days": ["monn"]}, "not a weekday"),
    "no day": ({**OFFICE, "days": []}, "omit days for every day"),
    "a zone that is none": ({**OFFICE, "timezone": "Europe/Pariss"}, 'did you mean "Europe/Paris"'),
    "a country that is none": ({**OFFICE, "holidays": "XX"}, "neither a date"),
    "a country by its name, nearly": ({**OFFICE, "holidays": "Germny"}, 'did you mean "DE"'),
    "a code in small letters": ({**OFFICE, "holidays": "fr"}, 'did you mean "FR"'),
    "a part that is none": ({**OFFICE, "holidays": "DE-BX"}, 'did you mean "DE-'),
    "an exchange is no country": ({**OFFICE, "holidays": "HolidayBase"}, "neither a date"),
    "a time that is none": ({**OFFICE, "from": "9:00"}, "not a time of day"),
    "24:00 begins nothing": ({**OFFICE, "from": "24:00"}, "is only allowed in `to`"),
    "a key that is none": ({**OFFICE, "zone": "x"}, "Extra inputs"),
}


@pytest.mark.parametrize(("spec", "message"), WRONG.values(), ids=WRONG)
def test_wrong_hours_are_refused_with_the_nearest_word(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Hours.model_validate(spec)
