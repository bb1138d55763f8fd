"""Preview when an incident of the group is open already: what the alert would change, and whom that would page."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import pager
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from tests.api.conftest import Api

CONFIG = """
users: {ada: {}, bo: {}, root: {role: admin}}
platform: {owners: ["user:root"]}
services: {shop: {}}
policies: {loud: {steps: [{page: "user:bo"}]}, quiet: {steps: [{page: "user:ada"}]}}
routes: [{match: 'severity="critical"', policy: loud}, {match: 'wake="yes"', policy: loud, urgency: high}, {policy: quiet}]
grouping: [{by: [service], window: WINDOW, reopen: 15m}]
"""
QUIET = "would join #1: no new pages"
ANEW = "rerouted, escalation restarts at step 1"


def configure(window: str = "10m") -> None:
    loaded = load_texts({"a.yaml": CONFIG.replace("WINDOW", window)}, {})
    assert loaded.errors == ()
    with transaction() as db:
        apply(db, loaded, SYSTEM, datetime.now(UTC))


def ask(
    api: Api, severity: str = "warning", at: datetime | None = None, labels: Mapping[str, str] | None = None
) -> tuple[str, list[str], Any]:
    """The note about joining, and who would be paged in step 1."""
    found = api.post(
        "preview", {"labels": {"service": "shop", **(labels or {})}, "severity": severity, "at": at.isoformat() if at else None}
    )
    notes = [one for one in found["notes"] if one.startswith("would ")]
    return notes[0] if notes else "", sorted({one["user"] for one in found["steps"] if one["step"] == 1}), found


def warn(api: Api, *keys: str) -> None:
    api.raise_alerts(*({"key": key, "severity": "warning"} for key in keys))
    pager.run_until_idle()


def test_without_an_open_incident_nothing_is_joined(api: Api) -> None:
    configure()
    assert ask(api)[:2] == ("", ["ada"])


@pytest.mark.parametrize(
    ("severity", "labels", "window", "note", "paged"),
    [
        ("warning", {}, "10m", f"{QUIET} (joined within the grouping window)", []),
        ("warning", {}, "0s", f"{QUIET} (another alert joined: preview); people already notified get an update", []),
        ("critical", {}, "10m", f"would join #1: severity rose to critical; {ANEW}", ["bo"]),
        ("warning", {"wake": "yes"}, "10m", f"would join #1: urgency rose to high; {ANEW}", ["bo"]),
    ],
    ids=["within the window", "beyond it", "a rise to critical", "a rise of urgency"],
)  # fmt: skip
def test_what_joining_would_change(
    api: Api, severity: str, labels: dict[str, str], window: str, note: str, paged: list[str]
) -> None:
    configure(window)
    warn(api, "a")
    said, users, found = ask(api, severity, labels=labels)
    assert (said, users) == (note, paged)
    assert bool(found["steps"]) is bool(paged)
    assert len(api.get("incidents")["items"]) == 1  # nothing was opened or changed
    before = {one["id"] for one in api.get("pages")["items"]}
    api.raise_alerts({"key": "b", "severity": severity, "labels": labels})
    pager.run_until_idle()
    then = [one for one in api.get("pages")["items"] if one["id"] not in before and one["step"] == 1]
    first = [one for one in found["steps"] if one["step"] == 1]
    assert {(one["user"], one["contact"], one["reason"]) for one in then if "another alert" not in one["reason"]} == {
        (one["user"], one["contact"], one["reason"]) for one in first
    }
    assert api.get("incidents/1")["policy"] == (found["policy"] if paged else "quiet")


def test_another_group_and_another_time_join_nothing(api: Api) -> None:
    configure()
    warn(api, "a")
    assert ask(api, at=datetime.now(UTC) - timedelta(days=1))[:2] == ("", ["ada"])
    found = api.post("preview", {"labels": {"service": "else"}, "severity": "warning"})
    assert not [one for one in found["notes"] if one.startswith("would ")]


def test_a_resolved_one_would_be_reopened_while_it_may(api: Api) -> None:
    configure()
    warn(api, "a")
    api.post("incidents/1/resolve")
    now = datetime.now(UTC)
    note, users, _ = ask(api)
    assert (note, users) == ("would reopen #1; policy quiet restarts at step 1", ["ada"])
    assert ask(api, at=now + timedelta(minutes=16))[:2] == ("", ["ada"])


def test_what_was_merged_away_joins_where_it_went(api: Api) -> None:
    configure()
    warn(api, "a")
    api.raise_alerts({"key": "b", "service": "other", "severity": "warning"})
    pager.run_until_idle()
    api.post("incidents/1/merge", {"into": 2})
    assert ask(api)[0].startswith("would join #2")


@pytest.mark.parametrize(
    ("minutes", "joins"),
    [(0, True), (59, True), (61, False), (9 * 1440, False)],
)
def test_what_is_open_now_is_not_taken_to_be_open_days_ahead(api: Api, minutes: int, joins: bool) -> None:
    configure()
    warn(api, "one")
    note, paged, found = ask(api, at=datetime.now(UTC) + timedelta(minutes=minutes))
    assert (note.startswith("would join #1"), paged) == (joins, [] if joins else ["ada"])
    assumed = "assumes #1, open now, is resolved by then; if not, the alert joins it"
    assert (assumed in found["notes"]) is not joins


def test_a_recent_end_is_as_far_away_as_it_is(api: Api) -> None:
    configure()
    warn(api, "one")
    api.post("incidents/1/resolve")
    assert ask(api)[0].startswith("would reopen #1")
    assert ask(api, at=datetime.now(UTC) + timedelta(hours=2))[:2] == ("", ["ada"])
