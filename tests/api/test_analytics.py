"""Analytics over the API: the zone is that of the token's user, a range is read as typed, and what is paged counts."""

from datetime import UTC, datetime

import pytest

from tests.api.conftest import Api


def test_pages_and_incidents_count_from_the_day_they_come(api: Api) -> None:
    from sqlalchemy import text

    from app import line, pager
    from app.db import transaction

    api.raise_alerts({"key": "disk", "severity": "critical", "summary": "disk full", "service": "shop"})
    pager.run_until_idle()
    line.evaluate()
    with transaction() as db:
        db.execute(text("update page set state = 'delivered', ended_at = now() where kind = 'page'"))
        db.execute(text("update page set channel = 'hook', user_name = 'bo', contact = 'hook'"))
    number = api.get("incidents")["items"][0]["number"]
    api.post(f"incidents/{number}/acknowledge", as_="ada")
    found = api.get("analytics?days=7", as_="vi")
    pages = found["total"]["pages"]
    assert pages > 0
    assert (found["total"]["incidents"], found["total"]["needed_nobody"]) == (1, 0)
    assert found["total"]["acknowledge"]["count"] == 1
    assert found["total"]["resolve"] == {"count": 0, "without": 1, "mean": None, "median": None, "p90": None}
    assert [(one["name"], one["source"], one["pages"]) for one in found["by_alert"]["items"]] == [("disk", "user:root", pages)]
    assert [(one["name"], one["incidents"]) for one in found["by_service"]["items"]] == [("shop", 1)]
    assert [(one["name"], one["pages"]) for one in found["by_user"]["items"]] == [("bo", pages)]
    assert [one["incidents"]["critical"] for one in found["by_day"]] == [0] * 6 + [1]
    assert set(found["definitions"]) >= {"pages", "night", "needed_nobody", "acknowledge"}
    for query, incidents in (("service=shop", 1), ("service=db", 0), ("team=shop", 1), ("user=bo", 1), ("user=ada", 0)):
        assert api.get(f"analytics?{query}")["total"]["incidents"] == incidents, query


def test_days_are_those_of_the_tokens_user(api: Api) -> None:
    found = api.get("analytics?days=1&to=2026-11-02T03:00:00Z", as_="bo")
    assert (found["timezone"], found["start"]) == ("America/New_York", "2026-11-01T04:00:00+00:00")
    assert [one["day"] for one in found["by_day"]] == ["2026-11-01"]
    assert found["previous"]["start"] == "2026-10-31T04:00:00+00:00"
    assert api.get("analytics?days=1&to=2026-11-02T03:00:00Z")["start"] == "2026-11-02T00:00:00+00:00"


def test_a_range_is_thirty_days_until_now_unless_it_is_given(api: Api) -> None:
    found = api.get("analytics")
    assert len(found["by_day"]) == 30
    assert abs((datetime.now(UTC) - datetime.fromisoformat(found["end"])).total_seconds()) < 60
    found = api.get("analytics?from=2026-11-01T09:00:00%2B01:00&to=2026-11-03T08:00:00Z&days=")
    assert (found["start"], len(found["by_day"])) == ("2026-11-01T08:00:00+00:00", 3)


@pytest.mark.parametrize(
    "query, field",
    [
        ("days=0", "days"),
        ("days=367", "days"),
        ("days=7&from=2026-11-01T00:00:00Z", "days"),
        ("from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", "from"),
        ("from=2024-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", "from"),
        ("from=soon", "from"),
        ("team=%00", "team"),
    ],
)
def test_a_range_that_cannot_be_is_refused(api: Api, query: str, field: str) -> None:
    assert [one["field"] for one in api.get(f"analytics?{query}", 422)["errors"]] == [field]


def test_it_needs_a_token(api: Api) -> None:
    api.get("analytics", 401, as_=None)
