"""Stories of rules: series that end, counts that start afresh, rules that change while their alert is on."""

from app.checks import service as checks
from app.checks.model import Result
from app.checks.probe import Series, Status
from app.db import transaction
from tests.journeys.world import World, minutes, seconds

RULES = """
users: {ada: {contacts: {hook: ada}}}
channels: {hook: {kind: webhook, url: PAGES/hook}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada", wait: 600m}]}}
routes: [{policy: p}]
grouping: [{by: [alertname, source]}]
checks:
  log: {probe: health.tcp, every: 30s, with: {host: 127.0.0.1, port: 9}, alert: off, no_data: keep}
  other: {probe: health.tcp, every: 30s, with: {host: 127.0.0.1, port: 9}, alert: off, no_data: keep}
rules:
  many: {kind: threshold, check: log, metric: failed, above: 10}
"""


def report(world: World, status: Status = Status.OK, check: str = "log", **failed: float) -> None:
    """One result 30 s later: `failed` by source."""
    world.advance(seconds(30))
    series = tuple(Series("failed", value, {"source": source}) for source, value in failed.items())
    with transaction() as db:
        checks.record(db, [Result(check, world.now, status, "", 0.01, {"seconds": 0.1}, series)])
    world.settle()


def standings() -> int:
    from sqlalchemy import text

    with transaction() as db:
        return int(db.execute(text("select count(*) from series_state where rule = 'many'")).scalar_one())


def test_each_series_of_a_rule_is_an_alert_and_one_that_disappears_is_over(world: World) -> None:
    world.configure(RULES)
    report(world, a=20, b=30)
    world.expect_page("ada", "ada")
    report(world, b=30)
    world.expect_page("ada", event="resolved")
    report(world)
    world.expect_page("ada", event="resolved")
    assert standings() == 0  # nothing is remembered of sources that are gone


def test_a_run_that_could_not_tell_ends_no_series(world: World) -> None:
    world.configure(RULES)
    report(world, a=20)
    world.expect_page("ada")
    report(world, Status.UNKNOWN)
    report(world, Status.CRITICAL)
    world.expect_nothing()
    world.act("acknowledge")


def test_a_window_keeps_a_series_that_disappeared_until_it_has_passed(world: World) -> None:
    world.configure(RULES.replace("above: 10", "above: 10, window: 2m, agg: sum"))
    report(world, a=20)
    world.expect_page("ada")
    for _ in range(3):
        report(world)
    world.expect_nothing()
    report(world)
    world.expect_page("ada", event="resolved")


def test_a_rule_that_leaves_its_shadow_while_it_fires_pages(world: World) -> None:
    world.configure(RULES.replace("above: 10", "above: 10, mode: shadow"))
    report(world, a=20)
    world.expect_nothing()
    world.configure(RULES)
    report(world, a=20)
    world.expect_page("ada")
    world.act("acknowledge")


def test_a_rule_that_spent_a_while_in_shadow_pages_again_when_it_is_live(world: World) -> None:
    world.configure(RULES)
    report(world, a=20)
    world.expect_page("ada")
    world.configure(RULES.replace("above: 10", "above: 10, mode: shadow"))
    report(world, a=20)
    world.expect_nothing()
    assert world.incident(1).state == "resolved"
    world.configure(RULES)
    report(world, a=20)
    world.expect_page("ada")
    world.act("acknowledge", 2)


def test_a_rule_that_moves_to_another_check_ends_its_alert_by_what_it_reads_there(world: World) -> None:
    world.configure(RULES)
    report(world, a=20)
    world.expect_page("ada")
    world.configure(RULES.replace("check: log", "check: other"))
    report(world, check="other", a=1)
    world.expect_page("ada", event="resolved")


def test_a_rule_whose_numbers_break_it_cannot_tell_and_the_others_go_on(world: World) -> None:
    world.configure(RULES + "  sum: {kind: threshold, check: log, metric: seconds, window: 5m, agg: sum, above: 1}\n")
    with transaction() as db:
        checks.record(db, [Result("log", world.now, Status.OK, "", 0.01, {"seconds": 1.7e308})])
    report(world, a=20)
    with transaction() as db:
        checks.record(db, [Result("log", world.now + seconds(1), Status.OK, "", 0.01, {"seconds": 1.7e308})])
    world.advance(seconds(1))
    world.receiver.wait_for(lambda got: len(got) >= 1, 1)
    assert "ada" in {one.json["recipient"]["user"] for one in world.receiver.received}
    world.seen = len(world.receiver.received)


CHECK = RULES.replace(
    "  log: {", "  port: {probe: health.tcp, every: 30s, with: {host: 127.0.0.1, port: 9}, alert: {AFTER}}\n  log: {"
)


def port(world: World, *statuses: Status) -> None:
    for status in statuses:
        world.advance(seconds(30))
        world.result("port", status)


OK, BAD, BLIND = Status.OK, Status.CRITICAL, Status.UNKNOWN


def test_results_from_before_it_fired_do_not_count_towards_its_end(world: World) -> None:
    world.configure(CHECK.replace("AFTER", "after: 1 of 1, clear_after: 3 of 5"))
    port(world, OK, OK, OK, OK, BAD)
    world.expect_page("ada")
    port(world, BAD, BAD, OK, OK)
    world.expect_nothing()
    port(world, OK)
    world.expect_page("ada", event="resolved")


def test_after_silence_ended_counting_starts_afresh(world: World) -> None:
    world.configure(CHECK.replace("AFTER", "after: 2 of 3"))
    port(world, OK, BAD)
    world.advance(minutes(2))
    world.expect_page("ada")
    port(world, OK)
    world.expect_page("ada", event="resolved")
    port(world, BAD)
    world.expect_nothing()


def test_a_threshold_that_fired_for_want_of_data_ends_when_data_are_back_and_not_bad(world: World) -> None:
    one = "  level: {kind: threshold, check: log, metric: seconds, above: 0.8, clear: 0.5, no_data: alert}\n"
    world.configure(RULES + one)
    report(world)
    world.advance(minutes(2))
    world.expect_page("ada")
    with transaction() as db:
        checks.record(db, [Result("log", world.now, OK, "", 0.01, {"seconds": 0.6})])
    world.settle()
    world.expect_page("ada", event="resolved")


def test_a_resumed_check_that_says_nothing_is_an_alert(world: World) -> None:
    from app.checks import store
    from app.checks.pause import pause

    world.configure(CHECK.replace("AFTER", "after: 2 of 3"))
    port(world, OK)
    with transaction() as db:
        store.pause(db, "port", pause(world.now, "ed"))
    world.advance(minutes(10))
    world.expect_nothing()
    with transaction() as db:
        store.resume(db, "port", world.now)
    world.advance(minutes(1))
    world.expect_nothing()
    world.advance(minutes(1))
    world.expect_page("ada")
    world.act("acknowledge")
