"""Stories of many alerts and one incident."""

from tests.journeys.world import World, minutes, seconds

BASE = """
users: {{ada: {{contacts: {{hook: ada}}}}, bo: {{contacts: {{hook: bo}}}}}}
channels: {{hook: {{kind: webhook, url: PAGES/hook}}}}
platform: {{owners: ["user:bo"]}}
policies: {{p: {{steps: [{{page: "user:ada", wait: 5m}}, {{page: "user:bo", wait: 60m}}]}}}}
services: {{shop: {{}}}}
routes: [{{match: ['severity="info"'], policy: p, urgency: low}}, {{policy: p}}]
grouping: [{grouping}]
"""


def configure(world: World, grouping: str = "{by: [service]}") -> None:
    world.configure(BASE.format(grouping=grouping))


def test_alerts_of_one_service_are_one_incident_and_one_page(world: World) -> None:
    configure(world)
    for key in ("a", "b", "c"):
        world.raise_alert(key)
    world.expect_page("ada")
    assert world.incident().alert_count == 3
    assert world.incident().title == "a is wrong"
    world.act("acknowledge")


def test_an_alert_that_joins_after_the_window_is_an_update_to_whoever_was_paged(world: World) -> None:
    configure(world)
    world.raise_alert("a")
    world.expect_page("ada")
    world.act("acknowledge")
    world.advance(minutes(11))
    world.raise_alert("b")
    world.expect_page("ada", event="update")


def test_a_higher_severity_is_an_update_and_critical_starts_the_policy_anew(world: World) -> None:
    configure(world)
    world.raise_alert("a", severity="warning")
    world.expect_page("ada")
    world.act("acknowledge")
    world.raise_alert("b", severity="critical")
    world.expect_page("ada")
    assert world.incident().state == "triggered"
    assert world.incident().severity == "critical"
    world.advance(minutes(5))
    world.expect_page("bo")
    world.act("acknowledge")


def test_a_rise_to_error_from_high_urgency_is_only_an_update(world: World) -> None:
    world.configure(BASE.format(grouping="{by: [service]}").replace("{policy: p}]", "{policy: p, urgency: high}]"))
    world.raise_alert("a", severity="warning")
    world.expect_page("ada")
    world.act("acknowledge")
    world.raise_alert("b", severity="error")
    world.expect_page("ada", event="update")


def test_the_incident_ends_when_its_last_alert_does(world: World) -> None:
    configure(world)
    world.raise_alert("a")
    world.raise_alert("b")
    world.expect_page("ada")
    world.end_alert("a")
    world.expect_nothing()
    world.end_alert("b")
    world.expect_page("ada", event="resolved")
    assert world.incident().state == "resolved"


def test_the_end_waits_for_resolve_after_and_a_relapse_in_it_is_silent(world: World) -> None:
    configure(world, "{by: [service], resolve_after: 2m}")
    world.raise_alert("a")
    world.expect_page("ada")
    world.act("acknowledge")
    world.end_alert("a")
    world.advance(minutes(1))
    world.raise_alert("a")
    world.advance(minutes(3))
    assert world.incident().state == "acknowledged"
    world.end_alert("a")
    world.advance(minutes(1.9))
    world.expect_nothing()
    world.advance(seconds(10))
    world.settle()
    world.expect_page("ada", event="resolved")


def test_a_new_alert_within_reopen_has_the_same_number_and_starts_at_step_one(world: World) -> None:
    configure(world, "{by: [service], reopen: 15m}")
    world.raise_alert("a")
    world.expect_page("ada")
    world.end_alert("a")
    world.expect_page("ada", event="resolved")
    world.advance(minutes(10))
    world.raise_alert("b")
    world.expect_page("ada")
    assert world.incident(1).state == "triggered"
    world.advance(minutes(5))
    world.expect_page("bo")
    world.end_alert("b")
    world.expect_page("ada", "bo", event="resolved")
    world.advance(minutes(16))
    world.raise_alert("c")
    world.expect_page("ada")
    assert world.incident(2).state == "triggered"
    world.act("acknowledge", 2)


def test_a_missing_label_counts_as_empty(world: World) -> None:
    configure(world, "{by: [zone]}")
    world.raise_alert("a", service=None)
    world.raise_alert("b", service=None)
    world.raise_alert("c", service=None, zone="x")
    world.expect_page("ada", "ada")
    assert world.incident(1).alert_count == 2
    world.act("acknowledge", 1)
    world.act("acknowledge", 2)


def test_a_pushed_alert_resolved_by_hand_opens_a_new_incident_when_it_is_sent_again(world: World) -> None:
    configure(world)
    world.raise_alert("a")
    world.expect_page("ada")
    world.act("resolve", by="ada")
    world.raise_alert("a")
    world.expect_page("ada")
    assert world.incident(2).state == "triggered"
    world.act("acknowledge", 2)


def test_repeats_of_the_same_alert_change_nothing(world: World) -> None:
    configure(world)
    for _ in range(5):
        world.raise_alert("a")
        world.advance(minutes(1 / 6))
    world.expect_page("ada")
    assert [alert.key for alert in world.alerts()] == ["a"]
    world.act("acknowledge")
