"""Stories of a check: from results to a page and back."""

from app.actions.check import pause, resume
from app.alerts.service import REMOVED
from app.checks.probe import Status
from app.db import transaction
from app.people.model import Actor, Role
from tests.journeys.world import World, minutes, seconds

CONFIG = """
users: {ada: {contacts: {hook: ada}}}
channels: {hook: {kind: webhook, url: PAGES/hook}}
platform: {owners: ["user:ada"]}
services: {shop: {}}
policies: {p: {steps: [{page: "user:ada", wait: 60m}]}}
routes: [{policy: p}]
checks:
  numbers: {probe: health.tcp, service: shop, every: 30s, with: &there {host: 127.0.0.1, port: 9}, alert: off, no_data: keep}
  port: {probe: health.tcp, service: shop, every: 30s, with: *there, alert: {severity: critical, summary: "{{ check }} down"}}
rules:
  slow:
    {kind: threshold, check: numbers, metric: seconds, window: 2m, agg: avg, above: 0.8, clear: 0.5, for: 1m,
     severity: warning, summary: "{{ value }} s"}
"""


def run(world: World, check: str, status: Status, **metrics: float) -> None:
    world.advance(seconds(30))
    world.result(check, status, "said the probe", **metrics)


def test_two_of_three_bad_results_page_and_the_first_ok_recovers(world: World) -> None:
    world.configure(CONFIG)
    run(world, "port", Status.OK)
    run(world, "port", Status.CRITICAL)
    world.expect_nothing()
    run(world, "port", Status.OK)
    run(world, "port", Status.CRITICAL)
    (page,) = world.expect_page("ada")
    assert page["incident"]["title"] == "port down"
    assert page["incident"]["severity"] == "critical"
    run(world, "port", Status.OK)
    world.expect_page("ada", event="resolved")


def test_after_a_recovery_counting_starts_afresh(world: World) -> None:
    world.configure(CONFIG)
    run(world, "port", Status.CRITICAL)
    run(world, "port", Status.CRITICAL)
    world.expect_page("ada")
    run(world, "port", Status.OK)
    world.expect_page("ada", event="resolved")
    run(world, "port", Status.CRITICAL)
    world.expect_nothing()
    run(world, "port", Status.CRITICAL)
    world.expect_page("ada")
    world.act("acknowledge", 2)


def test_warnings_fire_at_warning(world: World) -> None:
    world.configure(CONFIG)
    run(world, "port", Status.WARNING)
    run(world, "port", Status.WARNING)
    (page,) = world.expect_page("ada")
    assert page["incident"]["severity"] == "warning"
    world.act("acknowledge")


def test_unknown_for_three_intervals_is_an_alert_and_never_ok(world: World) -> None:
    world.configure(CONFIG)
    run(world, "port", Status.OK)
    run(world, "port", Status.UNKNOWN)
    run(world, "port", Status.UNKNOWN)
    world.expect_nothing()
    run(world, "port", Status.UNKNOWN)
    world.expect_page("ada")
    run(world, "port", Status.OK)
    world.expect_page("ada", event="resolved")


def test_silence_for_three_intervals_is_an_alert(world: World) -> None:
    world.configure(CONFIG)
    run(world, "port", Status.OK)
    world.advance(seconds(80))
    world.expect_nothing()
    world.advance(seconds(11))
    world.expect_page("ada")
    world.act("acknowledge")


NUMBERS = "\n".join(line for line in CONFIG.splitlines() if "  port:" not in line)


def test_a_threshold_is_pending_for_its_time_then_fires_and_recovers_below_clear(world: World) -> None:
    world.configure(NUMBERS)
    for value in (0.9, 0.9):
        run(world, "numbers", Status.OK, seconds=value)
    world.expect_nothing()
    run(world, "numbers", Status.OK, seconds=0.9)
    (page,) = world.expect_page("ada")
    assert page["incident"]["title"] == "0.9 s"
    for value in (0.7, 0.7, 0.7, 0.7):  # above clear: still on
        run(world, "numbers", Status.OK, seconds=value)
    world.expect_nothing()
    for value in (0.1, 0.1, 0.1):
        run(world, "numbers", Status.OK, seconds=value)
    world.expect_page("ada", event="resolved")


def test_a_removed_check_ends_its_alert_and_nobody_is_told(world: World) -> None:
    world.configure(CONFIG)
    run(world, "port", Status.CRITICAL)
    run(world, "port", Status.CRITICAL)
    world.expect_page("ada")
    world.configure(NUMBERS)
    world.settle()
    world.expect_nothing()
    assert world.incident().state == "resolved"
    assert world.alerts()[0].end_reasons == REMOVED


def test_a_rule_in_shadow_pages_nobody(world: World) -> None:
    world.configure(NUMBERS.replace("severity: warning,", "severity: warning, mode: shadow,"))
    for _ in range(4):
        run(world, "numbers", Status.OK, seconds=2.0)
    world.advance(minutes(10))
    world.expect_nothing()


def test_a_check_that_is_paused_ends_its_alert_and_those_of_its_rules(world: World) -> None:
    world.configure(CONFIG)
    run(world, "port", Status.CRITICAL)
    run(world, "port", Status.CRITICAL)
    world.expect_page("ada")
    with transaction() as db:
        pause(db, "port", Actor("ed", Role.EDITOR, "test"), world.now)
    world.settle()
    world.expect_page("ada", event="resolved")
    with transaction() as db:
        resume(db, "port", Actor("ed", Role.EDITOR, "test"), world.now)
    run(world, "port", Status.CRITICAL)  # counting starts afresh
    world.expect_nothing()
