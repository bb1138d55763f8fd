"""Every sentence of the contract's *Layers*, as rows worked out by hand. All times are UTC unless a name says otherwise."""

import pytest

from app.oncall.resolve import gaps, layer_shifts, shifts
from tests.oncall.words import PARIS, Layer, always, at, layer, lines, schedule


def on(*days: str, **bounds: str) -> Layer:
    """`only` with one range."""
    return {"only": [{"days": list(days) or None, **bounds}]}


def hours(start: str, end: str) -> dict[str, str]:
    return {"from": start, "to": end}


BASE = always("base", "ada")
LAYERS = [
    pytest.param(
        "UTC", [BASE, always("top", "bo", **on(**hours("10:00", "12:00")))], "2026-11-02 00:00", "2026-11-03 00:00",
        ["ada 2026-11-02 00:00 - 2026-11-02 10:00 base", "bo 2026-11-02 10:00 - 2026-11-02 12:00 top",
         "ada 2026-11-02 12:00 - 2026-11-03 00:00 base"],
        id="the last listed layer that holds someone wins, and where it holds nobody the one below shows",
    ),
    pytest.param(
        "UTC", [always("low", "bo", **on(**hours("10:00", "12:00"))), BASE], "2026-11-02 00:00", "2026-11-03 00:00",
        ["ada 2026-11-02 00:00 - 2026-11-03 00:00 base"],
        id="a layer listed earlier never shows through",
    ),
    pytest.param(
        "UTC", [layer("new", "bo", "1d", "09:00", "2026-11-03"), BASE][::-1], "2026-11-03 00:00", "2026-11-03 12:00",
        ["ada 2026-11-03 00:00 - 2026-11-03 09:00 base", "bo 2026-11-03 09:00 - 2026-11-03 12:00 new"],
        id="a layer that has not begun holds nobody",
    ),
    pytest.param(
        "Europe/Paris", [always("day", "ada", **on("fri", **hours("22:00", "06:00")))], "2026-11-02 00:00", "2026-11-09 00:00",
        ["ada 2026-11-06 21:00 - 2026-11-07 05:00 day"],
        id="days is the day on which a range begins, and to before from ends on the next day",
    ),
    pytest.param(
        "UTC", [always("day", "ada", **on("sat", **hours("09:00", "09:00")))], "2026-11-02 00:00", "2026-11-09 00:00",
        ["ada 2026-11-07 09:00 - 2026-11-08 09:00 day"],
        id="from equal to to is 24 hours",
    ),
    pytest.param(
        "UTC", [always("day", "ada", **on("sat", "sun", **hours("00:00", "24:00")))], "2026-11-02 00:00", "2026-11-16 00:00",
        ["ada 2026-11-07 00:00 - 2026-11-09 00:00 day", "ada 2026-11-14 00:00 - 2026-11-16 00:00 day"],
        id="to may be 24:00, and days that touch are one shift",
    ),
    pytest.param(
        "UTC", [always("day", "ada", **on("sat", **hours("18:00", "00:00")))], "2026-11-02 00:00", "2026-11-09 00:00",
        ["ada 2026-11-07 18:00 - 2026-11-08 00:00 day"],
        id="to 00:00 is the midnight after",
    ),
    pytest.param(
        "UTC", [always("day", "ada", **on(**hours("09:00", "17:00")))], "2026-11-07 00:00", "2026-11-09 00:00",
        ["ada 2026-11-07 09:00 - 2026-11-07 17:00 day", "ada 2026-11-08 09:00 - 2026-11-08 17:00 day"],
        id="no days is every day",
    ),
    pytest.param(
        "UTC", [always("day", "ada", only=[hours("09:00", "12:00"), hours("11:00", "13:00"), hours("20:00", "02:00")])],
        "2026-11-07 00:00", "2026-11-08 01:00",
        ["ada 2026-11-07 00:00 - 2026-11-07 02:00 day", "ada 2026-11-07 09:00 - 2026-11-07 13:00 day",
         "ada 2026-11-07 20:00 - 2026-11-08 01:00 day"],
        id="several ranges add up, also one that began the day before",
    ),
    pytest.param(
        "UTC", [layer("pair", "ada bo", "1d", "00:00", "2026-11-02", **on(**hours("22:00", "02:00")))],
        "2026-11-02 12:00", "2026-11-03 12:00",
        ["ada 2026-11-02 22:00 - 2026-11-03 00:00 pair", "bo 2026-11-03 00:00 - 2026-11-03 02:00 pair"],
        id="a hand-over inside a range splits it",
    ),
    pytest.param(
        "Europe/Paris", [always("day", "ada", **on(**hours("02:30", "06:00")))], "2027-03-27 12:00", "2027-03-28 12:00",
        ["ada 2027-03-28 01:00 - 2027-03-28 04:00 day"],
        id="a range that begins at a time that does not exist begins at the first instant that does",
    ),
    pytest.param(
        "Europe/Paris", [always("day", "ada", **on(**hours("22:00", "02:30")))], "2027-03-27 12:00", "2027-03-28 12:00",
        ["ada 2027-03-27 21:00 - 2027-03-28 01:00 day"],
        id="a range that ends at a time that does not exist ends at the first instant that does",
    ),
    pytest.param(
        "Europe/Paris", [always("day", "ada", **on(**hours("02:10", "02:50")))], "2027-03-27 12:00", "2027-03-28 12:00", [],
        id="a range inside the missing hour is not at all that day",
    ),
    pytest.param(
        "Europe/Paris", [always("day", "ada", **on(**hours("02:30", "02:45")))], "2026-10-24 12:00", "2026-10-25 12:00",
        ["ada 2026-10-25 00:30 - 2026-10-25 00:45 day"],
        id="a range inside the hour that exists twice is in the first only",
    ),
    pytest.param(
        "Europe/Paris", [always("day", "ada", **on(**hours("01:00", "02:30")))], "2026-10-24 12:00", "2026-10-25 12:00",
        ["ada 2026-10-24 23:00 - 2026-10-25 00:30 day"],
        id="a range that ends at a time that exists twice ends at the first",
    ),
    pytest.param(
        "Europe/Paris", [always("day", "ada", **on("sat", **hours("12:00", "12:00")))], "2026-10-24 00:00", "2026-10-26 00:00",
        ["ada 2026-10-24 10:00 - 2026-10-25 11:00 day"],
        id="24 hours on the wall are 25 when clocks go back",
    ),
    pytest.param(
        "Pacific/Apia", [always("day", "ada", **on("fri", **hours("09:00", "17:00")))], "2011-12-26 00:00", "2012-01-07 00:00",
        ["ada 2012-01-05 19:00 - 2012-01-06 03:00 day"],
        id="a range on a missing day is not at all",
    ),
    pytest.param(
        "Europe/Paris", [BASE, always("top", "bo", until="2026-11-04")], "2026-11-02 00:00", "2026-11-05 00:00",
        ["bo 2026-11-02 00:00 - 2026-11-03 23:00 top", "ada 2026-11-03 23:00 - 2026-11-05 00:00 base"],
        id="a layer ends with the first instant of its until",
    ),
    pytest.param(
        "America/Santiago", [always("top", "bo", until="2026-09-06")], "2026-09-05 00:00", "2026-09-07 00:00",
        ["bo 2026-09-05 00:00 - 2026-09-06 04:00 top"],
        id="until a day without a midnight is until its first instant",
    ),
    pytest.param("UTC", [], "2026-11-02 00:00", "2026-11-03 00:00", [], id="no layers hold nobody"),
    pytest.param("UTC", [BASE], "2026-11-03 00:00", "2026-11-02 00:00", [], id="a range that ends before it begins is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "layers", "start", "end", "expected"), LAYERS)
def test_layers(zone: str, layers: list[Layer], start: str, end: str, expected: list[str]) -> None:
    assert lines(shifts(schedule(*layers, timezone=zone), PARIS, [], at(start), at(end))) == expected


def test_gaps_are_what_shifts_leave() -> None:
    rota = schedule(always("day", "ada", only=[hours("09:00", "17:00")]), timezone="UTC")
    found = gaps(rota, PARIS, [], at("2026-11-02 12:00"), at("2026-11-03 12:00"))
    assert [(gap.start, gap.end) for gap in found] == [(at("2026-11-02 17:00"), at("2026-11-03 09:00"))]


def test_the_picture_shows_each_layer_as_if_it_were_alone() -> None:
    rota = schedule(BASE, always("late", "bo", only=[{"from": "22:00", "to": "02:00"}]), timezone="UTC")
    picture = layer_shifts(rota, PARIS, at("2026-11-02 20:00"), at("2026-11-03 08:00"))
    assert {name: lines(found) for name, found in picture.items()} == {
        "base": ["ada 2026-11-02 20:00 - 2026-11-03 08:00 base"],
        "late": ["bo 2026-11-02 22:00 - 2026-11-03 02:00 late"],
    }
    assert list(picture) == ["base", "late"]
