"""Stories of pages whose person, or contact, is gone before they are sent: they are not sent, and somebody is paged at once."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app import line
from app.actions import person
from app.db import transaction
from app.deliver import claim_pages, send
from app.errors import Transient
from app.notify import outcome
from app.notify import service as pages
from app.notify.model import Receipt
from app.notify.outcome import Sent
from app.people import service as people
from app.people.model import SYSTEM, Actor, Role
from tests.journeys.test_never_silence import obligations
from tests.journeys.world import World, minutes, seconds

ADA = {"contacts": {"hook": "ada"}}
BOTH = {"contacts": {"hook": "ada", "spare": "ada"}}
PEOPLE = {"bo": {"contacts": {"hook": "bo"}}, "dee": {"contacts": {"hook": "dee"}}}
GONE: dict[str, dict[str, Any] | None] = {
    "removed": None,
    "made a viewer": ADA | {"role": "viewer"},
    "left without a contact": {"contacts": {}},
}
WAITS = {
    "in retry": ADA,
    "queued": ADA | {"notify": {"high": [{"contact": "hook", "after": "8m"}]}},
}


def configure(world: World, ada: dict[str, Any] | None, page: Any = "user:ada", **more: Any) -> None:
    """Step 1 pages `page` and waits an hour, step 2 pages bo. Without ada, step 1 is as it was frozen into the incident."""
    users = PEOPLE | ({"ada": ada} if ada is not None else {})
    steps = [
        {"page": page if ada is not None and ada.get("role") != "viewer" else "user:bo", "wait": "60m"},
        {"page": "user:bo", "wait": "60m"},
    ]
    config = {
        "users": users,
        "channels": {name: {"kind": "webhook", "url": f"PAGES/{name}"} for name in ("hook", "spare", "room")},
        "platform": {"owners": ["user:dee"]},
        "policies": {"p": {"steps": steps}},
        "routes": [{"policy": "p"}],
    }
    world.configure(json.dumps(config | more))


def waits(world: World, ada: dict[str, Any], **more: Any) -> None:
    """A page to ada that was not accepted, or not sent yet."""
    configure(world, ada, **more)
    world.receiver.answers["/hook"] = [503]
    world.raise_alert(service=None)
    world.advance(seconds(1))
    world.receiver.answers["/hook"] = [200]
    world.seen = len(world.receiver.received)


def invite(world: World) -> None:
    """Invite eve, who has a contact."""
    with transaction() as db:
        people.invite(db, "eve", Role.RESPONDER, None, SYSTEM, world.now)
        person.set_contacts(db, "eve", {"hook": "eve"}, Actor("eve", Role.RESPONDER, "console"), world.now)


def states() -> list[tuple[str, str, str | None]]:
    with transaction() as db:
        rows = db.execute(text("select user_name, state, \"to\" from page where channel <> 'inbox' order by id"))
        return [(row.user_name, row.state, row.to) for row in rows]


@pytest.mark.parametrize("how", GONE.values(), ids=GONE)
@pytest.mark.parametrize("ada", WAITS.values(), ids=WAITS)
def test_who_is_gone_is_not_paged_and_the_next_step_is_taken_at_once(
    world: World, ada: dict[str, Any], how: dict[str, Any] | None
) -> None:
    waits(world, ada)
    configure(world, how)
    world.settle()
    world.settle()
    world.expect_page("bo")
    assert states()[0] == ("ada", "superseded", "ada")
    assert obligations() == ["excused", "met"]
    why = "contact hook was removed" if how == {"contacts": {}} else "ada can no longer be paged"
    assert f"page to ada via hook withdrawn: {why}" in world.timeline()
    with transaction() as db:
        unsent = db.scalars(text("select distinct error from page_attempt where error like 'not sent%'")).all()
    assert unsent == [f"not sent: {why}"]
    world.advance(minutes(30))
    world.expect_nothing()
    world.act("acknowledge", by="bo")


@pytest.mark.parametrize("ada", WAITS.values(), ids=WAITS)
def test_a_contact_that_has_changed_is_paged_at_its_new_address_only(world: World, ada: dict[str, Any]) -> None:
    waits(world, ada)
    configure(world, ada | {"contacts": {"hook": "ada@new"}})
    world.advance(seconds(1))
    (page,) = world.expect_page("ada")
    assert page["recipient"]["to"] == "ada@new"
    assert states() == [("ada", "superseded", "ada"), ("ada", "accepted", "ada@new")]
    assert obligations() == ["met"]
    world.advance(minutes(30))
    world.expect_nothing()
    world.act("acknowledge")


def test_one_that_changes_back_is_paged_at_the_first_address_again(world: World) -> None:
    waits(world, ADA)
    world.receiver.answers["/hook"] = [503]
    for to in ("ada@new", "ada"):
        configure(world, {"contacts": {"hook": to}})
        world.settle()
    world.receiver.answers["/hook"] = [200]
    world.advance(seconds(40))
    assert [state for _, state, _ in states()] == ["superseded", "superseded", "accepted"]
    assert world.receiver.received[-1].json["recipient"]["to"] == "ada"
    world.seen = len(world.receiver.received)
    world.act("acknowledge")


NEXT = {
    "an unused one": BOTH | {"notify": {"high": ["hook"]}},
    "one that waits for its turn": BOTH | {"notify": {"high": ["hook", {"contact": "spare", "after": "10m"}]}},
}


@pytest.mark.parametrize("ada", NEXT.values(), ids=NEXT)
def test_a_contact_that_was_removed_falls_to_the_next(world: World, ada: dict[str, Any]) -> None:
    waits(world, ada)
    configure(world, {"contacts": {"spare": "ada"}})
    world.settle()
    (page,) = world.expect_page("ada")
    assert page["recipient"]["channel"] == "spare"
    world.advance(minutes(20))
    world.expect_nothing()
    assert obligations() == ["met"]
    world.act("acknowledge")


def test_a_step_that_reaches_somebody_else_too_keeps_its_wait(world: World) -> None:
    configure(world, BOTH | {"contacts": {"spare": "ada"}}, page=["user:ada", "user:dee"])
    world.receiver.answers["/spare"] = [503]
    world.raise_alert(service=None)
    world.seen = len(world.receiver.received)
    configure(world, None)
    world.settle()
    world.advance(minutes(30))
    world.expect_nothing()
    assert obligations() == ["excused", "met"]
    world.advance(minutes(31))
    world.expect_page("bo")
    world.act("acknowledge", by="bo")


def test_a_step_that_was_followed_by_another_hurries_nobody(world: World) -> None:
    configure(world, ADA | {"contacts": {"spare": "ada"}})
    world.receiver.answers["/spare"] = [503]
    world.raise_alert(service=None)
    world.act("escalate", by="bo")
    world.seen = len(world.receiver.received)
    configure(world, None)
    world.settle()
    world.settle()
    world.expect_nothing()  # the policy would be exhausted next
    assert obligations() == ["excused", "met"]
    world.act("acknowledge", by="bo")


def test_an_owner_who_is_paged_in_the_place_of_another_and_gone_as_well_hurries_the_policy(world: World) -> None:
    configure(world, ADA, platform={"owners": ["user:root"]}, users=PEOPLE | {"ada": ADA, "root": {"contacts": {"spare": "r"}}})
    world.receiver.answers["/hook"], world.receiver.answers["/spare"] = [400], [503]
    world.raise_alert(service=None)
    world.settle()
    world.receiver.answers["/hook"] = [200]
    world.seen = len(world.receiver.received)
    configure(world, ADA)
    world.settle()
    world.settle()
    world.expect_page("bo")
    world.act("acknowledge", by="bo")


@pytest.mark.parametrize("yes", [True, False], ids=["and is accepted", "and fails"])
def test_a_page_in_flight_is_not_repeated_unless_it_fails(world: World, yes: bool) -> None:
    configure(world, ADA)
    world.by_hand = True
    world.raise_alert(service=None)
    line.dedup(world.now), line.escalate(world.now)
    jobs = claim_pages(now=world.now)
    configure(world, {"contacts": {"hook": "ada@new"}})
    with transaction() as db:
        answer = Receipt() if yes else Transient("503")
        outcome.record(db, [Sent(job.claim, answer) for job in jobs], world.now)
    world.by_hand = False
    world.advance(minutes(5))
    told = world.expect_page(*() if yes else ("ada",))
    assert [page["recipient"]["to"] for page in told] == ([] if yes else ["ada@new"])
    world.act("acknowledge")


def test_who_is_slow_to_send_asks_about_the_person_again(world: World) -> None:
    configure(world, ADA)
    world.by_hand = True
    world.raise_alert(service=None)
    line.dedup(world.now), line.escalate(world.now)
    jobs = [job for job in claim_pages(now=world.now) if job.claim.draft.channel == "hook"]
    configure(world, None)
    with transaction() as db:
        (why,) = pages.confirm(db, [job.claim for job in jobs], world.now).values()
    assert why is not None
    assert why.code == "person_gone"
    import asyncio
    from dataclasses import replace

    asyncio.run(send([replace(job, asked=0.0) for job in jobs], world.now))
    assert world.receiver.received == []
    world.by_hand = False
    world.settle()
    world.settle()
    world.expect_page("bo")
    world.act("acknowledge", by="bo")


def test_who_was_invited_is_asked_about_as_well(world: World) -> None:
    configure(world, ADA)
    invite(world)
    world.receiver.answers["/hook"] = [503]
    world.raise_alert(service=None)
    world.act("assign", login="eve", by="bo")
    world.receiver.answers["/hook"] = [200]
    world.seen = len(world.receiver.received)
    with transaction() as db:
        person.set_contacts(db, "eve", {"hook": "eve@new"}, Actor("eve", Role.RESPONDER, "console"), world.now)
    world.settle()
    (page,) = world.expect_page("eve")
    assert page["recipient"]["to"] == "eve@new"
    world.advance(timedelta(minutes=2))
    world.act("acknowledge", by="eve")


def test_the_end_follows_to_the_new_address_and_to_a_viewer_but_not_to_who_was_removed(world: World) -> None:
    configure(world, ADA, page=["user:ada", "user:dee", "user:bo"])
    world.raise_alert(service=None)
    world.expect_page("ada", "bo", "dee")
    users = {"ada": {"contacts": {"hook": "ada@new"}}, "bo": PEOPLE["bo"] | {"role": "viewer"}, "root": {"role": "admin"}}
    more = {"users": users, "platform": {"owners": ["user:root"]}, "policies": {"p": {"steps": [{"page": "user:ada"}]}}}
    configure(world, ADA, **more)
    world.end_alert()
    world.settle()
    told = world.expect_page("ada", "bo", event="resolved")
    assert {one["recipient"]["to"] for one in told} == {"ada@new", "bo"}


def test_a_channel_that_is_gone_under_a_page_in_retry_falls_to_somebody_else(world: World) -> None:
    configure(world, ADA)
    invite(world)
    world.receiver.answers["/hook"] = [503]
    world.raise_alert(service=None)
    world.act("assign", login="eve", by="bo")
    world.seen = len(world.receiver.received)
    users = {name: {"contacts": {"room": name}} for name in ("ada", "bo", "dee")}
    configure(world, ADA, users=users, channels={"room": {"kind": "webhook", "url": "PAGES/room"}})
    world.advance(seconds(10))
    world.expect_page("dee")
    world.act("acknowledge", by="bo")
