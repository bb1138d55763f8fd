"""Whoever can no longer be paged holds nothing: one decision for live, `oncall`, shifts, coverage, the console and the API."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from app.actions import pager
from app.catalog.model import Declaration
from app.catalog.store import record_version, replace_all
from app.errors import Invalid
from app.escalation.service import resolve as reached
from app.oncall import resolve, service
from app.oncall.model import Override
from app.people import service as service_of_people
from app.people import store as people
from app.people.model import Actor, Role, User
from tests.decisions.words import quick
from tests.oncall.words import PARIS, Layer, always, at, between, lines, schedule

NOW, SOON, LATER = at("2026-11-02 00:00"), at("2026-11-02 06:00"), at("2026-11-02 12:00")
EVERYBODY = ("ada", "bo", "cy")
PERSON = st.sampled_from(EVERYBODY)
EDITOR = Actor("cy", Role.EDITOR, "test")


def held(*overrides: Override, layers: list[Layer] | None = None, able: tuple[str, ...] = EVERYBODY) -> list[str]:
    found = schedule(*(layers or [always("all", "ada")]))
    return lines(resolve.shifts(found, PARIS, overrides, NOW, LATER, frozenset(able)))


ALL_DAY = ["ada 2026-11-02 00:00 - 2026-11-02 12:00 all"]


@pytest.mark.parametrize(
    ("overrides", "able", "expected"),
    [
        pytest.param(
            [between("2026-11-02 06:00", "2026-11-02 12:00", "bo")], ("ada",), ALL_DAY, id="an override shows the layer"
        ),
        pytest.param(
            [
                between("2026-11-02 06:00", "2026-11-02 12:00", "cy", "2026-11-01 00:00"),
                between("2026-11-02 06:00", "2026-11-02 12:00", "bo", "2026-11-01 01:00"),
            ],
            ("ada", "cy"),
            ["ada 2026-11-02 00:00 - 2026-11-02 06:00 all", "cy 2026-11-02 06:00 - 2026-11-02 12:00 override"],
            id="an override shows the older override",
        ),
        pytest.param(
            [between("2026-11-02 06:00", "2026-11-02 12:00", "bo", "2026-11-01 00:00", "ada")], ("ada",), ALL_DAY,
            id="a swap to somebody who has left changes nothing",
        ),
        pytest.param(
            [
                between("2026-11-02 00:00", "2026-11-02 12:00", "bo", "2026-11-01 00:00"),
                between("2026-11-02 06:00", "2026-11-02 12:00", "cy", "2026-11-01 01:00", "bo"),
            ],
            ("ada", "cy"),
            ALL_DAY,
            id="a swap from somebody who has left finds nothing to take",
        ),
        pytest.param([], ("bo",), [], id="a layer of somebody who has left is a gap"),
    ],
)  # fmt: skip
def test_what_lies_below_holds(overrides: list[Override], able: tuple[str, ...], expected: list[str]) -> None:
    assert held(*overrides, able=able) == expected


def test_a_layer_of_somebody_who_has_left_shows_the_one_below() -> None:
    assert held(layers=[always("all", "ada"), always("top", "bo")], able=("ada",)) == ALL_DAY


def test_an_override_in_the_files_is_no_exception() -> None:
    found = schedule(always("all", "ada"), overrides=[{"user": "bo", "from": "2026-11-02T07:00", "to": "2026-11-02T09:00"}])
    assert lines(resolve.shifts(found, PARIS, [], NOW, LATER, {"ada"})) == ALL_DAY


@quick
@given(
    able=st.sets(st.sampled_from(EVERYBODY)),
    spans=st.lists(st.tuples(st.integers(0, 11), st.integers(1, 6), PERSON, st.none() | PERSON)),
    minute=st.integers(0, 719),
)  # fmt: skip
def test_nobody_else_ever_holds_and_every_asker_agrees(
    able: set[str],
    spans: list[tuple[int, int, str, str | None]],
    minute: int,
) -> None:
    overrides = [
        between(
            f"2026-11-02 {start:02}:00", f"2026-11-02 {start + length:02}:00", user, f"2026-11-01 {number % 24:02}:00",
            replaced if replaced != user else None,
        )
        for number, (start, length, user, replaced) in enumerate(spans)
    ]  # fmt: skip
    found = schedule(always("all", "ada"), always("top", "bo", only=[{"from": "03:00", "to": "05:00"}]))
    shifts = resolve.shifts(found, PARIS, overrides, NOW, LATER, able)
    assert {one.user for one in shifts} <= able
    when = NOW + timedelta(minutes=minute)
    holding = [one.user for one in shifts if one.start <= when < one.end]
    assert list(resolve.holders(found, PARIS, overrides, when, able).users) == holding
    gaps = resolve.gaps(found, PARIS, overrides, NOW, LATER, able)
    assert any(gap.start <= when < gap.end for gap in gaps) == (not holding)


def declare(db: Connection, **roles: str) -> None:
    """These people in force, and the schedules `shop` (ada) and `other` (cy)."""
    service_of_people.sync(db, {login: User(role=Role(role)) for login, role in roles.items()}, {}, NOW)
    layers = {name: {"layers": [always("all", user)]} for name, user in (("shop", "ada"), ("other", "cy"))}
    replace_all(db, [Declaration("schedule", name, n, spec, "") for n, (name, spec) in enumerate(layers.items())])
    record_version(db, now=NOW, actor="test", digest=str(roles), files={}, changes=[])


def answers(db: Connection, when: datetime = SOON) -> set[tuple[str, ...]]:
    """Who holds `shop`, as everybody who asks is told."""
    directory = people.directory(db, "UTC")
    shifts = service.shifts(db, "shop", when, when + timedelta(minutes=1))
    return {
        service.who(db, when)["shop"].users,
        service.who_of(db, "shop", when).users,
        tuple(one.user for one in shifts),
        reached(db, {"schedule:shop"}, directory, when)["schedule:shop"].users,
    }


def test_an_override_ends_with_its_person_and_comes_back_with_them(db: Connection) -> None:
    declare(db, ada="responder", bo="responder", cy="editor")
    made = pager.override(db, "shop", "bo", NOW, LATER, "", EDITOR, NOW)
    assert answers(db) == {("bo",)}
    for gone, because in (({}, 'user "bo" not found'), ({"bo": "viewer"}, "bo is a viewer")):
        declare(db, ada="responder", cy="editor", **gone)
        assert answers(db) == {("ada",)}
        (idle,) = service.idle(db, NOW, LATER)["shop"]
        assert (idle.override.id, idle.because) == (made.id, because)
        assert service.coverage(db, NOW, 1)["shop"].percent == 100.0
    declare(db, ada="responder", bo="responder", cy="editor")
    assert answers(db) == {("bo",)}
    assert service.idle(db, NOW, LATER) == {}


def test_coverage_does_not_count_somebody_who_cannot_be_paged(db: Connection) -> None:
    declare(db, ada="viewer", bo="responder", cy="editor")
    assert answers(db) == {()}
    assert service.coverage(db, NOW, 1)["shop"].percent == 0.0
    assert service.layer_shifts(db, "shop", NOW, LATER) == {"all": []}
    pager.override(db, "shop", "bo", NOW, LATER, "", EDITOR, NOW)
    assert service.coverage(db, NOW, 1)["shop"].percent == 50.0


def test_a_swap_that_names_somebody_who_has_left_is_named(db: Connection) -> None:
    declare(db, ada="responder", bo="responder", cy="editor")
    service.override(db, "shop", user="cy", start=NOW, end=LATER, now=NOW, replaces="bo")
    assert service.idle(db, NOW, LATER) == {}
    declare(db, ada="responder", cy="editor")
    (idle,) = service.idle(db, NOW, LATER)["shop"]
    assert str(idle) == 'swap by cy for bo from 2026-11-02 00:00:00Z to 2026-11-02 12:00:00Z is ignored: user "bo" not found'


@pytest.mark.parametrize(
    ("user", "message"),
    [("bob", 'user "bob" not found; did you mean "bo"?'), ("nobody-like-that", "not found"), ("vi", "vi is a viewer")],
)
def test_nobody_who_cannot_be_paged_takes_a_pager(db: Connection, user: str, message: str) -> None:
    declare(db, ada="responder", bo="responder", cy="editor", vi="viewer")
    with pytest.raises(Invalid) as refused:
        pager.override(db, "shop", user, NOW, LATER, "", EDITOR, NOW)
    assert message in str(refused.value)
