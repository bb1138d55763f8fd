"""What is in flight: bounded, held as long as its sender lives, asked about again after a pause, written down in the end."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app import clock, db, deliver, line, pager
from app.actions import service as actions
from app.concurrency.loop import run as on_loop
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import connect, engine, session_name, transaction
from app.notify import service as pages
from app.notify import store
from app.notify.compose import MessageContext
from app.notify.flight import FLIGHT, LEAST, MOST, PER_CHANNEL, Flight
from app.people.model import SYSTEM, Actor, Role
from app.queues import Queue
from app.settings import settings
from app.signals.model import Signal, SignalStatus
from tests.receiver import Receiver, receiver
from tests.sent import intake
from tests.stack import until

DESK = MessageContext("http://x", b"k")
ADA = Actor("ada", Role.RESPONDER, "api")
CONFIG = """
users: {ada: {contacts: {hook: ada}, notify: {high: [hook]}}, bo: {contacts: {other: bo}, notify: {high: [other]}}}
channels: {hook: {kind: webhook, url: PAGES/hook}, other: {kind: webhook, url: PAGES/other}}
platform: {owners: ["user:bo"]}
policies: {p: {steps: [{page: "user:ada", wait: 1h}]}, q: {steps: [{page: "user:bo", wait: 1h}]}}
routes: [{match: ['to="bo"'], policy: q}, {policy: p}]
grouping: [{by: [alertname]}]
"""


@pytest.fixture
def there(clean: None) -> Iterator[Receiver]:
    FLIGHT.clear()
    with receiver() as kept:
        with transaction() as db:
            loaded = load_texts({"a.yaml": CONFIG.replace("PAGES", kept.url)}, {})
            assert not loaded.errors
            apply(db, loaded, SYSTEM, clock.now(db))
        yield kept
        FLIGHT.clear()


def raised(*keys: str, **labels: str) -> None:
    """Incidents whose pages are queued and due."""
    intake("user:t", [Signal("user:t", key, SignalStatus.FIRING, key, alertname=key, labels=labels) for key in keys])
    with transaction() as db:
        now = clock.now(db)
    pager.decide(now)  # as of now, and without a tick: nobody runs but this test


def states() -> dict[str, int]:
    with transaction() as db:
        rows = db.execute(text("select state, count(*) from page where kind = 'page' group by state"))
        return {row[0]: row[1] for row in rows}


@contextmanager
def held(number: int) -> Iterator[None]:
    """Somebody holds an incident's row."""
    with engine().connect() as other:
        other.execute(text("select 1 from incident where number = :n for update"), {"n": number})
        yield
        other.rollback()


def test_a_page_that_was_acknowledged_while_its_sender_was_stopped_is_not_sent(there: Receiver) -> None:
    raised("a", "b")
    jobs = [replace(one, asked=one.asked - 60) for one in deliver.claim_pages()]
    with transaction() as db:
        actions.acknowledge(db, 1, ADA, clock.now(db))
    on_loop(deliver.send(jobs))
    assert [one.json["incident"]["number"] for one in there.received] == [2]
    assert states() == {"superseded": 1, "accepted": 1}


def test_nor_is_one_whose_lease_somebody_else_has_by_now(there: Receiver) -> None:
    raised("a")
    mine = [replace(one, asked=one.asked - 60) for one in deliver.claim_pages()]
    with transaction() as db:
        late = clock.now(db) + timedelta(seconds=16)
        assert pages.claim(db, DESK, late, 10, Flight()) == []
        (theirs,) = pages.claim(db, DESK, late + timedelta(seconds=2), 10, Flight())
    on_loop(deliver.send(mine))
    assert there.received == []
    assert theirs.claim.attempt == 2


def test_an_acknowledgement_under_way_is_waited_for(there: Receiver) -> None:
    raised("a")
    jobs = [replace(one, asked=one.asked - 60) for one in deliver.claim_pages()]
    acknowledging = threading.Event()

    def acknowledge() -> None:
        with transaction() as db:
            actions.acknowledge(db, 1, ADA, clock.now(db))
            acknowledging.set()
            until(lambda: db.scalar(text("select count(*) from pg_locks where not granted")), 10)  # the sender waits

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(acknowledge)
        acknowledging.wait(5)
        on_loop(deliver.send(jobs))
        done.result()
    assert there.received == []


def test_when_nobody_can_say_whether_it_is_wanted_it_is_held_back(there: Receiver) -> None:
    raised("a")
    jobs = [replace(one, asked=one.asked - 60) for one in deliver.claim_pages()]
    first = _lease()
    with ThreadPoolExecutor(1) as pool:
        with held(1):
            sending = pool.submit(on_loop, deliver.send(jobs))
            until(lambda: _lease() != first, 20)  # its lease is held meanwhile
            assert there.received == []
        sending.result(20)
    assert len(there.received) == 1


def test_outcomes_of_others_are_written_while_one_incident_is_held_and_its_own_when_it_is_let_go(there: Receiver) -> None:
    raised(*"abcdef")
    jobs = deliver.claim_pages()
    with ThreadPoolExecutor(1) as pool:
        with held(3):
            sending = pool.submit(on_loop, deliver.send(jobs))
            until(lambda: states().get("accepted") == 5, 20)
            assert states() == {"accepted": 5, "sending": 1}
            with transaction() as db:
                lease = db.scalar(text("select lease_until from page where state = 'sending'"))
            until(lambda: _lease() > lease, 10)
        sending.result(20)
    assert states() == {"accepted": 6}
    assert len(there.received) == 6


def _lease() -> Any:
    with transaction() as db:
        return db.scalar(text("select lease_until from page where state = 'sending'"))


def test_a_channel_gets_no_more_than_its_share_and_the_others_go_on(there: Receiver) -> None:
    raised(*(f"slow{n}" for n in range(PER_CHANNEL + 20)))
    raised("fast", to="bo")
    first = deliver.claim_pages()
    assert {one.claim.draft.channel for one in first} == {"hook"}
    assert len(first) == PER_CHANNEL
    (second,) = deliver.claim_pages()
    assert second.claim.draft.channel == "other"
    assert deliver.claim_pages() == []
    on_loop(deliver.send(first[:10]))
    assert len(deliver.claim_pages()) == 10
    assert MOST > PER_CHANNEL


def leased_by(owner: str) -> None:
    with transaction() as db:
        FLIGHT.clear()
        store.claim(db, clock.now(db), pages.LEASE, 10, Flight())
        db.execute(text("update page set lease_owner = :owner"), {"owner": owner})


def test_the_leases_of_a_sender_that_has_ended_are_free_within_seconds(there: Receiver) -> None:
    raised("a")
    leased_by("elsewhere:1:abc")
    deliver.free_orphans()
    with transaction() as db:
        left = _lease() - clock.now(db)
    assert left <= pages.WARNED


def test_those_of_one_that_lives_are_not(there: Receiver) -> None:
    raised("a")
    leased_by("elsewhere:1:abc")
    lives = connect(settings().database)
    with lives.connect() as session:
        session.execute(text("select set_config('application_name', :name, false)"), {"name": session_name("elsewhere:1:abc")})
        session.commit()
        deliver.free_orphans()
        with transaction() as db:
            assert _lease() - clock.now(db) > timedelta(seconds=10)
    lives.dispose()


def test_what_this_process_is_still_sending_it_does_not_take_again(there: Receiver) -> None:
    raised("a")
    (mine,) = deliver.claim_pages()
    with transaction() as db:
        late = clock.now(db) + timedelta(seconds=16)
    assert deliver.claim_pages(now=late) == deliver.claim_pages(now=late + timedelta(seconds=2)) == []
    FLIGHT.landed([mine.claim.id])
    assert len(deliver.claim_pages(now=late + timedelta(seconds=2))) == 1


def test_nobodys_lease_is_taken_without_a_warning(there: Receiver) -> None:
    raised("a")
    (mine,) = deliver.claim_pages()
    with transaction() as db:
        late = clock.now(db) + timedelta(seconds=16)
        assert pages.claim(db, DESK, late, 10, Flight()) == []
        assert pages.confirm(db, [mine.claim], late) == {mine.claim.id: None}  # it lives, and holds it again
        assert pages.claim(db, DESK, late + timedelta(seconds=2), 10, Flight()) == []
        later = late + pages.LEASE
        assert pages.claim(db, DESK, later, 10, Flight()) == []
        assert len(pages.claim(db, DESK, later + timedelta(seconds=2), 10, Flight())) == 1


def test_a_sender_that_found_its_channel_full_is_woken_when_there_is_room(there: Receiver) -> None:
    """Celery alone, and threads that share what is in flight: what nobody could claim must not wait for a sweep."""
    raised(*(f"k{n}" for n in range(PER_CHANNEL + 20)))
    there.delay["/hook"] = 1.5
    woken: list[Queue] = []
    db.hint_by(lambda stage, *_: woken.append(stage))
    try:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(line.notify)
            until(lambda: len(FLIGHT.ids) >= PER_CHANNEL, 5)
            assert line.notify() == 0  # the hint of the first one: there is no room
            woken.clear()
            assert first.result(20) == PER_CHANNEL
        assert Queue.NOTIFY in woken
        there.delay.clear()
        while Queue.NOTIFY in woken:
            woken.clear()
            line.notify()
    finally:
        db.hint_by(None)
    assert states() == {"accepted": PER_CHANNEL + 20}


def test_however_much_is_under_way_a_channel_that_has_nothing_under_way_takes_a_few(there: Receiver) -> None:
    raised("a")
    (mine,) = deliver.claim_pages()
    under_way = [
        replace(mine.claim, id=-n, draft=replace(mine.claim.draft, channel=f"hangs{n // PER_CHANNEL}"))
        for n in range(PER_CHANNEL, PER_CHANNEL + MOST)
    ]
    FLIGHT.took(under_way)
    raised(*(f"b{n}" for n in range(LEAST + 9)), to="bo")
    assert len(deliver.claim_pages()) == LEAST
    assert deliver.claim_pages() == [], "so that what a crash repeats stays bounded"
    FLIGHT.landed(one.id for one in under_way)
    assert len(deliver.claim_pages()) == 9


def test_what_waits_for_channels_without_room_is_not_looked_at(there: Receiver) -> None:
    raised("a", to="bo")
    hanging, flight = 20, Flight()
    with transaction() as db:
        (one,) = store.claim(db, clock.now(db), pages.LEASE, 9, flight)
        drafts = [replace(one.draft, key=f"k{n}", channel=f"hangs{n % hanging}") for n in range(4_000)]
        store.queue_all(db, drafts, one.draft.due_at, timedelta(hours=1))
        db.execute(text("analyze page"))
        flight.took(replace(one, id=-n, draft=drafts[n]) for n in range(hanging * PER_CHANNEL))
    raised("b", to="bo")
    with transaction() as db:
        read = text("select sum(pg_stat_get_xact_tuples_fetched(oid)) from pg_class where relname like 'page_%idx'")
        before = db.scalar(read)
        (other,) = store.claim(db, clock.now(db), pages.LEASE, 64, flight)
        assert other.draft.channel == "other"
        assert db.scalar(read) - before < 200, "entries of indexes"


def test_the_pager_goes_on_while_a_provider_is_slow(there: Receiver) -> None:
    raised("a")
    there.delay["/hook"] = 1.0
    sending = line.begin_sending()
    assert sending is not None
    assert (sending.count, sending.done.done()) == (1, False)
    sending.done.result(20)
    assert states() == {"accepted": 1}
