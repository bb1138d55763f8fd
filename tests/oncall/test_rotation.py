"""Every sentence of the contract's *Rotation*, as rows worked out by hand. All times are UTC unless a name says otherwise."""

import random
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.oncall.resolve import shifts
from app.oncall.rotation import rotation
from tests.oncall.words import PARIS, Layer, at, layer, lines, schedule


def rota(every: str, handoff: str, start: str, users: str = "ada bo", name: str = "r") -> Layer:
    return layer(name, users, every, handoff, start)


ROWS = [
    pytest.param(
        "Europe/Paris", rota("1w", "Mon 09:00", "2026-10-19"), "2026-10-19 00:00", "2026-11-02 08:00",
        ["ada 2026-10-19 07:00 - 2026-10-26 08:00 r", "bo 2026-10-26 08:00 - 2026-11-02 08:00 r"],
        id="shifts hand over at the wall-clock handoff in the schedule's zone, in summer and in winter",
    ),
    pytest.param(
        "Europe/Paris", rota("2d", "09:00", "2026-10-23", "ada bo cy"), "2026-10-23 07:00", "2026-10-29 08:00",
        ["ada 2026-10-23 07:00 - 2026-10-25 08:00 r", "bo 2026-10-25 08:00 - 2026-10-27 08:00 r",
         "cy 2026-10-27 08:00 - 2026-10-29 08:00 r"],
        id="Nd counts calendar days from start, not 24 hours; the first listed user is first",
    ),
    pytest.param(
        "UTC", rota("2w", "Thu 10:00", "2026-11-05"), "2026-11-05 00:00", "2026-12-10 00:00",
        ["ada 2026-11-05 10:00 - 2026-11-19 10:00 r", "bo 2026-11-19 10:00 - 2026-12-03 10:00 r",
         "ada 2026-12-03 10:00 - 2026-12-10 00:00 r"],
        id="Nw counts weeks, and after the last user comes the first",
    ),
    pytest.param(
        "Europe/Paris", rota("12h", "09:00", "2026-10-24"), "2026-10-24 07:00", "2026-10-25 19:00",
        ["ada 2026-10-24 07:00 - 2026-10-24 19:00 r", "bo 2026-10-24 19:00 - 2026-10-25 07:00 r",
         "ada 2026-10-25 07:00 - 2026-10-25 19:00 r"],
        id="Nh is elapsed hours from start at handoff, so after the clock change it hands over at 08:00",
    ),
    pytest.param(
        "Europe/Paris", rota("6h", "02:30", "2027-03-28"), "2027-03-27 00:00", "2027-03-28 10:00",
        ["ada 2027-03-28 01:00 - 2027-03-28 07:00 r", "bo 2027-03-28 07:00 - 2027-03-28 10:00 r"],
        id="elapsed hours count from the first instant that exists, where start at handoff does not",
    ),
    pytest.param(
        "UTC", rota("36h", "Mon 09:00", "2026-11-04"), "2026-11-04 00:00", "2026-11-11 21:00",
        ["ada 2026-11-09 09:00 - 2026-11-10 21:00 r", "bo 2026-11-10 21:00 - 2026-11-11 21:00 r"],
        id="hours with a weekday begin on the first such day too",
    ),
    pytest.param(
        "Europe/Paris", rota("1w", "Mon 09:00", "2026-11-04"), "2026-11-04 00:00", "2026-11-20 00:00",
        ["ada 2026-11-09 08:00 - 2026-11-16 08:00 r", "bo 2026-11-16 08:00 - 2026-11-20 00:00 r"],
        id="with a weekday the first hand-over is the first such day after start, and nobody holds before it",
    ),
    pytest.param(
        "Europe/Paris", rota("1w", "Mon 09:00", "2026-11-02"), "2026-11-01 00:00", "2026-11-03 00:00",
        ["ada 2026-11-02 08:00 - 2026-11-03 00:00 r"],
        id="start itself is the first day when it is that weekday",
    ),
    pytest.param(
        "Europe/Paris", rota("1d", "09:00", "2026-11-02"), "2026-10-01 00:00", "2026-11-02 08:00", [],
        id="nobody holds before start at handoff; the end of a range is not in it",
    ),
    pytest.param(
        "Europe/Paris", rota("1d", "02:30", "2027-03-27"), "2027-03-27 00:00", "2027-03-30 00:30",
        ["ada 2027-03-27 01:30 - 2027-03-28 01:00 r", "bo 2027-03-28 01:00 - 2027-03-29 00:30 r",
         "ada 2027-03-29 00:30 - 2027-03-30 00:30 r"],
        id="a hand-over time that does not exist moves forward to the first instant that does",
    ),
    pytest.param(
        "Australia/Lord_Howe", rota("1d", "02:15", "2026-10-03"), "2026-10-02 00:00", "2026-10-04 15:15",
        ["ada 2026-10-02 15:45 - 2026-10-03 15:30 r", "bo 2026-10-03 15:30 - 2026-10-04 15:15 r"],
        id="a missing half hour moves the hand-over by less than half an hour",
    ),
    pytest.param(
        "Pacific/Apia", rota("1d", "09:00", "2011-12-28", "ada bo cy"), "2011-12-28 00:00", "2011-12-31 19:00",
        ["ada 2011-12-28 19:00 - 2011-12-29 19:00 r", "bo 2011-12-29 19:00 - 2011-12-30 10:00 r",
         "cy 2011-12-30 10:00 - 2011-12-30 19:00 r", "ada 2011-12-30 19:00 - 2011-12-31 19:00 r"],
        id="on a day that is missing altogether the hand-over is the first instant of the next",
    ),
    pytest.param(
        "Pacific/Apia", rota("1d", "00:00", "2011-12-28", "ada bo cy"), "2011-12-28 10:00", "2011-12-31 10:00",
        ["ada 2011-12-28 10:00 - 2011-12-29 10:00 r", "bo 2011-12-29 10:00 - 2011-12-30 10:00 r",
         "ada 2011-12-30 10:00 - 2011-12-31 10:00 r"],
        id="a turn that a missing day leaves no time is no shift",
    ),
    pytest.param(
        "America/Santiago", rota("1d", "00:30", "2026-09-05"), "2026-09-05 00:00", "2026-09-07 03:30",
        ["ada 2026-09-05 04:30 - 2026-09-06 04:00 r", "bo 2026-09-06 04:00 - 2026-09-07 03:30 r"],
        id="where midnight is missing (Santiago) the day begins at 01:00",
    ),
    pytest.param(
        "Africa/Cairo", rota("1d", "00:00", "2026-04-23"), "2026-04-22 22:00", "2026-04-24 21:00",
        ["ada 2026-04-22 22:00 - 2026-04-23 22:00 r", "bo 2026-04-23 22:00 - 2026-04-24 21:00 r"],
        id="where midnight is missing (Cairo) midnight is 01:00",
    ),
    pytest.param(
        "Asia/Beirut", rota("1w", "Sun 00:15", "2026-03-22"), "2026-03-21 22:15", "2026-04-04 21:15",
        ["ada 2026-03-21 22:15 - 2026-03-28 22:00 r", "bo 2026-03-28 22:00 - 2026-04-04 21:15 r"],
        id="where midnight is missing (Beirut) a weekly hand-over moves as well",
    ),
    pytest.param(
        "Antarctica/Troll", rota("1d", "01:30", "2026-03-28"), "2026-03-28 01:30", "2026-03-29 23:30",
        ["ada 2026-03-28 01:30 - 2026-03-29 01:00 r", "bo 2026-03-29 01:00 - 2026-03-29 23:30 r"],
        id="two missing hours (Troll) move it by up to two hours",
    ),
    pytest.param(
        "Europe/Dublin", rota("1d", "01:30", "2026-03-28"), "2026-03-28 01:30", "2026-03-30 00:30",
        ["ada 2026-03-28 01:30 - 2026-03-29 01:00 r", "bo 2026-03-29 01:00 - 2026-03-30 00:30 r"],
        id="where winter is the saved time (Dublin) nothing differs",
    ),
    pytest.param(
        "Europe/Paris", rota("1d", "02:30", "2026-10-24"), "2026-10-24 00:30", "2026-10-26 01:30",
        ["ada 2026-10-24 00:30 - 2026-10-25 00:30 r", "bo 2026-10-25 00:30 - 2026-10-26 01:30 r"],
        id="a hand-over time that exists twice happens at the first",
    ),
    pytest.param(
        "Australia/Lord_Howe", rota("1d", "01:45", "2027-04-03"), "2027-04-02 14:45", "2027-04-04 15:15",
        ["ada 2027-04-02 14:45 - 2027-04-03 14:45 r", "bo 2027-04-03 14:45 - 2027-04-04 15:15 r"],
        id="a half hour that exists twice (Lord Howe) counts once",
    ),
    pytest.param(
        "Antarctica/Troll", rota("1d", "02:00", "2026-10-24"), "2026-10-24 00:00", "2026-10-26 02:00",
        ["ada 2026-10-24 00:00 - 2026-10-25 00:00 r", "bo 2026-10-25 00:00 - 2026-10-26 02:00 r"],
        id="two hours that exist twice (Troll) count once",
    ),
    pytest.param(
        "Africa/Casablanca", rota("1d", "02:30", "2024-03-09"), "2024-03-09 01:30", "2024-03-11 02:30",
        ["ada 2024-03-09 01:30 - 2024-03-10 01:30 r", "bo 2024-03-10 01:30 - 2024-03-11 02:30 r"],
        id="a clock change for Ramadan (Casablanca) is a clock change",
    ),
    pytest.param(
        "Europe/Berlin", rota("1d", "02:15", "2026-10-24"), "2026-10-25 00:00", "2026-10-25 02:00",
        ["ada 2026-10-25 00:00 - 2026-10-25 00:15 r", "bo 2026-10-25 00:15 - 2026-10-25 02:00 r"],
        id="nobody gets the pager back because clocks change",
    ),
    pytest.param(
        "Europe/Berlin", rota("1d", "02:15", "2026-10-24"), "2026-10-25 01:05", "2026-10-25 02:00",
        ["bo 2026-10-25 01:05 - 2026-10-25 02:00 r"],
        id="nor where one looks when the clock shows again a time before the hand-over",
    ),
    pytest.param(
        "UTC", rota("1d", "09:00", "2026-11-02", "ada"), "2026-11-03 00:00", "2026-12-01 00:00",
        ["ada 2026-11-03 00:00 - 2026-12-01 00:00 r"],
        id="who relieves themselves has one shift",
    ),
    pytest.param(
        "UTC", rota("1d", "09:00", "2026-11-02", "ada ada bo"), "2026-11-02 09:00", "2026-11-06 09:00",
        ["ada 2026-11-02 09:00 - 2026-11-04 09:00 r", "bo 2026-11-04 09:00 - 2026-11-05 09:00 r",
         "ada 2026-11-05 09:00 - 2026-11-06 09:00 r"],
        id="who is listed twice has two turns",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "one", "start", "end", "expected"), ROWS)
def test_hand_overs(zone: str, one: Layer, start: str, end: str, expected: list[str]) -> None:
    assert lines(shifts(schedule(one, timezone=zone), PARIS, [], at(start), at(end))) == expected


def test_a_schedule_without_a_zone_lives_in_the_default_one() -> None:
    assert shifts(
        schedule(rota("1d", "09:00", "2026-11-02")),
        ZoneInfo("Asia/Kolkata"),
        [],
        at("2026-11-02 00:00"),
        at("2026-11-03 00:00"),
    )[0].start == at("2026-11-02 03:30")


def test_the_turn_is_computed_not_walked_to() -> None:
    """Far from `start` as fast as near it: the turn after 170 years is one division away."""
    hands = rotation(schedule(rota("1d", "02:30", "1970-01-01")).layers[0], PARIS)
    turn = hands.turn(at("2140-01-01 12:00"))
    assert turn == (at("2140-01-01 00:00") - at("1970-01-01 00:00")) // timedelta(days=1)
    assert hands.handover(turn) == at("2140-01-01 01:30")
    assert hands.turn(at("1969-12-31 12:00")) == -1


CLOCKS = {
    "Europe/Paris": ("2026-03-29", "2026-10-25"), "Australia/Lord_Howe": ("2026-10-04", "2027-04-04"),
    "Pacific/Apia": ("2011-12-30",), "America/Scoresbysund": ("2024-03-31", "2026-10-25"), "Antarctica/Troll": ("2026-10-25",),
    "Africa/Casablanca": ("2024-03-10",),
}  # fmt: skip


@pytest.mark.parametrize("zone, day", [(zone, day) for zone, days in CLOCKS.items() for day in days])
def test_the_turn_is_that_of_counting_hand_overs_one_by_one(zone: str, day: str) -> None:
    rng = random.Random(day)
    for _ in range(300):
        every, handoff = rng.choice(["1d", "2d", "3d", "9d"]), f"{rng.randrange(5):02}:{rng.randrange(60):02}"
        start = f"{date.fromisoformat(day) - timedelta(days=rng.randrange(20)):%Y-%m-%d}"
        hands = rotation(schedule(rota(every, handoff, start)).layers[0], ZoneInfo(zone))
        looked = at(f"{day} 00:00") + timedelta(minutes=rng.randrange(-1000, 2000))
        begun = sum(hands.handover(n) <= looked for n in range(30))
        assert max(hands.turn(looked), -1) == begun - 1, (every, handoff, start, looked)


def test_an_instant_needs_an_offset() -> None:
    with pytest.raises(ValueError, match="has no offset"):
        shifts(
            schedule(rota("1d", "09:00", "2026-11-02")),
            PARIS,
            [],
            at("2026-11-02 00:00").replace(tzinfo=None),
            at("2026-11-03 00:00"),
        )
