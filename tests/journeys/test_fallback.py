"""Stories of a contact that does not answer: its retries go on, and the person's next contact does not wait for them."""

import pytest
from sqlalchemy import text

from app import line
from app.db import transaction
from app.deliver import claim_pages
from app.errors import DeliveryError, Transient
from app.notify import outcome
from app.notify.model import Receipt
from app.notify.outcome import Sent
from tests.journeys.test_never_silence import configure, obligations
from tests.journeys.world import World, minutes, seconds


def paths(world: World) -> list[str]:
    """Where messages went since the last look."""
    got = [one.path for one in world.receiver.received[world.seen :]]
    world.seen = len(world.receiver.received)
    return got


NEXT = {
    "an unused one": "{contacts: {broken: x, hook: ada}, notify: {high: [broken]}}",
    "one that waits for its turn": "{contacts: {broken: x, hook: ada}, notify: {high: [broken, {contact: hook, after: 10m}]}}",
}


@pytest.mark.parametrize("ada", NEXT.values(), ids=NEXT)
def test_a_contact_that_never_answers_falls_to_the_next_one_and_is_tried_on(world: World, ada: str) -> None:
    configure(world, ada=ada)
    world.receiver.answers["/broken"] = [503]
    world.raise_alert(service=None)
    assert paths(world) == ["/broken"]
    world.advance(seconds(3))
    assert paths(world) == ["/broken"]  # once is nothing: the next contact is not disturbed yet
    world.advance(seconds(7))
    assert paths(world) == ["/broken", "/hook"]
    assert obligations() == ["fallback"]
    world.advance(seconds(60))
    assert set(paths(world)) == {"/broken"}
    world.receiver.answers["/broken"] = [200]
    world.advance(seconds(60))
    assert paths(world) == ["/broken"]
    world.advance(minutes(20))
    assert paths(world) == []  # the contact that waited was used already
    world.act("acknowledge")


def test_who_was_reached_over_another_contact_is_not_paged_over_a_third(world: World) -> None:
    configure(world, ada="{contacts: {broken: x, hook: ada, room: ada}, notify: {high: [broken, hook]}}")
    world.receiver.answers["/broken"] = [503]
    world.raise_alert(service=None)
    world.advance(minutes(5))
    assert sorted(set(paths(world))) == ["/broken", "/hook"]
    assert obligations() == ["met"]
    world.act("acknowledge")


def test_a_fallback_that_does_not_answer_either_falls_on_to_the_last(world: World) -> None:
    configure(world, ada="{contacts: {broken: x, hook: ada, room: ada}, notify: {high: [broken]}}")
    world.receiver.answers["/broken"], world.receiver.answers["/hook"] = [503], [429]
    world.raise_alert(service=None)
    world.advance(minutes(2))
    got = paths(world)
    assert got.count("/room") == 1
    assert obligations() == ["fallback"]
    world.receiver.answers["/broken"] = [400]  # and now for good: the person was reached already
    world.advance(minutes(2))
    assert "/room" not in paths(world)
    world.act("acknowledge")


def test_a_contact_that_asks_for_half_a_minute_every_time_falls_to_the_next_after_it(world: World) -> None:
    configure(world, ada=NEXT["an unused one"])
    world.receiver.answers["/broken"], world.receiver.headers["/broken"] = [429], {"Retry-After": "30"}
    world.raise_alert(service=None)
    world.advance(seconds(29))
    assert paths(world) == ["/broken"]
    world.advance(seconds(2))
    assert paths(world) == ["/broken", "/hook"]
    world.act("acknowledge")


def test_the_end_of_an_incident_is_tried_on_and_falls_to_nobody_else(world: World) -> None:
    configure(world, ada=NEXT["an unused one"])
    world.receiver.answers["/broken"] = [200]
    world.raise_alert(service=None)
    world.receiver.answers["/broken"] = [503]
    world.end_alert()
    world.advance(minutes(2))
    assert set(paths(world)) == {"/broken"}


def test_what_a_provider_says_is_kept_without_what_no_database_takes(world: World) -> None:
    configure(world)
    world.by_hand = True
    world.raise_alert(service=None)
    line.dedup(world.now), line.escalate(world.now)
    jobs = sorted(claim_pages(now=world.now), key=lambda job: job.message.key)
    said = "no\0 \ud800 \x1b[2J\u202eway"
    answers: list[Receipt | DeliveryError] = [Transient(said), Receipt(said)]
    with transaction() as db:
        outcome.record(db, [Sent(job.claim, answer) for job, answer in zip(jobs, answers, strict=False)], world.now)
        kept = db.execute(text("select coalesce(error, provider_id) from page_attempt where outcome <> 'unknown'")).scalars()
        assert set(kept) == {"no  way"}
    world.act("acknowledge")
