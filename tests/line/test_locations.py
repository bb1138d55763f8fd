"""Checks that are pinned to a location: sent to where a worker lives, missed by name where none does, excused as one place."""

import socket

import pytest
from sqlalchemy import text

from app import beats, clock, line, measure
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.review.wellbeing import missing

CONFIG = """
users: {ada: {}}
platform: {owners: ["user:ada"], references: ["a.invalid:443", "b.invalid:443"]}
policies: {p: {steps: [{page: "user:ada"}]}}
routes: [{policy: p}]
checks:
  there: {probe: health.tcp, at: eu-west, with: {host: one.invalid, port: 9}, alert: {after: 1 of 1}}
  also-there: {probe: health.tcp, at: eu-west, with: {host: two.invalid, port: 9}, alert: {after: 1 of 1}}
  own: {probe: health.disk, at: eu-west, with: {path: /}, alert: off}
  here: {probe: health.tcp, with: {host: 127.0.0.1, port: 9}}
"""


@pytest.fixture(autouse=True)
def configured(clean: None) -> None:
    configure(CONFIG)


def configure(config: str) -> None:
    loaded = load_texts({"a.yaml": config}, {})
    assert not loaded.errors, loaded.errors
    with transaction() as db:
        apply(db, loaded, SYSTEM, clock.now(db))


def worker(*queues: str, seconds_ago: float = 0.0) -> None:
    """A worker that said so long ago that it serves these queues."""
    with transaction() as db:
        beats.touch(db, "worker", {"queues": list(queues)})
        db.execute(text("update process_beat set seen_at = seen_at - make_interval(secs => :ago)"), {"ago": seconds_ago})


def sent() -> dict[str, tuple[str, ...]]:
    """What is due now, by queue; nobody takes it, so it is due again at once."""
    found: dict[str, list[str]] = {}
    for batch in line.dispatch(["health"]):
        found.setdefault(batch.queue, []).extend(batch.names)
    with transaction() as db:
        db.execute(text("update check_state set lease_until = null, next_due_at = clock_timestamp()"))
    return {queue: tuple(sorted(names)) for queue, names in found.items()}


def unserved() -> set[str]:
    with transaction() as db:
        return {one for one in missing(db) if "@" in one}


def test_a_location_where_no_worker_lives_gets_no_messages_and_is_missed_by_name() -> None:
    worker("health", "security@eu-west", "health@eu-east")
    assert sent() == {"health": ("here",)}
    assert unserved() == {"worker:health@eu-west"}


def test_a_worker_there_gets_its_checks_as_soon_as_it_says_that_it_lives() -> None:
    worker("health@eu-west")
    assert sent() == {"health": ("here",), "health@eu-west": ("also-there", "own", "there")}
    assert unserved() == set()


def test_a_worker_that_fell_silent_gets_no_more() -> None:
    worker("health@eu-west", seconds_ago=beats.FRESH["worker"] + 1)
    assert sent() == {"health": ("here",)}
    assert unserved() == {"worker:health@eu-west"}


def test_nobody_misses_a_worker_for_a_paused_check() -> None:
    with transaction() as db:
        db.execute(text("update check_state set paused = true where queue like '%@%'"))
    assert unserved() == set()


def test_the_pager_runs_overdue_checks_but_never_those_of_a_location() -> None:
    with transaction() as db:
        db.execute(text("update check_state set next_due_at = clock_timestamp() - interval '10 s'"))
    assert measure.check_overdue() == ["here"]


def test_a_location_that_is_cut_off_is_one_alert_with_its_name() -> None:
    measure.check(["there", "also-there"])
    line.evaluate()
    with transaction() as db:
        alerts = db.execute(text("select alertname, labels ->> 'location', summary from alert where state = 'firing'")).all()
        said = db.execute(
            text("select distinct status, split_part(message, ';', 1) from check_state where status is not null")
        ).all()
    assert [(one[0], one[1]) for one in alerts] == [("ProberOffline", "eu-west")]
    assert alerts[0][2].startswith("The prober at eu-west is offline: none of 2 reference targets responds")
    assert said == [("unknown", "prober offline: none of 2 reference targets responds (a.invalid:443, b.invalid:443)")]


def test_a_location_is_back_when_a_reference_answers_whichever_of_its_checks_runs_then() -> None:
    measure.check(["there", "also-there"])
    line.evaluate()
    with socket.create_server(("127.0.0.1", 0)) as server:
        configure(CONFIG.replace("a.invalid:443", f"127.0.0.1:{server.getsockname()[1]}"))
        measure.check(["own"])  # which needs no network itself
    line.evaluate()
    with transaction() as db:
        assert db.scalars(text("select state from alert where alertname = 'ProberOffline'")).all() == ["resolved"]
