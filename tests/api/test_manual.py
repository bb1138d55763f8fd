"""`POST incidents` pages somebody by hand; `POST incidents/preview` says beforehand whom, by the same decisions."""

from typing import Any

import pytest

from app import line, pager
from tests.api.conftest import Api

HELP: dict[str, Any] = {"target": "user:bo", "summary": "No customer can order"}


def told(api: Api, number: int) -> list[tuple[str | None, str, int | None]]:
    return [(one["user"], one["channel"], one["step"]) for one in api.get(f"incidents/{number}")["pages"]]


@pytest.mark.parametrize("target", ["user:bo", "team:shop", "schedule:primary"])
def test_what_is_paged_at_once_is_what_the_preview_says(api: Api, target: str) -> None:
    asked = {**HELP, "target": target, "service": "shop"}
    seen = api.post("incidents/preview", asked, as_="ada")
    assert api.get("incidents")["items"] == []
    opened = api.post("incidents", asked, 201, as_="ada")
    line.escalate()
    first = [one for one in seen["steps"] if one["step"] == 1]
    assert sorted(told(api, opened["number"])) == sorted((one["user"], one["channel"], one["step"]) for one in first)
    assert (opened["policy"], opened["urgency"], opened["severity"]) == (seen["policy"], "high", "critical")
    assert opened["assigned_to"] == seen["assigned_to"] == ("bo" if target == "user:bo" else None)
    assert seen["steps"][-1]["step"] is None, "it goes on to the last resort"


def test_who_paged_whom_stands_in_timeline_alert_and_audit(api: Api) -> None:
    opened = api.post("incidents", {**HELP, "details": "EU only", "service": "shop"}, 201, as_="ada")
    found = api.get(f"incidents/{opened['number']}")
    assert found["timeline"][0]["text"] == "triggered by ada: paged bo: No customer can order"
    assert found["timeline"][0]["actor"] == "ada"
    (alert,) = found["alerts"]
    assert (alert["source"], alert["alertname"], alert["because"]) == ("manual:ada", "manual page", "paged by ada: EU only")
    assert (found["team"], found["runbook"], found["alert_count"]) == ("shop", "shop-down", 1)
    entry = api.get("audit")["items"][0]
    assert (entry["actor"], entry["action"], entry["object"]) == ("ada", "incident.paged", f"incident:{opened['number']}")
    assert entry["detail"] == {
        "target": "user:bo", "summary": "No customer can order", "severity": "critical", "policy": "user:bo",
    }  # fmt: skip


def test_it_counts_in_the_analytics_as_what_it_is(api: Api) -> None:
    number = api.post("incidents", HELP, 201, as_="ada")["number"]
    api.post(f"incidents/{number}/acknowledge", as_="bo")
    api.post(f"incidents/{number}/resolve", as_="bo")
    (row,) = api.get("analytics?days=7")["by_alert"]["items"]
    assert (row["name"], row["source"], row["incidents"], row["needed_nobody"]) == ("manual page", "manual:ada", 1, 0)


def test_it_is_resolved_by_hand_with_its_alert(api: Api) -> None:
    number = api.post("incidents", HELP, 201, as_="ada")["number"]
    pager.run_until_idle()
    api.post(f"incidents/{number}/resolve", as_="bo")
    pager.run_until_idle()
    found = api.get(f"incidents/{number}")
    assert (found["state"], found["alerts"][0]["state"]) == ("resolved", "resolved")


def test_the_same_key_answers_with_the_same_incident(api: Api) -> None:
    numbers = {api.post("incidents", {**HELP, "key": "k"}, 201, as_="ada")["number"] for _ in range(3)}
    assert len(numbers) == 1
    seen = api.post("incidents/preview", {**HELP, "key": "k"}, as_="ada")
    assert (seen["steps"], seen["notes"]) == ([], ["#1 is already open for this key: it is returned, and no pages are sent"])
    problem = api.post("incidents", {**HELP, "key": "k", "target": "user:ada"}, 409, as_="ada")
    assert problem["detail"] == '#1 is open for the key "k" and pages user:bo; use another key'
    assert api.post("incidents", HELP, 201, as_="ada")["number"] == 2
    assert api.post("incidents", HELP, 201, as_="ada")["number"] == 3, "without a key each is another"


@pytest.mark.parametrize("where", ["incidents", "incidents/preview"])
@pytest.mark.parametrize(
    ("change", "field", "detail"),
    [
        ({"target": "user:bob"}, "target", 'user "bob" not found; did you mean "user:bo"?'),
        ({"target": "user:vi"}, "target", "vi is a viewer and cannot be paged"),
        ({"target": "channel:hook"}, "target", '"channel:hook" is not a target; write user:NAME, team:NAME or schedule:NAME'),
        ({"summary": "  "}, "summary", "summary must be 1 to 1,024 characters long"),
        ({"summary": ""}, "summary", None),
        ({"summary": "x" * 1025}, "summary", None),
        ({"details": "x" * 4097}, "details", None),
        ({"severity": "bad"}, "severity", None),
        ({"colour": "red"}, "colour", None),
        ({"target": None}, "target", None),
    ],
)
def test_what_is_wrong_opens_nothing(api: Api, where: str, change: dict[str, Any], field: str, detail: str | None) -> None:
    problem = api.post(where, {**HELP, **change}, 422, as_="ada")
    assert problem["errors"][0]["field"] == field
    assert detail in (None, problem["detail"])
    assert api.get("incidents")["items"] == []


@pytest.mark.parametrize("where", ["incidents", "incidents/preview"])
def test_viewers_may_not(api: Api, where: str) -> None:
    assert "permission denied" in api.post(where, HELP, 403, as_="vi")["detail"]
    assert api.get("incidents")["items"] == []
