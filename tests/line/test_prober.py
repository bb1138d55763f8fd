"""A prober that is cut off: its results say nothing of their targets, and there is one alert."""

import socket

import pytest
from sqlalchemy import text

from app import line, measure
from app.checks import store as check_store
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.reason import Code, Reason
from tests.stack import until

CONFIG = """
users: {ada: {}}
platform: {owners: ["user:ada"], references: [REFERENCES]}
policies: {p: {steps: [{page: "user:ada"}]}}
routes: [{policy: p}]
checks:
  one: {probe: health.tcp, with: {host: one.invalid, port: 9}, alert: {after: 1 of 1}}
  two: {probe: health.tcp, with: {host: two.invalid, port: 9}, alert: {after: 1 of 1}}
  own: {probe: health.tcp, with: {host: 127.0.0.1, port: PORT}, alert: {after: 1 of 1}}
"""


@pytest.fixture
def port(clean: None) -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def configure(port: int, *targets: str) -> None:
    loaded = load_texts({"a.yaml": CONFIG.replace("REFERENCES", ", ".join(targets)).replace("PORT", str(port))}, {})
    assert not loaded.errors, loaded.errors
    with transaction() as db:
        from app import clock

        apply(db, loaded, SYSTEM, clock.now(db))


def _ran() -> dict[str, object]:
    """When each check ran last."""
    with transaction() as db:
        return {row.name: row.at for row in db.execute(text("select name, at from check_state"))}


def run(*names: str) -> dict[str, tuple[str, str]]:
    """Status and message of each check after one run of these; the rules have spoken."""
    before = _ran()
    measure.check(names)
    until(lambda: all(_ran().get(name) != before.get(name) for name in names), 20)  # a busy machine keeps some for later
    line.evaluate()
    with transaction() as db:
        return {
            row.name: (row.status, row.message) for row in db.execute(text("select name, status, message from check_state"))
        }


def alerts() -> set[str]:
    with transaction() as db:
        return set(db.scalars(text("select alertname from alert where state = 'firing'")))


def test_when_no_reference_answers_what_failed_is_unknown_and_one_alert_says_so(port: int) -> None:
    configure(port, "a.invalid:443", "http://b.invalid/")
    said = run("one", "two", "own")
    assert said["one"][0] == said["two"][0] == "unknown"
    assert said["one"][1].startswith("prober offline: none of 2 reference targets responds (a.invalid:443, http://b.invalid/)")
    assert said["own"][0] == "critical"  # this very host needs no network
    with transaction() as db:
        states = check_store.states(db)
    assert {name: state.excused for name, state in states.items()} == {"one": True, "two": True, "own": False}
    assert states["one"].reason == Reason(Code.REFERENCES_SILENT, {"references": ["a.invalid:443", "http://b.invalid/"]})
    assert alerts() == {"ProberOffline", "own"}
    run("one", "two")
    assert alerts() == {"ProberOffline", "own"}


def test_its_results_are_no_reason_for_a_no_data_alert_however_long_it_lasts(port: int) -> None:
    configure(port, "a.invalid:443", "b.invalid:443")
    run("one", "two")
    with transaction() as db:
        known = db.scalars(text("select at - known_at from series_state where rule in ('check:one', 'check:two')")).all()
    assert [gap.total_seconds() for gap in known] == [0, 0]


def test_when_a_reference_answers_the_target_is_down(port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        configure(port, "a.invalid:443", f"127.0.0.1:{server.getsockname()[1]}")
        assert run("one")["one"][0] == "critical"
    assert alerts() == {"one"}


def test_one_target_beside_one_silent_reference_is_down_and_a_second_says_that_it_is_the_prober(port: int) -> None:
    configure(port, "a.invalid:443")
    assert run("one")["one"][0] == "critical"
    assert run("two")["two"][0] == "unknown"
    assert "ProberOffline" in alerts()


def test_the_alert_ends_when_a_reference_answers_again(port: int) -> None:
    configure(port, "a.invalid:443", f"127.0.0.1:{port}")
    run("one", "two")
    assert "ProberOffline" in alerts()
    with socket.create_server(("127.0.0.1", port)):
        measure.recheck_references()
        line.evaluate()
    assert "ProberOffline" not in alerts()


def test_the_alert_ends_with_the_last_check_of_its_place_and_with_the_references(port: int) -> None:
    configure(port, "a.invalid:443", "b.invalid:443")
    run("one", "two")
    configure(port)  # no references any more
    measure.recheck_references()
    line.evaluate()
    assert "ProberOffline" not in alerts()
    configure(port, "a.invalid:443", "b.invalid:443")
    run("one", "two")
    assert "ProberOffline" in alerts()
    loaded = load_texts({"a.yaml": CONFIG.partition("checks:")[0].replace("REFERENCES", "a.invalid:443")}, {})
    with transaction() as db:
        from app import clock

        apply(db, loaded, SYSTEM, clock.now(db))
    measure.recheck_references()
    line.evaluate()
    assert "ProberOffline" not in alerts()


def test_without_references_nothing_is_excused(port: int) -> None:
    configure(port)
    assert run("one", "two")["two"][0] == "critical"
    assert alerts() == {"one", "two"}


@pytest.mark.parametrize(
    "settings,host",
    [
        ({"host": "db.example.org", "port": 1}, "db.example.org"),
        ({"url": "https://u:p@Shop.example.org:8443/x"}, "shop.example.org"),
        ({"steps": [{"url": "http://10.0.0.1/"}]}, "10.0.0.1"),
        ({"url": "postgresql:///shop"}, None),
        ({"host": "localhost"}, None),
        ({"host": "::1"}, None),
        ({"url": "http://127.0.0.5/"}, None),
        ({"path": "/"}, None),
    ],
    ids=str,
)
def test_only_targets_beyond_this_machine_count(settings: dict[str, object], host: str | None) -> None:
    from app.checks.prober.decide import target

    assert target(settings) == host
