"""Stories of an incident that gets worse: it is routed again by the alert that rose, and never to fewer people."""

import pytest

from app.catalog.model import Severity
from app.signals.model import Signal, SignalStatus
from tests.journeys.world import World, minutes
from tests.sent import intake

CONFIG = """
users: {ada: {contacts: {hook: ada}}, bo: {contacts: {hook: bo}}, cy: {contacts: {hook: cy}}, dee: {contacts: {hook: dee}}}
channels: {hook: {kind: webhook, url: PAGES/hook}}
platform: {owners: ["user:dee"]}
policies:
  routine: {steps: [{page: "user:ada", wait: 60m}]}
  urgent: {steps: [{page: ["user:bo", "user:cy"], wait: 5m}, {page: "user:dee", wait: 60m}]}
services: {shop: {}, till: {}}
routes:
  - {match: ['severity="critical"', 'vip="no"'], policy: routine, urgency: low}
  - {match: ['severity=~"critical|error"'], policy: urgent}
  - {match: ['loud="yes"'], policy: urgent, urgency: high}
  - {policy: routine}
grouping: [{by: [service], window: 10m, reopen: 30m}]
"""


@pytest.fixture
def shop(world: World) -> World:
    world.configure(CONFIG)
    return world


def test_a_critical_that_joins_a_warning_pages_by_its_own_route_from_step_1(shop: World) -> None:
    shop.raise_alert("slow", severity="warning")
    shop.expect_page("ada")
    shop.advance(minutes(3))
    shop.raise_alert("down", severity="critical")
    pages = shop.expect_page("bo", "cy")
    assert {page["page"]["step"] for page in pages} == {1}
    one = shop.incident()
    assert (one.policy_name, one.severity, one.urgency, one.title) == ("urgent", "critical", "high", "down is wrong")
    assert "severity rose to critical (down); rerouted to escalation policy urgent, step 1" in shop.timeline()
    shop.advance(minutes(5))
    shop.expect_page("dee")
    shop.act("acknowledge")


def test_so_does_one_that_joins_what_somebody_has_acknowledged(shop: World) -> None:
    shop.raise_alert("slow", severity="warning")
    shop.expect_page("ada")
    shop.act("acknowledge")
    shop.raise_alert("down", severity="critical")
    shop.expect_page("bo", "cy")
    assert shop.incident().state == "triggered"
    shop.act("acknowledge")


def test_a_known_alert_that_rises_does_the_same(shop: World) -> None:
    shop.raise_alert("k", severity="warning")
    shop.expect_page("ada")
    shop.raise_alert("k", severity="critical")
    shop.expect_page("bo", "cy")
    shop.act("acknowledge")


def test_so_does_a_rise_of_urgency_alone(shop: World) -> None:
    shop.raise_alert("slow", severity="warning")
    shop.expect_page("ada")
    shop.raise_alert("loud", severity="warning", loud="yes")
    shop.expect_page("bo", "cy")
    assert (shop.incident().severity, shop.incident().urgency) == ("warning", "high")
    shop.act("acknowledge")


def test_a_rise_to_critical_whose_route_is_of_low_urgency_keeps_the_higher_one(shop: World) -> None:
    shop.raise_alert("bad", severity="error")
    shop.expect_page("bo", "cy")
    shop.raise_alert("down", severity="critical", vip="no")
    shop.expect_page("ada")
    assert (shop.incident().policy_name, shop.incident().urgency) == ("routine", "high")
    shop.act("acknowledge")


def test_a_second_critical_changes_nobody(shop: World) -> None:
    shop.raise_alert("down", severity="critical")
    shop.expect_page("bo", "cy")
    shop.act("acknowledge", by="bo")
    shop.raise_alert("too", severity="critical", vip="no")
    shop.expect_nothing()
    assert shop.incident().policy_name == "urgent"


def test_of_several_that_come_at_once_the_worst_decides_the_route(shop: World) -> None:
    batch = [
        Signal("user:test", key, SignalStatus.FIRING, f"{key} is wrong", severity, key, "shop")
        for key, severity in (("slow", Severity.WARNING), ("down", Severity.CRITICAL), ("odd", Severity.INFO))
    ]
    intake("user:test", batch, shop.now)
    shop.settle()
    shop.expect_page("bo", "cy")
    assert (shop.incident().policy_name, shop.incident().title) == ("urgent", "down is wrong")
    shop.act("acknowledge")


def test_what_reopens_an_incident_and_is_worse_routes_it_too(shop: World) -> None:
    shop.raise_alert("slow", severity="warning")
    shop.expect_page("ada")
    shop.end_alert("slow")
    shop.expect_page("ada", event="resolved")
    shop.raise_alert("down", severity="critical")
    shop.expect_page("bo", "cy")
    assert shop.incident().number == 1
    shop.act("acknowledge")


def test_a_worse_incident_merged_into_one_that_nobody_has_acknowledged_keeps_paging_its_own_people(shop: World) -> None:
    shop.raise_alert("slow", severity="warning")
    shop.raise_alert("down", severity="critical", service="till")
    shop.expect_page("ada", "bo", "cy")
    shop.act("merge", 2, into=1, by="ada")
    shop.expect_page("bo", "cy")
    whole, part = shop.incident(1), shop.incident(2)
    assert (whole.policy_name, whole.severity, whole.urgency, whole.alert_count) == ("urgent", "critical", "high", 2)
    assert (part.state, part.merged_into, part.alert_count) == ("resolved", 1, 0)
    shop.act("acknowledge")


def test_so_it_does_merged_into_one_that_is_acknowledged(shop: World) -> None:
    shop.raise_alert("slow", severity="warning")
    shop.raise_alert("down", severity="critical", service="till")
    shop.expect_page("ada", "bo", "cy")
    shop.act("acknowledge", 1)
    shop.act("merge", 2, into=1, by="ada")
    shop.expect_page("bo", "cy")
    assert (shop.incident().state, shop.incident().severity) == ("triggered", "critical")
    assert "#2 is more severe and unacknowledged; rerouted to escalation policy urgent, step 1" in shop.timeline()
    shop.act("acknowledge")


def test_a_merge_of_two_that_are_acknowledged_pages_nobody(shop: World) -> None:
    shop.raise_alert("slow", severity="warning")
    shop.raise_alert("down", severity="critical", service="till")
    shop.expect_page("ada", "bo", "cy")
    shop.act("acknowledge", 1)
    shop.act("acknowledge", 2)
    shop.act("merge", 2, into=1, by="ada")
    shop.expect_nothing()
    assert (shop.incident().state, shop.incident().severity) == ("acknowledged", "critical")


def test_the_title_is_the_summary_of_the_worst_alert_that_fires(shop: World) -> None:
    shop.raise_alert("slow", severity="warning")
    shop.raise_alert("bad", severity="error")
    assert shop.incident().title == "bad is wrong"
    shop.end_alert("bad")
    assert shop.incident().title == "slow is wrong"
    shop.end_alert("slow")
    assert (shop.incident().state, shop.incident().title) == ("resolved", "slow is wrong")
    shop.seen = len(shop.receiver.received)


def test_the_title_follows_the_alert_that_gave_it(shop: World) -> None:
    shop.raise_alert("slow", severity="warning")
    shop.raise_alert("bad", severity="error")
    for key, summary, title in (
        ("bad", "bad for 5 min", "bad for 5 min"),
        ("slow", "slow: p95 4.1 s", "bad for 5 min"),
        ("bad", "bad for 9 min", "bad for 9 min"),
    ):
        severity = Severity.ERROR if key == "bad" else Severity.WARNING
        intake("user:test", [Signal("user:test", key, SignalStatus.FIRING, summary, severity, key, "shop")], shop.now)
        shop.settle()
        assert shop.incident().title == title
    shop.end_alert("bad")
    assert shop.incident().title == "slow: p95 4.1 s"
    shop.seen = len(shop.receiver.received)


def test_the_title_of_an_acknowledged_incident_follows_too_and_that_of_a_resolved_one_stays(shop: World) -> None:
    def reports(summary: str) -> None:
        intake("user:test", [Signal("user:test", "bad", SignalStatus.FIRING, summary, Severity.ERROR, "bad", "shop")], shop.now)
        shop.settle()

    shop.raise_alert("bad", severity="error")
    shop.act("acknowledge")
    reports("bad for 5 min")
    assert (shop.incident().state, shop.incident().title) == ("acknowledged", "bad for 5 min")
    shop.end_alert("bad")
    assert (shop.incident().state, shop.incident().title) == ("resolved", "bad for 5 min")
    shop.seen = len(shop.receiver.received)
