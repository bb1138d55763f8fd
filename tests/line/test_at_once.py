"""Few alerts: incident, first step and leased pages in one transaction, with which nobody else need be woken."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import InternalError

from app import clock, db, line, pager
from app.catalog.model import Severity
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.deliver import PAGES, claim_pages
from app.notify import store as pages
from app.notify.flight import FLIGHT
from app.notify.model import Draft, Kind
from app.notify.service import PAGE_LIFE, Job
from app.people.model import SYSTEM
from app.priority import FEW
from app.queues import Queue
from app.signals.model import Signal, SignalStatus
from tests.sent import intake

CONFIG = """
users: {ada: {contacts: {hook: ada}, notify: {high: [hook]}}}
channels: {hook: {kind: webhook, url: "http://127.0.0.1:9/"}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada", wait: 1h}]}}
routes: [{policy: p}]
grouping: [{by: [alertname]}]
"""


@pytest.fixture(autouse=True)
def configured(clean: None) -> None:
    FLIGHT.clear()
    with transaction() as db:
        loaded = load_texts({"a.yaml": CONFIG}, {})
        assert not loaded.errors
        apply(db, loaded, SYSTEM, clock.now(db))


def fired(many: int, severity: Severity = Severity.CRITICAL, name: str = "k") -> None:
    keys = [f"{name}{n}" for n in range(many)]
    intake("user:t", [Signal("user:t", key, SignalStatus.FIRING, key, severity, alertname=key) for key in keys])


def woken_by(*, send: bool) -> tuple[list[Queue], list[Job]]:
    """Dedup once: whom it wakes, and the pages it has leased."""
    woken: list[Queue] = []
    jobs: list[Job] = []
    db.hint_by(lambda stage, *_: woken.append(stage))
    try:
        line.dedup(send=jobs.extend if send else None)
    finally:
        db.hint_by(None)
    return woken, jobs


def counted(table: str, where: str = "true") -> int:
    with transaction() as db:
        found: int = db.execute(text(f"select count(*) from {table} where {where}")).scalar_one()
        return found


def test_a_pager_leases_the_pages_of_a_fresh_alert_with_its_incident_and_wakes_nobody() -> None:
    fired(1)
    woken, jobs = woken_by(send=True)
    assert [(one.claim.draft.channel, one.claim.attempt, one.gone) for one in jobs] == [("hook", 1, None)]
    assert jobs[0].message.json["incident"]["title"] == "k0"
    assert set(FLIGHT.ids) == {jobs[0].claim.id}
    assert woken == []
    assert counted("page", "channel = 'hook' and state = 'sending'") == counted("page_attempt") == 1
    FLIGHT.clear()


def test_whoever_does_not_send_wakes_those_who_do() -> None:
    fired(1)
    assert woken_by(send=False) == ([Queue.NOTIFY], [])
    assert counted("page", "state = 'queued'") == counted("obligation") == 1


def test_many_alerts_are_placed_first_and_their_steps_left_to_the_next_stage() -> None:
    fired(FEW + 1)
    woken, jobs = woken_by(send=True)
    assert set(woken) == {Queue.DEDUP, Queue.ESCALATION}
    assert jobs == []
    assert counted("incident") == FEW + 1
    assert counted("obligation") == 0


def test_what_is_wrong_with_a_step_keeps_no_alert_from_its_incident() -> None:
    fired(1)
    with db.engine().begin() as made:
        made.execute(text("alter table obligation rename to obligation_away"))
    try:
        assert line.dedup() == 1
        assert counted("incident", "state = 'triggered'") == counted("escalation", "due_at is not null") == 1
    finally:
        with db.engine().begin() as made:
            made.execute(text("alter table obligation_away rename to obligation"))
    assert line.escalate() == 1
    assert counted("page", "state = 'queued'") == 1


def test_an_alert_that_is_over_before_it_is_placed_takes_no_step() -> None:
    fired(1)
    intake("user:t", [Signal("user:t", "k0", SignalStatus.RESOLVED, "k0", alertname="k0")])
    woken, jobs = woken_by(send=True)
    assert (woken, jobs) == ([], [])
    assert counted("incident", "state = 'resolved'") == 1
    assert counted("escalation", "due_at is not null") == counted("page") == counted("obligation") == 0


def test_what_is_less_urgent_than_a_few_does_not_wait_for_a_sweep() -> None:
    fired(3, Severity.CRITICAL, "urgent")
    fired(2 * FEW, Severity.WARNING, "not")
    woken, _ = woken_by(send=True)
    assert Queue.DEDUP in woken
    with transaction() as made:
        assert escalated(made, "urgent") == 3
        made.execute(text("update alert set dedup_at = null"))
    db.hint_by(lambda stage, *_: woken.append(stage))
    woken.clear()
    try:
        assert line.escalate() > FEW
    finally:
        db.hint_by(None)
    assert Queue.NOTIFY in woken


def escalated(made: Connection, name: str) -> int:
    query = text("select count(*) from escalation join incident on number = incident where title like :name")
    return int(made.execute(query, {"name": f"{name}%"}).scalar_one())


def test_a_page_whose_time_has_passed_is_not_sent_beside_a_fresh_one() -> None:
    fired(1)
    woken_by(send=False)
    with transaction() as made:
        made.execute(text("update page set expires_at = clock_timestamp() - interval '1 hour'"))
    fired(1, name="fresh")
    _, jobs = woken_by(send=True)
    assert [one.message.json["incident"]["title"] for one in jobs] == ["fresh0"]


def test_pages_that_find_no_place_beside_fresh_ones_wake_who_sends() -> None:
    with transaction() as made:
        now = clock.now(made)
        waiting = [
            Draft(key=f"w{n}", kind=Kind.TEST, due_at=now - timedelta(hours=1), channel=f"c{n % 9}", user="ada", reasons=())
            for n in range(PAGES)
        ]
        pages.queue_all(made, waiting, now, PAGE_LIFE)
        made.execute(text("update page set next_at = clock_timestamp()"))
    fired(1)
    woken, jobs = woken_by(send=True)
    assert len(jobs) == PAGES
    assert Queue.NOTIFY in woken
    FLIGHT.clear()


def test_two_who_lease_at_once_share_the_room() -> None:
    fired(1)
    with FLIGHT.door():  # somebody of this process is just leasing
        woken, jobs = woken_by(send=True)
    assert (woken, jobs) == ([Queue.NOTIFY], [])
    assert counted("page", "state = 'queued'") == 1
    leased: list[Job] = []
    with FLIGHT.door():
        other = threading.Thread(target=lambda: leased.extend(claim_pages()))
        other.start()
        other.join(0.2)
        assert counted("page", "state = 'queued'") == 1
    other.join(10)
    assert len(leased) == 1
    FLIGHT.clear()


@contextmanager
def poisoned(table: str, which: str) -> Iterator[None]:
    """No row of this table that is about the alert k1 can be written."""
    body = f"begin if {which} then raise 'poison'; end if; return new; end"
    with transaction() as made:
        made.execute(text(f"create function poison() returns trigger as $$ {body} $$ language plpgsql"))
        made.execute(text(f"create trigger poison before insert on {table} for each row execute function poison()"))
    try:
        yield
    finally:
        with transaction() as made:
            made.execute(text(f"drop trigger poison on {table}; drop function poison"))


ITS = "exists (select from incident where number = new.incident and title = 'k1')"


@pytest.mark.parametrize("many", [3, FEW + 4])
@pytest.mark.parametrize(
    ("table", "which", "placed"),
    [("obligation", ITS, 0), ("page", ITS, 0), ("escalation", ITS, 1), ("incident", "new.title = 'k1'", 1)],
)
def test_an_alert_that_cannot_be_placed_or_stepped_keeps_no_other_from_its_page(
    table: str, which: str, placed: int, many: int
) -> None:
    fired(many)
    with poisoned(table, which):
        for _ in range(2):
            with suppress(InternalError):
                pager.decide()
        assert counted("page", "state = 'queued'") == many - 1
        assert counted("incident") == many - placed
        fired(1, name="later")
        with suppress(InternalError):
            pager.decide()
        assert counted("page", "state = 'queued'") == many
    with transaction() as made:  # as if some seconds had passed
        made.execute(text("update alert set dedup_at = clock_timestamp() where dedup_at is not null"))
        made.execute(
            text("update escalation set due_at = clock_timestamp() where due_at < clock_timestamp() + interval '1 minute'")
        )
    pager.decide()
    assert counted("page", "state = 'queued'") == many + 1


def test_who_cannot_begin_to_send_lets_the_pages_go() -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no loop")

    fired(1)
    with pytest.raises(RuntimeError, match="no loop"):
        line.dedup(send=broken)
    assert FLIGHT.ids == []
    assert counted("page", "channel = 'hook' and state = 'sending'") == 1  # until its lease runs out


@pytest.mark.parametrize("damage", [
    "update page set reasons = '[1, {\"code\": 2}]'", "update page set reasons = '7'", "update alert set reasons = '[[]]'",
    "update alert set links = '7', end_reasons = 'true'", "update incident set links = '7'",
    "update incident set links = '[1]'",
])  # fmt: skip
def test_a_row_that_somebody_damaged_is_sent_with_what_can_be_read_of_it(damage: str) -> None:
    fired(1)
    line.dedup()
    with transaction() as db:
        db.execute(text(damage.replace(":", "\\:")))
    (job,) = [one for one in claim_pages() if one.claim.draft.channel == "hook"]
    assert job.message.json["incident"]["title"] == "k0"
    FLIGHT.clear()
