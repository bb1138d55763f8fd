"""Somebody who can no longer be paged: their override holds nobody, and whoever asks is told so."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import CONFIGURATION, Api

NOW = datetime.now(UTC).replace(microsecond=0)
SPAN = {"start": (NOW - timedelta(hours=1)).isoformat(), "end": (NOW + timedelta(days=2)).isoformat()}
REMOVED = CONFIGURATION.replace("  ed: {role: editor}\n", "").replace(', if_exhausted: ["user:ed"]', "")
VIEWER = CONFIGURATION.replace("ed: {role: editor}", "ed: {role: viewer}").replace(', if_exhausted: ["user:ed"]', "")


def files(text: str) -> dict[str, Any]:
    return {"files": {"all.yaml": text, "runbooks/shop-down.md": "# The shop is down\n"}}


@pytest.mark.parametrize(
    ("changed", "because"), [(REMOVED, 'user "ed" not found'), (VIEWER, "ed is a viewer")], ids=["removed", "viewer"]
)
def test_an_override_ends_with_its_person_for_whoever_asks(api: Api, changed: str, because: str) -> None:
    below = api.get("oncall")["items"][0]["users"]
    made = api.post("schedules/primary/overrides", {"user": "ed", **SPAN, "reason": "r"}, 201)
    assert api.get("oncall")["items"][0]["users"] == ["ed"]
    planned = api.post("config/plan", files(changed))["paging"]
    assert any('schedule "primary": override by ed from' in one and because in one for one in planned), planned
    api.post("config/apply", files(changed))
    assert api.get("oncall")["items"][0]["users"] == below
    shifts = api.get("schedules/primary/shifts")["items"]
    assert {one["source"] for one in shifts} == {"layer"}
    (covered,) = api.get("oncall/coverage?days=2")["items"]
    assert (covered["percent"], [(one["id"], one["because"]) for one in covered["ignored"]]) == (100.0, [(made["id"], because)])
    (listed,) = api.get("schedules/primary/overrides")["items"]
    assert listed["ignored"] == because
    first = api.post("preview", {"labels": {"service": "shop"}})["steps"][0]
    assert first["user"] == below[0]
    api.raise_alerts({"key": "x"})
    from app import pager

    pager.run_until_idle()
    paged = {one["user"] for one in api.get("pages")["items"] if one["step"] == 1}
    assert paged == set(below)


def test_an_override_of_somebody_who_is_there_is_not_ignored(api: Api) -> None:
    api.post("schedules/primary/overrides", {"user": "ed", **SPAN}, 201)
    assert api.get("oncall/coverage?days=2")["items"][0]["ignored"] == []
    assert [one["ignored"] for one in api.get("schedules/primary/overrides")["items"]] == [None]
    assert not any("ignored" in one for one in api.post("config/plan", files(CONFIGURATION))["paging"])


@pytest.mark.parametrize(("user", "said"), [("vi", "is a viewer"), ("edd", 'did you mean "ed"'), ("x:y", "not found")])
def test_an_override_for_somebody_who_cannot_be_paged_is_refused(api: Api, user: str, said: str) -> None:
    problem = api.post("schedules/primary/overrides", {"user": user, **SPAN}, 422)
    assert said in problem["detail"]
    assert problem["errors"][0]["field"] == "user"
