"""Stories of office hours: what can wait until the morning does, nobody is woken for it, and nothing is lost."""

from datetime import UTC, datetime, timedelta

from tests.journeys.world import World, minutes

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
CONFIG = """
defaults: {timezone: Europe/Paris}
users: {ada: {contacts: {hook: ada}}, bo: {contacts: {hook: bo}}, dee: {contacts: {hook: dee}}}
channels: {hook: {kind: webhook, url: PAGES/hook}}
platform: {owners: ["user:dee"]}
services: {shop: {}}
hours: {office: {days: [mon, tue, wed, thu, fri], from: "09:00", to: "18:00", holidays: FR}}
schedules:
  office:
    layers:
      - name: day
        users: [ada]
        every: 1d
        handoff: "00:00"
        start: 2026-01-01
        only: [{days: [mon, tue, wed, thu, fri], from: "09:00", to: "18:00"}]
policies:
  desk: {steps: [{page: "schedule:office", wait: 10m}, {page: "user:bo", wait: 10m}]}
routes: [ROUTE]
grouping: [{by: [service], reopen: 15m}]
"""
PAGES = "{policy: desk, pages: office}"
URGENCY = "{policy: low, urgency: {during: office, then: high, else: low}}"


def configure(world: World, at: datetime, route: str = PAGES, text: str = CONFIG) -> None:
    world.now = at
    world.configure(text.replace("ROUTE", route))


def test_a_night_without_hours_wakes_the_owners(world: World) -> None:
    """Why `pages: office` is needed: the schedule alone is empty at night, and so its policy is exhausted at once."""
    configure(
        world,
        MONDAY.replace(hour=23),
        "{policy: night}",
        CONFIG.replace("desk: {", "night: {steps: [{page: schedule:office}]}\n  desk: {"),
    )
    world.raise_alert()
    world.expect_page("dee")
    world.act("acknowledge")


def test_what_comes_at_night_pages_nobody_until_the_office_opens(world: World) -> None:
    configure(world, MONDAY.replace(hour=23))  # midnight in Paris
    world.raise_alert()
    world.advance(minutes(8 * 60 + 59))
    world.expect_nothing()
    assert world.incident().state == "triggered"
    assert "held until 09:00 (office hours)" in world.timeline()
    assert world.timeline().count("held until 09:00 (office hours)") == 1
    assert world.upcoming()[0] == ("Tue 08:00", "held until 09:00 (office hours); step 1 of 2: on call in office")
    world.advance(minutes(1))
    world.expect_page("ada")
    world.advance(minutes(10))
    world.expect_page("bo")
    world.advance(minutes(10))
    world.expect_page("dee")
    world.act("acknowledge")


def test_in_the_office_it_pages_at_once(world: World) -> None:
    configure(world, MONDAY.replace(hour=8))  # 09:00 in Paris: hours are half-open
    world.raise_alert()
    world.expect_page("ada")
    world.act("acknowledge")
    assert not [line for line in world.timeline() if "held" in line]


def test_a_weekend_and_a_public_holiday_are_waited_for(world: World) -> None:
    configure(world, datetime(2026, 12, 24, 17, tzinfo=UTC))  # 18:00: the office has just closed, and Friday is a holiday
    world.raise_alert()
    world.advance(timedelta(days=3, hours=14, minutes=59))
    world.expect_nothing()
    assert "held until Mon 28 Dec 09:00 (office hours)" in world.timeline()
    world.advance(minutes(1))
    world.expect_page("ada")
    world.act("acknowledge")


def test_steps_that_fall_into_the_night_wait_as_well(world: World) -> None:
    configure(world, MONDAY.replace(hour=16, minute=55))  # 17:55 in Paris
    world.raise_alert()
    world.expect_page("ada")
    assert world.upcoming()[0] == ("Tue 08:00", "held until 09:00 (office hours); step 2 of 2: user bo")
    world.advance(timedelta(hours=15, minutes=4))
    world.expect_nothing()
    world.advance(minutes(1))
    world.expect_page("bo")
    world.advance(minutes(10))
    world.expect_page("dee")
    world.advance(timedelta(minutes=30))
    world.expect_page("dee")
    world.act("acknowledge")


def test_whoever_acknowledges_or_resolves_at_night_is_not_paged_in_the_morning(world: World) -> None:
    configure(world, MONDAY.replace(hour=20))
    world.raise_alert()
    world.act("acknowledge", by="bo")
    world.advance(timedelta(days=1))
    world.expect_nothing()
    world.act("resolve", by="bo")
    world.raise_alert("again")
    world.advance(minutes(60))
    world.end_alert("again")
    world.advance(timedelta(days=1))
    world.expect_nothing()


def test_somebody_may_want_the_step_now(world: World) -> None:
    configure(world, MONDAY.replace(hour=20))
    world.raise_alert()
    world.advance(minutes(5))
    world.act("escalate", by="bo")
    world.expect_page("bo")  # the schedule has nobody at night, so the next step runs at once
    world.advance(minutes(20))
    world.expect_nothing()
    world.act("acknowledge")


def test_an_acknowledgement_that_runs_out_at_night_waits_too(world: World) -> None:
    text = CONFIG.replace("wait: 10m}]}", "wait: 10m}], ack_timeout: 2h}")
    configure(world, MONDAY.replace(hour=16), text=text)
    world.raise_alert()
    world.expect_page("ada")
    world.act("acknowledge")
    world.advance(timedelta(hours=3))
    world.expect_nothing()
    assert world.incident().state == "triggered"
    assert world.timeline()[-1] == "held until 09:00 (office hours)"
    world.advance(timedelta(hours=13))
    world.expect_page("ada")
    world.act("acknowledge")


def test_reopening_at_night_waits_for_the_morning(world: World) -> None:
    configure(world, MONDAY.replace(hour=16))
    world.raise_alert()
    world.expect_page("ada")
    world.act("resolve")
    world.advance(timedelta(hours=4))
    world.act("reopen", by="bo")
    world.expect_nothing()
    world.advance(timedelta(hours=12))
    world.expect_page("ada")
    world.act("acknowledge")


def test_new_hours_count_for_what_waits_already(world: World) -> None:
    configure(world, MONDAY.replace(hour=20))
    world.raise_alert()
    configure(
        world,
        MONDAY.replace(hour=20, minute=1),
        text=CONFIG.replace('"09:00", to: "18:00", holidays', '"07:30", to: "18:00", holidays'),
    )
    world.settle()
    assert "held until 07:30 (office hours)" in world.timeline()
    world.advance(timedelta(hours=10, minutes=29))
    world.expect_page("bo")  # the schedule itself begins at 09:00
    world.act("acknowledge")


def test_an_unchanged_wait_is_said_once(world: World) -> None:
    configure(world, MONDAY.replace(hour=20))
    world.raise_alert()
    configure(world, MONDAY.replace(hour=21), text=CONFIG + "# touched\n")
    world.settle()
    assert world.timeline().count("held until 09:00 (office hours)") == 1
    world.act("acknowledge")


def test_hours_that_are_removed_hold_nothing_back(world: World) -> None:
    configure(world, MONDAY.replace(hour=20))
    world.raise_alert()
    gone = "\n".join(line for line in CONFIG.splitlines() if not line.startswith("hours:"))
    configure(world, MONDAY.replace(hour=20, minute=1), "{policy: desk}", gone)
    world.settle()
    world.expect_page("bo")
    world.act("acknowledge")


def test_urgency_follows_the_hours_and_later_pages_with_it(world: World) -> None:
    text = CONFIG.replace("ada: {contacts: {hook: ada}}", "ada: {contacts: {hook: ada}, notify: {high: [hook], low: [inbox]}}")
    text = text.replace("desk: {", "low: {repeat: 1, steps: [{page: user:ada, wait: 10h}]}\n  desk: {")
    configure(world, MONDAY.replace(hour=23), URGENCY, text)
    world.raise_alert()
    world.expect_nothing()  # the inbox only
    world.advance(timedelta(hours=8, minutes=59))
    assert world.incident().urgency == "low"
    world.advance(minutes(1))
    assert world.incident().urgency == "high"
    assert "urgency changed to high: high during office hours" in world.timeline()
    world.expect_nothing()  # it changes what comes, not what was
    world.advance(timedelta(hours=1))
    world.expect_page("ada")
    world.act("acknowledge")
    world.advance(timedelta(hours=9))
    assert world.incident().urgency == "low"
    assert "urgency changed to low: low outside office hours" in world.timeline()


def test_an_urgency_that_an_alert_has_raised_stays(world: World) -> None:
    text = CONFIG.replace("desk: {", "low: {steps: [{page: user:ada, wait: 9h}]}\n  desk: {")
    routes = f"{{match: 'loud=\"yes\"', policy: low, urgency: high}}, {URGENCY}"
    configure(world, MONDAY.replace(hour=20), routes, text)
    world.raise_alert("a")
    world.expect_page("ada")
    world.act("acknowledge")
    assert world.incident().urgency == "low"
    world.raise_alert("b", loud="yes")
    world.expect_page("ada")
    world.act("acknowledge")
    world.advance(timedelta(hours=24))
    assert world.incident().urgency == "high"


def test_a_critical_alert_takes_its_own_route_with_its_hours(world: World) -> None:
    text = CONFIG.replace("desk: {", "low: {steps: [{page: user:ada, wait: 9h}]}\n  desk: {")
    critical = "{match: 'severity=\"critical\"', policy: low, urgency: high}"
    configure(world, MONDAY.replace(hour=20), f"{critical}, {PAGES}", text)
    world.raise_alert("a", severity="warning")
    world.expect_nothing()  # it waits for the office
    world.raise_alert("b", severity="critical")
    world.expect_page("ada")  # and this one does not
    world.act("acknowledge")
    assert (world.incident().hours, world.incident().urgency) == (None, "high")
    world.advance(timedelta(hours=24))
    assert world.incident().urgency == "high"


def test_an_alert_that_comes_with_the_hours_is_no_rise_of_urgency(world: World) -> None:
    text = CONFIG.replace("desk: {", "low: {steps: [{page: user:ada, wait: 30h}]}\n  desk: {")
    configure(world, MONDAY.replace(hour=20), URGENCY, text)
    world.raise_alert("a")
    world.expect_page("ada")
    world.now = MONDAY.replace(day=24, hour=8)
    world.raise_alert("b")
    world.expect_page("ada", event="update")
    assert world.incident().urgency == "high"
    assert world.incident().generation == 1
    world.act("acknowledge")


def test_a_merged_incident_goes_on_under_the_worse_ones_hours(world: World) -> None:
    text = CONFIG.replace("desk: {", "low: {steps: [{page: user:ada, wait: 9h}]}\n  desk: {").replace(
        "{shop: {}}", "{shop: {}, web: {}}"
    )
    configure(world, MONDAY.replace(hour=20), f"{{match: 'service=\"web\"', policy: low}}, {PAGES}", text)
    world.raise_alert("a", severity="warning")
    world.raise_alert("b", severity="critical", service="web")
    world.expect_page("ada")
    world.act("merge", 2, into=1)
    world.expect_page("ada")
    assert (world.incident(1).hours, world.incident(1).policy_name) == (None, "low")
    world.act("acknowledge", 1)


def test_hours_that_end_and_begin_while_nothing_runs_are_made_up_for(world: World) -> None:
    text = CONFIG.replace("desk: {", "low: {steps: [{page: user:ada, wait: 100h}]}\n  desk: {")
    configure(world, MONDAY.replace(hour=12), URGENCY, text)
    world.raise_alert()
    world.expect_page("ada")
    world.now += timedelta(hours=32)  # Tuesday 21:00 in Paris: they ended, began and ended again
    world.settle()
    assert world.incident().urgency == "low"
    world.now += timedelta(hours=12)
    world.settle()
    assert world.incident().urgency == "high"
    world.act("acknowledge")


def test_routes_match_by_hours(world: World) -> None:
    routes = "{match: 'hours=\"office\"', policy: desk}, {policy: night}"
    configure(world, MONDAY.replace(hour=12), routes, CONFIG.replace("desk: {", "night: {steps: [{page: user:bo}]}\n  desk: {"))
    world.raise_alert("day")
    world.expect_page("ada")
    world.act("resolve")
    world.now = MONDAY.replace(hour=21)
    world.raise_alert("night")
    world.expect_page("bo")
    world.act("acknowledge", 2)
    assert (world.incident(1).policy_name, world.incident(2).policy_name) == ("desk", "night")
    assert world.alerts(2)[0].labels.get("hours") is None
    assert world.alerts(1)[0].labels["hours"] == "office"
