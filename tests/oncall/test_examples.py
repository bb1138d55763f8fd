"""The schedules of the example configuration, with shifts worked out by hand. All times are UTC."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from app.oncall.coverage import coverage
from app.oncall.model import On, Schedule
from app.oncall.resolve import holders, shifts
from tests.oncall.words import PARIS, at, lines

# As a YAML reader gives examples/alerting/people.yaml.
SHOP = Schedule.model_validate(
    {
        "layers": [
            {"name": "week", "users": ["ada", "bo", "cy"], "every": "1w", "handoff": "Mon 09:00", "start": date(2026, 11, 2)},
            {
                "name": "weekday nights",
                "users": ["dee"],
                "every": "1d",
                "handoff": "22:00",
                "start": date(2026, 11, 2),
                "only": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "22:00", "to": "06:00"}],
            },
        ],
        "overrides": [{"user": "bo", "from": "2026-12-24T18:00", "to": "2026-12-26T09:00", "reason": "holidays"}],
    }
)
PLATFORM = Schedule.model_validate(
    {
        "timezone": "Australia/Lord_Howe",
        "layers": [{"name": "daily", "users": ["cy", "dee"], "every": "1d", "handoff": "02:15", "start": date(2026, 11, 2)}],
    }
)
STORIES = [
    pytest.param(
        SHOP, "2026-11-01 00:00", "2026-11-04 00:00",
        ["ada 2026-11-02 08:00 - 2026-11-02 21:00 week", "dee 2026-11-02 21:00 - 2026-11-03 05:00 weekday nights",
         "ada 2026-11-03 05:00 - 2026-11-03 21:00 week", "dee 2026-11-03 21:00 - 2026-11-04 00:00 weekday nights"],
        id="ada begins on Monday at 09:00 in Paris, and dee has the nights",
    ),
    pytest.param(
        SHOP, "2026-11-06 12:00", "2026-11-09 21:00",
        ["ada 2026-11-06 12:00 - 2026-11-06 21:00 week", "dee 2026-11-06 21:00 - 2026-11-07 05:00 weekday nights",
         "ada 2026-11-07 05:00 - 2026-11-09 08:00 week", "bo 2026-11-09 08:00 - 2026-11-09 21:00 week"],
        id="the night of Friday ends on Saturday, the weekend is ada's, and on Monday bo begins",
    ),
    pytest.param(
        SHOP, "2026-12-24 00:00", "2026-12-29 00:00",
        ["dee 2026-12-24 00:00 - 2026-12-24 05:00 weekday nights", "bo 2026-12-24 05:00 - 2026-12-24 17:00 week",
         "bo 2026-12-24 17:00 - 2026-12-26 08:00 override", "bo 2026-12-26 08:00 - 2026-12-28 08:00 week",
         "cy 2026-12-28 08:00 - 2026-12-28 21:00 week", "dee 2026-12-28 21:00 - 2026-12-29 00:00 weekday nights"],
        id="over the holidays bo holds the nights too",
    ),
    pytest.param(
        SHOP, "2027-03-26 12:00", "2027-03-30 12:00",
        ["cy 2027-03-26 12:00 - 2027-03-26 21:00 week", "dee 2027-03-26 21:00 - 2027-03-27 05:00 weekday nights",
         "cy 2027-03-27 05:00 - 2027-03-29 07:00 week", "ada 2027-03-29 07:00 - 2027-03-29 20:00 week",
         "dee 2027-03-29 20:00 - 2027-03-30 04:00 weekday nights", "ada 2027-03-30 04:00 - 2027-03-30 12:00 week"],
        id="after the clocks went forward it is still 09:00 and 22:00 in Paris",
    ),
    pytest.param(
        PLATFORM, "2026-11-01 00:00", "2026-11-03 15:15",
        ["cy 2026-11-01 15:15 - 2026-11-02 15:15 daily", "dee 2026-11-02 15:15 - 2026-11-03 15:15 daily"],
        id="Lord Howe is eleven hours ahead in summer",
    ),
    pytest.param(
        PLATFORM, "2027-04-02 15:15", "2027-04-05 15:45",
        ["cy 2027-04-02 15:15 - 2027-04-03 15:45 daily", "dee 2027-04-03 15:45 - 2027-04-04 15:45 daily",
         "cy 2027-04-04 15:45 - 2027-04-05 15:45 daily"],
        id="at the end of summer, when 01:30 to 02:00 comes twice, one shift is half an hour longer",
    ),
    pytest.param(
        PLATFORM, "2027-10-01 15:45", "2027-10-04 15:15",
        ["cy 2027-10-01 15:45 - 2027-10-02 15:30 daily", "dee 2027-10-02 15:30 - 2027-10-03 15:15 daily",
         "cy 2027-10-03 15:15 - 2027-10-04 15:15 daily"],
        id="at the end of winter 02:15 is missing, so the hand-over is at 02:30",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "start", "end", "expected"), STORIES)
def test_the_examples_mean_what_their_comments_say(schedule: Schedule, start: str, end: str, expected: list[str]) -> None:
    assert lines(shifts(schedule, PARIS, [], at(start), at(end))) == expected


def test_the_holder_over_the_holidays_holds_from_the_end_of_the_night_to_monday() -> None:
    told = holders(SHOP, PARIS, [], at("2026-12-25 12:00"))
    assert told == On(("bo",), at("2026-12-24 05:00"), at("2026-12-28 08:00"))


def test_the_examples_cover_every_day_once_they_began() -> None:
    for schedule in (SHOP, PLATFORM):
        told = coverage(schedule, PARIS, [], at("2026-11-02 08:00"), 365)
        assert (told.share, told.percent, told.gaps) == (1.0, 100.0, ())


def test_the_default_zone_does_not_move_a_schedule_with_its_own() -> None:
    month = at("2026-11-02 00:00"), at("2026-12-02 00:00")
    assert shifts(PLATFORM, PARIS, [], *month) == shifts(PLATFORM, ZoneInfo("Asia/Tokyo"), [], *month)
