"""Links that act without a login: looking never acts, the button does, again says it is done."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from app.notify.links import token
from app.settings import settings
from tests.api.conftest import Api


@pytest.fixture
def key(api: Api) -> str:
    """The key of the page that ada got."""
    from app import pager

    api.raise_alerts({"key": "lag", "service": "db", "summary": "lag <script>alert(1)</script>"})
    pager.run_until_idle()
    return str(api.get("pages?user=ada")["items"][0]["key"])


def link(key: str, action: str = "acknowledge", life: timedelta = timedelta(hours=1)) -> str:
    return f"/a/{token(settings().key, key, action, datetime.now(UTC) + life)}"


def state(api: Api) -> str:
    return str(api.get("incidents/1")["state"])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_never_acts(api: Api, key: str, method: str) -> None:
    for action in ("acknowledge", "resolve"):
        for _ in range(3):
            response = api.call(method, link(key, action), None)
            assert response.status_code == 200
    assert state(api) == "triggered"


def test_the_page_shows_what_will_happen_and_carries_no_script(api: Api, key: str) -> None:
    response = api.call("GET", link(key), None)
    assert "lag &lt;script&gt;" in response.text
    assert "<script" not in response.text
    assert "style=" not in response.text
    assert re.search(r"<form method=.?post", response.text)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert api.call("GET", "/api/style.css", None).headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("action, becomes", [("acknowledge", "acknowledged"), ("resolve", "resolved")])
def test_the_button_acts_and_again_says_it_is_done(api: Api, key: str, action: str, becomes: str) -> None:
    where = link(key, action)
    for _ in range(3):
        response = api.call("POST", where, None)
        assert response.status_code == 200
        assert becomes in response.text
    assert state(api) == becomes
    lines = [line for line in api.get("audit?object=incident:1")["items"] if line["action"] == f"incident.{becomes}"]
    assert [(line["actor"], line["via"]) for line in lines] == [("ada", "link")]


def test_a_link_does_not_bring_back_what_is_resolved(api: Api, key: str) -> None:
    api.post("incidents/1/resolve")
    response = api.call("POST", link(key), None)
    assert response.status_code == 200
    assert "resolved" in response.text
    assert state(api) == "resolved"


def test_bad_links_are_refused_in_words(api: Api, key: str) -> None:
    good = link(key)
    bad = {
        good[:-2] + ("AA" if good[-2:] != "AA" else "BB"): 404,
        "/a/x": 404,
        "/a/x.y.z": 404,
        "/a/%00": 404,
        "/a/é": 404,
        link(key, "reopen"): 404,
        link("no:such:page"): 410,
        link(key, life=-timedelta(seconds=5)): 410,
        f"/a/{token(b'another key', key, 'acknowledge', datetime.now(UTC) + timedelta(hours=1))}": 404,
    }
    for where, status in bad.items():
        for method in ("GET", "POST"):
            response = api.call(method, where, None)
            assert response.status_code == status, where
            assert response.headers["content-type"].startswith("text/html")
    assert state(api) == "triggered"


@pytest.mark.parametrize(
    "change,why",
    [
        ("""spec = '{"role": "viewer"}'""", "requires role responder; ada has viewer"),
        ("active = false", "ada can no longer work on incidents"),
    ],
    ids=["viewer", "removed"],
)
def test_a_link_of_somebody_who_may_no_longer_act_does_nothing(api: Api, key: str, change: str, why: str) -> None:
    from sqlalchemy import text

    from app.db import transaction

    with transaction() as db:
        db.execute(text(f"update person set {change} where login = 'ada'"))
    response = api.call("POST", link(key), None)
    assert (response.status_code, why in response.text) == (403, True)
    assert state(api) == "triggered"
