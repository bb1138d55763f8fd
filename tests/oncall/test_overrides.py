"""Overrides and swaps, and who holds by them: the second half of *Layers*, worked out by hand. All times are UTC."""

from zoneinfo import ZoneInfo

import pytest

from app.oncall.model import Override
from app.oncall.resolve import holders, shifts
from tests.oncall.words import PARIS, Layer, always, at, between, lines, schedule

BASE = always("base", "ada")
DAY = always("day", "ada", only=[{"from": "08:00", "to": "22:00"}])
NIGHT = "2026-11-02 20:00", "2026-11-03 08:00"
BO_LATE = always("late", "bo", only=[{"from": "22:00", "to": "02:00"}])
CHANGES = [
    pytest.param(
        [BASE, BO_LATE], [between("2026-11-02 21:00", "2026-11-02 23:00", "cy", "2026-11-01 00:00")],
        ["ada 2026-11-02 20:00 - 2026-11-02 21:00 base", "cy 2026-11-02 21:00 - 2026-11-02 23:00 override",
         "bo 2026-11-02 23:00 - 2026-11-03 02:00 late", "ada 2026-11-03 02:00 - 2026-11-03 08:00 base"],
        id="an override wins over every layer, from its start up to but not with its end",
    ),
    pytest.param(
        [BO_LATE], [between("2026-11-03 01:00", "2026-11-03 04:00", "cy", "2026-11-01 00:00")],
        ["bo 2026-11-02 22:00 - 2026-11-03 01:00 late", "cy 2026-11-03 01:00 - 2026-11-03 04:00 override"],
        id="an override fills a gap",
    ),
    pytest.param(
        [BASE, BO_LATE], [between(*NIGHT, "cy", "2026-11-01 00:00", instead_of="bo")],
        ["ada 2026-11-02 20:00 - 2026-11-02 22:00 base", "cy 2026-11-02 22:00 - 2026-11-03 02:00 swap",
         "ada 2026-11-03 02:00 - 2026-11-03 08:00 base"],
        id="a swap replaces only the person it names, where they hold",
    ),
    pytest.param(
        [BO_LATE], [between(*NIGHT, "cy", "2026-11-01 00:00", instead_of="ada")],
        ["bo 2026-11-02 22:00 - 2026-11-03 02:00 late"],
        id="a swap of somebody who does not hold changes nothing, and fills no gap",
    ),
    pytest.param(
        [BASE],
        [between("2026-11-02 21:00", "2026-11-03 01:00", "dee", "2026-11-01 12:00"),
         between("2026-11-02 22:00", "2026-11-03 04:00", "cy", "2026-11-01 11:00")],
        ["ada 2026-11-02 20:00 - 2026-11-02 21:00 base", "dee 2026-11-02 21:00 - 2026-11-03 01:00 override",
         "cy 2026-11-03 01:00 - 2026-11-03 04:00 override", "ada 2026-11-03 04:00 - 2026-11-03 08:00 base"],
        id="of two overlapping overrides the one made last wins, however they are passed",
    ),
    pytest.param(
        [BASE],
        [between(*NIGHT, "cy", "2026-11-01 11:00"), between(*NIGHT, "dee", "2026-11-01 12:00", instead_of="cy")],
        ["dee 2026-11-02 20:00 - 2026-11-03 08:00 swap"],
        id="a swap replaces who holds by an earlier override",
    ),
    pytest.param(
        [BASE],
        [between(*NIGHT, "dee", "2026-11-01 11:00", instead_of="cy"), between(*NIGHT, "cy", "2026-11-01 12:00")],
        ["cy 2026-11-02 20:00 - 2026-11-03 08:00 override"],
        id="a swap does not touch an override made after it",
    ),
    pytest.param(
        [BASE],
        [between(*NIGHT, "bo", "2026-11-01 11:00", instead_of="ada"),
         between(*NIGHT, "cy", "2026-11-01 12:00", instead_of="bo")],
        ["cy 2026-11-02 20:00 - 2026-11-03 08:00 swap"],
        id="a swap can be swapped on",
    ),
    pytest.param(
        [BASE],
        [between("2026-11-02 20:00", "2026-11-02 23:00", "cy", "2026-11-01 11:00"),
         between("2026-11-02 23:00", "2026-11-03 08:00", "cy", "2026-11-01 12:00")],
        ["cy 2026-11-02 20:00 - 2026-11-03 08:00 override"],
        id="two overrides of one user that touch are one shift",
    ),
    pytest.param(
        [BASE], [between("2026-11-02 22:00", "2026-11-03 08:00", "ada", "2026-11-01 11:00")],
        ["ada 2026-11-02 20:00 - 2026-11-02 22:00 base", "ada 2026-11-02 22:00 - 2026-11-03 08:00 override"],
        id="shifts of one user from different sources stay apart",
    ),
    pytest.param(
        [DAY, always("night", "ada", only=[{"from": "22:00", "to": "08:00"}])], [],
        ["ada 2026-11-02 20:00 - 2026-11-02 22:00 day", "ada 2026-11-02 22:00 - 2026-11-03 08:00 night"],
        id="shifts of one user from different layers stay apart",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "changes", "expected"), CHANGES)
def test_overrides_and_swaps(layers: list[Layer], changes: list[Override], expected: list[str]) -> None:
    rota, (start, end) = schedule(*layers, timezone="UTC"), map(at, NIGHT)
    assert lines(shifts(rota, PARIS, changes, start, end)) == expected
    assert lines(shifts(rota, PARIS, changes[::-1], start, end)) == expected


WRITTEN = [
    pytest.param([("bo", "23:00", "01:00"), ("cy", "23:00", "01:00")], [], "cy", id="in the files the one listed last wins"),
    pytest.param([("cy", "22:30", "23:30")], [], "ada", id="without an offset the bounds are in the schedule's zone"),
    pytest.param(
        [("cy", "23:00", "01:00")], [between(*NIGHT, "dee", "1970-01-02 00:00")], "dee",
        id="those in the files count as made before any made elsewhere",
    ),
    pytest.param(
        [("cy", "23:00", "01:00")], [between(*NIGHT, "dee", "1970-01-02 00:00", instead_of="cy")], "dee",
        id="so a swap made elsewhere replaces whom the files put on",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("written", "made", "user"), WRITTEN)
def test_overrides_in_the_files(written: list[tuple[str, str, str]], made: list[Override], user: str) -> None:
    """Who holds at midnight in Paris, 23:00 UTC."""
    specs = [
        {"user": who, "from": f"2026-11-02T{low}", "to": f"2026-11-{2 + (high < low):02}T{high}"} for who, low, high in written
    ]
    rota = schedule(BASE, timezone="Europe/Paris", overrides=specs)
    assert holders(rota, ZoneInfo("Asia/Tokyo"), made, at("2026-11-02 23:00")).users == (user,)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        pytest.param("2027-03-28T02:30", "2027-03-28T12:00", "2027-03-28 01:00 - 2027-03-28 10:00", id="that do not exist"),
        pytest.param("2026-10-25T02:30", "2026-10-25T12:00", "2026-10-25 00:30 - 2026-10-25 11:00", id="that exist twice"),
        pytest.param("2026-10-25T02:30+01:00", "2026-10-25T11:00Z", "2026-10-25 01:30 - 2026-10-25 11:00", id="with an offset"),
        pytest.param("2026-10-25T01:00", "2026-10-25T02:15", "2026-10-24 23:00 - 2026-10-25 00:15", id="that end at the first"),
    ],
)
def test_bounds_of_overrides_are_instants(low: str, high: str, expected: str) -> None:
    rota = schedule(timezone="Europe/Paris", overrides=[{"user": "bo", "from": low, "to": high}])
    assert lines(shifts(rota, PARIS, [], at("2026-10-01 00:00"), at("2027-04-01 00:00"))) == [f"bo {expected} override"]
