"""The console's pages of heartbeats: where to ping, what came, and what to do."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app import line
from app.checks.heartbeats.model import Kind, PingRequest, RunEnd
from app.db import transaction
from app.signals.model import Integration
from app.web.bars import MOST, bars, summary
from tests.web.conftest import CONFIGURATION, RUNBOOK, Site

EVIL = "<script>alert(1)</script>"
HEARTBEATS = """
heartbeats:
  nightly: {service: shop, cron: "15 2 * * *", grace: 30m, runbook: shop-down}
  hourly: {every: 1h, labels: {job: invoices}}
"""


@pytest.fixture
def beats(site: Site) -> Site:
    """An admin's browser; two heartbeats are declared."""
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.people.model import SYSTEM

    found = load_texts({"all.yaml": CONFIGURATION + HEARTBEATS, "runbooks/shop-down.md": RUNBOOK}, {})
    assert found.errors == ()
    with transaction() as db:
        apply(db, found, SYSTEM, datetime.now(UTC))
    return site.as_("root")


def ping(name: str, kind: str = "success", **more: Any) -> None:
    assert line.ping(PingRequest(Kind(kind), slug=name, **more)) is not None
    line.evaluate()


def test_without_any_the_page_teaches(site: Site) -> None:
    page = site.as_("root").get("/heartbeats")
    assert "No heartbeats yet" in page
    assert "tocsin config apply" in page


def test_the_list_says_what_is_down_first_and_why(beats: Site) -> None:
    ping("nightly", "start")
    ping("nightly", "fail", exit_status=3, body=f"{EVIL}\n{EVIL}".encode())
    page = beats.get("/heartbeats")
    assert page.index("nightly") < page.index("hourly")
    assert EVIL not in page
    assert "exit status 3: &lt;script&gt;" in page
    assert "never pinged" in page
    assert 'aria-current="page"' in page.partition('href="/heartbeats"')[2][:60]
    assert "hourly" not in beats.get("/heartbeats?state=down")
    assert "nightly" not in beats.get('/heartbeats?q=job="invoices"').partition("<main")[2]
    assert "No heartbeats match" in beats.get("/heartbeats?q=nope")


def test_a_page_has_the_address_a_crontab_line_and_what_was_sent(beats: Site) -> None:
    page = beats.get("/heartbeats/nightly")
    assert "Waiting for the first ping" in page
    assert page.index("Ping URL") < page.index("<h2>Pings")
    assert "15 2 * * * U=http://127.0.0.1:8080/ping/" in page
    ping("nightly", "start", agent=EVIL)
    assert "running" in beats.get("/heartbeats/nightly")
    ping("nightly", body=EVIL.encode() * 50, remote=EVIL)
    page = beats.get("/heartbeats/nightly")
    assert EVIL not in page
    assert page.index("<h2>Pings") < page.index("Ping URL")
    assert "1.25 kB" in page
    assert "Next ping expected" in page
    beats.get("/heartbeats/nope", 404)


def test_only_editors_pause_and_what_a_ping_made_can_be_removed(beats: Site) -> None:
    responder = beats.as_("ada")
    assert "Pause" not in responder.get("/heartbeats/hourly")
    responder.post("/heartbeats/hourly/pause", 403)
    beats.post("/heartbeats/hourly/pause", back="/heartbeats/hourly")
    assert "paused until resumed or pinged" in beats.toast()
    page = beats.get("/heartbeats/hourly")
    assert "Resume" in page
    assert "No pings are expected meanwhile" in page
    assert "Paused with no end, or for more than 7 days" in beats.get("/heartbeats")
    beats.post("/heartbeats/hourly/pause", **{"for": "1d", "reason": "the job is rewritten", "back": "/heartbeats/hourly"})
    assert "the job is rewritten" in beats.get("/heartbeats/hourly")
    assert "the job is rewritten" in beats.get("/heartbeats")
    assert "without an end" not in beats.get("/heartbeats")
    beats.post("/heartbeats/hourly/resume")
    beats.post("/heartbeats/hourly/remove", 409)
    assert line.ping(PingRequest(Kind.SUCCESS, slug="made"), Integration("jobs", "healthchecks", None)) is not None
    assert "Remove" in beats.get("/heartbeats/made")
    beats.post("/heartbeats/made/remove")
    beats.get("/heartbeats/made", 404)


def test_bars_are_as_high_as_runs_took_long() -> None:
    start = datetime(2026, 11, 23, 12, tzinfo=UTC)
    took, utc = [None, 0.0, 30.0, 60.0], ZoneInfo("UTC")
    ends = [
        RunEnd(at=start + timedelta(hours=n), kind=Kind.FAIL if n == 2 else Kind.SUCCESS, seconds=seconds)
        for n, seconds in enumerate(took)
    ]
    drawn = bars(ends, utc)
    assert [(bar.x, bar.height, bar.style) for bar in drawn] == [
        (36, 3.0, "none"), (37, 3.0, "ok"), (38, 12.0, "fail"), (39, 24.0, "ok"),
    ]  # fmt: skip
    assert drawn[2].title == "failed Mon 23 Nov 2026 14:00:00 UTC, took 30 s"
    assert summary(ends) == "4 runs, 1 failed; took 0 s to 60 s"
    assert len(bars(ends * 20, utc)) == MOST
    assert bars([], utc) == ()
