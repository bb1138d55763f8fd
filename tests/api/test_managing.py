"""Healthchecks' management API, asked as its clients ask it: X-Api-Key, a slash at the end, times in whole seconds."""

# ruff: noqa: F811 - a fixture that is imported is named again where it is asked for

from typing import Any

import pytest

from app import line
from tests.api.beats import beats, key  # noqa: F401
from tests.api.conftest import Api


class Client:
    """What a client of Healthchecks does with a server's address and a key."""

    def __init__(self, api: Api, api_key: str) -> None:
        self.api, self.key = api, api_key

    def call(self, method: str, path: str = "", status: int = 200, body: Any = None) -> Any:
        where = path if path.startswith("/in/") else f"/in/{self.key}/api/v3/checks/{path}"
        response = self.api.call(method, where, None, json=body, headers={"X-Api-Key": self.key})
        assert response.status_code == status, response.text
        return response.json() if "json" in response.headers["content-type"] else response.text


@pytest.fixture
def client(beats: Api, key: str) -> Client:
    return Client(beats, key)


def local(url: str) -> str:
    return url.removeprefix("http://127.0.0.1:8080")


def test_one_is_made_pinged_changed_and_removed(client: Client) -> None:
    made = client.call("POST", status=201, body={"name": "Nightly dump", "tags": "prod db", "timeout": 3600, "grace": 60})
    assert {
        "name": "Nightly dump", "slug": "nightly-dump", "tags": "prod db", "timeout": 3600, "grace": 60, "status": "new",
        "n_pings": 0, "last_ping": None, "next_ping": None, "started": False,
    }.items() <= made.items()  # fmt: skip
    assert client.api.call("POST", local(made["ping_url"]) + "/start", None).status_code == 200
    assert client.api.call("POST", local(made["ping_url"]), None, data=b"hello").status_code == 200
    line.evaluate()
    here = local(made["update_url"])
    found = client.call("GET", here)
    assert (found["status"], found["n_pings"], found["last_duration"]) == ("up", 2, 0)
    assert found["next_ping"] > found["last_ping"]
    kept = client.call("GET", here + "/pings/")["pings"]
    assert [(one["n"], one["type"]) for one in kept] == [(2, "success"), (1, "start")]
    assert client.call("GET", local(kept[0]["body_url"])) == "hello"
    changed = client.call("POST", here, body={"schedule": "15 2 * * *", "tz": "Europe/Paris"})
    assert (changed["schedule"], changed["tz"], changed["grace"]) == ("15 2 * * *", "Europe/Paris", 60)
    assert "timeout" not in changed
    assert client.call("POST", local(made["pause_url"]))["status"] == "paused"
    assert client.call("POST", local(made["resume_url"]))["status"] == "up"
    assert client.call("POST", local(made["resume_url"]), 409) == "check is not paused"
    assert client.call("DELETE", here)["name"] == "Nightly dump"
    client.call("GET", here, 404)


def test_unique_changes_the_one_that_is_meant(client: Client) -> None:
    first = client.call("POST", status=201, body={"name": "a", "timeout": 60, "unique": ["name"]})
    again = client.call("POST", status=200, body={"name": "a", "timeout": 120, "unique": ["name"]})
    assert (again["uuid"], again["timeout"]) == (first["uuid"], 120)
    other = client.call("POST", status=201, body={"name": "a"})
    assert (other["name"], other["uuid"] == first["uuid"]) == ("a 2", False)


def test_they_are_listed_by_slug_and_tag(client: Client) -> None:
    client.call("POST", status=201, body={"name": "a", "tags": "x y"})
    client.call("POST", status=201, body={"name": "b", "tags": "x", "slug": "bee"})
    names = {
        query: [one["name"] for one in client.call("GET", query)["checks"]] for query in ("?tag=x", "?tag=x&tag=y", "?slug=bee")
    }
    assert names == {"?tag=x": ["a", "b"], "?tag=x&tag=y": ["a"], "?slug=bee": ["b"]}
    assert len(client.call("GET")["checks"]) == 6
    assert len(client.call("GET", f"/in/{client.key}/api/v1/checks/")["checks"]) == 6


def test_what_is_declared_is_read_and_not_changed(client: Client) -> None:
    declared = next(one for one in client.call("GET")["checks"] if one["name"] == "nightly-backup")
    here = local(declared["update_url"])
    assert "managed in the configuration" in client.call("POST", here, 403, {"timeout": 60})["error"]
    client.call("DELETE", here, 403)
    assert client.call("POST", here + "/pause")["status"] == "paused"


@pytest.mark.parametrize(
    "body",
    [
        {"timeout": 59}, {"timeout": "60"}, {"schedule": "never"}, {"tz": "Mars/Base"}, {"slug": "UPPER"}, {"name": "x" * 101},
        [], {"name": "a\0b"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_a_400_that_says_so(client: Client, body: Any) -> None:
    assert client.call("POST", status=400, body=body)["error"].startswith("json validation error: ")


def test_only_keys_of_this_kind_manage(client: Client) -> None:
    other = client.api.post("integrations", {"name": "events"}, 201)["key"]
    client.call("GET", f"/in/{other}/api/v3/checks/", 403)
    client.call("GET", f"/in/{'0' * 32}/api/v3/checks/", 401)
