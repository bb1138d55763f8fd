"""Preview: the very pages that would be sent, with their time and reason, and nothing is sent."""

from typing import Any

import pytest

from tests.api.conftest import Api

WEDNESDAY = "2026-11-04T12:00:00Z"


def steps(found: Any) -> list[tuple[str, int | None, str | None, str]]:
    return [(one["at"][11:19], one["step"], one["user"], one["contact"]) for one in found["steps"]]


def test_everything_up_to_the_first_exhaustion(api: Api) -> None:
    found = api.post("preview", {"labels": {"service": "shop"}, "severity": "critical", "at": WEDNESDAY}, as_="vi")
    assert (found["route"], found["policy"], found["suppressed_by"]) == (1, "shop", [])
    assert steps(found) == [
        ("12:00:00", 1, "ada", "inbox"),
        ("12:05:00", 2, "ada", "inbox"),
        ("12:05:00", 2, "bo", "hook"),
        ("12:07:00", 2, "bo", "inbox"),
        ("12:15:00", None, "ed", "inbox"),
    ]
    hook = found["steps"][2]
    assert (hook["channel"], hook["kind"]) == ("hook", "webhook")
    assert "in team shop" in hook["reason"]
    assert api.get("pages")["items"] == []
    assert api.get("incidents")["items"] == []


def test_enrichment_and_severity_decide_as_they_would(api: Api) -> None:
    assert api.post("preview", {"labels": {"service": "db", "severity": "info"}, "at": WEDNESDAY})["urgency"] == "low"
    labels = api.post("preview", {"labels": {"service": "shop"}})["labels"]
    assert (labels["team"], labels["tier"], labels["severity"]) == ("shop", "critical", "error")


def test_preview_says_what_the_line_then_does(api: Api) -> None:
    from app import pager

    ahead = api.post("preview", {"labels": {"service": "shop"}, "severity": "error"})
    api.raise_alerts({"key": "x", "severity": "error"})
    pager.run_until_idle()
    first = {(one["user"], one["contact"], one["reason"]) for one in ahead["steps"] if one["step"] == 1}
    assert {(one["user"], one["contact"], one["reason"]) for one in api.get("pages")["items"]} == first


def test_without_a_body_there_is_nothing_to_preview(api: Api) -> None:
    assert api.post("preview", {})["policy"] == "rest"
    api.post("preview", None, 422)


@pytest.mark.parametrize(
    "body",
    [
        {"labels": []}, {"labels": {"a": 1}}, {"labels": {"": "x"}}, {"labels": {"a": "\0"}}, {"severity": "bad"},
        {"at": "2026-11-04T12:00:00"},
        {"at": 5}, {"labels": {"severity": "bad"}}, {"more": 1}, {"labels": {str(n): "x" for n in range(65)}},
    ],
)  # fmt: skip
def test_bad_questions_are_refused(api: Api, body: Any) -> None:
    assert api.post("preview", body, 422)["errors"]
