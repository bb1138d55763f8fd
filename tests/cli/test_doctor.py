"""`tocsin doctor`: advice that fits the cause, and none about what nobody can act on."""

import os
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app import beats, clock, line
from app.checks import service as checks
from app.checks.model import Result
from app.checks.probe import Status
from app.configfile.apply import apply
from app.configfile.load import load, load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.reason import Code, Reason
from tests import shipped
from tests.away import disk_with, read_only
from tests.cli.conftest import Tocsin

CONFIG = """
routes: []
checks: {logins: {probe: security.auth_log, alert: off}}
rules:
  brute-force: {kind: threshold, check: logins, metric: failed_logins, above: 1}
"""


def judged(message: str, status: Status = Status.UNKNOWN, reason: Reason | None = None) -> None:
    """The rule has looked at a result of its check."""
    loaded = load_texts({"a.yaml": CONFIG}, {})
    assert not loaded.errors
    with transaction() as db:
        apply(db, loaded, SYSTEM, clock.now(db))
        checks.record(db, [Result("logins", datetime.now(UTC), status, message, 0.1, {}, reason=reason)])
    line.evaluate()


@pytest.mark.parametrize(
    "message, status, reason, said, not_said",
    [
        (
            "/var/log/auth.log: Permission denied; check the path and that this worker can read it (group adm)",
            Status.UNKNOWN,
            None,
            'check "logins" is unknown: /var/log/auth.log: Permission denied; check the path and that this worker can read it'
            " (group adm); fix that",
            "metric",
        ),
        ("not on this host: no journal", Status.UNKNOWN, Reason(Code.NOT_ON_HOST, {"what": "no journal"}), None, "logins"),
        (
            "not on this host: said by the target itself",
            Status.UNKNOWN,
            None,
            'check "logins" is unknown: not on this host: said by the target itself; fix that',
            "metric",
        ),
        ("", Status.UNKNOWN, None, 'check "logins" is unknown: no message', "metric"),
        (
            "0 failed logins",
            Status.OK,
            None,
            'rule "brute-force" reads failed_logins, which check "logins" does not report',
            "unknown",
        ),
    ],
    ids=["not readable", "not there", "only words", "silent", "another metric"],
)
def test_the_advice_fits_the_cause(
    tocsin: Tocsin, message: str, status: Status, reason: Reason | None, said: str | None, not_said: str
) -> None:
    judged(message, status, reason)
    told = [one for one in tocsin("doctor").out.splitlines() if "logins" in one]
    assert len(told) == (0 if said is None else 1)
    for one in told:
        assert said is not None
        assert said in one
        assert not_said not in one


def test_a_paused_check_is_no_finding(tocsin: Tocsin) -> None:
    judged("no right")
    assert "no right" in tocsin("doctor").out
    assert tocsin("checks", "pause", "logins").status == 0
    assert "no right" not in tocsin("doctor").out


def test_a_check_that_no_rule_reads_may_be_unknown_for_a_moment(tocsin: Tocsin) -> None:
    loaded = load_texts({"a.yaml": CONFIG.partition("rules:")[0]}, {})
    with transaction() as db:
        apply(db, loaded, SYSTEM, clock.now(db))
        checks.record(db, [Result("logins", datetime.now(UTC), Status.UNKNOWN, "no worker yet", 0.1, {})])
    assert "no worker yet" not in tocsin("doctor").out
    with transaction() as db:
        db.execute(text("update check_result set at = at - interval '5 minutes'"))
    assert 'check "logins" is unknown: no worker yet' in tocsin("doctor").out
    with transaction() as db:
        checks.record(db, [Result("logins", datetime.now(UTC), Status.OK, "fine", 0.1, {})])
        checks.record(db, [Result("logins", datetime.now(UTC), Status.UNKNOWN, "no worker yet", 0.1, {})])
    assert "no worker yet" not in tocsin("doctor").out


def test_what_we_ship_gives_no_warning(tocsin: Tocsin) -> None:
    loaded = load(shipped.folder(), os.environ)
    with transaction() as db:
        apply(db, loaded, SYSTEM, clock.now(db))
    found = tocsin("doctor", "--json").json["findings"]
    notes = [one["what"] for one in found if one["severity"] == "note"]
    assert [one for one in notes if not one.startswith("UNWATCHED")] == []


def test_a_lost_worker_of_a_location_is_named_with_its_host(tocsin: Tocsin) -> None:
    with transaction() as db:
        beats.touch(db, "worker", {"queues": ["health@paris"]})
        db.execute(text("update process_beat set seen_at = now() - interval '5 minutes', name = 'far:7:1'"))
    out = tocsin("doctor").out
    assert (
        "error: no worker serves queue health@paris (last one on far, 5 min ago); "
        "start `tocsin worker -Q health@paris` at paris" in out
    )


def test_a_clock_that_was_set_back_is_named(tocsin: Tocsin) -> None:
    with transaction() as db:
        db.execute(text("update check_state set next_due_at = now() + interval '1 hour'"))
    assert "checks are scheduled later than their interval allows: the clock was set back" in tocsin("doctor").out


def test_a_full_disk_is_named_first(tocsin: Tocsin, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.settings import settings

    settings().home.mkdir(exist_ok=True)
    disk_with(0, monkeypatch)
    assert tocsin("doctor").out.startswith(f"error: the disk of {settings().home} is full (")


def test_a_read_only_database_is_named_without_a_second_line_about_the_database(tocsin: Tocsin) -> None:
    with read_only():
        out = tocsin("doctor").out
    assert "error: the database is read-only: no pages are sent; make it writable" in out
    assert "the database does not respond" not in out
