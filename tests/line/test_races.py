"""Two callers at once, each with its own connection: nobody waits for ever, nothing is lost."""

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, TextClause, text

from app import deliver, line
from app.actions import manual
from app.actions import service as actions
from app.actions.manual import ManualPage
from app.alerts import service as alerts
from app.alerts import store as alert_store
from app.catalog.model import Severity
from app.checks import store as check_store
from app.checks.model import Result
from app.checks.probe import Status
from app.concurrency.loop import run as on_loop
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import engine, transaction
from app.errors import Busy, Conflict
from app.incidents import service as incidents
from app.incidents import store as incident_store
from app.incidents.model import Incident, IncidentState
from app.notify import store as page_store
from app.notify.model import Claim, Outcome, PageState
from app.notify.store import Ended
from app.people.model import SYSTEM, Actor, Role, Urgency
from app.signals.model import Signal, SignalStatus
from tests.receiver import receiver
from tests.sent import intake
from tests.stack import until

FIRING, RESOLVED = SignalStatus.FIRING, SignalStatus.RESOLVED
HOUR = timedelta(hours=1)
BOTH = sorted(("k1", "k2"), key=lambda key: Signal("user:t", key, FIRING, key).fingerprint, reverse=True)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BO = Actor("bo", Role.RESPONDER, "api")
CONFIG = """
users: {ada: {contacts: {hook: ada}}, bo: {contacts: {hook: bo}}}
channels: {hook: {kind: webhook, url: PAGES/hook}}
platform: {owners: ["user:bo"]}
policies: {p: {steps: [{page: "user:ada", wait: 5m}]}}
routes: [{policy: p}]
grouping: [{by: [service]}]
"""


def configure(pages: str) -> None:
    with transaction() as db:
        apply(db, load_texts({"a.yaml": CONFIG.replace("PAGES", pages)}, {}), SYSTEM, NOW)


def say(key: str, service: str, said: SignalStatus = SignalStatus.FIRING) -> None:
    intake("user:t", [Signal("user:t", key, said, key, service=service)], NOW)


def together(*works: Callable[[], object]) -> list[BaseException]:
    """Run all at the same moment; what they raised."""
    raised: list[BaseException] = []
    start = threading.Barrier(len(works))

    def one(work: Callable[[], object]) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    threads = [threading.Thread(target=one, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return raised


def resolve(number: int) -> None:
    with transaction() as db:
        actions.resolve(db, number, BO, NOW)


def test_resolving_by_hand_and_placing_the_same_alerts_do_not_wait_for_each_other(clean: None) -> None:
    configure("http://127.0.0.1:9")
    say("a", "shop")
    line.dedup(NOW)
    raised: list[BaseException] = []
    with engine().begin() as db:  # the dedup stage has taken the alert and comes to its incident
        db.execute(text("select 1 from alert for update"))
        other = threading.Thread(target=lambda: raised.extend(together(lambda: resolve(1))))
        other.start()
        other.join(0.3)
        db.execute(text("set local lock_timeout = '1s'"))
        db.execute(text("select 1 from incident for update"))
    other.join(10)
    assert raised == []
    with transaction() as db:
        assert db.execute(text("select state from incident")).scalar_one() == "resolved"


def _alert_ids() -> list[int]:
    with transaction() as db:
        return list(db.scalars(text("select id from alert order by id")))


def _in_one(work: Callable[[Connection], object]) -> None:
    with transaction() as db:
        work(db)


SAID = {"again": {FIRING}, "over": {RESOLVED}, "some again, some over": {FIRING, RESOLVED}}
WRITERS: dict[str, Callable[[], object]] = {
    **{f"signals: {name}": partial(lambda said: _say_both(said), said) for name, said in SAID.items()},
    "their source is removed": lambda: _in_one(lambda db: alerts.retire(db, ["user:t"], NOW)),
    "their incident is held": lambda: _in_one(lambda db: alert_store.postpone(db, _alert_ids(), NOW)),
    "the clock was set back": lambda: _in_one(lambda db: alert_store.clock_set_back(db, HOUR, NOW - HOUR)),
    "somebody resolves": lambda: resolve(1),
    "somebody merges": lambda: _in_one(lambda db: actions.merge(db, 1, 2, BO, NOW)),
    "they are placed": lambda: line.dedup(NOW),
}


def _say_both(said: set[SignalStatus]) -> None:
    both = zip(sorted(said) * 2, BOTH, strict=False)
    intake("user:t", [Signal("user:t", key, status, key, service="shop") for status, key in both], NOW)


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_whoever_locks_alerts_does_so_in_the_order_of_their_fingerprints(clean: None, writer: Callable[[], object]) -> None:
    configure("http://127.0.0.1:9")
    last, first = BOTH
    for key, service in ((last, "shop"), (first, "shop"), ("other", "else")):  # on disk the other way round
        say(key, service)
    line.dedup(NOW)
    with transaction() as db:
        db.execute(text("update alert set dedup_at = :now"), {"now": NOW})
    raised: list[BaseException] = []
    work = threading.Thread(target=lambda: raised.extend(together(writer)))
    waits = text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
    with engine().begin() as db:
        db.execute(text("select 1 from alert where key = :key for update"), {"key": first})
        work.start()
        until(lambda: not work.is_alive() or _asked(waits) > 0, 10)
        db.execute(text("set local lock_timeout = '500ms'"))
        db.execute(text("select 1 from alert where key = :key for update"), {"key": last})  # whoever waits for one has no other
    work.join(10)
    assert raised == []


def _asked(query: TextClause) -> int:
    with transaction() as db:
        return int(db.scalar(query) or 0)


def test_slices_of_results_of_the_same_checks_do_not_wait_for_each_other(clean: None) -> None:
    names = [f"c{number}" for number in range(40)]
    checks = ", ".join(f"{name}: {{probe: health.tcp, every: 1h, with: {{host: 127.0.0.1, port: 9}}}}" for name in names)
    with transaction() as db:
        apply(db, load_texts({"a.yaml": f"checks: {{{checks}}}"}, {}), SYSTEM, NOW)

    def keep(seed: int) -> None:
        rng = random.Random(seed)
        for turn in range(20):
            some = rng.sample(names, 30)
            at = NOW + timedelta(seconds=seed + turn / 100)
            if seed % 2:
                _in_one(lambda db, some=some, at=at: check_store.finish(db, [Result(n, at, Status.OK, "", 0.1) for n in some]))  # type: ignore[misc]
            else:
                _in_one(lambda db, some=some, at=at: check_store.extend(db, some, at))  # type: ignore[misc]

    assert together(*(partial(keep, seed) for seed in range(6))) == []


def test_two_who_place_alerts_of_the_same_incidents_never_lock_each_other_out(clean: None) -> None:
    configure("http://127.0.0.1:9")
    for service in ("x", "y"):
        say(f"first-{service}", service)
    line.dedup(NOW)
    for turn in range(15):
        for over, new in (("x", "y"), ("y", "x")):
            say(f"first-{over}", over, SignalStatus.RESOLVED)
            say(f"new-{turn}-{new}", new)
        assert together(*[lambda: _place_some(2)] * 2, lambda: line.dedup(NOW)) == []
        for service in ("x", "y"):
            say(f"first-{service}", service)
        line.dedup(NOW)
    with transaction() as db:
        assert db.execute(text("select count(*) from incident")).scalar_one() == 2
        assert db.execute(text("select count(*) from alert where dedup_at is not null")).scalar_one() == 0


def _place_some(count: int) -> None:
    with transaction() as db:
        incidents.place(db, NOW, count)


def test_numbers_count_on_without_gaps_however_many_open_incidents_at_once(clean: None) -> None:
    configure("http://127.0.0.1:9")
    for turn in range(8):
        for number in range(24):
            say(f"k{turn}-{number}", f"s{turn}-{number % 4}")
        assert together(*[lambda: _place_some(3)] * 8) == []
    line.dedup(NOW)
    with transaction() as db:
        numbers = list(db.scalars(text("select number from incident order by number")))
    assert numbers == list(range(1, 8 * 4 + 1))


def test_many_groups_at_once_lock_nobody_out(clean: None) -> None:
    """Each opens most of the same groups, in another order: more groups than there are locks."""

    def open_some(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(4):
            keys = rng.sample([f"g{n}" for n in range(300)], 200)
            fresh = [_fresh(-n, key) for n, key in enumerate(keys, 1)]
            _in_one(partial(incident_store.open_all, incidents=fresh))

    assert together(*(partial(open_some, seed) for seed in range(6))) == []


def test_one_group_opened_by_several_at_once_uses_up_one_number(clean: None) -> None:
    def open_each() -> None:
        for turn in range(150):
            start.wait(5)
            _in_one(partial(incident_store.open_all, incidents=[_fresh(-1, f"g{turn}")]))

    start = threading.Barrier(4)
    assert together(*[open_each] * 4) == []
    with transaction() as db:
        assert db.execute(text("select count(*), max(number) from incident")).one() == (150, 150)


def _fresh(number: int, key: str) -> Incident:
    return Incident(
        number=number,
        group_key=key,
        title=key,
        state=IncidentState.TRIGGERED,
        severity=Severity.CRITICAL,
        urgency=Urgency.HIGH,
        opened_at=NOW,
    )


def _over(claims: Sequence[Claim]) -> Sequence[Ended]:
    return [Ended(one, Outcome.ACCEPTED, PageState.ACCEPTED, None, None, None) for one in claims]


SENDERS: dict[str, Callable[[Connection, Sequence[Claim]], object]] = {
    "who sends renews": lambda db, claims: page_store.renew(db, claims, NOW + HOUR),
    "outcomes are written": lambda db, claims: page_store.record(db, _over(claims), NOW),
    "another looks for late ones": lambda db, _: page_store.contest_late(db, NOW + HOUR, NOW + HOUR),
    "another looks for orphans": lambda db, _: page_store.contest_gone(db, NOW + HOUR),
}


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
def test_whoever_locks_pages_that_are_sent_does_so_in_the_order_of_their_ids(
    clean: None, sender: Callable[[Connection, Sequence[Claim]], object]
) -> None:
    configure("http://127.0.0.1:9")
    for key in ("k1", "k2"):
        say(key, key)
    line.dedup(NOW), line.escalate(NOW)
    with transaction() as db:
        claims = sorted(page_store.claim(db, NOW, timedelta(seconds=1), 9), key=lambda one: -one.id)
        db.execute(text("update page set lease_owner = 'gone'"))
    lock = text("select 1 from page where id = :id for update")
    raised: list[BaseException] = []
    work = threading.Thread(target=lambda: raised.extend(together(lambda: _in_one(lambda db: sender(db, claims)))))
    waits = text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
    with engine().begin() as db:
        db.execute(lock, {"id": claims[-1].id})
        work.start()
        until(lambda: not work.is_alive() or _asked(waits) > 0, 10)
        db.execute(text("set local lock_timeout = '500ms'"))
        db.execute(lock, {"id": claims[0].id})  # whoever waits for one has no other
    work.join(10)
    assert raised == []


def test_whoever_is_first_one_page_is_claimed_once_and_one_incident_opened(clean: None) -> None:
    with receiver() as kept:
        configure(kept.url)
        for number in range(20):
            say(f"k{number}", f"s{number % 5}")
        everything = [lambda: line.dedup(NOW), lambda: line.escalate(NOW), lambda: line.notify(NOW)] * 3
        for _ in range(4):
            assert together(*everything) == []
        assert len({one.headers["idempotency-key"] for one in kept.received}) == len(kept.received) == 5


def test_a_page_taken_while_its_incident_is_resolved_is_always_followed_by_the_end(clean: None) -> None:
    with receiver() as kept:
        configure(kept.url)
        for number in range(1, 9):
            say(f"k{number}", f"s{number}")
            line.dedup(NOW), line.escalate(NOW)
            jobs = deliver.claim_pages(now=NOW)
            assert together(lambda jobs=jobs: on_loop(deliver.send(jobs, NOW)), lambda number=number: resolve(number)) == []  # type: ignore[misc]
            line.notify(NOW + timedelta(seconds=1))
        told = [(one.json["event"], one.json["incident"]["number"]) for one in kept.received]
        with transaction() as db:
            tried = db.execute(text("select p.key, p.state, a.* from page p left join page_attempt a on a.page = p.id")).all()
        assert sorted(told) == sorted([(kind, n) for n in range(1, 9) for kind in ("page", "resolved")]), tried


def test_storms_of_alerts_people_who_resolve_and_merge_and_senders_that_end_lock_nobody_out(clean: None) -> None:
    configure("http://127.0.0.1:9")
    for number in range(4):
        say(f"first{number}", f"s{number % 2}")
    line.dedup(NOW)

    def storm(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(15):
            keys = [f"k{rng.randrange(12)}" for _ in range(6)]
            signals = [
                Signal("user:t", key, rng.choice(list(SignalStatus)), key, service=f"s{int(key[1:]) % 2}") for key in keys
            ]
            intake("user:t", signals, NOW)
            line.dedup(NOW)

    def people(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(15):
            with transaction() as db:
                numbers = list(db.scalars(text("select number from incident where state <> 'resolved' order by number")))
            with suppress(Conflict, Busy), transaction() as db:
                if len(numbers) > 1 and rng.random() < 0.5:
                    one, other = rng.sample(numbers, 2)
                    actions.merge(db, one, other, BO, NOW)
                elif numbers:
                    actions.resolve(db, rng.choice(numbers), BO, NOW)

    assert together(*(partial(storm, n) for n in range(4)), *(partial(people, n) for n in range(2))) == []
    while line.dedup(NOW + timedelta(minutes=1)):  # also what was put off while somebody held its incident
        pass
    with transaction() as db:
        lost = "select count(*) from alert where state = 'firing' and incident is null"
        merged = "select count(*) from alert a join incident i on i.number = a.incident where i.merged_into is not null"
        assert (db.scalar(text(lost)), db.scalar(text(merged))) == (0, 0)
        counts = text(
            "select count(*) from incident i where alert_count <> (select count(*) from alert where incident = i.number)"
        )
        assert db.scalar(counts) == 0


def test_many_pages_by_hand_with_one_key_open_one_incident(clean: None) -> None:
    configure("http://127.0.0.1:9")
    asked = ManualPage(target="user:ada", summary="help", key="k")
    opened: list[int] = []

    def page() -> None:
        with transaction() as db:
            opened.append(manual.page(db, asked, BO, NOW).number)

    raised = together(*[page] * 6, *[lambda: line.dedup(NOW)] * 2)
    assert (raised, set(opened), len(opened)) == ([], {1}, 6)
    line.escalate(NOW)
    with transaction() as db:
        assert db.scalar(text("select count(*) from page where channel = 'hook'")) == 1
        assert db.scalar(text("select count(*) from alert where dedup_at is not null")) == 0
