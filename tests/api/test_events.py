"""`POST /api/v1/events` and `/in/KEY`: 2xx means committed, one bad event refuses all, and nothing sent is ever a 5xx."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.conftest import Api

GOOD = {"key": "disk", "severity": "error", "summary": "disk full", "service": "shop"}


def test_accepted_events_are_alerts(api: Api) -> None:
    told = api.raise_alerts({"key": "disk", "summary": "disk full"}, {"labels": {"host": "a"}, "status": "firing"}, as_="ada")
    assert told["accepted"] == 2
    assert [set(one) for one in told["events"]] == [{"key", "trace_id"}] * 2
    assert told["events"][0]["key"] == "disk"
    alerts = api.get("alerts")["items"]
    assert {alert["trace_id"] for alert in alerts} == {one["trace_id"] for one in told["events"]}
    disk = next(alert for alert in alerts if alert["key"] == "disk")
    assert disk["state"] == "firing"
    assert disk["labels"] == {
        "alertname": "disk",
        "service": "shop",
        "team": "shop",
        "tier": "critical",
        "severity": "error",
    }


def test_the_same_key_of_two_people_is_two_alerts_and_of_one_is_one(api: Api) -> None:
    for login in ("ada", "ada", "bo"):
        api.raise_alerts({"key": "disk", "labels": {"by": login}}, as_=login)
    assert sorted(alert["source"] for alert in api.get("alerts")["items"]) == ["user:ada", "user:bo"]


def test_concurrent_events_of_one_key_are_one_alert(api: Api) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: api.raise_alerts({"key": "disk", "summary": f"try {n}"}), range(48)))
    assert len(api.get("alerts")["items"]) == 1


def test_an_unknown_service_has_no_team(api: Api) -> None:
    api.raise_alerts({"key": "x", "service": "nobody-knows"})
    labels = api.get("alerts")["items"][0]["labels"]
    assert "team" not in labels
    assert "tier" not in labels


@pytest.mark.parametrize(
    "event, field",
    [
        ({"severity": "bad"}, "severity"),
        ({"status": "gone"}, "status"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"labels": {"a": None}}, "labels.a"),
        ({"labels": {str(n): "x" for n in range(65)}}, "labels"),
        ({"labels": {"a": "x" * 4097}}, "labels.a"),
        ({"labels": {"n\0": "x"}}, "labels"),
        ({"labels": {"n": "é" * 2049}}, "labels"),
        ({"annotations": {"n": "v" * 4097}}, "annotations"),
        ({"key": "k" * 513}, "key"),
        ({"key": ""}, "key"),
        ({"key": 5}, "key"),
        ({"summary": "s" * 1025}, "summary"),
        ({"summary": "nul \0"}, "summary"),
        ({"starts_at": "2026-11-02T09:00:00"}, "starts_at"),
        ({"starts_at": "yesterday"}, "starts_at"),
        ({"starts_at": "0001-01-01T00:00:00+14:00"}, "starts_at"),
        ({"starts_at": 1e300}, "starts_at"),
        ({"annotations": []}, "annotations"),
        ({"links": "x"}, "links"),
        ({"nonsense": 1}, "nonsense"),
        (17, "event"),
    ],
)
def test_one_bad_event_refuses_the_whole_call(api: Api, event: Any, field: str) -> None:
    bad = {**GOOD, **event} if isinstance(event, dict) else event
    problem = api.post("events", {"events": [GOOD, bad]}, 422)
    assert [(fault["index"], fault["field"].partition(".")[0]) for fault in problem["errors"]] == [(1, field.partition(".")[0])]
    assert api.get("alerts")["items"] == []


def test_every_mistake_is_told_at_once(api: Api) -> None:
    problem = api.post("events", {"events": [{"severity": "x", "key": ""}, GOOD, {"status": 3}]}, 422)
    assert [(fault["index"], fault["field"]) for fault in problem["errors"]] == [(0, "key"), (0, "severity"), (2, "status")]


@pytest.mark.parametrize(
    "body, status",
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b"null", 422),
        (b'"text"', 422),
        (b'{"events": 5}', 422),
        (b'{"events": [], "more": 1}', 422),
        (b'{"events": [{"key": "x", "labels": {"v": NaN}}]}', 422),
        (b'{"events": [{"key": "x", "starts_at": Infinity}]}', 422),
        (b'{"events": [{"key": "x", "starts_at": 1e999}]}', 422),
        (b'{"events": [{"key": "\\ud800"}]}', 422),
        (b'{"events": [{"key": "\xff"}]}', 422),
        (b"\x00\x01\x02", 422),
        (b'{"events": ' + b"[" * 30 + b"]" * 30 + b"}", 413),
        (b"[" * 200_000, 413),
        (json.dumps({"events": [{"key": str(n)} for n in range(5001)]}).encode(), 413),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_list_of_events_is_refused(api: Api, body: bytes, status: int) -> None:
    response = api.call("POST", "events", data=body)
    assert response.status_code == status, response.text
    assert response.json()["status"] == status


def test_no_events_are_no_alerts(api: Api) -> None:
    assert api.post("events", {"events": []}, 202) == {"accepted": 0, "events": []}


@pytest.mark.parametrize("size", [(8 << 20) + 1, 20 << 20])
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "streamed"])
def test_a_body_over_8_mib_is_refused_and_its_sender_hears_why(api: Api, chunked: bool, size: int) -> None:
    """With http.client, which sends all before it reads: an early hang-up would reset the connection under it."""
    body = b" " * size
    asked = http.client.HTTPConnection(api.url.removeprefix("http://"), timeout=20)
    headers = {"Authorization": f"Bearer {api.tokens['root']}"} | ({"Transfer-Encoding": "chunked"} if chunked else {})
    asked.request("POST", "/api/v1/events", iter([body]) if chunked else body, headers, encode_chunked=chunked)
    assert asked.getresponse().status == 413
    asked.close()


def test_a_large_body_with_a_wrong_token_is_answered_too(api: Api) -> None:
    asked = http.client.HTTPConnection(api.url.removeprefix("http://"), timeout=20)
    asked.request("POST", "/api/v1/events", b" " * (7 << 20), {"Authorization": "Bearer wrong"})
    assert asked.getresponse().status == 401
    asked.close()


def test_5000_events_are_taken(api: Api) -> None:
    assert api.raise_alerts(*({"key": str(n)} for n in range(5000)))["accepted"] == 5000


def test_content_type_does_not_matter(api: Api) -> None:
    body = json.dumps({"events": [GOOD]})
    assert api.call("POST", "events", data=body, headers={"Content-Type": "text/plain"}).status_code == 202


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic eDp5", "Bearer tocsin_x.y", "Bearer " + "0" * 32, "x"]
)
def test_events_want_a_token(api: Api, header: str | None) -> None:
    response = api.call("POST", "events", None, json={"events": [GOOD]}, headers={"Authorization": header} if header else {})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["content-type"] == "application/problem+json"


def test_viewers_raise_no_alerts(api: Api) -> None:
    api.post("events", {"events": [GOOD]}, 403, as_="vi")


def test_an_integration_takes_events_by_path_and_by_bearer(api: Api) -> None:
    made = api.post("integrations", {"name": "ci", "service": "db"}, 201, as_="ed")
    path = made["url"].partition("//")[2].partition("/")[2]
    event = {"events": [{"key": "build", "summary": "red"}]}
    assert api.call("POST", f"/{path}", None, json=event).status_code == 202
    assert api.call("POST", "events", None, json=event, headers={"Authorization": f"Bearer {made['key']}"}).status_code == 202
    alerts = api.get("alerts")["items"]
    assert [(alert["source"], alert["service"]) for alert in alerts] == [("integration:ci", "db")]


def test_an_alert_that_its_sender_resolved_says_so_in_words_and_as_a_code(api: Api) -> None:
    api.post("events", {"events": [GOOD]}, 202)
    api.post("events", {"events": [{**GOOD, "status": "resolved"}]}, 202)
    (alert,) = api.get("alerts")["items"]
    assert (alert["because"], alert["reason"]) == ("", "resolved by sender")
    assert alert["reasons"] == []
    assert alert["end_reasons"] == [{"code": "resolved_by_sender", "facts": {}, "text": "resolved by sender"}]


@pytest.mark.parametrize(
    "path, status", [("/in/" + "0" * 32, 404), ("/in/x", 404), ("/in/", 404), ("/in/%00", 404), ("/in", 404)]
)
def test_an_unknown_key_is_refused(api: Api, path: str, status: int) -> None:
    assert api.call("POST", path, None, json={"events": []}).status_code == status


def test_protocols_that_are_not_built_say_so(api: Api) -> None:
    key = api.post("integrations", {"name": "ci"}, 201)["key"]
    for path in (f"/in/{key}/alertmanager", f"/in/{key}/api/v2/alerts", "/v2/enqueue", "/api/v2/silences"):
        api.post(path, {}, 501, as_=None)


def test_a_refused_call_is_kept_with_its_reason(api: Api) -> None:
    from sqlalchemy import text

    from app.db import transaction

    key = api.post("integrations", {"name": "ci"}, 201)["key"]
    assert api.call("POST", f"/in/{key}", None, data=b"not json \0").status_code == 422
    with transaction() as db:
        kept = db.execute(text("select source, payload, problem from signal")).one()
    assert kept.source == "integration:ci"
    assert kept.payload["raw"].startswith("not json")
    assert "not JSON" in kept.problem
