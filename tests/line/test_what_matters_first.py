"""High urgency before low, critical before warning, then the oldest; what waits long enough goes before what has just come."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from app import clock, line
from app.alerts import store as alerts
from app.catalog.model import Severity
from app.concurrency.pace import AIM, FEWEST, MOST, Pace
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.escalation import store as escalations
from app.notify import store as pages
from app.notify.flight import KEPT, PER_CHANNEL, Flight
from app.people.model import SYSTEM
from app.priority import LIFT
from app.signals.model import Signal, SignalStatus
from tests.sent import intake

CONFIG = """
users: {ada: {contacts: {hook: ada}, notify: {high: [hook], low: [hook]}}}
channels: {hook: {kind: webhook, url: "http://127.0.0.1:9/"}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada", wait: 1h}]}}
routes: [{match: ['urgent="yes"'], policy: p, urgency: high}, {match: ['urgent="no"'], policy: p, urgency: low}, {policy: p}]
grouping: [{by: [alertname]}]
"""
MINUTE = timedelta(minutes=1)
# What comes last goes first: each as (name, severity, urgent, minutes ago).
RAISED = (
    ("low info", Severity.INFO, "no", 9),
    ("low critical", Severity.CRITICAL, "no", 8),
    ("high info", Severity.INFO, "yes", 7),
    ("warning", Severity.WARNING, "", 6),
    ("younger warning", Severity.WARNING, "", 5),
    ("high warning", Severity.WARNING, "yes", 4),
    ("error", Severity.ERROR, "", 3),
    ("critical", Severity.CRITICAL, "", 2),
    ("younger critical", Severity.CRITICAL, "", 1),
)
IN_ORDER = [
    "critical", "younger critical", "error", "high warning", "high info",
    "low critical", "warning", "younger warning", "low info",
]  # fmt: skip
SEVERITIES = {name: severity for name, severity, *_ in RAISED}


@pytest.fixture
def now(clean: None) -> datetime:
    with transaction() as db:
        loaded = load_texts({"a.yaml": CONFIG}, {})
        assert not loaded.errors
        at = clock.now(db)
        apply(db, loaded, SYSTEM, at - timedelta(hours=9))
    return at


def raise_all(now: datetime, *more: tuple[str, Severity, str, int]) -> None:
    for name, severity, urgent, ago in (*RAISED, *more):
        labels = {"urgent": urgent} if urgent else {}
        signal = Signal("user:t", name, SignalStatus.FIRING, name, severity, alertname=name, labels=labels)
        intake("user:t", [signal], now - ago * MINUTE)


def titles(db: Connection) -> dict[int, str]:
    return {row.number: row.title for row in db.execute(text("select number, title from incident"))}


def test_alerts_are_placed_by_severity_then_age(now: datetime) -> None:
    raise_all(now)
    with transaction() as db:
        names = {row.id: row.alertname for row in db.execute(text("select id, alertname from alert"))}
        order = [names[one] for one in alerts.changed(db, now, 9)]
        severities = [SEVERITIES[one] for one in order]
        assert severities == sorted(severities, key=lambda one: -one.rank)
        assert order[:3] == ["low critical", "critical", "younger critical"]
        urgent = alerts.claim_changed(db, now, 1)
        assert [one.alertname for one in urgent] == order[:4], "all of them, whatever else waits, and nothing else"
        alerts.place_all(db, {one.id: 1 for one in urgent})
        assert [one.alertname for one in alerts.claim_changed(db, now, 2)] == order[4:6]


def test_steps_are_taken_by_urgency_severity_and_age(now: datetime) -> None:
    raise_all(now)
    _place(now)
    with transaction() as db:
        assert escalations.next_due(db) == now - 9 * MINUTE
        urgent = escalations.claim_due(db, now, 1)
        assert [titles(db)[one.incident] for one in urgent] == IN_ORDER[:5]
        escalations.put_all(db, [replace(one, due_at=None) for one in urgent])
        assert [titles(db)[one.incident] for one in escalations.claim_due(db, now, 3)] == IN_ORDER[5:8]


def test_pages_are_sent_by_urgency_severity_and_age(now: datetime) -> None:
    raise_all(now)
    _place(now)
    while line.escalate(now):
        pass
    with transaction() as db:
        assert pages.next_due(db) == now
        order = [_claim(db, now) for _ in RAISED]
        assert order == IN_ORDER
        assert _claim(db, now) is None


def _place(now: datetime) -> None:
    """Each incident opened when its alert came."""
    for _, _, _, ago in RAISED:
        line.dedup(now - ago * MINUTE, step=False)


def _claim(db: Connection, now: datetime) -> str | None:
    claims = pages.claim(db, now, timedelta(minutes=1), 1, Flight())
    return titles(db)[claims[0].draft.incident or 0] if claims else None


def test_what_waits_rises_with_its_age(now: datetime) -> None:
    old = int(7 * LIFT / MINUTE)  # minutes after which the last in rank is worth as much as the first
    at = now - old * MINUTE - 5 * MINUTE
    signal = Signal("user:t", "old", SignalStatus.FIRING, "old", Severity.INFO, alertname="old", labels={"urgent": "no"})
    intake("user:t", [signal], at)
    line.dedup(at)
    line.escalate(at)
    raise_all(now)
    _place(now)
    line.escalate(now)
    with transaction() as db:
        assert [_claim(db, now) for _ in range(3)] == ["old", *IN_ORDER[:2]]


def test_the_last_room_in_a_channel_is_kept_for_high_urgency(now: datetime) -> None:
    many = [("low", Severity.WARNING), ("high", Severity.CRITICAL)]
    for name, severity in many:
        signals = [
            Signal("user:t", f"{name} {n}", SignalStatus.FIRING, name, severity, alertname=f"{name} {n}")
            for n in range(PER_CHANNEL)
        ]
        intake("user:t", signals, now - MINUTE if name == "low" else now)
        if name == "low":
            _decide(now)
            flight = Flight()
            with transaction() as db:
                taken = pages.claim(db, now, timedelta(minutes=9), 500, flight)
                flight.took(taken)
                assert len(taken) == PER_CHANNEL - KEPT
                assert pages.claim(db, now, timedelta(minutes=9), 500, flight) == []
    _decide(now)
    with transaction() as db:
        taken = pages.claim(db, now, timedelta(minutes=9), 500, flight)
        assert len(taken) == KEPT
        assert {titles(db)[one.draft.incident or 0] for one in taken} == {"high"}


def _decide(now: datetime) -> None:
    """A busy machine takes few at once."""
    while line.dedup(now) + line.escalate(now):
        pass


def test_what_waited_long_is_taken_before_what_is_urgent(now: datetime) -> None:
    signal = Signal("user:t", "old", SignalStatus.FIRING, "old", Severity.INFO, alertname="old")
    intake("user:t", [signal], now - 4 * LIFT)
    raise_all(now)
    with transaction() as db:
        assert [one.alertname for one in alerts.claim_changed(db, now, 2)] == ["old", "low critical"]


def test_a_stage_takes_as_much_as_it_gets_done_in_a_moment() -> None:
    pace = Pace(200)
    for _ in range(9):
        pace.learn(pace.rows, pace.rows * 0.001)  # a millisecond each
    assert pace.rows == AIM / 0.001
    pace.learn(3, 60.0)  # few say little
    assert pace.rows == AIM / 0.001
    pace.learn(pace.rows, 60.0)
    assert pace.rows == FEWEST
    for _ in range(9):
        pace.learn(pace.rows, 0.0)
    assert pace.rows == MOST
