"""`tocsin heartbeats ...`, and where the others name one that was never pinged."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import line
from app.checks.heartbeats.model import Kind, PingRequest
from tests.api.conftest import CONFIGURATION, RUNBOOK
from tests.cli.conftest import Tocsin

HEARTBEATS = "heartbeats:\n  nightly: {service: shop, every: 1d, grace: 30m}\n"


@pytest.fixture
def declared(tocsin: Tocsin, tmp_path: Path) -> Path:
    """The folder of a configuration with a heartbeat, which is in force."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks/shop-down.md").write_text(RUNBOOK)
    (tmp_path / "all.yaml").write_text(CONFIGURATION + HEARTBEATS)
    assert '+ heartbeat "nightly"' in tocsin("config", "apply", str(tmp_path)).out
    return tmp_path


def test_it_is_listed_shown_pinged_paused_and_resumed(tocsin: Tocsin, declared: Path) -> None:
    assert "never" not in tocsin("heartbeats", "list").out
    (one,) = tocsin("heartbeats", "list", "--json").json["items"]
    assert (one["name"], one["state"], one["schedule"]) == ("nightly", "new", "every 1d, grace 30m")
    assert tocsin("heartbeats", "pings", "nightly").out == "nightly: no pings yet\n"
    line.ping(PingRequest(Kind.FAIL, uuid=one["ping_url"].rpartition("/")[2], exit_status=3, body=b"disk full"))
    line.evaluate()
    assert tocsin("heartbeats", "pings", "nightly", "--json").json["items"][0]["body"] == "disk full"
    assert "because: exit status 3: disk full" in tocsin("heartbeats", "show", "nightly").out
    assert tocsin("heartbeats", "pause", "nightly").status == 0
    assert tocsin("heartbeats", "show", "nightly", "--json").json["state"] == "paused"
    assert tocsin("heartbeats", "resume", "nightly").status == 0
    assert tocsin("heartbeats", "remove", "nightly").status == 1


@pytest.mark.parametrize("words", ["show nope", "pings nope", "pause nope", "resume nope", "remove nope", "pings x --limit 0"])
def test_wrong_use_is_one_line(tocsin: Tocsin, words: str) -> None:
    said = tocsin("heartbeats", *words.split())
    assert said.status == 2
    assert len(said.err.strip().splitlines()) == 1


def test_check_and_doctor_name_one_that_was_never_pinged_until_it_is(tocsin: Tocsin, declared: Path) -> None:
    never = 'heartbeat "nightly" has never been pinged'
    assert never in tocsin("config", "check", str(declared)).err
    assert never in tocsin("doctor").out
    line.ping(PingRequest(Kind.SUCCESS, slug="nightly"), now=datetime.now(UTC))
    line.evaluate()
    assert never not in tocsin("config", "check", str(declared)).err
    assert never not in tocsin("doctor").out


def test_a_plan_says_when_it_can_alert(tocsin: Tocsin, declared: Path) -> None:
    (declared / "all.yaml").write_text(CONFIGURATION + HEARTBEATS.replace("nightly", "weekly"))
    said = tocsin("config", "plan", str(declared)).out
    assert 'heartbeat "weekly" alerts after its first ping' in said
    assert 'heartbeat "nightly" no longer pages; its open alerts are resolved without a notification' in said


def test_it_is_shown_in_words_and_a_long_name_is_cut_in_the_table_only(tocsin: Tocsin, tmp_path: Path) -> None:
    name = "x" * 120
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks/shop-down.md").write_text(RUNBOOK)
    lines = f"heartbeats:\n  {name}: {{every: 1h, grace: 90s, labels: {{a: b, c: d}}}}\n"
    (tmp_path / "all.yaml").write_text(CONFIGURATION + lines)
    tocsin("config", "apply", str(tmp_path))
    assert f"{'x' * 47}…  new" in tocsin("heartbeats", "list").out
    (one,) = tocsin("heartbeats", "list", "--json").json["items"]
    assert one["name"] == name
    for kind, rid in ((Kind.START, None), (Kind.START, "123e4567-e89b-12d3-a456-426614174000")):
        line.ping(PingRequest(kind, uuid=one["ping_url"].rpartition("/")[2], rid=rid))
    line.evaluate()
    shown = tocsin("heartbeats", "show", name).out
    for words in ("service: -", "because: -", "last_ping: -", "grace: 1m30s", "labels: a=b, c=d", "run_seconds: -"):
        assert f"\n{words}\n" in shown
    for wrong in ("None", "datetime", "{", "["):
        assert wrong not in shown
    running = next(words for words in shown.splitlines() if words.startswith("running: since 20"))
    assert running.endswith("Z (run 123e4567-e89b-12d3-a456-426614174000)")
