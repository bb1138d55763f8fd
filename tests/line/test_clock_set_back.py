"""A clock that is set back by an hour: what waited for an instant of the old clock does not wait for an hour more."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from app import clock, line, uptime
from app.checks import service as checks
from app.checks import store as check_store
from app.checks.model import Result
from app.checks.probe import Status
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.signals.model import Signal, SignalStatus
from app.uptime.table import uptime as uptime_table
from tests.sent import intake

CONFIG = """
users: {ada: {}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada", wait: 5m}, {page: "user:ada"}]}}
routes: [{policy: p}]
checks:
  a: {probe: health.disk, every: 5s, with: {path: /}}
  slow: {probe: health.disk, every: 1h, with: {path: /}}
"""
HOUR = timedelta(hours=1)


def ran(db: Connection, part: str, at: datetime) -> None:
    """A part has run since then; a server of other tests in this process may have said so for itself."""
    row = {"since": at, "seen_at": at}
    statement = insert(uptime_table).values(part=part, **row)
    db.execute(statement.on_conflict_do_update(index_elements=["part"], set_=row))


def ahead(by: timedelta) -> None:
    """Everything was done by a clock that was ahead."""
    with transaction() as db:
        now = clock.now(db) + by
        apply(db, load_texts({"a.yaml": CONFIG}, {}), SYSTEM, now)
    line.dispatch(["health"], now=now)
    with transaction() as db:
        checks.record(db, [Result("a", now, Status.CRITICAL, "", 0.1)])
        ran(db, "checks", now)
    line.evaluate(now=now)
    intake("user:t", [Signal("user:t", "k", SignalStatus.FIRING, "k")], now)
    line.dedup(now)
    line.escalate(now)


def test_nothing_waits_for_the_old_clock(clean: None) -> None:
    ahead(HOUR)
    with transaction() as db:
        now = clock.now(db) + HOUR
        ran(db, "intake", now)
    line.tick()
    line.tick(uptime.INTAKE)  # it notices as well, and moves nothing a second time
    line.tick()
    with transaction() as db:
        now = clock.now(db)
        due = {row.name: row.next_due_at - now for row in db.execute(text("select name, next_due_at from check_state"))}
        assert due["a"] <= timedelta(seconds=7)
        assert due["slow"] <= HOUR + timedelta(seconds=2)
        step = db.scalar(text("select due_at from escalation"))
        assert timedelta(minutes=4) < step - now <= timedelta(minutes=5, seconds=2)
        for column, table in (
            ("at", "check_result"),
            ("evaluated_at", "check_state"),
            ("known_at", "series_state"),
            ("next_at", "page"),
        ):
            newest = db.scalar(text(f"select max({column}) from {table}"))
            assert newest is None or newest <= now + timedelta(seconds=2), (table, column)


def test_results_of_the_new_clock_are_judged(clean: None) -> None:
    ahead(HOUR)
    line.tick()
    with transaction() as db:
        now = clock.now(db)
        for second in range(3):
            checks.record(db, [Result("a", now + timedelta(seconds=second), Status.CRITICAL, "", 0.1)])
    line.evaluate(now=now + timedelta(seconds=3))
    with transaction() as db:
        assert db.scalar(text("select count(*) from alert where alertname = 'a' and state = 'firing'")) == 1


def test_a_check_that_is_due_further_ahead_than_its_interval_is_due_now(clean: None) -> None:
    with transaction() as db:
        now = clock.now(db)
        apply(db, load_texts({"a.yaml": CONFIG}, {}), SYSTEM, now)
        db.execute(text("update check_state set next_due_at = :at, lease_until = :at"), {"at": now + HOUR})
        assert check_store.pull_in(db, now) == 2
        db.execute(text("update check_state set next_due_at = :at where name = 'slow'"), {"at": now + HOUR})
        (claimed,) = check_store.claim_due(db, ["health"], now, now, 5.0, 10)
        assert claimed.name == "a"
        again = db.scalar(text("select next_due_at from check_state where name = 'a'"))
        assert again == now + timedelta(seconds=5)
        assert check_store.claim_due(db, ["health"], now, now, 5.0, 10) == []


def test_a_small_step_changes_nothing(clean: None) -> None:
    ahead(timedelta(seconds=1))
    with transaction() as db:
        before = db.scalar(text("select due_at from escalation"))
    line.tick()
    with transaction() as db:
        assert db.scalar(text("select due_at from escalation")) == before
