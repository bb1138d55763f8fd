"""From events to a resolved incident over HTTP; every move, and every move that the state forbids."""

from typing import Any

import pytest

from tests.api.conftest import Api


@pytest.fixture
def number(api: Api) -> int:
    """An open incident of the shop that has been paged for."""
    from app import pager

    api.raise_alerts({"key": "disk", "summary": "disk full"})
    pager.run_until_idle()
    return int(api.get("incidents")["items"][0]["number"])


def test_journey_from_event_to_resolved(api: Api) -> None:
    from app import pager

    api.raise_alerts({"key": "disk", "summary": "disk full", "severity": "critical"})
    pager.run_until_idle()
    (incident,) = api.get("incidents?state=triggered&service=shop&severity=critical&team=shop&q=DISK")["items"]
    assert incident["title"] == "disk full"
    assert (incident["number"], incident["policy"], incident["urgency"]) == (1, "shop", "high")
    assert incident["runbook"] == "shop-down"
    found = api.get("incidents/1")
    assert [alert["key"] for alert in found["alerts"]] == ["disk"]
    assert found["also_affected"] == []
    assert [page["step"] for page in found["pages"]] == [1] * len(found["pages"])
    assert found["pages"][0]["attempts"][0]["n"] == 1
    assert [(step["step"], step["users"]) for step in found["upcoming"]] == [(2, ["ada", "bo"]), (None, ["ed"])]
    assert found["timeline"][0]["kind"] == "opened"
    taken = api.post("incidents/1/acknowledge", as_="ada")
    assert (taken["state"], taken["acknowledged_by"]) == ("acknowledged", "ada")
    assert api.get("incidents/1")["upcoming"] == []
    ended = api.post("incidents/1/resolve", as_="ada")
    assert (ended["state"], ended["resolved_by"]) == ("resolved", "ada")
    assert api.get("incidents?state=triggered&state=acknowledged")["items"] == []
    pager.run_until_idle()
    assert {line["actor"] for line in api.get("incidents/1")["timeline"]} >= {None, "ada"}
    assert [line["action"] for line in api.get("audit?object=incident:1")["items"]] == [
        "incident.resolved",
        "incident.acknowledged",
    ]


def test_moves_that_the_state_forbids_are_conflicts(api: Api, number: int) -> None:
    api.post(f"incidents/{number}/reopen", status=409)
    api.post(f"incidents/{number}/acknowledge")
    assert api.post(f"incidents/{number}/acknowledge")["state"] == "acknowledged"
    api.post(f"incidents/{number}/resolve")
    for move, body in (("acknowledge", None), ("resolve", None), ("snooze", {"seconds": 60}), ("assign", {"user": "ada"})):
        problem = api.post(f"incidents/{number}/{move}", body, 409)
        assert "resolved" in problem["detail"]
    assert api.post(f"incidents/{number}/reopen")["state"] == "triggered"


def test_escalating_and_unacknowledging_are_moves_of_the_api_too(api: Api, number: int) -> None:
    before = api.get(f"incidents/{number}")["upcoming"][0]
    assert api.post(f"incidents/{number}/escalate")["state"] == "triggered"
    assert api.get(f"incidents/{number}")["upcoming"][0]["at"] < before["at"]
    api.post(f"incidents/{number}/unacknowledge", status=409)
    api.post(f"incidents/{number}/acknowledge")
    api.post(f"incidents/{number}/escalate", status=409)
    released = api.post(f"incidents/{number}/unacknowledge")
    assert (released["state"], released["acknowledged_by"]) == ("triggered", None)


def test_what_escalating_would_page_is_what_it_pages(api: Api, number: int) -> None:
    from app import pager

    (step,) = api.get(f"incidents/{number}/escalate")["items"]
    assert (step["step"], step["user"], step["users"]) == (2, None, ["ada", "bo"])
    *_, person = api.get(f"incidents/{number}/escalate?user=bo", as_="ada")["items"]
    assert (person["step"], person["user"], person["users"]) == (None, "bo", ["bo"])
    (own,) = api.get(f"incidents/{number}/escalate?user=ada&user=nobody", as_="ada")["items"][1:]
    assert (own["users"], own["reason"]) == ([], "ada is not paged")
    known = {page["key"] for page in api.get(f"pages?incident={number}")["items"]}
    api.post(f"incidents/{number}/escalate", {"step": 2}, as_="ada")
    pager.run_until_idle()
    sent = [page for page in api.get(f"pages?incident={number}")["items"] if page["key"] not in known]
    foretold = {(one["user"], one["channel"], one["step"], one["reason"]) for one in step["pages"]}
    assert {(one["user"], one["channel"], one["step"], one["reason"]) for one in sent} == foretold
    assert "step 2 has already run" in api.post(f"incidents/{number}/escalate", {"step": 2}, 409)["detail"]


def test_escalating_to_a_user_is_assigning(api: Api, number: int) -> None:
    assert api.post(f"incidents/{number}/escalate", {"user": "bo"}, as_="ada")["assigned_to"] == "bo"
    kinds = [line["kind"] for line in api.get(f"incidents/{number}")["timeline"]]
    assert ("assigned" in kinds, "escalated" in kinds) == (True, False)
    (paged,) = api.get(f"incidents/{number}/escalate?user=bo", as_="ada")["items"][-1:]
    assert (paged["users"], paged["reason"]) == ([], "bo is assigned and was paged")


def test_the_audit_log_says_what_was_and_what_is(api: Api, number: int) -> None:
    api.post(f"incidents/{number}/acknowledge", as_="ada")
    api.post(f"incidents/{number}/assign", {"user": "bo"}, as_="ada")
    api.post(f"incidents/{number}/escalate", {"step": 2}, as_="ada")
    escalated, assigned, acknowledged = (one["detail"] for one in api.get(f"audit?object=incident:{number}")["items"])
    assert acknowledged["before"]["state"] == "triggered"
    assert (acknowledged["after"]["state"], acknowledged["after"]["acknowledged_by"]) == ("acknowledged", "ada")
    assert assigned["before"]["assigned_to"] is None
    assert assigned["before"]["acknowledged_by"] == "ada"
    assert (assigned["after"]["assigned_to"], assigned["after"]["state"]) == ("bo", "triggered")
    assert (escalated["before"]["next_step"], escalated["after"]["next_step"]) == (1, 2)


def test_an_acknowledgement_again_changes_nothing(api: Api, number: int) -> None:
    api.post(f"incidents/{number}/acknowledge", as_="ada")
    first = api.get(f"incidents/{number}")
    api.post(f"incidents/{number}/acknowledge", as_="bo")
    assert api.get(f"incidents/{number}") == first
    assert [line["actor"] for line in api.get(f"audit?object=incident:{number}")["items"]] == ["ada"]


def test_snooze_shows_when_it_ends_and_what_follows(api: Api, number: int) -> None:
    snoozed = api.post(f"incidents/{number}/snooze", {"seconds": 3600})
    assert snoozed["state"] == "acknowledged"
    first, *_ = api.get(f"incidents/{number}")["upcoming"]
    assert first["at"] == snoozed["snoozed_until"]
    assert first["step"] == 1


def test_merge_ends_one_and_points_to_the_other(api: Api, number: int) -> None:
    from app import pager

    api.raise_alerts({"key": "lag", "summary": "lag", "service": "db"})
    pager.run_until_idle()
    other = api.get("incidents?service=db")["items"][0]["number"]
    merged = api.post(f"incidents/{other}/merge", {"into": number})
    assert (merged["number"], merged["state"], merged["merged_into"]) == (other, "resolved", number)
    assert api.get(f"incidents/{number}")["alert_count"] == 2
    refused = api.post(f"incidents/{number}/merge", {"into": other}, 409)
    assert refused["detail"] == f"#{other} was merged into #{number}; use that one"


def test_a_search_text_that_is_too_long_is_counted_in_characters(api: Api) -> None:
    (fault,) = api.get(f"incidents?q={'x' * 1025}", 422)["errors"]
    assert fault == {"index": None, "field": "q", "detail": "must have at most 1024 characters"}


def test_notes_and_assignment_stand_in_the_incident(api: Api, number: int) -> None:
    api.post(f"incidents/{number}/notes", {"text": "<b>looking</b>"}, as_="bo")
    assert api.post(f"incidents/{number}/assign", {"user": "bo"})["assigned_to"] == "bo"
    lines = api.get(f"incidents/{number}")["timeline"]
    assert ("note", "bo", "<b>looking</b>") in {(line["kind"], line["actor"], line["text"]) for line in lines}


@pytest.mark.parametrize(
    "move, body, status",
    [
        ("snooze", {}, 422),
        ("snooze", {"seconds": 0}, 422),
        ("snooze", {"seconds": -5}, 422),
        ("snooze", {"seconds": 1e18}, 422),
        ("snooze", {"seconds": "60"}, 422),
        ("snooze", {"seconds": True}, 422),
        ("snooze", {"seconds": 60, "more": 1}, 422),
        ("snooze", None, 422),
        ("merge", {"into": 1}, 422),
        ("merge", {"into": 999}, 404),
        ("merge", {"into": 2**70}, 422),
        ("merge", {"into": "2"}, 422),
        ("assign", {"user": "nobody"}, 422),
        ("assign", {"user": "vi"}, 422),
        ("assign", {"user": "a\0"}, 422),
        ("assign", {"user": ["ada"]}, 422),
        ("escalate", {"step": 9}, 422),
        ("escalate", {"step": 0}, 422),
        ("escalate", {"step": "2"}, 422),
        ("escalate", {"step": 2, "user": "ada"}, 422),
        ("escalate", {"user": "nobody"}, 422),
        ("notes", {"text": ""}, 422),
        ("notes", {"text": "x" * 10_001}, 422),
        ("notes", {"text": "a\0b"}, 422),
        ("explain", None, 501),
        ("explode", None, 404),
    ],
)
def test_bad_moves_are_refused(api: Api, number: int, move: str, body: Any, status: int) -> None:
    before = api.get(f"incidents/{number}")
    api.post(f"incidents/{number}/{move}", body, status)
    assert api.get(f"incidents/{number}") == before


@pytest.mark.parametrize(
    "number_, status", [("999", 404), ("0", 422), ("-1", 422), ("x", 422), ("1.5", 422), (str(2**63), 422)]
)
def test_an_incident_that_is_not_there(api: Api, number_: str, status: int) -> None:
    api.get(f"incidents/{number_}", status)
    api.post(f"incidents/{number_}/acknowledge", status=status)


def test_viewers_only_look(api: Api, number: int) -> None:
    api.get(f"incidents/{number}", as_="vi")
    for move, body in (("acknowledge", None), ("resolve", None), ("snooze", {"seconds": 60}), ("notes", {"text": "x"})):
        api.post(f"incidents/{number}/{move}", body, 403, as_="vi")


def test_lists_come_in_pages(api: Api) -> None:
    from app import pager

    for n in range(5):
        api.raise_alerts({"key": f"k{n}", "service": f"s{n}"})
    pager.run_until_idle()
    seen, path = [], "incidents?limit=2"
    while path:
        page = api.get(path)
        assert len(page["items"]) <= 2
        seen += [one["number"] for one in page["items"]]
        path = page["next"] and f"incidents?limit=2&cursor={page['next']}"
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "query",
    [
        "state=gone", "severity=bad", "limit=0", "limit=501", "limit=x", "cursor=!!", "cursor=eA", "cursor=%00", "q=%00",
        "service=a%00", "team=" + "x" * 2000, "cursor=" + "9" * 40,
    ],
)  # fmt: skip
def test_bad_filters_are_refused(api: Api, query: str) -> None:
    api.get(f"incidents?{query}", 422)


def test_empty_filters_are_none(api: Api, number: int) -> None:
    assert len(api.get("incidents?state=&service=&team=&severity=&q=&cursor=")["items"]) == 1


def test_percent_and_underscore_in_a_search_are_themselves(api: Api, number: int) -> None:
    assert api.get("incidents?q=%25")["items"] == []
    assert api.get("incidents?q=_")["items"] == []
    assert len(api.get("incidents?q=isk")["items"]) == 1


def test_an_assignment_is_undone_by_whoever_made_it_while_nothing_has_followed(api: Api, number: int) -> None:
    api.post(f"incidents/{number}/assign", {"user": "bo"}, as_="ada")
    problem = api.post(f"incidents/{number}/undo", status=409, as_="ed")
    assert problem["detail"] == "cannot undo what somebody else did: assigned to bo by ada"
    assert "permission denied" in api.post(f"incidents/{number}/undo", status=403, as_="vi")["detail"]
    done = api.post(f"incidents/{number}/undo", as_="ada")
    assert (done["assigned_to"], done["state"]) == (None, "triggered")
    found = api.get(f"incidents/{number}")
    assert {(one["user"], one["state"]) for one in found["pages"] if one["user"] == "bo" and one["step"] is None} == {
        ("bo", "superseded")
    }
    assert found["timeline"][-1]["text"] == "assignment to bo undone by ada"
    assert api.get("audit")["items"][0]["action"] == "incident.undone"
    api.post(f"incidents/{number}/acknowledge", as_="ada")
    assert api.post(f"incidents/{number}/undo", status=409, as_="ada")["detail"] == "cannot undo: acknowledged by ada"
    api.post("incidents/999/undo", status=404, as_="ada")
