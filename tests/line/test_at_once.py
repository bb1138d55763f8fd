"""Few alerts: incident, first step and leased pages in one transaction, with which nobody else need be woken."""

import pytest
from sqlalchemy import text

from app import clock, db, line
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.notify.flight import FLIGHT
from app.notify.service import Job
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


def fired(many: int) -> None:
    keys = [f"k{n}" for n in range(many)]
    intake("user:t", [Signal("user:t", key, SignalStatus.FIRING, key, alertname=key) for key in keys])


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
