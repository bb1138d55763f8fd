"""The console in a real browser: live, by keyboard, quiet on the console, at home on a phone."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.stack import until
from tests.web.conftest import PASSWORD, Site, incident, raise_alert

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="install chromium to run this"),
]


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    """A browser of this module."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Watched:
    """A page, with whatever it complained of and wherever it went."""

    def __init__(self, browser: Any, site: Site, **options: Any) -> None:
        self.context = browser.new_context(base_url=site.url, **options)
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.url = site.url
        self.context.add_cookies(
            [{"name": cookie.name, "value": cookie.value or "", "url": site.url} for cookie in site.session.cookies]
        )
        self.page = self.context.new_page()
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda asked: None if asked.url.startswith(site.url) else self.elsewhere.append(asked.url))

    def close(self) -> None:
        self.context.close()
        assert self.complaints == []
        assert self.elsewhere == []


@pytest.mark.xdist_group("browser")
def test_a_length_ticks_in_the_words_of_the_server(chromium: "Browser", site: Site) -> None:
    from app.units import length

    seconds = [630, 3630, 7530, 90_030, 864_030]  # their words stay the same for the seconds that this takes
    watched = Watched(chromium, site.as_("ada"))
    page = watched.page
    page.goto("/")
    page.evaluate(
        """(all) => {
          const now = Date.parse(document.body.dataset.now);
          for (const seconds of all) {
            const time = document.createElement("time");
            time.dateTime = new Date(now - seconds * 1000).toISOString();
            time.dataset.tick = "age";
            time.className = "ticked";
            document.body.append(time);
          }
        }""",
        seconds,
    )
    # The page allows no `eval`, which `wait_for_function` would need.
    until(lambda: page.evaluate("[...document.querySelectorAll('time.ticked')].every((time) => time.textContent)"), 10)
    assert page.locator("time.ticked").all_text_contents() == [length(one) for one in seconds]
    watched.close()


@pytest.mark.xdist_group("browser")
def test_log_in_see_an_incident_appear_and_acknowledge_it_by_keyboard(chromium: "Browser", site: Site) -> None:
    from datetime import UTC, datetime

    from app.db import transaction
    from app.people.model import SYSTEM
    from app.people.service import set_password

    with transaction() as db:
        set_password(db, "ada", PASSWORD, SYSTEM, datetime.now(UTC))
    watched = Watched(chromium, site)
    page = watched.page
    page.goto("/")
    page.fill("[name=login]", "ada")
    page.fill("[name=password]", PASSWORD)
    with page.expect_response(lambda answer: "/live?" in answer.url):
        page.keyboard.press("Enter")
    page.get_by_text("No open incidents").wait_for()
    page.evaluate("window.same = true")
    number = raise_alert("disk full", severity="critical")
    page.get_by_text("disk full").wait_for(timeout=5000)
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.get_by_text(f"#{number} acknowledged").wait_for()
    assert (incident(number).state, incident(number).acknowledged_by) == ("acknowledged", "ada")
    other = raise_alert("latency", service="db")
    page.locator("#news").get_by_text("1 new").wait_for(timeout=5000)
    assert page.locator(f"#i{other}").count() == 0
    page.locator("[data-show]").click()
    page.locator(f"#i{other}").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text(f"#{number} unacknowledged; escalation restarts").wait_for()
    assert incident(number).state == "triggered"
    assert page.evaluate("window.same") is True
    watched.close()


@pytest.mark.xdist_group("browser")
def test_many_are_selected_and_acknowledged_while_the_list_stays_still(chromium: "Browser", ada: Site) -> None:
    numbers = [raise_alert(f"alert {n}", service=f"s{n}") for n in range(6)]
    watched = Watched(chromium, ada)
    page = watched.page
    with page.expect_response(lambda answer: "/live?" in answer.url):
        page.goto("/incidents")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_label(f"Select #{numbers[2]}").click(modifiers=["Shift"])
    page.get_by_text("3 selected:").wait_for()
    raise_alert("Show the next", service="s9", severity="critical")
    page.locator("#news").get_by_text("1 new: critical · Show the next").wait_for(timeout=5000)
    assert "1 new: critical · Show the next" in (page.locator("#announce").text_content() or "")
    assert page.locator("[data-pick]:checked").count() == 3, "the selection outlives a refresh"
    page.keyboard.press("Enter")
    page.keyboard.press("a")
    page.get_by_text("3 incidents acknowledged").wait_for()
    assert [incident(number).state for number in numbers] == ["acknowledged"] * 3 + ["triggered"] * 3
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("3 incidents unacknowledged").wait_for()
    assert {incident(number).state for number in numbers} == {"triggered"}
    page.get_by_label(f"Select #{numbers[2]}").click()
    page.get_by_role("button", name="Select all").click()
    page.get_by_text("6 selected:").wait_for()  # not what is only announced
    page.keyboard.press("Escape")
    assert page.locator("[data-pick]:checked").count() == 0
    page.get_by_role("link", name="alert 4").click()
    page.wait_for_url(f"**/incidents/{numbers[4]}")
    page.get_by_role("button", name="Add note").wait_for()
    watched.close()


@pytest.mark.xdist_group("browser")
def test_what_is_new_is_shown_at_the_first_click_also_beside_an_open_menu(chromium: "Browser", site: Site) -> None:
    from datetime import UTC, datetime

    from app.db import transaction
    from app.oncall import service as oncall

    with transaction() as db:
        (holder,) = oncall.who(db, datetime.now(UTC))["primary"].users
    raise_alert("disk full")
    watched = Watched(chromium, site.as_(holder))
    page = watched.page
    with page.expect_response(lambda answer: "/live?" in answer.url):
        page.goto("/")
    other = raise_alert("latency", service="db")
    page.locator("#news").get_by_text("1 new").wait_for(timeout=5000)
    page.get_by_text("Hand over").click()
    page.locator("[data-show]").click()
    page.locator(f"#i{other}").wait_for(timeout=5000)
    watched.close()


@pytest.mark.xdist_group("browser")
def test_a_note_typed_in_a_session_that_ended_is_there_after_the_login(chromium: "Browser", ada: Site) -> None:
    from datetime import UTC, datetime

    from app.db import transaction
    from app.people.model import SYSTEM
    from app.people.service import set_password

    number = raise_alert("disk full")
    watched = Watched(chromium, ada)
    page = watched.page
    page.goto(f"/incidents/{number}")
    page.fill("textarea[name=text]", "host a has no room")
    with transaction() as db:
        set_password(db, "ada", PASSWORD, SYSTEM, datetime.now(UTC))  # ends her sessions
    page.get_by_role("button", name="Add note").click()
    page.wait_for_url("**/login?back=*")
    page.fill("[name=login]", "ada")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/incidents/{number}")
    assert page.input_value("textarea[name=text]") == "host a has no room"
    page.get_by_role("button", name="Add note").click()
    page.get_by_text(f"Note added to #{number}").wait_for()
    watched.complaints = [one for one in watched.complaints if "401" not in one]
    watched.close()


@pytest.mark.xdist_group("browser")
def test_focus_and_rows_stay_where_they_are_after_an_action(chromium: "Browser", ada: Site) -> None:
    numbers = [raise_alert(f"alert {n}", service=f"s{n}") for n in range(4)]
    watched = Watched(chromium, ada)
    page = watched.page
    page.goto("/")
    before = page.locator("a.cover").evaluate_all("all => all.map((one) => one.id)")
    page.locator(f"#do{numbers[1]}").focus()
    page.keyboard.press("Enter")
    page.get_by_text(f"#{numbers[1]} acknowledged").wait_for()
    assert page.evaluate("document.activeElement.id") == f"do{numbers[1]}"
    assert page.locator("a.cover").evaluate_all("all => all.map((one) => one.id)") == before
    watched.close()


@pytest.mark.xdist_group("browser")
def test_the_keyboard_reaches_everything(chromium: "Browser", ada: Site) -> None:
    first, second = raise_alert("first", severity="critical"), raise_alert("second", service="db")
    watched = Watched(chromium, ada)
    page = watched.page
    page.goto("/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.id") == f"i{second}"
    page.keyboard.press("k")
    page.keyboard.press("s")
    page.wait_for_url(f"**/incidents/{first}#snooze")
    page.locator("#snooze[open]").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.locator("#escalate[open]").wait_for()
    assert "Step 2 (next)" in page.evaluate("document.activeElement.innerText")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("rolling back")
    page.keyboard.press("Control+Enter")
    page.get_by_text(f"Note added to #{first}").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    page.get_by_role("button", name="15 minutes").click()
    page.get_by_text(f"#{first} snoozed").wait_for()
    page.keyboard.press("r")
    page.get_by_text(f"#{first} resolved").wait_for()
    page.keyboard.press("?")
    page.locator("#help[open]").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/incidents")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    watched.close()


@pytest.mark.xdist_group("browser")
def test_a_refusal_is_a_toast_that_keeps_what_was_typed(chromium: "Browser", ada: Site) -> None:
    number = raise_alert("disk full")
    watched = Watched(chromium, ada)
    page = watched.page
    page.goto(f"/incidents/{number}")
    page.fill("[name=text]", "I look at it")
    ada.post(f"/incidents/{number}/resolve")
    page.get_by_text("Resolved").first.wait_for(timeout=5000)
    assert page.input_value("[name=text]") == "I look at it"
    ada.post(f"/incidents/{number}/reopen")
    page.locator("[data-key=a]").wait_for(timeout=5000)
    page.evaluate("document.querySelector('.actions [name=csrf]').value = 'x'")
    page.locator("[data-key=a]").click()
    page.get_by_text("the form belongs to another session", exact=False).wait_for()
    assert page.input_value("[name=text]") == "I look at it"
    watched.complaints = [one for one in watched.complaints if "403" not in one]
    watched.close()


@pytest.mark.xdist_group("browser")
def test_a_dark_page_stays_dark_and_a_ticked_box_ticked(chromium: "Browser", ada: Site) -> None:
    number = raise_alert("disk full")
    watched = Watched(chromium, ada)
    page = watched.page
    page.goto(f"/incidents/{number}")
    page.locator(".runbook input[type=checkbox]").first.check()
    page.locator("#menu > summary").click()
    page.get_by_role("button", name="Dark").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 19, 22)"
    assert page.locator(".runbook input[type=checkbox]").first.is_checked()
    watched.close()


@pytest.mark.xdist_group("browser")
def test_the_focus_is_kept_where_a_button_acted_even_when_it_is_gone(chromium: "Browser", ada: Site) -> None:
    number = raise_alert("disk full")
    watched = Watched(chromium, ada)
    page = watched.page
    page.goto(f"/incidents/{number}")
    for action, past, next_ in (("Acknowledge", "acknowledged", "Resolve"), ("Resolve", "resolved", "Reopen")):
        page.get_by_role("button", name=action, exact=True).focus()
        page.keyboard.press("Enter")
        page.get_by_text(f"#{number} {past}").wait_for()
        until(lambda name=next_: page.evaluate("document.activeElement.textContent") == name, 5)  # type: ignore[misc]
    page.get_by_role("link", name="shop", exact=True).first.focus()
    ada.post(f"/incidents/{number}/reopen")
    page.get_by_role("button", name="Acknowledge", exact=True).wait_for()
    assert page.evaluate("document.activeElement.textContent") == "shop"
    watched.close()
