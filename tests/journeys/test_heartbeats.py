"""Stories of a heartbeat: a job that must ping, and what becomes of it when it does not."""

from typing import Any

import pytest

from app import line
from app.actions import heartbeat as actions
from app.alerts.service import REMOVED
from app.checks.heartbeats import store
from app.checks.heartbeats.model import Beat, HeartbeatRecord, Kind, PingRequest
from app.db import transaction
from app.errors import Conflict
from app.people.model import SYSTEM
from app.people.store import audited
from app.signals.model import Integration
from app.wording import because
from tests.journeys.world import World, minutes, seconds

CONFIG = """
users: {ada: {contacts: {hook: ada}}}
channels: {hook: {kind: webhook, url: PAGES/hook}}
platform: {owners: ["user:ada"]}
teams: {ops: {members: [ada]}}
services: {shop-db: {team: ops, tier: critical}}
policies: {p: {steps: [{page: "user:ada", wait: 60m}]}}
routes: [{policy: p}]
heartbeats:
  invoices: {service: shop-db, every: 1h, grace: 10m, severity: warning, labels: {job: invoices}}
  nightly: {cron: "15 2 * * *", timezone: Europe/Paris, grace: 30m, summary: "{{ heartbeat }}: {{ because }}"}
"""
A, B, C = (f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "123")


def ping(world: World, kind: str = "success", name: str = "invoices", **more: Any) -> None:
    heard = line.ping(PingRequest(Kind(kind), slug=name, **more), now=world.now)
    assert heard is not None
    world.settle()


def beat(name: str = "invoices") -> Beat:
    """How it stands."""
    return stored(name).beat


def stored(name: str = "invoices") -> HeartbeatRecord:
    with transaction() as db:
        found = store.get(db, name)
    assert found is not None
    return found


def test_one_that_was_never_pinged_pages_nobody(world: World) -> None:
    world.configure(CONFIG)
    world.advance(minutes(60 * 48))
    world.expect_nothing()
    assert beat().state == "new"


def test_silence_pages_when_the_grace_is_over_and_the_next_ping_ends_it(world: World) -> None:
    world.configure(CONFIG)
    ping(world)
    world.advance(minutes(69))
    world.expect_nothing()
    world.advance(minutes(2))
    (page,) = world.expect_page("ada")
    assert page["incident"]["title"].startswith(
        "invoices: no ping since Mon 23 Nov 12:00:00 UTC; expected at Mon 23 Nov 13:00:00"
    )
    (alert,) = world.alerts()
    assert alert.labels == {
        "alertname": "invoices", "service": "shop-db", "team": "ops", "tier": "critical", "severity": "warning",
        "family": "health", "job": "invoices",
    }  # fmt: skip
    assert alert.source == "heartbeat:invoices"
    ping(world)
    world.expect_page("ada", event="resolved")
    assert because(world.alerts()[0].end_reasons) == "ping received"


def test_a_failure_pages_at_once_with_what_the_job_said(world: World) -> None:
    world.configure(CONFIG)
    ping(world, "fail", exit_status=3, body=b"pg_dump: connecting\npg_dump: error: disk full\n\n")
    (page,) = world.expect_page("ada")
    assert page["incident"]["title"] == "invoices: exit status 3: pg_dump: error: disk full"
    ping(world, "log", body=b"trying again")
    ping(world, "start")
    world.expect_nothing()
    ping(world)
    world.expect_page("ada", event="resolved")


def test_a_run_that_does_not_end_pages_and_runs_side_by_side_are_told_apart(world: World) -> None:
    world.configure(CONFIG)
    ping(world, "start", rid=A)
    world.advance(minutes(6))
    ping(world, "start", rid=B)
    world.advance(minutes(3))
    ping(world, rid=B)
    assert beat().run_seconds == 180
    world.advance(minutes(2))
    (page,) = world.expect_page("ada")
    assert f"started at Mon 23 Nov 12:00:00 UTC (run {A}), not finished within 10m" in page["incident"]["title"]
    ping(world, rid=A)
    world.expect_page("ada", event="resolved")
    assert beat().run_seconds == 660


def test_a_cron_heartbeat_is_expected_by_the_clock_of_its_zone(world: World) -> None:
    world.configure(CONFIG)
    ping(world, name="nightly")  # at 13:00 in Paris
    world.advance(minutes(13 * 60 + 44))
    world.expect_nothing()
    world.advance(minutes(2))  # 02:46 there
    (page,) = world.expect_page("ada")
    assert "expected at Tue 24 Nov 02:15:00 CET, grace of 30m exceeded" in page["incident"]["title"]
    ping(world, name="nightly")
    world.expect_page("ada", event="resolved")


def test_a_failure_between_two_looks_is_not_lost(world: World) -> None:
    world.configure(CONFIG)
    for kind in (Kind.SUCCESS, Kind.FAIL, Kind.FAIL):
        line.ping(PingRequest(kind, slug="invoices"), now=world.now)
    world.settle()
    world.expect_page("ada")
    ping(world)
    world.expect_page("ada", event="resolved")


def test_a_removed_heartbeat_ends_its_alert_and_keeps_its_address_when_it_returns(world: World) -> None:
    world.configure(CONFIG)
    ping(world, "fail")
    world.expect_page("ada")
    address = stored().uuid
    world.configure("\n".join(one for one in CONFIG.splitlines() if "invoices" not in one))
    world.settle()
    world.expect_nothing()
    assert world.alerts()[0].end_reasons == REMOVED
    with transaction() as db:
        assert store.get(db, "invoices") is None
    assert line.ping(PingRequest(Kind.SUCCESS, uuid=str(address)), now=world.now) is None
    world.configure(CONFIG)
    world.settle()
    back = stored()
    assert (back.uuid, back.beat.state, back.pings) == (address, "new", 1)
    assert [one.code for one in back.beat.reasons] == ["awaits_ping"]
    world.advance(minutes(500))
    world.expect_nothing()
    ping(world)
    assert (beat().state, beat().reasons) == ("up", ())
    world.advance(minutes(71))
    world.expect_page("ada")
    world.act("acknowledge", 2)


def test_a_removed_heartbeat_that_was_well_or_silent_is_expected_from_its_return_on(world: World) -> None:
    world.configure(CONFIG)
    ping(world)
    for number in (1, 2):  # first it is up when it is removed, then down
        world.configure("\n".join(one for one in CONFIG.splitlines() if "invoices" not in one))
        world.advance(minutes(500))
        world.expect_nothing()
        world.configure(CONFIG)
        world.settle()
        assert beat().state == "up"
        world.advance(minutes(69))
        world.expect_nothing()
        world.advance(minutes(2))
        world.expect_page("ada")
        world.act("acknowledge", number)


def test_the_end_of_a_run_beside_it_tells_nobody_of_one_that_hangs_and_that_of_a_later_one_ends_it(world: World) -> None:
    world.configure(CONFIG)
    ping(world, "start", rid=A)
    world.advance(minutes(5))
    ping(world, "start", rid=B)
    world.advance(minutes(6))
    world.expect_page("ada")
    for rid in (B, None):
        ping(world, rid=rid)
        assert beat().state == "down"
    world.expect_nothing()
    ping(world, "start", rid=C)
    ping(world, rid=C)
    world.expect_page("ada", event="resolved")


def test_a_run_whose_end_never_comes_is_forgotten_by_a_pause(world: World) -> None:
    world.configure(CONFIG)
    ping(world, "start", rid=A)
    world.advance(minutes(11))
    world.expect_page("ada")
    with transaction() as db:
        actions.pause(db, "invoices", SYSTEM, world.now)
        actions.resume(db, "invoices", SYSTEM, world.now)
    world.settle()
    world.expect_page("ada", event="resolved")
    assert (beat().state, beat().runs) == ("up", ())


def test_a_longer_schedule_ends_what_is_not_late_by_it(world: World) -> None:
    world.configure(CONFIG)
    ping(world)
    world.advance(minutes(75))
    world.expect_page("ada")
    world.configure(CONFIG.replace("every: 1h", "every: 1d"))
    world.settle()
    world.expect_page("ada", event="resolved")


def test_a_pause_ends_the_alert_and_a_ping_ends_the_pause(world: World) -> None:
    world.configure(CONFIG)
    ping(world, "fail")
    world.expect_page("ada")
    with transaction() as db:
        actions.pause(db, "invoices", SYSTEM, world.now)
    world.settle()
    world.expect_page("ada", event="resolved")
    world.advance(minutes(500))
    world.expect_nothing()
    ping(world)
    assert beat().state == "up"
    with transaction() as db:
        actions.pause(db, "invoices", SYSTEM, world.now)
    world.advance(minutes(500))
    with transaction() as db:
        actions.resume(db, "invoices", SYSTEM, world.now)
    world.advance(minutes(69))
    world.expect_nothing()
    world.advance(minutes(2))
    world.expect_page("ada")
    world.act("acknowledge", 2)


def test_a_pause_with_an_end_is_over_by_itself_and_the_next_ping_is_expected_from_then(world: World) -> None:
    world.configure(CONFIG)
    ping(world)
    with transaction() as db:
        actions.pause(db, "invoices", SYSTEM, world.now, until=world.now + minutes(500), reason="moved  to\nnew host")
    pause = stored().pause
    assert (beat().state, pause.reason if pause else "") == ("paused", "moved to new host")
    ping(world, "log")  # says nothing, and ends nothing
    world.advance(minutes(499))
    world.configure(CONFIG.replace("every: 1h", "every: 59m"))  # nor does a change of its schedule
    world.settle()
    assert beat().state == "paused"
    world.advance(minutes(1))
    assert (beat().state, stored().pause) == ("up", None)
    world.advance(minutes(68))
    world.expect_nothing()
    world.advance(minutes(2))
    world.expect_page("ada")
    with transaction() as db:
        line_ = next(one for one in audited(db, object_="heartbeat:invoices", action="heartbeat.resume", limit=9))
    assert (line_.actor, line_.detail["before"]["reason"]) == (None, "moved to new host")
    world.act("acknowledge")


def test_a_ping_ends_a_pause_before_its_time_and_none_is_left_of_it(world: World) -> None:
    world.configure(CONFIG)
    ping(world)
    with transaction() as db:
        actions.pause(db, "invoices", SYSTEM, world.now, until=world.now + minutes(30))
    ping(world)
    assert (beat().state, stored().pause) == ("up", None)
    with transaction() as db:
        actions.pause(db, "invoices", SYSTEM, world.now)
    world.advance(minutes(500))
    assert beat().state == "paused"


def test_one_that_is_not_paused_is_not_resumed(world: World) -> None:
    world.configure(CONFIG)
    ping(world)
    world.advance(minutes(50))
    before = stored()
    with transaction() as db:
        actions.resume(db, "invoices", SYSTEM, world.now)
        assert audited(db, object_="heartbeat:invoices", limit=9) == []
    assert stored() == before  # the next ping is expected when it was


def test_one_that_a_ping_made_pages_like_any_other_until_it_is_removed(world: World) -> None:
    world.configure(CONFIG)
    made = line.ping(PingRequest(Kind.SUCCESS, slug="from-cron"), Integration("host", "healthchecks", "shop-db"), world.now)
    assert made is not None
    assert made.made
    world.settle()
    world.configure(CONFIG + "  another: {every: 1h}\n")  # what files declare is theirs, the rest stays
    world.advance(minutes(25 * 60 - 1))
    world.expect_nothing()
    world.advance(minutes(2))
    (page,) = world.expect_page("ada")
    assert page["incident"]["service"] == "shop-db"
    with transaction() as db, pytest.raises(Conflict):
        actions.remove(db, "invoices", SYSTEM, world.now)
    with transaction() as db:
        actions.remove(db, "from-cron", SYSTEM, world.now)
    world.settle()
    world.expect_nothing()
    assert world.alerts()[0].end_reasons == REMOVED


def test_the_newest_hundred_pings_are_kept_and_run_times_are_samples(world: World) -> None:
    world.configure(CONFIG)
    for _ in range(70):
        line.ping(PingRequest(Kind.START, slug="invoices"), now=world.now)
        world.now += seconds(2)
        line.ping(PingRequest(Kind.SUCCESS, slug="invoices"), now=world.now)
    world.settle()
    with transaction() as db:
        kept = store.pings(db, stored().id, None, 1000, 10)
        runs = store.ends(db, [stored().id], 1000)[stored().id]
    assert [one.n for one in kept] == list(range(140, 40, -1))
    assert kept[0].seconds == 2
    assert [one.seconds for one in runs] == [2] * 50
    assert stored().pings == stored().judged == 140
