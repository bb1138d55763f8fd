"""Tocsin's own downtime through the real line: who was not heard while nobody listened is not silent."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app import clock, line, uptime
from app.checks import service as checks
from app.checks.heartbeats.model import Kind, PingRequest
from app.checks.model import Result
from app.checks.probe import Status
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.uptime.table import downtime as downtime_table
from app.uptime.table import uptime as uptime_table

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONFIG = """
users: {ada: {}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada"}]}}
routes: [{policy: p}]
checks:
  shop: {probe: health.disk, every: 5s, with: {path: /}, alert: {severity: critical, summary: The shop does not answer}}
  there: {probe: health.disk, every: 5s, at: paris, with: {path: /}}
rules: {gone: {kind: absence, check: shop, metric: orders, window: 10s, severity: warning}}
heartbeats: {backup: {every: 20s, grace: 5s}}
"""


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def running(clean: None) -> None:
    """Applied at noon; results and a ping came at once."""
    with transaction() as db:
        loaded = load_texts({"a.yaml": CONFIG}, {})
        assert not loaded.errors, loaded.errors
        apply(db, loaded, SYSTEM, NOON)
    result(0)
    line.ping(PingRequest(Kind.SUCCESS, slug="backup", method="GET", remote="", agent="", body=b""), now=NOON)
    line.evaluate(now=at(0.1))
    assert alerts() == {}


def result(second: float, *names: str) -> None:
    with transaction() as db:
        checks.record(db, [Result(name, at(second), Status.OK, "", 0.1, {"orders": 1}) for name in names or ("shop", "there")])


def away(part: str, began: float, ended: float) -> None:
    with transaction() as db:
        db.execute(downtime_table.insert().values(part=part, began=at(began), ended=at(ended)))


def alerts() -> dict[str, str]:
    with transaction() as db:
        rows = db.execute(text("select alertname, summary from alert where state = 'firing' order by id"))
        return {row.alertname: row.summary for row in rows}


def test_without_downtime_silence_is_told_in_its_own_words(running: None) -> None:
    line.evaluate(now=at(16))
    assert alerts() == {
        "shop": "shop: no data for 15s: no result",
        "there": "there: no data for 15s: no result",
        "gone": "gone: no orders for 16s",
    }
    line.evaluate(now=at(26))
    assert "no ping since" in alerts()["backup"]


@pytest.mark.parametrize("length", [20, 40, 600], ids=lambda length: f"{length} s")
def test_a_restart_pages_nobody_and_real_silence_after_it_does(running: None, length: int) -> None:
    back = 3 + length
    away(uptime.CHECKS, 3, back)
    away(uptime.INTAKE, 3, back)
    for second in (0, 1, 9):
        line.evaluate(now=at(back + second))
        assert alerts() == {}
    for second in range(10, 60):
        line.evaluate(now=at(back + second))
    assert set(alerts()) == {"shop", "there", "gone", "backup"}


def test_what_fired_before_it_went_down_still_does(running: None) -> None:
    with transaction() as db:
        bad = [Result("shop", at(second), Status.CRITICAL, "500", 0.1) for second in (1, 2, 3)]
        checks.record(db, bad)
    line.evaluate(now=at(3))
    away(uptime.CHECKS, 4, 60)
    line.evaluate(now=at(61))
    assert alerts()["shop"] == "The shop does not answer"


def test_a_worker_elsewhere_that_was_away_says_nothing_of_its_targets(running: None) -> None:
    away(uptime.part_of("paris"), 3, 60)
    result(59, "shop")
    line.evaluate(now=at(61))
    assert "there" not in alerts()
    line.evaluate(now=at(86))
    assert "there" in alerts()


def test_the_first_that_runs_again_says_how_long_nobody_did(clean: None) -> None:
    with transaction() as db:
        db.execute(uptime_table.insert().values(part="checks", since=at(0), seen_at=at(0)))
        first = uptime.tick(db, "checks", at(60))
        again = uptime.tick(db, "checks", at(60.5))
        known = uptime.downtimes(db, ["checks", "intake"], at(60.5))
    assert first.downtime is not None
    assert (first.downtime.began, first.downtime.ended, again.downtime) == (at(0), at(60), None)
    assert [(one.began, one.ended) for one in known["checks"] if one.ended == at(60)] == [(at(0), at(60))]
    assert known["intake"] == []


def test_downtime_that_lasts_counts_while_it_does(clean: None) -> None:
    with transaction() as db:
        now = clock.now(db)
        for part, seconds in (("checks", 3), ("checks@paris", 3), ("intake", 1)):
            seen = now - timedelta(seconds=seconds)
            db.execute(uptime_table.insert().values(part=part, since=seen, seen_at=seen))
        known = uptime.downtimes(db, ["checks", "checks@paris", "intake"], now)
    assert {part: len(found) for part, found in known.items()} == {"checks": 1, "checks@paris": 0, "intake": 0}


def test_a_location_without_its_worker_is_one_alert_and_its_end(running: None) -> None:
    with transaction() as db:
        db.execute(uptime_table.insert().values(part=uptime.part_of("paris"), since=NOON, seen_at=NOON))
    line.look_for_workers(at(29))
    assert alerts() == {}
    line.look_for_workers(at(31))
    assert alerts() == {"NoWorker": "No worker runs the checks of paris: their results are missing"}
    line.evaluate(now=at(40))
    assert "there" not in alerts(), "while nobody is there, its silence does not count"
    with transaction() as db:
        uptime.tick(db, uptime.part_of("paris"), at(60))
    line.look_for_workers(at(61))
    assert "NoWorker" not in alerts()


OFTEN = """
users: {ada: {}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada"}]}}
routes: [{policy: p}]
checks: {shop: {probe: health.disk, every: 1s, with: {path: /}}}
rules: {gone: {kind: absence, check: shop, metric: orders, severity: warning}}
"""


def test_runs_that_come_late_because_a_worker_or_the_beat_hangs_are_no_silence(clean: None) -> None:
    with transaction() as db:
        apply(db, load_texts({"a.yaml": OFTEN}, {}), SYSTEM, NOON)
    for second in range(60):
        if second % 7 == 0:
            result(second, "shop")
        line.evaluate(now=at(second + 0.5))
        assert alerts() == {}, second
    for second in range(60, 70):
        line.evaluate(now=at(second))
    assert set(alerts()) == {"shop", "gone"}, "nothing for ten seconds is"


def lease(until: float) -> None:
    with transaction() as db:
        db.execute(text("update check_state set lease_until = :until where name = 'shop'"), {"until": at(until)})


def test_a_run_that_a_stopped_worker_holds_is_no_silence_until_its_lease_and_the_pagers_turn_are_over(clean: None) -> None:
    with transaction() as db:
        apply(db, load_texts({"a.yaml": OFTEN}, {}), SYSTEM, NOON)
    result(0, "shop")
    line.evaluate(now=at(0.1))
    lease(16)
    for second in range(1, 26):
        line.evaluate(now=at(second))
        assert alerts() == {}, second
    for second in range(26, 30):
        line.evaluate(now=at(second))
    assert set(alerts()) == {"shop", "gone"}


def test_leases_that_follow_each_other_without_a_result_hide_silence_for_a_minute_at_most(clean: None) -> None:
    with transaction() as db:
        apply(db, load_texts({"a.yaml": OFTEN}, {}), SYSTEM, NOON)
    result(0, "shop")
    for second in range(1, 75):
        lease(second + 5)
        line.evaluate(now=at(second))
    assert set(alerts()) == {"shop", "gone"}


@pytest.mark.parametrize("seconds, down", [(3.5, {uptime.CHECKS}), (30, {uptime.CHECKS, "checks@paris"}), (0, set())])
def test_a_part_is_down_after_its_own_gap(clean: None, seconds: float, down: set[str]) -> None:
    parts = (uptime.CHECKS, "checks@paris")
    assert uptime.gap_of(parts[0]) < timedelta(seconds=3.5) < uptime.gap_of(parts[1])
    with transaction() as db:
        now = clock.now(db)
        ticked = [{"part": part, "since": now, "seen_at": now - timedelta(seconds=seconds)} for part in parts]
        db.execute(uptime_table.delete())
        db.execute(uptime_table.insert(), ticked)
        assert {part for part, found in uptime.downtimes(db, parts, now).items() if found} == down
