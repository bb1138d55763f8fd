"""Stories of each kind of rule, from results in the database to the pager: it fires, says why, and ends."""

from app.checks import service as checks
from app.checks.model import Result
from app.checks.probe import Series, Status
from app.db import transaction
from tests.journeys.world import World, minutes, seconds

PEOPLE = """
users: {ada: {contacts: {hook: ada}}}
channels: {hook: {kind: webhook, url: PAGES/hook}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada", wait: 600m}]}}
routes: [{policy: p}]
grouping: [{by: [alertname, source]}]
checks:
  web: {probe: health.tcp, every: 30s, with: {host: 127.0.0.1, port: 9}, alert: off, no_data: keep}
  log: {probe: health.tcp, every: 30s, with: {host: 127.0.0.1, port: 9}, alert: off, no_data: keep}
rules:
"""
OK, BAD, BLIND = Status.OK, Status.CRITICAL, Status.UNKNOWN


def report(world: World, *statuses: Status, check: str = "web", orders: float | None = None, **failed: float) -> None:
    """A result each 30 s, then a look; orders: a metric, failed: another, by source."""
    metrics = {} if orders is None else {"orders": orders}
    series = tuple(Series("failed", value, {"source": source}) for source, value in failed.items())
    for status in statuses or (OK,):
        world.now += seconds(30)
        with transaction() as db:
            checks.record(db, [Result(check, world.now, status, "", 0.01, metrics, series)])
    world.settle()


BUDGET = """
  budget: {kind: burn_rate, check: web, objective: 90%, period: 1h, summary: "{{ because }}",
           windows: [{long: 5m, short: 1m, budget: 25%}], severity: {fast: critical, slow: warning}}
"""


def test_a_budget_that_burns_pages_once_its_long_window_is_full_and_ends_by_its_short_one(world: World) -> None:
    world.configure(PEOPLE + BUDGET)
    report(world, *[BAD] * 10)
    world.expect_nothing()  # 4 min 30 s of an outage: the window of 5 min is not full
    report(world, BLIND)
    world.expect_nothing()  # what could not tell is not counted
    report(world, BAD)
    (page,) = world.expect_page("ada")
    assert page["incident"]["severity"] == "critical"
    assert "burns 10 times the sustainable rate over 5m and 10 over 1m, limit 3" in page["incident"]["title"]
    report(world, OK)
    world.expect_nothing()  # half of the last minute is bad
    report(world, OK)
    world.expect_page("ada", event="resolved")


CHANGE = """
  dropped: {kind: change, check: web, metric: orders, window: 1m, compared_to: 1h, drops: 40%, for: 30s,
            summary: "Orders are down {{ value }}"}
"""


def test_orders_that_drop_against_an_hour_ago_page_with_the_percentage(world: World) -> None:
    world.configure(PEOPLE + CHANGE)
    report(world, *[OK] * 20, orders=100)
    world.now += minutes(55)
    report(world, OK, orders=30)
    world.expect_nothing()  # pending
    report(world, OK, orders=50)
    (page,) = world.expect_page("ada")
    assert page["incident"]["title"] == "Orders are down 60 %"
    report(world, OK, OK, orders=61)
    world.expect_page("ada", event="resolved")


def test_a_rule_that_is_new_reads_the_past_that_is_there(world: World) -> None:
    world.configure(PEOPLE + "  other: {kind: threshold, check: web, metric: orders, above: 1000}")
    report(world, *[OK] * 4, orders=100)
    world.now += minutes(58)
    world.configure(PEOPLE + CHANGE.replace("for: 30s", "for: 0s"))
    report(world, OK, orders=10)
    world.expect_page("ada")
    world.act("acknowledge")


def test_results_that_stop_page_and_end_when_they_are_back(world: World) -> None:
    world.configure(PEOPLE + "  quiet: {kind: absence, check: web, metric: orders, for: 1m}")
    report(world, OK, OK, orders=1)
    world.advance(seconds(45))
    world.settle()
    world.expect_nothing()  # missed, not for a minute yet
    for _ in range(4):
        world.advance(seconds(30))
    (page,) = world.expect_page("ada")
    assert "no orders for" in page["incident"]["title"]
    report(world, OK, orders=1)
    world.expect_page("ada", event="resolved")


def test_a_label_set_that_stays_away_pages_and_is_given_up_in_the_end(world: World) -> None:
    world.configure(PEOPLE + "  quiet: {kind: absence, check: log, metric: failed, forget: 2m}")
    report(world, check="log")
    world.expect_page("ada")  # no set at all
    report(world, check="log", a=1, b=1)
    world.expect_page("ada", event="resolved")
    report(world, check="log", a=1)
    world.expect_page("ada")  # b is away
    for _ in range(4):
        report(world, check="log", a=1)
    world.expect_page("ada", event="resolved")
    report(world, check="log", a=1)


BOTH = """
  slow: {kind: threshold, check: web, metric: orders, below: 10, mode: shadow}
  loud: {kind: threshold, check: log, metric: failed, above: 5, mode: shadow}
  both: {kind: composite, when: slow and loud, for: 30s, severity: critical, summary: "{{ labels.source }}: {{ because }}"}
"""


def test_two_checks_that_are_bad_together_page_by_label_set(world: World) -> None:
    world.configure(PEOPLE + BOTH)
    report(world, check="log", a=9, b=1)
    report(world, check="web", orders=100)
    world.expect_nothing()
    report(world, check="web", orders=1)
    world.expect_nothing()  # for
    report(world, check="web", orders=1)
    (page,) = world.expect_page("ada")
    assert page["incident"]["title"] == "a: slow is firing; loud is firing"
    report(world, check="log", b=1)
    world.expect_page("ada", event="resolved")


def test_too_many_label_sets_are_an_alert_of_their_own_that_ends(world: World) -> None:
    world.configure(PEOPLE + "  many: {kind: threshold, check: log, metric: failed, above: 5, max_series: 2}")
    report(world, check="log", a=1, b=1)
    world.expect_nothing()
    report(world, check="log", a=1, b=1, c=9, d=9)
    (page,) = world.expect_page("ada")
    assert "too many series: 4 label sets, 2 of them not evaluated" in page["incident"]["title"]
    assert page["incident"]["severity"] == "warning"
    report(world, BAD, check="log")
    world.expect_nothing()  # a run that failed names none; that is no end
    report(world, check="log", a=1, b=1)
    world.expect_page("ada", event="resolved")


def test_in_the_shadow_each_kind_decides_and_pages_nobody(world: World) -> None:
    quiet = "  quiet: {kind: absence, check: log, metric: failed, mode: shadow}"
    world.configure(PEOPLE + BUDGET.replace("windows", "mode: shadow, windows") + quiet)
    report(world, *[BAD] * 20)
    world.advance(minutes(3))
    world.expect_nothing()
