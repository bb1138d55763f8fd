"""Every other noun: what it lists, and what it refuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import line
from app.checks import service as checks
from app.checks.model import Result
from app.checks.probe import Status
from app.db import transaction
from tests.api.conftest import Api

NOUNS = (
    "incidents", "alerts", "checks", "heartbeats", "oncall", "oncall/coverage", "schedules", "schedules/primary/shifts",
    "schedules/primary/overrides", "pages", "obligations", "rules", "integrations", "audit", "users", "checks/web/results",
)  # fmt: skip


@pytest.mark.parametrize("path", NOUNS)
def test_viewers_list_everything(api: Api, path: str) -> None:
    found = api.get(path, as_="vi")
    assert set(found) == {"items", "next"}
    assert isinstance(found["items"], list)


@pytest.mark.parametrize("path", [*NOUNS, "me", "config", "incidents/1", "schedules/primary", "checks/web"])
def test_nobody_reads_without_a_token(api: Api, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer tocsin_0.0"}, {"Authorization": "Bearer " + "é".encode().decode("latin-1")}):
        response = api.call("GET", path, None, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_the_token_is_asked_for_before_the_body_is_judged(api: Api) -> None:
    assert api.call("POST", "preview", None, data=b"{").status_code == 401


@pytest.mark.parametrize("path", NOUNS)
def test_head_is_get_without_a_body(api: Api, path: str) -> None:
    response = api.call("HEAD", path)
    assert response.status_code == 200
    assert response.content == b""
    assert int(response.headers["content-length"]) > 0


def test_alerts_are_filtered_by_matchers(api: Api) -> None:
    for env, host in (("prod", "a"), ("prod", "b"), ("test", "a")):
        api.raise_alerts({"key": f"{env}-{host}", "labels": {"env": env, "host": host}})
    api.raise_alerts({"key": "test-a", "status": "resolved"})

    def keys(query: str) -> list[str]:
        return sorted(one["key"] for one in api.get(f"alerts?{query}")["items"])

    assert keys('match=env="prod"') == ["prod-a", "prod-b"]
    assert keys('match=env="prod"&match=host!="a"') == ["prod-b"]
    assert keys('match={env=~"pr.*", host=~"a|c"}') == ["prod-a"]
    assert keys('match=nothing=""&state=firing') == ["prod-a", "prod-b"]
    assert keys('match=env="prod"&match=env="test"') == []
    assert keys("state=resolved") == ["test-a"]
    assert keys("service=none") == []
    first = api.get('alerts?match=env!="test"&limit=1')
    second = api.get(f'alerts?match=env!="test"&limit=1&cursor={first["next"]}')
    assert [one["key"] for one in first["items"] + second["items"]] == ["prod-b", "prod-a"]
    assert second["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        "state=gone",
        "match=a~b",
        "match==x",
        'match=a=~"("',
        "match=" + "a" * 5000,
        "match=a=%00",
        'match=a=~"' + "x" * 2000 + '"',
    ],
)
def test_bad_alert_filters_are_refused(api: Api, query: str) -> None:
    assert api.get(f"alerts?{query}", 422)["errors"]


def test_checks_show_what_they_are_and_how_they_stand(api: Api) -> None:
    items = api.get("checks")["items"]
    assert [one["name"] for one in items] == ["quiet", "web"]
    web = items[1]
    assert {
        "name",
        "probe",
        "family",
        "service",
        "queue",
        "status",
        "at",
        "next_due_at",
        "message",
        "metrics",
        "paused",
        "paused_at",
        "paused_until",
        "pause_reason",
        "paused_by",
    } <= set(web)
    assert (web["probe"], web["family"], web["queue"], web["status"], web["paused"]) == (
        "health.tcp",
        "health",
        "health",
        None,
        False,
    )
    assert api.get("checks/web") == web
    page = api.get("checks?limit=1")
    assert [one["name"] for one in api.get(f"checks?limit=1&cursor={page['next']}")["items"]] == ["web"]


def test_a_check_is_paused_by_editors_and_runs_again(api: Api) -> None:
    api.post("checks/web/pause", status=403, as_="ada")
    assert api.post("checks/web/pause", as_="ed")["paused"] is True
    assert api.post("checks/web/resume", as_="ed")["paused"] is False
    before = datetime.now(UTC)
    paused = api.post("checks/web/pause", {"seconds": 3600, "reason": "moved"}, as_="ed")
    assert (paused["paused"], paused["pause_reason"], paused["paused_by"]) == (True, "moved", "ed")
    assert datetime.fromisoformat(paused["paused_until"]) - before - timedelta(hours=1) < timedelta(seconds=20)
    until = (before + timedelta(days=2)).isoformat()
    assert api.post("checks/web/pause", {"until": until}, as_="ed")["paused_until"] == until
    for wrong in ({"seconds": 0}, {"until": before.isoformat()}, {"seconds": 9, "until": until}, {"for": "1h"}, {"reason": 1}):
        api.post("checks/web/pause", wrong, status=422, as_="ed")
    assert api.get("checks/web")["paused_until"] == until
    resumed = api.post("checks/web/resume", as_="ed")
    assert [resumed[name] for name in ("paused_at", "paused_until", "pause_reason", "paused_by")] == [None] * 4
    for move in ("pause", "resume", "run"):
        api.post(f"checks/nope/{move}", status=404)
    api.post("checks/web/run", status=403, as_="vi")


def test_results_come_newest_first_in_pages(api: Api) -> None:
    from app.checks.model import Result
    from app.checks.probe import Series, Status
    from app.checks.service import record
    from app.db import transaction

    now = datetime.now(UTC)
    hosts = tuple(Series("free_bytes", n, {"disk": str(n)}) for n in range(3))
    with transaction() as db:
        for minute in (3, 2, 1):
            at = now - timedelta(minutes=minute)
            record(db, [Result("web", at, Status.OK, f"{minute} ago", 0.01, {"seconds": 0.01}, hosts)])
    assert [one["message"] for one in api.get("checks/web/results")["items"]] == ["1 ago", "2 ago", "3 ago"]
    first = api.get("checks/web/results?limit=2")
    second = api.get(f"checks/web/results?limit=2&cursor={first['next']}")
    assert [one["message"] for one in first["items"] + second["items"]] == ["1 ago", "2 ago", "3 ago"]
    series = api.get("checks/web/results?metric=free_bytes&limit=1")
    assert [one["labels"]["disk"] for one in series["items"]] != []
    assert len({one["at"] for one in series["items"]}) == 1
    assert len(series["items"]) == 3, "a page does not end within one instant"
    assert api.get("checks/web/results?metric=nope")["items"] == []
    api.get("checks/nope/results", 404)


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-11-02T09:00:00", "from=x", "to=1", "from=2026-11-02T09:00:00Z&to=2026-11-01T09:00:00Z",
        "to=9999-01-01T00:00:00Z", "cursor=eA",
    ],
)  # fmt: skip
def test_bad_ranges_of_results_are_refused(api: Api, query: str) -> None:
    api.get(f"checks/web/results?{query}", 422)


def test_who_is_on_call_then(api: Api) -> None:
    (one,) = api.get("oncall?at=2026-11-04T12:00:00%2B01:00")["items"]
    assert one == {
        "schedule": "primary",
        "users": ["ada"],
        "since": "2026-11-02T08:00:00+00:00",
        "until": "2026-11-09T08:00:00+00:00",
    }
    assert api.get("oncall?at=2026-11-04T12:00:00+01:00")["items"] == [one], "a plus that was not escaped is meant as one"
    (gap,) = api.get("oncall?at=2026-11-01T00:00:00Z")["items"]
    assert gap["users"] == []


@pytest.mark.parametrize(
    "at", ["2026-11-04T12:00:00", "2026-11-04", "now", "1699999999", "9999-01-01T00:00:00Z", "1969-01-01T00:00:00Z", "%00"]
)
def test_bad_times_are_refused(api: Api, at: str) -> None:
    api.get(f"oncall?at={at}", 422)


def test_shifts_are_final_half_open_and_clipped(api: Api) -> None:
    path = "schedules/primary/shifts?from=2026-11-04T00:00:00Z&to=2026-11-18T00:00:00Z"
    found = api.get(path)
    assert [(one["user"], one["start"][:10], one["end"][:10]) for one in found["items"]] == [
        ("ada", "2026-11-04", "2026-11-09"), ("bo", "2026-11-09", "2026-11-16"), ("ada", "2026-11-16", "2026-11-18"),
    ]  # fmt: skip
    assert found["items"][0] == {
        "user": "ada",
        "start": "2026-11-04T00:00:00+00:00",
        "end": "2026-11-09T08:00:00+00:00",
        "source": "layer",
        "layer": "week",
    }
    page = api.get(f"{path}&limit=2")
    rest = api.get(f"{path}&limit=2&cursor={page['next']}")
    assert page["items"] + rest["items"] == found["items"]
    api.get("schedules/nope/shifts", 404)
    api.get("schedules/primary/shifts?from=2026-11-04T00:00:00Z&to=2026-11-04T00:00:00Z", 422)
    api.get("schedules/primary/shifts?from=2026-11-04T00:00:00Z&to=2099-11-04T00:00:00Z", 422)


def test_a_year_of_shifts_comes_whole(api: Api) -> None:
    found = api.get("schedules/primary/shifts?from=2026-11-02T08:00:00Z&to=2028-11-02T08:00:00Z")
    assert len(found["items"]) > 100
    assert found["next"] is None


def over(hours: int = 2, **rest: Any) -> dict[str, Any]:
    start = datetime(2026, 11, 4, 12, tzinfo=UTC)
    return {"user": "bo", "start": start.isoformat(), "end": (start + timedelta(hours=hours)).isoformat(), **rest}


def test_an_override_takes_the_pager_and_is_taken_back(api: Api) -> None:
    made = api.post("schedules/primary/overrides", over(reason="dentist"), 201, as_="bo")
    assert (made["user"], made["kind"], made["reason"]) == ("bo", "override", "dentist")
    at = "oncall?at=2026-11-04T13:00:00Z"
    assert api.get(at)["items"][0]["users"] == ["bo"]
    listed = api.get("schedules/primary/overrides?from=2026-11-01T00:00:00Z")["items"]
    assert [one["id"] for one in listed] == [made["id"]]
    api.delete(f"schedules/primary/overrides/{made['id']}", 403, as_="ada")
    api.delete(f"schedules/primary/overrides/{made['id']}", as_="bo")
    assert api.get(at)["items"][0]["users"] == ["ada"]
    api.delete(f"schedules/primary/overrides/{made['id']}", 404)


@pytest.mark.parametrize(
    "body, status",
    [
        ({}, 422),
        (over(user="nobody"), 422),
        (over(user="vi"), 422),
        (over(user=""), 422),
        (over(user="a\0"), 422),
        (over(hours=0), 422),
        (over(hours=-3), 422),
        (over(start="2026-11-04T12:00:00"), 422),
        (over(end="9998-11-04T12:00:00Z"), 422),
        (over(start=5), 422),
        (over(reason="x" * 2000), 422),
        (over(more=1), 422),
        ([], 422),
    ],
)
def test_bad_overrides_are_refused(api: Api, body: Any, status: int) -> None:
    api.post("schedules/primary/overrides", body, status)
    assert api.get("schedules/primary/overrides?from=2026-01-01T00:00:00Z")["items"] == []


def test_an_override_is_edited_and_the_audit_log_has_before_and_after(api: Api) -> None:
    made = api.post("schedules/primary/overrides", over(hours=4, user="ed", reason="dentist"), 201, as_="ed")
    at = f"schedules/primary/overrides/{made['id']}"
    after = api.patch(at, {"user": "bo", "reason": ""}, as_="ed")
    assert (after["user"], after["reason"], after["end"]) == ("bo", "", made["end"])
    line = api.get(f"audit?object=override:{made['id']}")["items"][0]
    assert line["detail"]["before"] == {"user": "ed", "reason": "dentist"}
    assert line["detail"]["after"] == {"user": "bo", "reason": ""}
    for same in ({}, {"user": "bo"}, {"start": made["start"], "end": made["end"]}):
        assert api.patch(at, same, as_="bo") == after
    assert api.get(f"audit?object=override:{made['id']}")["items"] == [line]
    api.patch(at, {"end": over(hours=1)["end"]}, as_="bo")
    api.patch(at, {"user": "ada"}, 403, as_="bo")
    api.patch(at, {"end": over(hours=-1)["end"]}, 422, as_="bo")
    api.patch(at, {"user": "nobody"}, 422, as_="ed")
    api.patch(at, {"more": 1}, 422, as_="ed")
    api.patch(at, {}, 403, as_="ada")
    api.patch("schedules/primary/overrides/99", {}, 404, as_="ed")
    api.delete(at, as_="bo")
    api.patch(at, {}, 404, as_="ed")
    assert api.get(f"audit?object=override:{made['id']}")["items"][0]["detail"]["user"] == "bo"


def test_whoever_is_on_call_hands_over_and_takes_back(api: Api) -> None:
    made = api.post("schedules/primary/overrides", over(hours=4, user="bo"), 201, as_="ada")  # ada holds it then
    at = f"schedules/primary/overrides/{made['id']}"
    api.patch(at, {"end": over(hours=1)["end"]}, as_="ada")
    api.patch(at, {"end": over(hours=99)["end"]}, 403, as_="ada")  # it was hers for so long only
    api.delete(at, as_="ada")


def test_what_somebody_took_over_is_not_theirs_to_give_away(api: Api) -> None:
    tenth = "2026-11-10T{:02d}:00:00+00:00"  # in bo's week
    hour = {"user": "ada", "start": tenth.format(10), "end": tenth.format(11)}
    rest = {"user": "ed", "start": tenth.format(12), "end": tenth.format(14)}
    made = api.post("schedules/primary/overrides", hour, 201, as_="ed")
    api.post("schedules/primary/overrides", rest, 403, as_="ada")
    api.patch(f"schedules/primary/overrides/{made['id']}", {"end": tenth.format(20)}, as_="ada")
    api.post("schedules/primary/overrides", rest, 403, as_="ada")
    api.post("schedules/primary/overrides", {**hour, "user": "ed", "end": tenth.format(20)}, 403, as_="ada")
    api.post("schedules/primary/overrides", rest, 201, as_="ed")


def test_responders_override_for_themselves_and_editors_for_anybody(api: Api) -> None:
    api.post("schedules/primary/overrides", over(user="ada"), 403, as_="bo")
    api.post("schedules/primary/overrides", over(hours=24 * 14, user="bo"), 403, as_="ada")  # beyond her shift
    api.post("schedules/primary/overrides", over(user="vi"), 403, as_="vi")
    api.post("schedules/primary/overrides", over(user="bo"), 201, as_="ed")
    api.post("schedules/nope/overrides", over(), 404)


def test_coverage_names_the_gaps(api: Api) -> None:
    (one,) = api.get("oncall/coverage?days=7")["items"]
    assert one["schedule"] == "primary"
    assert 0 <= one["percent"] <= 100
    for days in ("0", "4000", "x"):
        api.get(f"oncall/coverage?days={days}", 422)


def test_rules_show_where_they_stand(api: Api) -> None:
    items = {one["name"]: one for one in api.get("rules")["items"]}
    assert set(items) == {"check:web", "slow"}
    slow = items["slow"]
    assert (slow["kind"], slow["check"], slow["mode"], slow["severity"], slow["owner"]) == (
        "threshold",
        "web",
        "shadow",
        "warning",
        "shop",
    )
    assert slow["series"] == []
    with transaction() as db:
        checks.record(db, [Result("web", datetime.now(UTC), Status.OK, "", 0.01, {"seconds": 3.0})])
    line.evaluate()
    (series,) = next(one for one in api.get("rules")["items"] if one["name"] == "slow")["series"]
    facts = {"agg": "last", "metric": "seconds", "value": 3.0, "limit": 1.0, "window": None}
    assert series["because"] == "last seconds 3 > 1"
    assert series["reasons"] == [{"code": "threshold.above", "facts": facts, "text": "last seconds 3 > 1"}]


def test_integrations_are_made_listed_and_rotated_by_editors(api: Api) -> None:
    made = api.post("integrations", {"name": "ci", "kind": "generic"}, 201, as_="ed")
    assert len(made["key"]) == 32
    assert made["url"].endswith(f"/in/{made['key']}")
    assert api.get("integrations", as_="ed")["items"] == [made]
    assert api.get("integrations", as_="vi")["items"] == [{**made, "key": None, "url": None}]
    again = api.post("integrations/ci/rotate", as_="ed")
    assert again["key"] != made["key"]
    for key in (made["key"], again["key"]):
        assert api.call("POST", f"/in/{key}", None, json={"events": []}).status_code == 202
    api.post("integrations", {"name": "ci"}, 409)
    api.post("integrations/nope/rotate", status=404)
    api.post("integrations", {"name": "x"}, 403, as_="ada")
    api.post("integrations", {"name": "x", "kind": "grafana"}, 501)
    for body in ({}, {"name": ""}, {"name": "x" * 200}, {"name": "a\0"}, {"name": "x", "kind": "nonsense"}, {"name": 5}):
        api.post("integrations", body, 422)


def test_people_without_their_addresses_and_me_with_mine(api: Api) -> None:
    users = {one["login"]: one for one in api.get("users", as_="vi")["items"]}
    assert set(users) == {"ada", "bo", "ed", "vi", "root"}
    assert users["bo"]["contacts"] == [{"name": "inbox", "channel": "inbox"}, {"name": "hook", "channel": "hook"}]
    me = api.get("me", as_="bo")
    assert (me["login"], me["role"], me["timezone"]) == ("bo", "responder", "America/New_York")
    assert me["contacts"][1] == {"name": "hook", "channel": "hook", "to": "bo"}


def test_pages_and_obligations_follow_an_alert(api: Api) -> None:
    from app import pager

    api.raise_alerts({"key": "lag", "service": "db"})
    pager.run_until_idle()
    (page,) = api.get("pages?incident=1&user=ada&state=delivered")["items"]
    assert {"id", "key", "incident", "user", "contact", "channel", "step", "state", "reason", "due_at", "attempts"} <= set(page)
    assert [(one["n"], one["outcome"]) for one in page["attempts"]] == [(1, "accepted")]
    (owed,) = api.get("obligations?state=met&incident=1")["items"]
    assert (owed["user"], owed["step"]) == ("ada", 1)
    for query in ("pages?state=x", "pages?incident=x", "pages?user=%00", "obligations?state=x", "pages?incident=0"):
        api.get(query, 422)


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "silences"), ("POST", "silences"), ("DELETE", "silences/x"), ("POST", "why-not"),
        ("GET", "incidents/1/explain"), ("POST", "rules/slow/backtest"), ("GET", "schedules/primary.ics?token=x"),
    ],
)  # fmt: skip
def test_what_is_planned_says_so(api: Api, method: str, path: str) -> None:
    response = api.call(method, path)
    assert response.status_code == 501
    assert "not active yet" in response.json()["detail"]


def test_unknown_routes_and_wrong_methods_are_problems(api: Api) -> None:
    api.get("nope", 404)
    api.get("incidents/", 404)
    api.delete("incidents", 405)
    assert api.call("PUT", "incidents/1").headers["allow"]


def test_what_cannot_be_tried_is_said_by_field_as_config_check_says_it(api: Api) -> None:
    wrong = {"with": {"hots": "x", "port": "many"}, "at": "No Place"}
    refused = api.call("POST", "probes/health.tcp/try", json=wrong)
    assert refused.status_code == 422
    assert {one["field"]: one["detail"] for one in refused.json()["errors"]}.items() >= {
        "with.host": 'missing required field "host" in with of health.tcp',
        "with.port": 'with.port of health.tcp must be a whole number, not "many"',
        "with.hots": 'unknown key "hots" in with of health.tcp (did you mean "host"?)',
    }.items()
    unknown = api.call("POST", "probes/health.tpc/try", json={})
    assert (unknown.status_code, '"health.tcp"' in unknown.json()["detail"]) == (404, True)
    assert api.call("POST", "probes/health.tcp/try", as_="ed", json=wrong).status_code == 403
    assert api.call("POST", "checks/run", json={"nmaes": []}).json()["detail"].startswith("1 error in the request")


def test_who_was_invited_sets_their_own_contacts_and_settings(api: Api) -> None:
    from app.people.model import SYSTEM, Role
    from app.people.service import invite, make_token

    now = datetime.now(UTC)
    with transaction() as db:
        invite(db, "eve", Role.VIEWER, None, SYSTEM, now)
        api.tokens["eve"] = make_token(db, "eve", "test", SYSTEM, now)

    def put(path: str, body: Any, status: int = 200, as_: str = "eve") -> Any:
        response = api.call("PUT", path, as_, json=body)
        assert response.status_code == status, response.text
        return response.json()

    assert put("me/contacts", {"contacts": {"hook": "eve"}})["contacts"][1] == {"name": "hook", "channel": "hook", "to": "eve"}
    put("me/contacts", {"contacts": {"pigeon": "eve"}}, 422)
    rules = {"high": [{"contact": "hook", "after": 0}, {"contact": "inbox", "after": 90}], "low": None}
    asked = {"timezone": "Asia/Tokyo", "notify": rules, "quiet_hours": {"from": "22:00", "to": "07:00"}}
    told = put("me/settings", asked)
    assert {name: told[name] for name in asked} == asked
    assert told == api.get("me", as_="eve")
    night = "2026-12-01T03:00:00%2B09:00"
    found = [(one["urgency"], one["contact"], one["at"][11:19]) for one in api.get(f"me/reach?at={night}", as_="eve")["items"]]
    assert found == [
        ("high", "hook", "18:00:00"), ("high", "inbox", "18:01:30"), ("low", "inbox", "22:00:00"), ("low", "hook", "22:00:00"),
    ]  # fmt: skip
    for wrong in (
        {"timezone": "Mars"}, {"quiet_hours": {"from": "22"}}, {"quiet_hours": {"from": "10pm", "to": "7"}}, {"role": "admin"},
        {"notify": {"high": [{"contact": "sms"}]}}, {"notify": {"high": [{"contact": "hook", "after": -1}]}},
    ):  # fmt: skip
        put("me/settings", wrong, 422)
    assert api.get("me", as_="eve") == told
    put("me/contacts", {"contacts": {}})
    assert api.get("me", as_="eve")["notify"] == {"high": [{"contact": "inbox", "after": 90}], "low": None}
    assert put("me/settings", {})["quiet_hours"] is None
    put("me/settings", asked, 409, "bo")
    assert api.get("me", as_="bo")["origin"].startswith("all.yaml:")
