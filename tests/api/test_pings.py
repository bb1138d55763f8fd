"""Pings: each is answered as Healthchecks answers it, and 2xx means that it is kept."""

# ruff: noqa: F811 - a fixture that is imported is named again where it is asked for

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import uuid4

import pytest

from tests.api.beats import RID, beat, beats, key, kinds, path_of, pings  # noqa: F401
from tests.api.conftest import Api

NOBODY = "5f6d0f5a-0c8e-4f0e-9d2a-3f6f1c1b9a10"  # a UUID that no heartbeat has


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_every_method_pings_and_answers_ok(beats: Api, method: str) -> None:
    response = beats.call(method, path_of(beats), None)
    assert response.status_code == 200
    assert response.text == ("" if method == "HEAD" else "OK")
    assert response.headers["ping-body-limit"] == "10000"
    assert response.headers["access-control-allow-origin"] == "*"
    assert kinds(beats) == ["success"]


@pytest.mark.parametrize(
    "behind, kept",
    [
        ("", "success"),
        ("/", "success"),
        ("/start", "start"),
        ("/fail", "fail"),
        ("/log", "log"),
        ("/0", "success"),
        ("/137", "fail"),
    ],
)
@pytest.mark.parametrize("way", ["uuid", "slug", "in/uuid", "in/slug"])
def test_every_address_pings(beats: Api, key: str, way: str, behind: str, kept: str) -> None:
    where = {
        "uuid": path_of(beats),
        "slug": f"/ping/{key}/nightly-backup",
        "in/uuid": path_of(beats).replace("/ping/", f"/in/{key}/"),
        "in/slug": f"/in/{key}/nightly-backup",
    }[way]
    response = beats.call("GET", where + behind, None)
    assert (response.status_code, response.text) == (200, "OK")
    (one,) = pings(beats)
    assert (one["kind"], one["exit_status"]) == (kept, int(behind[1:]) if behind[1:].isdigit() else None)


@pytest.mark.parametrize(
    "path, status, text",
    [
        (f"/ping/{NOBODY}", 404, "not found"),
        (f"/ping/{NOBODY}/stop", 404, "not found"),
        ("/ping/", 404, "not found"),
        ("/ping/nobody/nightly-backup", 404, "not found"),
        ("/ping/KEY/nobody", 404, "not found"),
        ("/ping/KEY/nobody?create=0", 404, "not found"),
        ("/ping/KEY/Nightly-Backup", 400, "invalid url format"),
        ("/ping/KEY/nightly-backup/256", 400, "invalid url format"),
        ("/ping/KEY/nightly-backup?rid=7", 400, "invalid uuid format"),
        ("/ping/KEY/same", 409, "ambiguous slug"),
        ("/in/KEY/nobody", 404, "not found"),
        ("/ping/%00/x", 404, "not found"),
        ("/ping/KEY/nightly-backup?rid=%00", 400, "invalid uuid format"),
    ],
)
def test_what_is_no_ping_is_refused_as_healthchecks_does(beats: Api, key: str, path: str, status: int, text: str) -> None:
    response = beats.call("POST", path.replace("KEY", key), None, data=b"x")
    assert (response.status_code, response.text) == (status, text)
    assert pings(beats) == []


def test_protocols_below_a_key_are_no_slugs(beats: Api, key: str) -> None:
    for protocol in ("generic", "grafana", "api/v2/alerts", "v2/enqueue"):
        assert beats.call("POST", f"/in/{key}/{protocol}", None, data=b"{}").text != "not found"
    assert beats.post(f"/in/{key}", {"events": []}, 404)["detail"].startswith("a ping must name its heartbeat")


def test_any_integrations_key_pings_and_a_wrong_one_does_not(beats: Api) -> None:
    other = beats.post("integrations", {"name": "other"}, 201)["key"]
    assert beats.call("GET", f"/ping/{other}/invoice-run", None).text == "OK"
    assert beats.call("GET", f"/ping/{other[::-1]}/invoice-run", None).status_code == 404
    assert kinds(beats, "Invoice-Run") == ["success"]


def test_a_ping_makes_its_heartbeat_when_it_says_so(beats: Api, key: str) -> None:
    for status, text in ((201, "Created"), (200, "OK")):
        response = beats.call("POST", f"/ping/{key}/fresh?create=1", None)
        assert (response.status_code, response.text) == (status, text)
    made = beat(beats, "fresh")
    assert {
        "origin": "ping",
        "state": "up",
        "service": "shop",
        "schedule": "every 1d, grace 1h",
        "pings": 2,
    }.items() <= made.items()
    beats.delete("heartbeats/fresh", as_="ed")
    assert beats.call("POST", f"/ping/{key}/fresh", None).status_code == 404
    beats.call("POST", f"/ping/{key}/fresh?create=1", None)
    assert beat(beats, "fresh")["ping_url"] == made["ping_url"]
    assert beats.call("POST", f"/ping/{uuid4()}?create=1", None).status_code == 404


def test_runs_side_by_side_are_measured(beats: Api) -> None:
    where, other = path_of(beats), str(uuid4())
    for say in (f"/start?rid={RID}", f"/start?rid={other}", f"?rid={RID.upper()}", f"/3?rid={other}"):
        assert beats.call("GET", where + say, None).status_code == 200
    kept = pings(beats)
    assert [(one["kind"], one["rid"], one["seconds"] is not None) for one in reversed(kept)] == [
        ("start", RID, False), ("start", other, False), ("success", RID, True), ("fail", other, True),
    ]  # fmt: skip
    stood = beat(beats)
    assert stood["state"] == "down"
    assert stood["running"] == []
    assert stood["because"] == "exit status 3"
    facts = {"exit_status": 3, "output": ""}
    assert stood["reasons"] == [{"code": "job_failed", "facts": facts, "text": stood["because"]}]
    assert 0 <= stood["run_seconds"] < 20


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data"},
        {"Content-Type": "application/json"},
    ],
)
def test_a_body_is_kept_as_it_is_whatever_it_says_it_is(beats: Api, headers: dict[str, str]) -> None:
    sent = b"a=1&b=%zz\0\xff\n--"
    assert beats.call("POST", path_of(beats) + "/log", None, data=sent, headers=headers).status_code == 200
    (one,) = pings(beats)
    assert one["body"] == sent.decode("utf-8", "replace")
    assert beats.call("GET", "heartbeats/nightly-backup/pings/1/body").content == sent
    beats.get("heartbeats/nightly-backup/pings/2/body", 404)


@pytest.mark.parametrize("size, kept", [(10_001, 10_000), (3_000_000, 10_000), (9_000_000, 0)])
def test_of_a_long_body_the_beginning_is_kept_and_one_without_measure_pings_all_the_same(
    beats: Api, size: int, kept: int
) -> None:
    response = beats.call("POST", path_of(beats), None, data=b"x" * size)
    assert (response.status_code, response.text) == (200, "OK")
    assert [one["body_bytes"] for one in pings(beats)] == [kept]


def test_a_body_in_chunks_is_a_body(beats: Api) -> None:
    assert beats.call("POST", path_of(beats), None, data=iter([b"one ", b"two"])).status_code == 200
    assert [one["body"] for one in pings(beats)] == ["one two"]


def test_a_ping_cut_off_in_the_middle_is_none(beats: Api) -> None:
    host, _, port = beats.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(f"POST {path_of(beats)} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
    assert beats.call("GET", path_of(beats), None).status_code == 200
    assert kinds(beats) == ["success"]


def test_pings_at_the_same_moment_are_all_kept(beats: Api) -> None:
    where = path_of(beats)
    with ThreadPoolExecutor(8) as pool:
        assert {one.status_code for one in pool.map(lambda _: beats.call("GET", where, None), range(60))} == {200}
    assert sorted(one["n"] for one in beats.get("heartbeats/nightly-backup/pings?limit=100")["items"]) == list(range(1, 61))


def test_the_log_of_pings_has_pages(beats: Api) -> None:
    for _ in range(5):
        beats.call("GET", path_of(beats), None, headers={"User-Agent": "job/1", "X-Forwarded-For": "192.0.2.7, 10.0.0.1"})
    first = beats.get("heartbeats/nightly-backup/pings?limit=3")
    rest = beats.get(f"heartbeats/nightly-backup/pings?limit=3&cursor={first['next']}")
    assert [one["n"] for one in first["items"] + rest["items"]] == [5, 4, 3, 2, 1]
    assert rest["next"] is None
    assert {"remote": "192.0.2.7", "agent": "job/1", "method": "GET"}.items() <= first["items"][0].items()


def test_the_list_says_what_is_expected(beats: Api) -> None:
    listed = {one["name"]: one for one in beats.get("heartbeats", as_="vi")["items"]}
    assert list(listed) == sorted(listed)
    nightly = listed["nightly-backup"]
    assert {
        "state": "new", "service": "shop", "last_ping": None, "due_at": None, "run_seconds": None, "origin": "config",
        "schedule": "at 02:15 every day (Europe/Paris), grace 30m", "runbook": "shop-down", "severity": "error",
    }.items() <= nightly.items()  # fmt: skip
    assert nightly["ping_url"].startswith("http://127.0.0.1:8080/ping/")
    beats.call("GET", path_of(beats, "Invoice-Run"), None)
    invoices = beat(beats, "Invoice-Run")
    late = datetime.fromisoformat(invoices["due_at"]) - datetime.fromisoformat(invoices["last_ping"])
    assert (invoices["state"], round(late.total_seconds())) == ("up", 4200)
    beats.get("heartbeats/nobody", 404)
    beats.get("heartbeats/nobody/pings", 404)


def test_only_editors_pause_and_nobody_removes_what_is_declared(beats: Api) -> None:
    beats.post("heartbeats/nightly-backup/pause", status=403, as_="ada")
    assert beats.post("heartbeats/nightly-backup/pause", as_="ed")["state"] == "paused"
    assert beats.call("GET", path_of(beats) + "/log", None).status_code == 200
    assert beat(beats)["state"] == "paused"
    assert beats.post("heartbeats/nightly-backup/resume", as_="ed")["state"] == "new"
    beats.delete("heartbeats/nightly-backup", 409, as_="ed")
    beats.delete("heartbeats/nobody", 404, as_="ed")
    assert [one["action"] for one in beats.get("audit")["items"]][:2] == ["heartbeat.resume", "heartbeat.pause"]


def test_the_fields_of_a_heartbeat_are_json(beats: Api) -> None:
    beats.call("GET", path_of(beats) + "/start", None)
    assert json.dumps(beat(beats))
    assert beat(beats)["running"][0]["rid"] is None
