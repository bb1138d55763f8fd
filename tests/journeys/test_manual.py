"""Paging somebody by hand: an incident of its own, whoever is meant is paged at once, and the policy goes on."""

from typing import Any

import pytest

from app.errors import Conflict, Denied, Invalid
from app.incidents.model import IncidentState
from app.people.model import Role
from tests.journeys.world import World, minutes

CONFIG = """
channels: {hook: {kind: webhook, url: PAGES/hook, secret: s}}
users:
  ada: {contacts: {hook: ada}}
  bo: {contacts: {hook: bo}}
  cy: {contacts: {hook: cy}}
  dee: {contacts: {hook: dee}}
  vi: {role: viewer}
platform: {owners: ["user:dee"]}
teams:
  shop: {members: [ada, bo]}
  web: {members: [bo, cy]}
  away: {members: []}
services: {cart: {team: shop}, cdn: {team: web}, lone: {}}
schedules:
  primary: {layers: [{name: week, users: [bo], every: 1w, handoff: "Mon 09:00", start: 2026-11-02}]}
  later: {layers: [{name: week, users: [bo], every: 1w, handoff: "Mon 09:00", start: 2027-01-04}]}
policies:
  shop: {steps: [{page: "schedule:primary", wait: 5m}, {page: "user:ada", wait: 10m}], if_exhausted: ["user:cy"]}
  cart: {steps: [{page: "user:ada"}]}
  major: {steps: [{page: "user:dee"}]}
  later: {steps: [{page: "schedule:later"}]}
  rest: {steps: [{page: "user:dee"}]}
hours: {office: {days: [mon], from: "20:00", to: "21:00"}}
routes:
  - {match: 'severity="critical"', policy: major}
  - {match: 'service="cart"', policy: cart, pages: office, urgency: low}
  - {match: 'team="shop"', policy: shop}
  - {match: ['team="web"', 'severity="info"'], policy: later}
  - {policy: rest}
"""


@pytest.fixture
def shop(world: World) -> World:
    world.configure(CONFIG)
    return world


def test_a_person_is_paged_at_once_and_then_the_owners_until_somebody_acknowledges(shop: World) -> None:
    opened = shop.page("user:bo", "The checkout is slow", details="since 14:00\nonly in EU")
    (page,) = shop.expect_page("bo")
    assert page["incident"]["assigned_to"] == "bo"
    assert (opened.policy_name, opened.title, opened.severity.value, opened.urgency.value) == (
        "user:bo", "The checkout is slow", "critical", "high",
    )  # fmt: skip
    assert shop.timeline()[:2] == ["triggered by ada: paged bo: The checkout is slow", "step 1 of 1: bo"]
    shop.advance(minutes(5))
    shop.expect_page("dee")
    shop.advance(minutes(30))
    shop.expect_page("dee")
    shop.act("acknowledge", by="bo")
    shop.advance(minutes(120))
    shop.expect_nothing()


def test_it_is_resolved_by_hand_and_by_nothing_else(shop: World) -> None:
    shop.page("user:bo", "The checkout is slow", service="cart", severity="error")
    shop.expect_page("bo")
    shop.raise_alert("disk", service="cart")
    shop.end_alert("disk")
    shop.advance(minutes(1))
    assert [one.state for one in shop.incidents()] == [IncidentState.TRIGGERED, IncidentState.RESOLVED]
    shop.act("acknowledge", by="bo")
    shop.act("resolve", by="bo")
    shop.advance(minutes(60))
    assert shop.incident().state is IncidentState.RESOLVED
    shop.expect_nothing()


def test_a_schedule_pages_who_is_on_call_and_nobody_is_assigned(shop: World) -> None:
    opened = shop.page("schedule:primary", "Look at this")
    shop.expect_page("bo")
    assert (opened.assigned_to, opened.policy_name) == (None, "schedule:primary")
    assert shop.timeline()[0] == "triggered by ada: paged bo (schedule primary): Look at this"
    shop.advance(minutes(5))
    shop.expect_page("dee")
    shop.act("acknowledge")


def test_a_team_is_paged_by_the_policy_of_its_own_route(shop: World) -> None:
    """Not by that of a route that matches anybody's alerts, though it comes first; nor by its hours or urgency."""
    opened = shop.page("team:shop", "Help")
    assert (opened.policy_name, opened.team) == ("shop", "shop")
    shop.expect_page("bo")
    shop.advance(minutes(5))
    shop.expect_page("ada")
    shop.advance(minutes(10))
    shop.expect_page("cy")
    shop.act("acknowledge")
    opened = shop.page("team:shop", "Help with the cart", service="cart")
    assert (opened.policy_name, opened.hours, opened.urgency.value) == ("cart", None, "high")
    shop.expect_page("ada")


def test_a_service_of_another_team_does_not_say_by_which_policy_a_team_is_paged(shop: World) -> None:
    opened = shop.page("team:web", "Help with the cart", service="cart")
    assert (opened.policy_name, opened.team, opened.service) == ("team:web", "web", "cart")
    shop.expect_page("bo", "cy")
    shop.act("acknowledge")


def test_a_team_whose_policy_reaches_nobody_now_is_paged_whole(shop: World) -> None:
    opened = shop.page("team:web", "Look at this", severity="info")
    assert (opened.policy_name, opened.urgency.value) == ("team:web", "low")
    shop.expect_page("bo", "cy")
    shop.act("acknowledge")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("user:nobody", 'user "nobody" not found'),
        ("user:bob", 'user "bob" not found; did you mean "user:bo"?'),
        ("user:vi", "vi is a viewer and cannot be paged"),
        ("team:shpo", 'team "shpo" not found; did you mean "team:shop"?'),
        ("team:away", 'nobody in team "away" can be paged'),
        ("schedule:later", 'nobody is on call in "later" now'),
        ("schedule:none", 'schedule "none" not found'),
        ("channel:hook", "is not a target"),
        ("bo", "is not a target"),
        ("user:", "is not a target"),
    ],
)
def test_a_target_that_reaches_nobody_opens_nothing(shop: World, target: str, why: str) -> None:
    with pytest.raises(Invalid, match=why.replace("?", r"\?")):
        shop.page(target, "Help")
    assert shop.incidents() == []
    shop.settle()
    shop.expect_nothing()


def test_a_viewer_may_not(shop: World) -> None:
    with pytest.raises(Denied):
        shop.page("user:bo", "Help", role=Role.VIEWER)
    assert shop.incidents() == []


def test_the_same_key_pages_nobody_again_until_its_incident_is_resolved(shop: World) -> None:
    first = shop.page("user:bo", "Help", key="k")
    shop.expect_page("bo")
    assert shop.page("user:bo", "Help, again", key="k", severity="info").number == first.number
    shop.expect_nothing()
    with pytest.raises(Conflict, match=r'#1 is open for the key "k" and pages user:bo'):
        shop.page("user:cy", "Help", key="k")
    shop.act("acknowledge", by="bo")
    shop.act("resolve", by="bo")
    assert shop.page("user:bo", "Help", key="k").number == 2
    shop.expect_page("bo")
    assert shop.page("user:cy", "Help", key="k", by="bo").number == 3, "a key is its person's"
    shop.expect_page("cy")


def test_a_key_whose_incident_was_reopened_or_merged_is_still_its_key(shop: World) -> None:
    shop.page("user:bo", "Help", key="k")
    shop.expect_page("bo")
    shop.act("resolve", by="bo")
    shop.act("reopen", by="bo")
    shop.expect_page("bo")
    assert shop.page("user:bo", "Help", key="k").number == 1
    shop.act("acknowledge", by="bo")
    shop.page("user:cy", "Other", key="l")
    shop.expect_page("cy")
    shop.act("merge", number=2, into=1)
    assert shop.page("user:cy", "Other", key="l").number == 1
    shop.expect_nothing()


def test_what_is_sent_with_the_same_source_and_key_does_not_touch_it(shop: World) -> None:
    shop.page("user:bo", "Help", key="k", by="test")
    shop.expect_page("bo")
    shop.end_alert("k")
    assert shop.incident(1).state is IncidentState.TRIGGERED


def test_it_goes_on_after_a_snooze_and_by_assigning_somebody_else(shop: World) -> None:
    shop.page("schedule:primary", "Help")
    shop.expect_page("bo")
    shop.act("assign", login="cy")
    shop.expect_page("cy")
    shop.advance(minutes(5))
    shop.expect_page("bo")
    shop.act("acknowledge", by="cy")
    shop.act("release", by="cy")
    shop.expect_page("bo", "cy")  # whoever is assigned is paged beside step 1
    shop.act("acknowledge", by="cy")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"summary": " "}, "summary must be 1 to 1,024 characters"),
        ({"summary": "x" * 1025}, "summary must be 1 to 1,024 characters"),
        ({"summary": "x", "details": "x" * 4097}, "details must be at most 4,096 characters"),
        ({"summary": "a\udcffb"}, "summary contains a character that cannot be stored"),
    ],
)
def test_what_cannot_be_stored_opens_nothing(shop: World, asked: dict[str, Any], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        shop.page("user:bo", **asked)
    assert shop.incidents() == []
