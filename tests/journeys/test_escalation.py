"""Stories of a page: who is woken, who is next, and what stops it."""

from app.incidents.model import IncidentState
from tests.journeys.world import World, minutes, seconds


def test_an_unanswered_page_moves_to_the_second_person(world: World) -> None:
    world.policy("ada", minutes(5), "bo")
    world.raise_alert()
    world.expect_page("ada")
    world.advance(minutes(4.9))
    world.expect_nothing()
    world.advance(minutes(0.1))
    world.expect_page("bo")


def test_an_acknowledgement_stops_the_policy(world: World) -> None:
    world.policy("ada", minutes(5), "bo")
    world.raise_alert()
    world.expect_page("ada")
    world.act("acknowledge")
    world.advance(minutes(60))
    world.expect_nothing()
    world.end_alert()
    world.expect_page("ada", event="resolved")


def test_whoever_was_told_is_told_of_the_end_once_and_not_the_one_who_ended_it(world: World) -> None:
    world.policy(["ada", "bo"])
    world.raise_alert()
    world.expect_page("ada", "bo")
    world.act("resolve", by="ada")
    world.expect_page("bo", event="resolved")
    world.advance(minutes(60))


def test_an_exhausted_policy_pages_the_owners_every_half_hour_until_somebody_answers(world: World) -> None:
    world.policy("ada", minutes(5), "bo", minutes(10))
    world.raise_alert()
    world.expect_page("ada")
    world.advance(minutes(5))
    world.expect_page("bo")
    world.advance(minutes(10))
    (page,) = world.expect_page("dee")
    assert page["page"]["step"] is None
    world.advance(minutes(29))
    world.expect_nothing()
    world.advance(minutes(1))
    world.expect_page("dee")
    world.act("acknowledge", by="dee")
    world.advance(minutes(120))


def test_repeat_runs_the_list_again_before_it_is_exhausted(world: World) -> None:
    world.policy("ada", minutes(5), "bo", minutes(5), repeat=1, if_exhausted=["user:cy"])
    world.raise_alert()
    paged = []
    for _ in range(5):
        (page,) = [one.json for one in world.receiver.received[world.seen :]]
        paged.append((page["recipient"]["user"], page["page"]["step"]))
        world.seen = len(world.receiver.received)
        world.advance(minutes(5))
    assert paged == [("ada", 1), ("bo", 2), ("ada", 1), ("bo", 2), ("cy", None)]


def test_a_step_that_reaches_nobody_is_excused_and_the_next_runs_at_once(world: World) -> None:
    world.configure("""
users: {ada: {contacts: {hook: ada}}}
teams: {empty: {members: []}}
channels: {hook: {kind: webhook, url: PAGES/hook}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "team:empty", wait: 10m}, {page: "user:ada", wait: 10m}]}}
routes: [{policy: p}]
""")
    world.raise_alert(service=None)
    (page,) = world.expect_page("ada")
    assert page["page"]["step"] == 2
    assert any("skipped" in line for line in world.timeline())


def test_an_acknowledgement_that_runs_out_starts_the_policy_again(world: World) -> None:
    world.policy("ada", minutes(5), "bo", ack_timeout="30m")
    world.raise_alert()
    world.expect_page("ada")
    world.advance(minutes(1))
    world.act("acknowledge")
    world.advance(minutes(29))
    world.expect_nothing()
    world.advance(minutes(1))
    world.expect_page("ada")
    assert world.incident().state == "triggered"
    world.advance(minutes(5))
    world.expect_page("bo")
    world.act("acknowledge", by="bo")


def test_a_snooze_is_quiet_and_then_starts_at_step_one(world: World) -> None:
    world.policy("ada", minutes(5), "bo")
    world.raise_alert()
    world.expect_page("ada")
    world.act("snooze", length=minutes(15))
    world.advance(minutes(14))
    world.expect_nothing()
    world.advance(minutes(1))
    world.expect_page("ada")
    world.act("acknowledge")


def test_reopening_by_hand_starts_the_policy_at_step_one(world: World) -> None:
    world.policy("ada", minutes(5), "bo")
    world.raise_alert()
    world.expect_page("ada")
    world.advance(minutes(5))
    world.expect_page("bo")
    world.act("resolve", by="ada")
    world.expect_page("bo", event="resolved")
    world.act("reopen", by="ada")
    world.expect_page("ada")
    assert world.incident().number == 1
    world.act("acknowledge")


def test_a_merged_incident_stops_and_its_alerts_belong_to_the_other(world: World) -> None:
    world.policy("ada", minutes(5), "bo")
    world.raise_alert("one")
    world.raise_alert("two", service="other")
    world.expect_page("ada", "ada")
    world.act("merge", 2, into=1)
    world.advance(minutes(5))
    world.expect_page("bo")
    assert {alert.key for alert in world.alerts(1)} == {"one", "two"}
    world.raise_alert("three", service="other")  # the merged group's later alerts go to the other, too
    assert {alert.key for alert in world.alerts(1)} == {"one", "two", "three"}
    world.act("resolve", by="bo")
    world.expect_page("ada", event="resolved")


def test_a_provider_that_fails_for_a_while_gets_the_same_page_again_with_the_same_key(world: World) -> None:
    world.policy("ada", minutes(30))
    world.receiver.answers["/hook"] = [503, 429, 200]
    world.raise_alert()
    world.advance(seconds(12))
    first, second, third = (one for one in world.receiver.received)
    assert {one.headers["idempotency-key"] for one in (first, second, third)} == {first.json["page"]["key"]}
    assert [one.json["page"]["attempt"] for one in (first, second, third)] == [1, 2, 3]
    world.seen = 3
    world.act("acknowledge")


def test_a_contact_that_fails_for_good_falls_to_the_next_at_once(world: World) -> None:
    world.configure("""
users: {ada: {contacts: {broken: x, hook: ada}, notify: {high: [broken]}}, dee: {contacts: {hook: dee}}}
channels: {hook: {kind: webhook, url: PAGES/hook}, broken: {kind: webhook, url: PAGES/broken}}
platform: {owners: ["user:dee"]}
policies: {p: {steps: [{page: "user:ada", wait: 10m}]}}
routes: [{policy: p}]
""")
    world.receiver.answers["/broken"] = [400]
    world.raise_alert(service=None)
    told = [(one.path, one.json["recipient"]["user"]) for one in world.receiver.received]
    assert told == [("/broken", "ada"), ("/hook", "ada")]
    world.seen = 2
    world.act("acknowledge")


def test_a_promise_that_nobody_can_keep_pages_the_owners(world: World) -> None:
    world.configure("""
users: {ada: {contacts: {broken: x}}, dee: {contacts: {hook: dee}}}
channels: {hook: {kind: webhook, url: PAGES/hook}, broken: {kind: webhook, url: PAGES/broken}}
platform: {owners: ["user:dee"]}
policies: {p: {steps: [{page: "user:ada", wait: 10m}]}}
routes: [{policy: p}]
""")
    world.receiver.answers["/broken"] = [400]
    world.raise_alert(service=None)
    told = [(one.path, one.json["recipient"]["user"]) for one in world.receiver.received]
    assert told == [("/broken", "ada"), ("/hook", "dee")]
    world.seen = 2
    world.act("acknowledge", by="dee")


def test_who_takes_a_resolve_back_has_what_they_had_acknowledged(world: World) -> None:
    world.policy("ada", minutes(5), ack_timeout="30m")
    world.raise_alert()
    world.expect_page("ada")
    world.act("acknowledge")
    world.act("resolve")
    world.act("undo_resolve")
    found = world.incident()
    assert (found.state, found.acknowledged_by) == (IncidentState.ACKNOWLEDGED, "ada")
    world.advance(minutes(29))
    world.expect_nothing()
    world.advance(minutes(1))
    world.expect_page("ada")  # the acknowledgement times out as any other
    world.act("acknowledge")


def test_a_snooze_that_is_left_of_a_resolve_taken_back_ends_when_it_would_have(world: World) -> None:
    world.policy("ada", minutes(5))
    world.raise_alert()
    world.expect_page("ada")
    world.act("snooze", length=minutes(10))
    world.advance(minutes(4))
    world.act("resolve")
    world.act("undo_resolve")
    world.advance(minutes(5))
    world.expect_nothing()
    world.advance(minutes(1))
    world.expect_page("ada")
    world.act("snooze", length=minutes(10))
    world.act("resolve")
    world.advance(minutes(10))
    world.act("undo_resolve")
    world.expect_page("ada")  # its end has passed meanwhile
    world.act("acknowledge")


def test_a_resolve_of_what_somebody_else_has_acknowledged_is_taken_back_with_the_policy_from_step_1(world: World) -> None:
    world.policy("ada", minutes(5))
    world.raise_alert()
    world.expect_page("ada")
    world.act("acknowledge", by="ada")
    world.act("resolve", by="bo")
    world.expect_page("ada", event="resolved")  # so ada thinks that it is over
    world.act("undo_resolve", by="bo")
    world.expect_page("ada")
    world.act("acknowledge")
