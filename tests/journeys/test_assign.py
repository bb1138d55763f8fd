"""Who is assigned an incident is paged at once; unless they answer, the policy goes on."""

import pytest

from app.db import transaction
from app.errors import Conflict, Invalid
from app.incidents.model import IncidentState
from tests.journeys.world import World, minutes


def test_the_assignee_is_paged_and_the_policy_starts_if_they_do_not_answer(world: World) -> None:
    world.policy("ada", minutes(5), "bo", minutes(5))
    world.raise_alert()
    world.expect_page("ada")
    world.act("assign", login="cy")
    world.expect_page("cy")
    assert {"assigned to cy by ada", "assignee paged: cy"} <= set(world.timeline())
    found = world.incident()
    assert (found.assigned_to, found.state) == ("cy", IncidentState.TRIGGERED)
    world.advance(minutes(5))
    world.expect_page("ada")
    world.advance(minutes(5))
    world.expect_page("bo")
    world.act("acknowledge")


def test_an_acknowledged_incident_is_unacknowledged_until_the_assignee_answers(world: World) -> None:
    world.policy("ada", minutes(5))
    world.raise_alert()
    world.expect_page("ada")
    world.act("acknowledge")
    world.act("assign", login="cy")
    world.expect_page("cy")
    assert world.incident().state is IncidentState.TRIGGERED
    world.act("acknowledge", by="cy")
    world.advance(minutes(60))
    world.expect_nothing()
    assert world.incident().acknowledged_by == "cy"


def test_the_assignee_who_answers_in_time_is_the_only_one_paged(world: World) -> None:
    world.policy("ada", minutes(5))
    world.raise_alert()
    world.expect_page("ada")
    world.act("assign", login="cy")
    world.expect_page("cy")
    world.act("acknowledge", by="cy")
    world.advance(minutes(30))
    world.expect_nothing()


def test_who_has_acknowledged_it_is_not_asked_again(world: World) -> None:
    world.policy("ada", minutes(5), ack_timeout="30m")
    world.raise_alert()
    world.expect_page("ada")
    world.act("acknowledge", by="cy")
    world.act("assign", login="cy")
    found = world.incident()
    assert (found.assigned_to, found.acknowledged_by, found.state) == ("cy", "cy", IncidentState.ACKNOWLEDGED)
    world.advance(minutes(29))
    world.expect_nothing()
    world.advance(minutes(1))
    world.expect_page("ada", "cy")
    world.act("acknowledge")


HOW = ("the acknowledgement times out", "the snooze ends", "it rises", "it is unacknowledged", "it is reopened")


@pytest.mark.parametrize("how", HOW)
def test_the_assignee_is_paged_beside_step_1_when_the_policy_starts_anew(world: World, how: str) -> None:
    world.policy("ada", minutes(5), "bo", minutes(5), ack_timeout="30m")
    world.raise_alert()
    world.expect_page("ada")
    world.act("assign", login="cy")
    world.expect_page("cy")
    if how == "the snooze ends":
        world.act("snooze", by="cy", length=minutes(30))
    elif how == "it is reopened":
        world.act("resolve", by="cy")
        world.expect_page("ada", event="resolved")
    else:
        world.act("acknowledge", by="cy")
    if how == "it rises":
        world.raise_alert(severity="critical")
    elif how in ("it is unacknowledged", "it is reopened"):
        world.act("reopen" if how == "it is reopened" else "release")
    else:
        assert world.upcoming()[0][1] == "escalation restarts at step 1; step 1 of 2: user ada; cy is assigned"
        world.advance(minutes(30))
    world.expect_page("ada", "cy")
    assert world.incident().assigned_to == "cy"
    world.advance(minutes(5))
    world.expect_page("bo")  # and no further step
    world.act("acknowledge")


def test_an_assignee_whom_step_1_reaches_is_paged_once(world: World) -> None:
    world.policy("ada", minutes(5))
    world.raise_alert()
    world.expect_page("ada")
    world.act("acknowledge")
    world.act("assign", login="ada")
    world.act("release")
    world.expect_page("ada")
    world.act("acknowledge")


def test_assigned_twice_is_paged_twice(world: World) -> None:
    world.policy("ada", minutes(5))
    world.raise_alert()
    world.expect_page("ada")
    for login in ("cy", "bo", "cy"):
        world.act("assign", login=login)
        world.expect_page(login)
    world.act("acknowledge")


def test_who_assigns_themselves_is_not_paged_and_stops_nothing(world: World) -> None:
    world.policy("ada", minutes(5), "cy")
    world.raise_alert()
    world.expect_page("ada")
    world.act("assign", by="bo", login="bo")
    world.expect_nothing()
    assert world.incident().assigned_to == "bo"
    world.advance(minutes(5))
    world.expect_page("cy")
    world.act("acknowledge")


def test_who_is_being_asked_is_not_asked_twice(world: World) -> None:
    world.policy("ada", minutes(5))
    world.raise_alert()
    world.expect_page("ada")
    for by in ("ada", "bo"):
        world.act("assign", login="cy", by=by)
    world.expect_page("cy")
    assert [line for line in world.timeline() if line.startswith("assigned")] == ["assigned to cy by ada"]
    world.advance(minutes(5))
    world.expect_page("ada")
    world.act("assign", login="cy")
    world.expect_page("cy")  # the wait is over: cy is asked once more
    world.act("acknowledge")


def test_who_takes_it_over_stops_the_pages_to_whoever_was_assigned(world: World) -> None:
    world.configure(ASKED_TWICE)
    world.raise_alert()
    world.expect_page("ada")
    world.act("assign", login="bo")
    world.expect_page("bo")
    world.act("assign", by="ada", login="ada")
    world.advance(minutes(4.9))
    world.expect_nothing()  # not the second contact of bo
    world.advance(minutes(0.2))
    world.expect_page("ada")  # step 1, when it would have come
    world.act("acknowledge")


def test_a_step_is_chosen_and_those_before_it_are_left_out(world: World) -> None:
    world.policy("ada", minutes(5), "bo", minutes(5), "cy", minutes(5))
    world.raise_alert()
    world.expect_page("ada")
    world.act("escalate", step=3, by="bo")
    world.expect_page("cy")
    assert "escalated manually by bo to step 3" in world.timeline()
    for taken in (1, 2, 3):
        with pytest.raises(Conflict, match=f"step {taken} has already run"):
            world.act("escalate", step=taken)
    world.advance(minutes(5))
    world.expect_page("dee")  # exhausted
    with pytest.raises(Invalid, match="no step 4; it has 3"):
        world.act("escalate", step=4)
    world.act("acknowledge")


ASKED_TWICE = """
users:
  ada: {contacts: {hook: ada}}
  bo: {contacts: {hook: bo, spare: bo}, notify: {high: [hook, {contact: spare, after: 2m}]}}
channels: {hook: {kind: webhook, url: "PAGES", secret: s}, spare: {kind: webhook, url: "PAGES", secret: s}}
policies: {p: {steps: [{page: "user:ada", wait: 5m}]}}
routes: [{policy: p}]
"""
OWNED = """
users:
  ada: {contacts: {hook: ada}, notify: {high: [hook]}}
  bo: {contacts: {hook: bo}, notify: {high: [hook]}}
channels: {hook: {kind: webhook, url: "PAGES", secret: s}}
hours: {office: {days: [tue], from: "09:00", to: "17:00"}}
platform: {owners: ["user:ada", "user:bo"]}
"""


def test_without_a_policy_the_owners_follow_the_assignee_who_is_one_of_them(world: World) -> None:
    world.configure(OWNED)
    world.raise_alert()
    world.expect_page("ada", "bo")
    world.act("assign", login="bo")
    world.expect_page("bo")
    world.advance(minutes(5))
    world.expect_page("ada", "bo")
    world.act("acknowledge")


def test_who_is_assigned_in_their_quiet_hours_is_held_and_it_says_so(world: World) -> None:
    from app.cli.dossier import shown
    from app.review.dossier import dossier

    quiet = "quiet_hours: {from: '11:00', to: '14:30'}, timezone: UTC"
    world.configure(
        OWNED.replace("bo: {contacts: {hook: bo}", f"bo: {{contacts: {{hook: bo}}, {quiet}").replace(
            "high: [hook]", "low: [hook]"
        )
        + "policies: {p: {steps: [{page: 'user:ada'}, {page: 'user:bo'}]}}\nroutes: [{policy: p, urgency: low}]\n"
    )
    world.raise_alert()
    world.expect_page("ada")
    world.act("assign", login="bo")
    world.expect_nothing()
    with transaction() as db:
        found = dossier(db, 1, world.now)
    (page,) = [one for one in found["pages"] if one["user"] == "bo"]
    assert (page["state"], page["held_until"]) == ("queued", "2026-11-23T14:30:00+00:00")
    (held,) = found["upcoming"][1]["held"]
    assert (held["user"], held["reason"]) == ("bo", "held until 14:30 (quiet hours)")
    lines = [line for line in shown(found) if "held until 14:30 (quiet hours)" in line]
    assert [": held (" in line for line in lines[:2]] == [True, False]
    world.act("acknowledge")


def test_hours_hold_back_no_page_that_somebody_asked_for(world: World) -> None:
    held = "policies: {p: {steps: [{page: 'user:ada'}]}}\nroutes: [{policy: p, pages: office}]\n"
    world.configure(OWNED + held)
    world.raise_alert()
    world.expect_nothing()
    world.act("assign", login="bo")
    world.expect_page("bo")
    world.advance(minutes(10))
    world.expect_nothing()
    assert "held until 09:00 (office hours)" in world.timeline()
    world.act("acknowledge")
