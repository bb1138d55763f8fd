"""Escalating and assigning are undone by whoever did it, while nothing has followed: it stands where it stood."""

from datetime import timedelta
from typing import Any

import pytest

from app.errors import Conflict
from app.incidents.model import IncidentState
from tests.journeys.test_hours import MONDAY, configure
from tests.journeys.world import World, minutes, seconds

STEPS = ("ada", minutes(5), "bo", minutes(5), "cy", minutes(5))


@pytest.fixture
def shop(world: World) -> World:
    """Step 1 was taken a minute ago."""
    world.policy(*STEPS)
    world.raise_alert()
    world.expect_page("ada")
    world.advance(minutes(1))
    return world


def test_an_escalation_is_undone_and_the_step_is_taken_when_it_is_due(shop: World) -> None:
    before = shop.upcoming()
    shop.act("escalate")
    shop.expect_page("bo")
    assert shop.upcoming() != before
    shop.act("undo")
    (update,) = shop.expect_page("bo", event="update")
    assert "escalation undone by ada" in update["page"]["reason"]
    assert shop.upcoming() == before
    assert shop.timeline()[-2:] == ["escalation undone by ada", "update to bo via hook: accepted"]
    shop.advance(minutes(4) - seconds(1))
    shop.expect_nothing()
    shop.advance(seconds(2))
    shop.expect_page("bo")
    shop.advance(minutes(5))
    shop.expect_page("cy")
    shop.act("acknowledge")


def test_steps_that_were_left_out_are_taken_again(shop: World) -> None:
    shop.act("escalate", step=3)
    shop.expect_page("cy")
    shop.act("undo")
    shop.expect_page("cy", event="update")
    shop.advance(minutes(4))
    shop.expect_page("bo")
    shop.advance(minutes(5))
    shop.expect_page("cy")
    shop.act("acknowledge")


def test_an_escalation_that_has_not_run_yet_pages_nobody(shop: World) -> None:
    shop.by_hand = True
    shop.act("escalate")
    shop.act("undo")
    shop.by_hand = False
    shop.settle()
    shop.expect_nothing()
    shop.advance(minutes(4))
    shop.expect_page("bo")
    shop.act("acknowledge")


def test_pages_that_were_not_sent_yet_are_withdrawn_and_those_of_earlier_steps_go_on(world: World) -> None:
    """Ada's second contact waits for two minutes: it is none of the step that is undone."""
    world.policy(*STEPS)
    world.configure(
        """
channels: {hook: {kind: webhook, url: PAGES/hook, secret: s}, room: {kind: webhook, url: PAGES/room}}
users:
  ada: {contacts: {hook: ada, room: ada}, notify: {high: [hook, {contact: room, after: 2m}]}}
  bo: {contacts: {hook: bo, room: bo}, notify: {high: [hook, {contact: room, after: 2m}]}}
  dee: {contacts: {hook: dee}}
platform: {owners: ["user:dee"]}
policies: {p: {steps: [{page: "user:ada", wait: 5m}, {page: "user:bo", wait: 5m}]}}
routes: [{policy: p}]
"""
    )
    world.raise_alert()
    world.expect_page("ada")
    world.advance(minutes(1))
    world.act("escalate")
    world.expect_page("bo")
    world.act("undo")
    world.expect_page("bo", event="update")
    world.advance(minutes(3))
    world.expect_page("ada")
    world.advance(minutes(1))
    world.expect_page("bo")
    world.act("acknowledge")


def test_who_is_asked_by_an_earlier_step_too_gets_no_update(world: World) -> None:
    world.policy("ada", minutes(5), ("ada", "bo"), minutes(5))
    world.raise_alert()
    world.expect_page("ada")
    world.act("escalate")
    world.expect_page("ada", "bo")
    world.act("undo")
    world.expect_page("bo", event="update")
    world.advance(minutes(5))
    world.expect_page("ada", "bo")
    world.act("acknowledge")


def test_it_can_be_escalated_and_undone_again(shop: World) -> None:
    for _ in range(3):
        shop.act("escalate")
        shop.expect_page("bo")
        shop.act("undo")
        shop.expect_page("bo", event="update")
    with pytest.raises(Conflict, match="cannot undo: escalation undone by ada"):
        shop.act("undo")
    shop.advance(minutes(4))
    shop.expect_page("bo")
    shop.act("acknowledge")


def test_an_assignment_is_undone_and_what_it_withdrew_goes_on(world: World) -> None:
    world.policy(*STEPS)
    world.receiver.answers["/hook"] = [503]
    world.raise_alert()
    world.seen = len(world.receiver.received)
    world.advance(seconds(3))
    world.act("assign", login="cy")
    world.receiver.answers["/hook"] = [200]
    world.seen = len(world.receiver.received)
    world.act("undo")
    assert world.incident().assigned_to is None
    world.expect_page("ada")
    world.advance(minutes(5))
    world.expect_page("bo")
    world.act("acknowledge")


def test_the_assignee_who_was_reached_gets_an_update_and_the_policy_stands_where_it_stood(shop: World) -> None:
    before = shop.upcoming()
    shop.act("assign", login="cy")
    shop.expect_page("cy")
    shop.advance(seconds(20))
    shop.act("undo")
    (update,) = shop.expect_page("cy", event="update")
    assert "assignment to cy undone by ada" in update["page"]["reason"]
    assert (shop.incident().assigned_to, shop.upcoming()) == (None, before)
    shop.advance(minutes(4))
    shop.expect_page("bo")
    shop.act("assign", login="cy")
    shop.expect_page("cy")
    shop.act("acknowledge")


def test_an_acknowledged_incident_that_was_assigned_is_acknowledged_again(world: World) -> None:
    world.policy("ada", minutes(5), "bo", minutes(5), ack_timeout="30m")
    world.raise_alert()
    world.expect_page("ada")
    world.act("acknowledge", by="ada")
    acknowledged = world.incident()
    world.advance(minutes(10))
    world.act("assign", login="bo")
    world.expect_page("bo")
    world.act("undo")
    world.expect_page("bo", event="update")
    found = world.incident()
    assert (found.state, found.acknowledged_by, found.acknowledged_at, found.assigned_to) == (
        IncidentState.ACKNOWLEDGED, "ada", acknowledged.acknowledged_at, None,
    )  # fmt: skip
    world.advance(minutes(19))
    world.expect_nothing()
    world.advance(minutes(1))
    world.expect_page("ada")
    world.act("acknowledge")


def test_a_snoozed_incident_that_was_assigned_is_snoozed_again(world: World) -> None:
    world.policy("ada", minutes(5))
    world.raise_alert()
    world.expect_page("ada")
    world.act("snooze", length=timedelta(hours=1))
    until = world.incident().snoozed_until
    world.act("assign", login="bo")
    world.expect_page("bo")
    world.act("undo")
    world.expect_page("bo", event="update")
    assert world.incident().snoozed_until == until
    world.advance(minutes(60))
    world.expect_page("ada")
    world.act("acknowledge")


def test_a_name_alone_is_given_back(shop: World) -> None:
    shop.act("acknowledge", by="ada")
    shop.act("assign", login="ada")
    shop.act("undo")
    found = shop.incident()
    assert (found.assigned_to, found.state) == (None, IncidentState.ACKNOWLEDGED)
    shop.expect_nothing()


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "acknowledged": ("acknowledge", {}, "cannot undo: acknowledged by bo"),
    "resolved": ("resolve", {}, "cannot undo: resolved by bo"),
    "snoozed": ("snooze", {"length": timedelta(hours=1)}, "cannot undo: snoozed by bo"),
    "assigned by another": ("assign", {"login": "cy"}, "cannot undo what somebody else did: assigned to cy by bo"),
}


@pytest.mark.parametrize("first", ["escalate", "assign"])
@pytest.mark.parametrize("since", REFUSED)
def test_what_has_been_answered_or_changed_since_is_not_undone(shop: World, first: str, since: str) -> None:
    named: dict[str, Any] = {"login": "bo"} if first == "assign" else {}
    shop.act(first, **named)
    then, more, why = REFUSED[since]
    shop.act(then, by="bo", **more)
    before = (shop.incident(), shop.upcoming())
    with pytest.raises(Conflict, match=why):
        shop.act("undo")
    assert (shop.incident(), shop.upcoming()) == before
    if shop.incident().open:
        shop.act("resolve", by="ada")
    shop.seen = len(shop.receiver.received)


def test_once_the_next_step_has_run_it_is_not_undone(shop: World) -> None:
    shop.act("escalate")
    shop.expect_page("bo")
    shop.advance(minutes(5))
    shop.expect_page("cy")
    with pytest.raises(Conflict, match="cannot undo: step 3 of 3: cy has followed"):
        shop.act("undo")
    shop.act("acknowledge")


def test_a_step_that_was_due_by_now_in_any_case_is_not_undone(shop: World) -> None:
    shop.act("escalate")
    shop.expect_page("bo")
    shop.advance(minutes(4))
    with pytest.raises(Conflict, match="the next step was due at 2026-11-23 12:05:00Z in any case"):
        shop.act("undo")
    shop.act("acknowledge")


def test_after_an_incident_got_worse_nothing_is_undone(shop: World) -> None:
    shop.act("escalate")
    shop.expect_page("bo")
    shop.raise_alert("worse", severity="critical")
    shop.expect_page("ada")
    with pytest.raises(Conflict, match="cannot undo: "):
        shop.act("undo")
    shop.act("acknowledge")


def test_only_whoever_did_it_undoes_it(shop: World) -> None:
    shop.act("escalate")
    shop.expect_page("bo")
    with pytest.raises(Conflict, match="cannot undo what somebody else did: escalated manually by ada"):
        shop.act("undo", by="bo")
    shop.act("acknowledge")


def test_there_may_be_nothing_to_undo(shop: World) -> None:
    with pytest.raises(Conflict, match="cannot undo: triggered by"):
        shop.act("undo")
    shop.act("assign", login="cy")
    shop.expect_page("cy")
    shop.act("assign", by="bo", login="bo")
    with pytest.raises(Conflict, match="cannot undo: assigned to bo by bo"):
        shop.act("undo", by="bo")
    shop.act("acknowledge")


def test_a_note_does_not_stand_in_the_way(shop: World) -> None:
    shop.act("escalate")
    shop.expect_page("bo")
    shop.act("note", by="bo", text="who?")
    shop.act("undo")
    shop.expect_page("bo", event="update")
    shop.act("acknowledge")


def test_what_waited_for_hours_waits_for_them_again(world: World) -> None:
    configure(world, MONDAY.replace(hour=23))
    world.raise_alert()
    world.expect_nothing()
    before = world.upcoming()
    world.act("escalate")
    world.expect_page("bo")  # nobody is on call in the office
    world.act("undo")
    world.expect_page("bo", event="update")
    assert world.upcoming() == before
    world.advance(minutes(9 * 60))
    world.expect_page("ada")
    world.act("acknowledge")
