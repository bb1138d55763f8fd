"""Overrides and swaps in the database, and who holds by them. Needs the fixture `db`: a connection, rolled back afterwards."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from app.catalog.model import Declaration
from app.catalog.store import record_version, replace_all
from app.errors import Invalid, NotFound
from app.oncall import service, store
from app.oncall.model import Kind, On, Override
from app.people import service as people
from app.people.model import User
from tests.oncall.words import always, at, between, lines

NOW, SOON, LATER = at("2026-11-02 00:00"), at("2026-11-02 06:00"), at("2026-11-02 12:00")


@pytest.fixture
def db(request: pytest.FixtureRequest) -> Connection:
    """The suite's own `db`, with two schedules declared."""
    try:
        connection: Connection = request.getfixturevalue("db")
    except pytest.FixtureLookupError:
        pytest.skip("the suite has no database fixture `db` yet")
    declare(connection)
    return connection


def declare(db: Connection) -> None:
    people.sync(db, {login: User() for login in ("ada", "bo", "cy", "dee")}, {}, NOW)
    night = always("night", "bo", only=[{"from": "22:00", "to": "06:00"}])
    replace_all(
        db,
        [
            Declaration("defaults", "defaults", 0, {"timezone": "UTC"}, ""),
            Declaration("schedule", "shop", 0, {"layers": [always("all", "ada")]}, ""),
            Declaration("schedule", "nights", 1, {"layers": [night]}, ""),
        ],
    )
    record_version(db, now=NOW, actor="test", digest="d", files={}, changes=[])


def take(db: Connection, user: str, **more: str) -> Override:
    return service.override(db, "shop", user=user, start=SOON, end=LATER, now=NOW, **more)


def test_who_is_on_call_lists_every_schedule_in_declared_order(db: Connection) -> None:
    told = service.who(db, LATER)
    assert told == {"shop": On(("ada",), None, None), "nights": On((), SOON, at("2026-11-02 22:00"))}
    assert list(told) == ["shop", "nights"]


def test_an_override_is_in_force_when_it_is_made_until_it_is_taken_back(db: Connection) -> None:
    made = take(db, "cy", reason="dentist", by="ada")
    assert made.id is not None
    assert (made.kind, made.reason) == (Kind.OVERRIDE, "dentist")
    assert store.overlapping(db, NOW, LATER) == [made]
    assert service.who(db, SOON)["shop"] == On(("cy",), SOON, LATER)
    assert service.who(db, SOON)["nights"].users == ()
    service.remove(db, made.id, NOW)
    assert service.who(db, SOON)["shop"].users == ("ada",)
    with pytest.raises(NotFound, match="override 1 not found"):
        service.remove(db, made.id, NOW)


def test_of_overrides_made_at_the_same_instant_the_later_row_wins(db: Connection) -> None:
    for user in ("cy", "dee", "bo"):
        take(db, user)
    assert service.who(db, SOON)["shop"].users == ("bo",)


def test_a_swap_replaces_only_whom_it_names(db: Connection) -> None:
    assert take(db, "cy", replaces="ada").kind is Kind.SWAP
    take(db, "dee", replaces="bo")
    assert lines(service.shifts(db, "shop", NOW, LATER)) == [
        "ada 2026-11-02 00:00 - 2026-11-02 06:00 all",
        "cy 2026-11-02 06:00 - 2026-11-02 12:00 swap",
    ]


def test_what_only_touches_a_range_is_not_in_it(db: Connection) -> None:
    take(db, "cy")
    assert store.overlapping(db, NOW, SOON) == store.overlapping(db, LATER, LATER + timedelta(days=1)) == []
    assert len(store.overlapping(db, NOW, LATER, "shop")) == 1
    assert store.overlapping(db, NOW, LATER, "nights") == []


def test_everybody_who_holds_a_schedule_later_is_eligible_and_who_held_it_before_is_not(db: Connection) -> None:
    written = {
        "layers": [always("all", "ada")],
        "overrides": [{"user": "bo", "from": "2026-11-02T06:00", "to": "2026-11-02T12:00"}],
    }
    replace_all(db, [Declaration("schedule", "shop", 0, written, ""), Declaration("schedule", "nights", 1, {"layers": []}, "")])
    record_version(db, now=NOW, actor="test", digest="e", files={}, changes=[])
    take(db, "cy")
    take(db, "dee", replaces="ada")
    assert service.eligible(db, NOW) == {"shop": ("ada", "bo", "cy", "dee"), "nights": ()}
    assert service.eligible(db, LATER) == {"shop": ("ada",), "nights": ()}


def test_coverage_counts_what_was_made(db: Connection) -> None:
    service.override(db, "nights", user="cy", start=SOON, end=LATER, now=NOW)
    told = service.coverage(db, NOW, 1)
    assert {name: one.percent for name, one in told.items()} == {"shop": 100.0, "nights": 58.33}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"end": SOON}, "not after the start", id="it lasts some time"),
        pytest.param({"end": SOON + timedelta(days=4000)}, "longer than 3660 days", id="it does not last for ever"),
        pytest.param({"start": SOON.replace(tzinfo=None)}, "has no offset", id="its bounds are instants"),
        pytest.param({"end": SOON.replace(year=9999)}, "year 9999", id="it is in our time"),
        pytest.param({"user": ""}, "missing user", id="somebody takes it"),
        pytest.param({"replaces": "cy"}, "cannot replace themselves", id="from somebody else"),
        pytest.param({"reason": "a\0b"}, "NUL", id="without NUL"),
        pytest.param({"reason": "a" * 2000}, "too long", id="with a short reason"),
    ],
)
def test_a_wrong_override_is_refused(db: Connection, change: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        service.override(db, "shop", **{"user": "cy", "start": SOON, "end": LATER, "now": NOW, **change})
    assert store.overlapping(db, NOW, LATER) == []


def test_an_unknown_schedule_is_told_the_nearest(db: Connection) -> None:
    with pytest.raises(NotFound, match='did you mean "shop"'):
        service.shifts(db, "shopp", NOW, LATER)
    with pytest.raises(NotFound, match="see the list"):
        service.override(db, "x", user="cy", start=SOON, end=LATER, now=NOW)


@pytest.mark.parametrize("days", [0, 99_999])
def test_coverage_of_no_time_or_of_for_ever_is_refused(db: Connection, days: int) -> None:
    with pytest.raises(Invalid, match="must be 1 to 3660"):
        service.coverage(db, NOW, days)


def test_the_database_refuses_what_makes_no_sense(db: Connection) -> None:
    backwards = between("2026-11-02 12:00", "2026-11-02 06:00", "cy", "2026-11-01 00:00")
    with pytest.raises(IntegrityError, match="override_forwards_check"), db.begin_nested():
        store.add(db, backwards, None)
