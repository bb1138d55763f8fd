"""Hours over HTTP: what waits until when, what preview says of it, and what coverage asks for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import line
from app.catalog.model import Severity
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.signals.model import Signal, SignalStatus
from tests.api.conftest import Api
from tests.sent import intake

CONFIG = """
defaults: {timezone: Europe/Paris}
users: {ada: {}, bo: {}, root: {role: admin}}
platform: {owners: ["user:root"]}
services: {shop: {}}
hours: {office: {days: [mon, tue, wed, thu, fri], from: "09:00", to: "18:00", holidays: FR}}
schedules:
  desk: {layers: [{name: day, users: [ada], every: 1d, handoff: "00:00", start: 2026-01-01, only: [ONLY]}]}
  always: {layers: [{name: all, users: [bo], every: 1d, handoff: "00:00", start: 2026-01-01}]}
policies: {desk: {steps: [{page: "schedule:desk", wait: 1h}]}, night: {steps: [{page: "schedule:always"}]}}
routes: [ROUTE]
"""
ONLY = '{days: [mon, tue, wed, thu, fri], from: "09:00", to: "18:00"}'
PAGES = "{policy: desk, pages: office, urgency: {during: office, then: high, else: low}}"
NIGHT, NOON = "2026-11-23T23:00:00+01:00", "2026-11-23T12:00:00+01:00"


def configure(route: str = PAGES, only: str = ONLY) -> None:
    loaded = load_texts({"a.yaml": CONFIG.replace("ROUTE", route).replace("ONLY", only)}, {})
    assert loaded.errors == ()
    with transaction() as db:
        apply(db, loaded, SYSTEM, datetime.now(UTC))


def ask(api: Api, at: str) -> Any:
    return api.post("preview", {"labels": {"service": "shop"}, "at": at})


def test_preview_holds_what_comes_at_night(api: Api) -> None:
    configure()
    night = ask(api, NIGHT)
    assert (night["policy"], night["urgency"]) == ("desk", "low")
    assert {"hours open then: none", "step 1 of 1: held until 09:00 (office hours)"} <= set(night["notes"])
    assert [(one["at"], one["user"], one["step"]) for one in night["steps"]] == [
        ("2026-11-24T08:00:00+00:00", "ada", 1), ("2026-11-24T09:00:00+00:00", "root", None),
    ]  # fmt: skip
    assert all("high-urgency" in one["reason"] for one in night["steps"])  # by then the office is open
    noon = ask(api, NOON)
    assert (noon["urgency"], noon["labels"]["hours"]) == ("high", "office")
    assert (noon["steps"][0]["at"], noon["steps"][0]["user"]) == ("2026-11-23T11:00:00+00:00", "ada")


def test_the_incident_says_what_it_waits_for(api: Api) -> None:
    configure()
    at = datetime.fromisoformat(NIGHT)
    intake("user:t", [Signal("user:t", "k", SignalStatus.FIRING, "s", Severity.ERROR, "k", "shop")], at)
    line.dedup(at)
    line.escalate(at)
    found = api.get("incidents/1")
    assert (found["state"], found["urgency"], found["pages"]) == ("triggered", "low", [])
    assert [one["text"] for one in found["timeline"]][-1] == "held until 09:00 (office hours)"
    assert api.get("obligations")["items"] == []
    api.post("incidents/1/acknowledge")
    assert api.get("incidents/1")["upcoming"] == []


@pytest.mark.parametrize(
    ("route", "only", "percent"),
    [
        (PAGES, ONLY, (100.0, 100.0)),
        ('{match: "hours=\\"office\\"", policy: desk}, {policy: night}', ONLY, (100.0, 100.0)),
        ("{policy: desk}", ONLY, None),
        (PAGES, ONLY.replace("09:00", "10:00"), None),
    ],
    ids=["pages in the office", "matched in the office", "any time", "an hour is missing"],
)
def test_coverage_asks_a_schedule_only_for_what_its_routes_need(
    api: Api, route: str, only: str, percent: tuple[float, float] | None
) -> None:
    configure(route, only)
    desk, always = api.get("oncall/coverage?days=28")["items"]
    if percent is not None:
        assert (desk["percent"], always["percent"]) == percent
        assert desk["gaps"] == []
        assert 0 < desk["needed_seconds"] <= 20 * 9 * 3600
    else:
        assert desk["percent"] < 100
        assert desk["gaps"]
    assert always["percent"] == 100.0


def test_the_gaps_of_a_schedule_are_those_that_matter(api: Api) -> None:
    configure(PAGES, ONLY.replace("09:00", "10:00"))
    (desk, _) = api.get("oncall/coverage?days=14")["items"]
    lengths = {datetime.fromisoformat(gap["end"]) - datetime.fromisoformat(gap["start"]) for gap in desk["gaps"]}
    assert max(lengths) == timedelta(hours=1)


def test_a_schedule_shows_how_its_layers_hand_over_and_when_they_hold(api: Api) -> None:
    configure()
    desk, always = api.get("schedules")["items"]
    assert desk == api.get("schedules/desk")
    assert desk["layers"] == [
        {
            "name": "day", "users": ["ada"], "every": "1d", "handoff": "00:00", "start": "2026-01-01", "until": None,
            "only": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "18:00"}],
        }
    ]  # fmt: skip
    assert always["layers"][0]["only"] == []
