"""Stories of pages of low urgency that wait for the end of somebody's quiet hours, which change meanwhile."""

import json
from typing import Any

import pytest

from app.actions import person
from app.db import transaction
from app.people import service as people
from app.people.model import SYSTEM, Actor, Role
from app.review.dossier import dossier
from tests.journeys.world import World, minutes

LOW = {"low": ["hook", {"contact": "spare", "after": "10m"}]}


def configure(world: World, users: dict[str, Any], page: str = "user:ada") -> None:
    """Everything is of low urgency; it is noon."""
    config = {
        "users": users,
        "channels": {name: {"kind": "webhook", "url": f"PAGES/{name}"} for name in ("hook", "spare")},
        "policies": {"p": {"steps": [{"page": page, "wait": "12h"}]}},
        "routes": [{"policy": "p", "urgency": "low"}],
    }
    world.configure(json.dumps(config))


def ada(quiet: dict[str, str] | None, **more: Any) -> dict[str, Any]:
    contacts = {"contacts": {"hook": "ada", "spare": "ada"}, "notify": LOW, "timezone": "UTC"}
    return {"ada": contacts | ({"quiet_hours": quiet} if quiet else {}) | more}


def held(world: World) -> list[str]:
    """Until when the pages of the incident wait."""
    with transaction() as db:
        return [str(one["held_until"]) for one in dossier(db, 1, world.now)["pages"] if one["state"] == "queued"]


AT = "2026-11-23T{}:00+00:00"


@pytest.mark.parametrize("quiet", [None, {"from": "22:00", "to": "07:00"}], ids=["removed", "at night"])
def test_whoever_is_not_quiet_any_more_is_paged_at_once(world: World, quiet: dict[str, str] | None) -> None:
    configure(world, ada({"from": "11:00", "to": "14:30"}))
    world.raise_alert()
    world.expect_nothing()
    assert held(world) == [AT.format("14:30")] * 2
    configure(world, ada(quiet))
    world.settle()
    world.expect_page("ada")
    world.advance(minutes(10))
    world.expect_page("ada")
    world.act("acknowledge")


@pytest.mark.parametrize("end, waits", [("16:00", 240), ("13:00", 60)], ids=["longer", "shorter"])
def test_quiet_hours_that_end_at_another_time_hold_pages_until_then(world: World, end: str, waits: int) -> None:
    configure(world, ada({"from": "11:00", "to": "14:30"}))
    world.raise_alert()
    configure(world, ada({"from": "11:00", "to": end}))
    assert held(world) == [AT.format(end)] * 2
    world.advance(minutes(waits - 1))
    world.expect_nothing()
    world.advance(minutes(1))
    world.expect_page("ada")
    world.advance(minutes(10))
    world.expect_page("ada")
    world.act("acknowledge")


def test_another_change_moves_nothing(world: World) -> None:
    configure(world, ada({"from": "11:00", "to": "14:30"}))
    world.raise_alert()
    world.advance(minutes(5))
    configure(world, ada({"from": "10:00", "to": "14:30"}, name="Ada L."))
    assert held(world) == [AT.format("14:30")] * 2
    world.advance(minutes(145))
    world.expect_page("ada")
    world.act("acknowledge")


def test_who_sets_their_own_is_asked_as_well(world: World) -> None:
    eve, rules = Actor("eve", Role.RESPONDER, "console"), {"low": ["hook"]}
    with transaction() as db:
        people.invite(db, "eve", Role.RESPONDER, None, SYSTEM, world.now)
    configure(world, ada(None))
    with transaction() as db:
        person.set_contacts(db, "eve", {"hook": "eve"}, eve, world.now)
        person.set_settings(db, "eve", {"notify": rules, "quiet_hours": {"from": "11:00", "to": "15:00"}}, eve, world.now)
    world.raise_alert()
    world.expect_page("ada")
    world.act("assign", login="eve")
    world.expect_nothing()
    with transaction() as db:
        person.set_settings(db, "eve", {"notify": rules}, eve, world.now)
    world.settle()
    world.expect_page("eve")
    world.act("acknowledge", by="eve")


def test_a_later_contact_whose_time_falls_into_quiet_hours_waits_for_their_end(world: World) -> None:
    configure(world, ada({"from": "12:05", "to": "13:00"}))
    world.raise_alert()
    world.expect_page("ada")
    assert held(world) == [AT.format("13:00")]
    world.advance(minutes(59))
    world.expect_nothing()
    world.advance(minutes(1))
    world.expect_page("ada")
    world.act("acknowledge")
