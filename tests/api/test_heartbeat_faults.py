"""What an outsider found wrong with heartbeats, each held by a test: keys, audit, methods, long slugs, the rest of the API."""

# ruff: noqa: F811 - a fixture that is imported is named again where it is asked for

from datetime import datetime
from typing import Any

import pytest

from app import line
from tests.api.beats import beat, beats, key, path_of, pings  # noqa: F401
from tests.api.conftest import Api
from tests.api.test_managing import Client, client, local  # noqa: F401


def audit(api: Api) -> list[tuple[str, str, str, Any]]:
    found = api.get("audit")["items"]
    lines = [(one["action"], one["object"], one["actor"], one["detail"]) for one in found]
    return [one for one in lines if one[1].startswith("heartbeat:")]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_a_ping_is_kept_with_the_method_it_came_with(beats: Api, method: str) -> None:
    assert beats.call(method, path_of(beats), None).status_code == 200
    assert [one["method"] for one in pings(beats)] == [method]


@pytest.mark.parametrize("behind", ["", "?create=1", "/start?create=1"])
def test_a_slug_of_more_than_a_hundred_characters_is_refused(beats: Api, key: str, behind: str) -> None:
    response = beats.call("GET", f"/ping/{key}/{'x' * 101}{behind}", None)
    assert (response.status_code, response.text) == (400, "invalid url format")
    assert beats.call("GET", f"/ping/{key}/{'x' * 100}?create=1", None).status_code == 201


def test_what_is_made_and_changed_stands_in_the_audit(client: Client) -> None:
    made = client.call("POST", status=201, body={"name": "a", "timeout": 60, "unique": ["name"]})
    client.call("POST", status=200, body={"name": "a", "timeout": 60, "unique": ["name"]})  # changes nothing
    client.call("POST", local(made["update_url"]), body={"timeout": 120, "tags": "x"})
    client.api.call("GET", f"/ping/{client.key}/fresh?create=1", None)
    client.api.call("GET", f"/ping/{client.key}/fresh?create=1", None)
    assert audit(client.api) == [
        ("heartbeat.create", "heartbeat:fresh", "integration:jobs", {"by": "ping"}),
        ("heartbeat.update", "heartbeat:a", "integration:jobs", {"timeout": 120, "tags": "x"}),
        ("heartbeat.create", "heartbeat:a", "integration:jobs", {"name": "a", "timeout": 60}),
    ]


def test_a_key_beside_the_address_must_be_the_same(client: Client) -> None:
    where = f"/in/{client.key}/api/v3/checks/"
    for beside, status in ((None, 200), (client.key, 200), (client.key[::-1], 401), ("", 401)):
        response = client.api.call("GET", where, None, headers={"X-Api-Key": beside} if beside is not None else {})
        assert response.status_code == status
    assert response.json() == {"error": "wrong api key"}


def test_a_description_is_kept_and_can_be_taken_away(client: Client) -> None:
    here = local(client.call("POST", status=201, body={"name": "a", "desc": "dumps\nthe shop"})["update_url"])
    assert client.call("GET", here)["desc"] == "dumps\nthe shop"
    assert client.call("POST", here, body={"grace": 120})["desc"] == "dumps\nthe shop"
    assert client.api.get("heartbeats/a")["labels"] == {"desc": "dumps\nthe shop"}
    assert client.call("POST", here, body={"desc": ""})["desc"] == ""
    assert client.api.get("heartbeats/a")["labels"] == {}


@pytest.mark.parametrize("version", [1, 2, 3])
def test_there_are_no_channels_and_no_badges_and_the_server_is_well(client: Client, version: int) -> None:
    root = f"/in/{client.key}/api/v{version}"
    assert client.call("GET", f"{root}/channels/") == {"channels": []}
    assert client.call("GET", f"{root}/badges/") == {"badges": {}}
    assert client.call("GET", f"{root}/status/") == "OK"


def test_flips_are_when_its_alerts_began_and_ended_the_newest_first(client: Client) -> None:
    made = client.call("POST", status=201, body={"name": "a"})
    here, ping = local(made["update_url"]) + "/flips/", local(made["ping_url"])
    assert client.call("GET", here) == []
    for say in ("", "/fail", "", "/fail"):
        client.api.call("GET", ping + say, None)
        line.evaluate()
    found = client.call("GET", here)
    assert [one["up"] for one in found] == [0, 1, 0]
    times = [datetime.fromisoformat(one["timestamp"]).timestamp() for one in found]
    assert times == sorted(times, reverse=True)
    assert client.call("GET", here + "?seconds=3600") == found
    assert client.call("GET", f"{here}?start={int(times[0]) + 60}") == []
    assert client.call("GET", f"{here}?end={int(times[-1])}") == []
    for wrong in ("?start=abc", "?end=-1", "?seconds=99999999999", "?start=" + "0" * 5000):
        assert "whole number of seconds" in client.call("GET", here + wrong, 400)["error"]
    client.call("GET", here.replace(made["uuid"], "5f6d0f5a-0c8e-4f0e-9d2a-3f6f1c1b9a10"), 404)


def test_a_pause_is_no_flip_to_up(client: Client) -> None:
    made = client.call("POST", status=201, body={"name": "a"})
    client.api.call("GET", local(made["ping_url"]) + "/fail", None)
    line.evaluate()
    client.call("POST", local(made["pause_url"]))
    assert [one["up"] for one in client.call("GET", local(made["update_url"]) + "/flips/")] == [0]
