"""The configuration over HTTP: what is in force, what would change, and all or nothing."""

import pytest

from tests.api.conftest import CONFIGURATION, RUNBOOK, Api

FILES = {"all.yaml": CONFIGURATION, "runbooks/shop-down.md": RUNBOOK}


def test_the_version_in_force(api: Api) -> None:
    found = api.get("config", as_="vi")
    assert found["version"] > 0
    assert found["counts"]["user"] == 5
    assert found["applied_at"]


def test_a_plan_changes_nothing_and_apply_does(api: Api) -> None:
    files = {**FILES, "more.yaml": "services: {new: {}}\n"}
    before = api.get("config")["version"]
    planned = api.post("config/plan", {"files": files})
    assert [(one["action"], one["kind"], one["name"]) for one in planned["changes"]] == [("added", "service", "new")]
    assert api.get("config")["version"] == before
    applied = api.post("config/apply", {"files": files})
    assert applied["version"] > before
    assert api.get("config")["counts"]["service"] == 3
    assert api.post("config/apply", {"files": files}) == {**applied, "changes": []}


def test_all_mistakes_come_at_once_with_their_place(api: Api) -> None:
    files = {**FILES, "bad.yaml": "services: {x: {tearm: y}}\nchecks: {y: {probe: health.nope}}\n"}
    before = api.get("config")["version"]
    for move in ("plan", "apply"):
        problem = api.post(f"config/{move}", {"files": files}, 422)
        places = [fault["field"] for fault in problem["errors"]]
        assert "bad.yaml:1" in places
        assert "bad.yaml:2" in places
    assert api.get("config")["version"] == before


@pytest.mark.parametrize(
    "body", [{"files": 5}, {"files": {"a.yaml": 5}}, {"files": {"": "x"}}, {"more": 1}, [], {"files": {"\0": "x"}}]
)
def test_bad_bodies_are_refused(api: Api, body: object) -> None:
    api.post("config/apply", body, 422)


def test_without_files_the_folder_of_the_server_is_meant(api: Api) -> None:
    assert api.post("config/plan")["changes"], "the shipped configuration differs from the one in force"


def test_who_may(api: Api) -> None:
    api.post("config/plan", status=200, as_="ed")
    api.post("config/plan", {"files": FILES}, 403, as_="ed")  # files could name any variable of the server
    api.post("config/plan", status=403, as_="ada")
    api.post("config/apply", status=403, as_="ed")


def test_the_files_in_force_come_with_their_variables_and_without_secrets(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "CANARY-1")
    hook = '{kind: webhook, url: "http://127.0.0.1:9/?token=CANARY-2", secret: "${HOOK_SECRET}"}'
    files = {**FILES, "all.yaml": CONFIGURATION.replace('{kind: webhook, url: "http://127.0.0.1:9/hook"}', hook)}
    assert "CANARY" not in str(api.post("config/plan", {"files": files}))
    assert "CANARY" not in str(api.post("config/apply", {"files": files}))
    found = api.get("config", params={"files": "true"}, as_="ed")["files"]
    assert set(found) == set(files)
    assert 'hook: {kind: webhook, url: "http://127.0.0.1:9/?token=***", secret: "${HOOK_SECRET}"}' in found["all.yaml"]
    api.get("config", 403, params={"files": "true"}, as_="vi")
    assert "CANARY" not in str(api.get("audit")["items"])
