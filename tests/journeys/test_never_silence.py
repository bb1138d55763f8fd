"""Stories of what must not go quiet: targets that are nobody, promises that cannot be kept, worse news at a bad time."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app import clock
from app.catalog import store as catalog
from app.catalog.model import Severity
from app.db import transaction
from app.signals.model import Signal, SignalStatus
from tests.journeys.world import World, minutes, seconds
from tests.sent import intake

ADA = """
users: {{ada: {ada}, dee: {{contacts: {{hook: dee}}}}, root: {{role: admin, contacts: {{hook: root}}}}}}
teams: {{empty: {{members: []}}}}
channels:
  hook: {{kind: webhook, url: PAGES/hook}}
  broken: {{kind: webhook, url: PAGES/broken}}
  room: {{kind: webhook, url: PAGES/room}}
platform: {{owners: {owners}}}
policies: {{p: {{steps: [{{page: {page}, wait: 60m}}], if_exhausted: {last}}}}}
routes: [{{policy: p}}]
"""


def configure(
    world: World,
    ada: str = "{contacts: {hook: ada}}",
    page: str = '"user:ada"',
    owners: str = '["user:dee"]',
    last: str = '"user:dee"',
) -> None:
    world.configure(ADA.format(ada=ada, page=page, owners=owners, last=last))
    world.receiver.answers["/broken"] = [400]


def obligations() -> list[str]:
    with transaction() as db:
        return list(db.scalars(text("select state from obligation order by id")))


def test_an_exhausted_policy_whose_last_resort_is_nobody_pages_the_owners(world: World) -> None:
    configure(world, last='"team:empty"')
    world.raise_alert(service=None)
    world.expect_page("ada")
    world.advance(minutes(60))
    world.expect_page("dee")
    world.act("acknowledge")


def test_owners_who_are_nobody_fall_to_the_admins(world: World) -> None:
    configure(world, last='"team:empty"', owners='["team:empty"]')
    world.raise_alert(service=None)
    world.expect_page("ada")
    world.advance(minutes(60))
    world.expect_page("root")
    world.act("acknowledge")


def test_a_channel_that_fails_for_good_is_a_broken_promise_that_the_owners_hear_of(world: World) -> None:
    configure(world, page='"channel:broken"', owners='["channel:room"]')
    world.raise_alert(service=None)
    assert [one.path for one in world.receiver.received] == ["/broken", "/room"]
    world.seen = 2
    assert obligations() == ["breached"]
    world.act("acknowledge")


def test_an_only_owner_who_cannot_be_reached_leaves_it_to_the_admins(world: World) -> None:
    configure(world, ada="{contacts: {broken: x}}", owners='["user:ada"]')
    world.raise_alert(service=None)
    assert [(one.path, one.json["recipient"]["user"]) for one in world.receiver.received] == [
        ("/broken", "ada"),
        ("/hook", "root"),
    ]
    world.seen = 2
    world.act("acknowledge")


def test_a_contact_that_fails_brings_the_one_that_waits_for_its_turn_forward(world: World) -> None:
    configure(world, ada="{contacts: {broken: x, hook: ada}, notify: {high: [broken, {contact: hook, after: 10m}]}}")
    world.raise_alert(service=None)
    assert [one.path for one in world.receiver.received] == ["/broken", "/hook"]
    world.seen = 2
    world.advance(minutes(30))
    world.expect_nothing()
    assert obligations() == ["fallback"]
    world.act("acknowledge")


def test_a_channel_whose_settings_no_longer_validate_falls_to_the_next_contact_at_once(world: World) -> None:
    configure(world, ada="{contacts: {broken: x, hook: ada}, notify: {high: [broken]}}")
    with transaction() as db:
        catalog.replace_spec(db, "channel", "broken", {"kind": "webhook"})
        catalog.record_version(db, now=clock.now(db), actor="test", digest="broken", files={}, changes=[])
    world.raise_alert(service=None)
    world.expect_page("ada")
    world.act("acknowledge")


@pytest.mark.parametrize(
    "ada",
    ["{}", "{contacts: {hook: ada}, notify: {high: [inbox]}}", "{contacts: {hook: ada}, notify: {high: []}}"],
    ids=["has only the inbox", "wants only the inbox", "wants nothing"],
)
def test_a_promise_to_somebody_with_nothing_but_an_inbox_is_kept_by_the_inbox(world: World, ada: str) -> None:
    configure(world, ada=ada)
    world.raise_alert(service=None)
    assert obligations() == ["met"]
    world.act("acknowledge")


def test_a_page_that_expires_unsent_ends_its_promise(world: World) -> None:
    world.policy("ada", minutes(48 * 60), if_exhausted=["user:bo"])
    world.receiver.answers["/hook"] = [503]
    world.raise_alert()
    with transaction() as db:
        db.execute(
            text("update page set next_at = next_at + interval '25 hours', expires_at = expires_at where channel = 'hook'")
        )
    world.now += timedelta(hours=25, seconds=40)
    world.receiver.answers["/hook"] = [200]
    world.seen = len(world.receiver.received)
    world.settle()
    assert obligations() == ["breached"]
    world.expect_page("dee")
    world.act("acknowledge")


def test_a_batch_with_worse_alerts_behind_the_first_opens_as_bad_as_the_worst(world: World) -> None:
    world.policy("ada", minutes(60))
    batch = [
        Signal("user:test", key, SignalStatus.FIRING, key, severity, service="shop")
        for key, severity in (("w", Severity.WARNING), ("c", Severity.CRITICAL))
    ]
    intake("user:test", batch, world.now)
    world.settle()
    (page,) = world.expect_page("ada")
    assert (page["incident"]["severity"], page["incident"]["urgency"], page["incident"]["title"]) == ("critical", "high", "c")
    world.act("acknowledge")


def test_a_new_start_of_the_policy_leaves_no_promise_of_the_old_one_open(world: World) -> None:
    world.configure(
        ADA.format(
            ada="{contacts: {hook: ada}, notify: {high: [{contact: hook, after: 20m}]}}",
            page='"user:ada"',
            owners='["user:dee"]',
            last='"user:dee"',
        )
    )
    world.raise_alert("a", service=None, severity="error", alertname="x")
    assert obligations() == ["open"]
    world.raise_alert("b", service=None, severity="critical", alertname="x")
    assert len(obligations()) == 1 or obligations()[0] in ("open", "excused")
    for number in (1, 2):
        if len(world.alerts(number)):
            world.act("acknowledge", number)
    assert "open" not in obligations()


def test_a_frozen_policy_that_cannot_be_read_pages_the_owners_and_stops_nobody_elses_pages(world: World) -> None:
    world.policy("ada", minutes(5), "bo")
    world.raise_alert("a")
    world.expect_page("ada")
    with transaction() as db:
        db.execute(text('update incident set policy = \'{"steps": [], "colour": 1}\''))
    world.raise_alert("b", service="other")
    world.expect_page("ada")
    world.act("acknowledge", 2)
    world.advance(minutes(5))
    world.expect_page("dee")
    world.act("acknowledge", 1)


def test_a_person_who_cannot_be_read_is_nobody_and_the_others_are_paged(world: World) -> None:
    world.policy(["ada", "bo"])
    with transaction() as db:
        db.execute(text("update person set spec = '{\"contacts\": 7}' where login = 'ada'"))
    world.raise_alert()
    world.expect_page("bo")
    world.act("acknowledge", by="bo")


def test_a_step_that_reaches_eight_hundred_people_over_five_contacts_each_is_taken(world: World) -> None:
    import json

    people = {f"u{n}": {"contacts": {"hook": f"u{n}"}} for n in range(800)}
    contacts = {name: {"contacts": {f"c{k}": {"channel": "nowhere", "to": "x"} for k in range(4)}} for name in people}
    world.configure(
        json.dumps(
            {
                "channels": {"nowhere": {"kind": "webhook", "url": "PAGES/hook"}},
                "users": contacts,
                "teams": {"all": {"members": list(people)}},
                "platform": {"owners": ["team:all"]},
                "policies": {"p": {"steps": [{"page": "team:all"}]}},
                "routes": [{"policy": "p"}],
            }
        )
    )
    from app import line

    intake("user:test", [Signal("user:test", "k", SignalStatus.FIRING, "k")], world.now)
    line.dedup(world.now)
    line.escalate(world.now)
    with transaction() as db:
        assert db.execute(text("select count(*) from page")).scalar_one() == 4000
        db.execute(text("truncate page, obligation"))


def test_a_rise_after_somebody_resolved_by_hand_pages_again(world: World) -> None:
    from app.checks.probe import Status
    from tests.journeys.test_checks import CONFIG, run

    world.configure(CONFIG)
    run(world, "port", Status.WARNING)
    run(world, "port", Status.WARNING)
    world.expect_page("ada")
    world.act("resolve")
    run(world, "port", Status.CRITICAL)
    run(world, "port", Status.CRITICAL)
    (page,) = world.expect_page("ada")
    assert (page["incident"]["number"], page["incident"]["severity"]) == (2, "critical")
    world.advance(seconds(1))
    world.act("acknowledge", 2)
