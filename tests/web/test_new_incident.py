"""The form for a new incident: whom it would page is shown before, and what is wrong stands beside it."""

import os
from typing import TYPE_CHECKING

import pytest

from tests.web.conftest import Site, incident
from tests.web.test_browser import CHROMIUM, Watched, chromium  # noqa: F401 - chromium is a fixture

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HELP = {"target": "user:bo", "summary": "No customer can order", "severity": "critical", "service": "shop", "details": ""}


def test_the_form_pages_whom_the_preview_names(ada: Site) -> None:
    page = ada.get("/incidents/new", params={"target": "user:bo", "service": "shop"})
    assert '<option value="user:bo" selected>bo</option>' in page
    assert '<option value="user:vi"' not in page, "a viewer cannot be paged"
    preview = page.partition('id="preview"')[2]
    assert "<b>bo</b>" in preview
    assert 'id="first" class="lead">Pages <b>bo</b> now.' in page
    assert "escalation policy exhausted" in preview
    answer = ada.post("/incidents/new", key="k", **HELP)
    assert answer.headers["location"] == "/incidents/1"
    assert "#1 opened, bo is paged" in ada.toast()
    assert incident(1).assigned_to == "bo"


def test_sent_twice_it_is_one_incident(ada: Site) -> None:
    assert {ada.post("/incidents/new", key="k", **HELP).headers["location"] for _ in range(2)} == {"/incidents/1"}


def test_what_is_wrong_stands_beside_the_form_which_keeps_what_was_typed(ada: Site) -> None:
    said = ada.post("/incidents/new", 422, **{**HELP, "target": "user:bob", "details": "EU <only>"}, key="k").text
    assert "did you mean &#34;user:bo&#34;?" in said
    assert 'value="No customer can order"' in said
    assert "EU &lt;only&gt;</textarea>" in said
    assert 'name="key" value="k"' in said


def test_the_preview_button_sends_nothing(ada: Site) -> None:
    said = ada.post("/incidents/new", 200, preview="yes", **{**HELP, "summary": ""}, key="k").text
    assert "escalation policy exhausted" in said.partition('id="preview"')[2]
    ada.get("/incidents/1", 404)


def test_responders_find_it_where_incidents_are(ada: Site) -> None:
    for path in ("/", "/incidents"):
        assert 'href="/incidents/new"' in ada.get(path)
        assert 'href="/incidents/new"' not in ada.as_("vi").get(path)
    assert "/incidents/new?target=user%3Abo" in ada.get("/users/bo")
    assert "/incidents/new?target=team%3Ashop" in ada.get("/teams/shop")
    assert "/incidents/new?service=shop" in ada.get("/services/shop")


def test_viewers_may_not(ada: Site) -> None:
    vi = ada.as_("vi")
    vi.get("/incidents/new", 403)
    vi.post("/incidents/new", 403, key="k", **HELP)
    vi.post("/incidents/new", 403, key="k", preview="yes", **HELP)
    ada.get("/incidents/1", 404)


@pytest.mark.browser
@pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="install chromium to run this")
@pytest.mark.xdist_group("browser")
def test_the_preview_follows_what_is_chosen(chromium: "Browser", ada: Site) -> None:  # noqa: F811
    watched = Watched(chromium, ada, viewport={"width": 390, "height": 844})
    page = watched.page
    page.goto("/incidents")
    page.get_by_role("link", name="New incident").click()
    page.get_by_label("Summary").fill("No customer can order")
    page.locator("[name=target]").select_option("user:bo")
    page.locator("#first", has_text="Pages bo now.").wait_for()
    page.locator("[name=target]").select_option("team:shop")
    page.locator("[name=service]").select_option("shop")
    page.locator("#preview", has_text="in team shop").wait_for()
    assert page.get_by_label("Summary").input_value() == "No customer can order"
    assert page.url.endswith("/incidents/new"), "nothing of it comes into the address"
    page.get_by_role("button", name="Page now").click()
    page.get_by_role("heading", name="No customer can order").wait_for()
    page.get_by_text("#1 opened, team shop is paged").wait_for()
    watched.close()
