"""Stories of the end: whoever was told of a problem is told of its end once, and nobody else."""

from datetime import timedelta

import pytest

from app import line
from app.actions import service as actions
from app.concurrency.loop import run as on_loop
from app.db import transaction
from app.deliver import claim_pages, send
from app.errors import DeliveryError, Permanent, Transient
from app.notify import outcome
from app.notify import store as pages
from app.notify.model import Kind, Receipt
from app.notify.outcome import Sent
from app.people.model import Actor, Role
from tests.journeys.test_grouping import configure
from tests.journeys.world import World, minutes
from tests.sent import intake


def test_who_was_told_in_an_earlier_life_is_not_told_of_the_end_again(world: World) -> None:
    configure(world, "{by: [service], reopen: 15m}")
    world.raise_alert("a")
    world.expect_page("ada")
    world.advance(minutes(5))
    world.expect_page("bo")
    world.end_alert("a")
    world.expect_page("ada", "bo", event="resolved")
    world.advance(minutes(2))
    world.raise_alert("b")
    world.expect_page("ada")
    world.end_alert("b")
    world.expect_page("ada", event="resolved")  # bo has not heard of the second time


def test_joining_soon_after_a_reopening_sends_nothing(world: World) -> None:
    configure(world, "{by: [service], reopen: 60m}")
    world.raise_alert("a")
    world.expect_page("ada")
    world.end_alert("a")
    world.expect_page("ada", event="resolved")
    world.advance(minutes(30))
    world.raise_alert("b")
    world.expect_page("ada")
    world.raise_alert("c")
    world.expect_nothing()
    world.act("acknowledge")


def test_who_was_told_of_a_merged_incident_is_told_when_the_other_ends(world: World) -> None:
    configure(world)
    world.raise_alert("one")
    world.expect_page("ada")
    world.act("acknowledge")
    world.raise_alert("two", service="other")
    world.expect_page("ada")
    world.advance(minutes(5))
    world.expect_page("bo")
    world.act("merge", 2, into=1)
    world.end_alert("one")
    world.expect_nothing()
    world.end_alert("two")
    world.expect_page("ada", "bo", event="resolved")


def test_an_incident_merged_twice_over_keeps_its_later_alerts_together(world: World) -> None:
    world.policy("ada", minutes(60))
    for number, service in enumerate(("shop", "x", "y"), 1):
        world.raise_alert(f"k{number}", service=service)
    world.expect_page("ada", "ada", "ada")
    world.act("merge", 3, into=2)
    world.act("merge", 2, into=1)
    world.raise_alert("late", service="y")
    world.expect_nothing()
    assert {alert.key for alert in world.alerts(1)} == {"k1", "k2", "k3", "late"}
    world.act("acknowledge")


def test_a_page_under_way_while_its_incident_ends_is_followed_by_the_end(world: World) -> None:
    world.policy("ada", minutes(60))
    world.by_hand = True
    world.raise_alert()
    line.dedup(world.now), line.escalate(world.now)
    jobs = claim_pages(now=world.now)
    with transaction() as db:
        actions.resolve(db, 1, Actor("bo", Role.RESPONDER, "api"), world.now)
    on_loop(send(jobs, world.now))
    world.expect_page("ada")
    world.door(world.now)
    world.expect_page("ada", event="resolved")


@pytest.mark.parametrize(
    ("answer", "channel"),
    [(Receipt(), "hook"), (Permanent("gone"), "inbox"), (Transient("busy"), "inbox")],
    ids=["accepted", "failed for good", "failed for now"],
)
def test_the_end_goes_where_the_page_arrives_last_though_the_inbox_had_it_before(
    world: World, answer: Receipt | DeliveryError, channel: str
) -> None:
    world.policy("ada", minutes(60))
    world.by_hand = True
    world.raise_alert()
    line.dedup(world.now), line.escalate(world.now)
    jobs = {job.claim.draft.channel: job.claim for job in claim_pages(now=world.now)}
    with transaction() as db:
        outcome.record(db, [Sent(jobs["inbox"], Receipt(delivered=True))], world.now)
    with transaction() as db:
        actions.resolve(db, 1, Actor("bo", Role.RESPONDER, "api"), world.now)
    with transaction() as db:
        outcome.record(db, [Sent(jobs["hook"], answer)], world.now)
    world.now += minutes(1)
    world.door(world.now)
    with transaction() as db:
        ends = [page for page in pages.of_incidents(db, [1]) if page.kind is Kind.RESOLVED]
    assert [(page.user, page.channel) for page in ends] == [("ada", channel)]
    world.expect_page(*(["ada"] if channel == "hook" else []), event="resolved")


def test_the_end_also_follows_a_page_that_expired_while_its_channel_was_away(world: World) -> None:
    world.policy("ada", minutes(60))
    world.by_hand = True
    world.raise_alert()
    line.dedup(world.now), line.escalate(world.now)
    jobs = {job.claim.draft.channel: job.claim for job in claim_pages(now=world.now)}
    with transaction() as db:
        outcome.record(db, [Sent(jobs["inbox"], Receipt(delivered=True))], world.now)
    with transaction() as db:
        actions.resolve(db, 1, Actor("bo", Role.RESPONDER, "api"), world.now)
    with transaction() as db:
        outcome.record(db, [Sent(jobs["hook"], Transient("busy"))], world.now)
    world.now += timedelta(days=30)
    with transaction() as db:
        outcome.expire(db, world.now)
        found = pages.of_incidents(db, [1])
    assert [page.state for page in found if page.channel == "hook"] == ["expired"]
    assert [(page.user, page.channel) for page in found if page.kind is Kind.RESOLVED] == [("ada", "inbox")]


@pytest.mark.parametrize("inbox_first", [True, False], ids=["the inbox had the page", "nothing has arrived yet"])
def test_an_update_goes_where_the_page_is_on_its_way_which_was_written_before(world: World, inbox_first: bool) -> None:
    configure(world, "{by: [service], window: 0s}")
    world.by_hand = True
    world.raise_alert("a")
    line.dedup(world.now), line.escalate(world.now)
    jobs = {job.claim.draft.channel: job.claim for job in claim_pages(now=world.now)}
    if inbox_first:
        with transaction() as db:
            outcome.record(db, [Sent(jobs["inbox"], Receipt(delivered=True))], world.now)
    world.now += minutes(1)
    world.raise_alert("b")
    line.dedup(world.now)
    with transaction() as db:
        outcome.record(db, [Sent(jobs["hook"], Receipt())], world.now)
        updates = [page for page in pages.of_incidents(db, [1]) if page.kind is Kind.UPDATE]
    assert [(page.user, page.channel) for page in updates] == [("ada", "hook")]
    world.door(world.now)
    world.expect_page("ada", event="update")
    with transaction() as db:
        actions.resolve(db, 1, Actor("bo", Role.RESPONDER, "api"), world.now)
    world.door(world.now)
    world.expect_page("ada", event="resolved")


def test_an_alert_that_is_over_before_anybody_looked_pages_nobody(world: World) -> None:
    from app.signals.model import Signal, SignalStatus

    configure(world, "{by: [service], resolve_after: 5m}")
    both = [Signal("user:test", "k", said, "k", service="shop") for said in (SignalStatus.FIRING, SignalStatus.RESOLVED)]
    intake("user:test", both, world.now)
    world.settle()
    world.advance(minutes(10))
    assert world.incident().state == "resolved"
