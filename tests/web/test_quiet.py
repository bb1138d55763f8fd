"""Open pages ask for little: nothing that they have already, and not every time that something happens."""

import asyncio
import os
import re
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import pytest
import requests

from app.web.live import NOUNS, Wire
from app.web.tag import tag
from tests.stack import until
from tests.web.conftest import CONFIGURATION, Site, measure, raise_alert
from tests.web.test_browser import CHROMIUM, Watched, chromium  # noqa: F401 - chromium is a fixture
from tests.web.test_changes import put

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Request

T = TypeVar("T")
browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="install chromium to run this"),
    pytest.mark.xdist_group("browser"),
]
PATHS = ("/", "/incidents", "/incidents/1", "/checks", "/services", "/services/shop", "/me", "/config", "/rules")
CONFIGURED = (
    "/config", "/services", "/services/shop", "/routes", "/policies", "/teams", "/teams/shop", "/users", "/users/bo",
    "/channels",
)  # fmt: skip


def say(noun: str) -> None:
    """What every transaction that changes something says."""
    from app.db import refresh, transaction

    with transaction() as db:
        refresh(db, noun)


def as_of(page: str) -> str:
    """The time that a page is as of."""
    found = re.search(r'data-now="([^"]+)"', page)
    assert found
    return found[1]


def refreshed(site: Site, path: str, known: str) -> tuple[int, str]:
    """What the live refresh of a page gets that has the tag `known`, and the tag then."""
    asked = {"HX-Request": "true", "If-None-Match": known}
    answered = site.session.get(site.url + path, headers=asked, timeout=9)
    assert bool(answered.content) is (answered.status_code == 200)
    return answered.status_code, answered.headers.get("etag", known)


def test_what_a_page_has_is_not_sent_again(ada: Site) -> None:
    raise_alert("disk full")
    tags = {path: refreshed(ada, path, "")[1] for path in PATHS}
    assert len(set(tags.values())) == len(PATHS)
    for path, known in tags.items():
        assert refreshed(ada, path, known) == (204, known), path
    raise_alert("latency", service="db", severity="critical")
    for path in ("/", "/incidents", "/services"):
        assert refreshed(ada, path, tags[path])[0] == 200, path


def test_who_loads_a_page_gets_it_whole(ada: Site) -> None:
    known = refreshed(ada, "/", "")[1]
    assert ada.session.get(ada.url, headers={"If-None-Match": known}, timeout=9).status_code == 200


def test_a_word_about_what_was_done_is_shown_once(ada: Site) -> None:
    number = raise_alert("disk full")
    ada.post(f"/incidents/{number}/acknowledge")
    first = ada.get("/")
    assert 'class="toast"' in first
    assert refreshed(ada, "/", tag(first))[0] == 200


@pytest.mark.parametrize(
    "one, other, same",
    [
        ('<input name="csrf" value="aa">', '<input name="csrf" value="bb">', True),
        ('<body data-now="1">', '<body data-now="2">', True),
        ('<time title="x" data-tick="age">1 s</time>', '<time title="x" data-tick="age">2 s</time>', True),
        ('<time title="x" data-tick="age">1 s</time>', '<time title="y" data-tick="age">1 s</time>', False),
        ('<time title="x">12:00</time>', '<time title="x">23 Nov 12:00</time>', False),
        ('<input name="seen" value="1">', '<input name="seen" value="2">', False),
        ("<b>1</b>", "<b>2</b>", False),
    ],
)
def test_a_tag_is_of_what_a_page_says(one: str, other: str, same: bool) -> None:
    assert (tag(one) == tag(other)) is same


@contextmanager
def noise() -> Iterator[None]:
    """Something happens all the time."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.005):
            say("checks")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def test_however_much_happens_a_page_hears_of_it_every_two_seconds(ada: Site) -> None:
    """And of every noun, whatever else there is to hear of."""
    heard: list[tuple[float, str]] = []
    with noise(), ada.session.get(f"{ada.url}/live", stream=True, timeout=9) as stream:
        for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
            if line.startswith("event: "):
                heard.append((time.monotonic(), line.removeprefix("event: ")))
            if len(heard) == 2:
                say("config")
            if len(heard) == 5:
                break
    checks = [at for at, noun in heard if noun == "checks"]
    assert len(checks) == 4
    assert all(after - before > 1.8 for before, after in pairwise(checks))
    assert [noun for _, noun in heard].count("config") == 1


def events(stream: requests.Response) -> Iterator[str]:
    """The nouns that a stream says."""
    for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
        if line.startswith("event: "):
            yield line.removeprefix("event: ")


def test_what_comes_between_a_page_and_its_stream_is_heard_at_once(ada: Site) -> None:
    live = f"{ada.url}/live"
    with ada.session.get(live, stream=True, timeout=9) as other:
        heard = events(other)
        with noise():
            assert next(heard) == "checks"  # from here on the listener listens
        before = as_of(ada.get("/users"))
        say("config")
        assert "config" in heard
        with ada.session.get(live, params={"since": before}, stream=True, timeout=9) as stream:
            assert "config" in events(stream)
        after = as_of(ada.get("/users"))
        with ada.session.get(live, params={"since": after}, stream=True, timeout=9) as stream, noise():
            assert next(events(stream)) == "checks", "no configuration came since"


def in_a_loop(work: Coroutine[object, object, list[T]]) -> list[T]:
    """What it returns; in a thread, since the browser's driver has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result(20)


def test_a_listener_that_begins_has_every_page_look() -> None:
    async def begin() -> list[str]:
        wire = Wire()
        reasons = wire.join(datetime.now(UTC))
        await asyncio.wait_for(reasons.wait(), 9)
        return reasons.take()

    assert in_a_loop(begin()) == sorted(NOUNS)


def test_a_listener_outlives_its_last_page_by_a_while() -> None:
    async def look() -> list[bool]:
        wire = Wire(linger=0.1)
        first = wire.join(None)
        wire.leave(first)
        (listener,) = asyncio.all_tasks() - {asyncio.current_task()}
        second = wire.join(None)
        await asyncio.wait([listener], timeout=0.3)
        running = [not listener.done()]
        wire.leave(second)
        await asyncio.wait([listener], timeout=9)
        return [*running, listener.cancelled()]

    assert in_a_loop(look()) == [True, True]


@pytest.mark.parametrize("since", ["", "yesterday", "2026-11-02", "2026-11-02T09:00:00"])
def test_who_says_no_time_hears_of_what_comes_from_now_on(ada: Site, since: str) -> None:
    say("config")
    with ada.session.get(f"{ada.url}/live", params={"since": since}, stream=True, timeout=9) as stream, noise():
        assert next(events(stream)) == "checks"


class Asked:
    """How often a page asked for itself anew, and what it got."""

    def __init__(self, watched: Watched) -> None:
        self.at: list[float] = []
        self.statuses: list[int] = []
        watched.page.on("request", lambda asked: self.at.append(time.monotonic()) if self._is(asked) else None)
        watched.page.on("response", lambda answer: self.statuses.append(answer.status) if self._is(answer.request) else None)

    def _is(self, asked: "Request") -> bool:
        return asked.headers.get("hx-request") == "true"


@pytest.mark.usefixtures("clean")
class TestInABrowser:
    pytestmark = browser

    def test_a_busy_page_asks_every_two_seconds_and_an_idle_one_gets_nothing(
        self,
        chromium: "Browser",  # noqa: F811
        ada: Site,
    ) -> None:
        raise_alert("disk full")
        measure("web", [0.1])
        watched = Watched(chromium, ada)
        asked = Asked(watched)
        with watched.page.expect_response(lambda answer: "/live?" in answer.url):
            watched.page.goto("/incidents")
        watched.page.evaluate("window.row = document.querySelector('.row')")
        end = time.monotonic() + 7
        while time.monotonic() < end:
            say("incidents")
            watched.page.wait_for_timeout(100)
        assert 3 <= len(asked.at) <= 4
        assert all(after - before > 1.8 for before, after in pairwise(asked.at))
        assert set(asked.statuses) == {204}, "its tag is known from the page itself"
        watched.page.evaluate("window.row = document.querySelector('.row')")
        say("incidents")
        until(lambda: _turn(watched, lambda: len(asked.statuses) > 4), 5)
        assert watched.page.evaluate("window.row.isConnected") is True, "the page was left alone"
        watched.close()

    def test_home_looks_at_once_for_incidents_and_seldom_for_checks(
        self,
        chromium: "Browser",  # noqa: F811
        ada: Site,
    ) -> None:
        watched = Watched(chromium, ada)
        asked = Asked(watched)
        with watched.page.expect_response(lambda answer: "/live?" in answer.url):
            watched.page.goto("/")
        end = time.monotonic() + 6
        while time.monotonic() < end:
            say("checks")
            watched.page.wait_for_timeout(200)
        assert len(asked.at) == 1
        raise_alert("disk full")
        watched.page.get_by_text("disk full").wait_for(timeout=4000)
        watched.close()

    def test_a_new_configuration_is_announced_on_its_pages(
        self,
        chromium: "Browser",  # noqa: F811
        ada: Site,
    ) -> None:
        watched = Watched(chromium, ada)
        page = watched.page
        page.goto("/users?q=ada")
        put(CONFIGURATION.replace("ed: {role: editor}", "ed: {role: editor, name: Ed}"))
        link = page.locator("#newer a")
        link.wait_for(timeout=5000)
        said = re.fullmatch(r"(Configuration version \d+ is active) Reload", link.text_content() or "")
        assert said
        assert page.locator("#announce").text_content() == said[1]
        link.click()
        page.wait_for_url("**/users?q=ada")
        until(lambda: _turn(watched, lambda: page.locator("#newer a").count() == 0), 5)
        watched.close()


def _turn(watched: Watched, condition: Callable[[], bool]) -> bool:
    """Whether it holds, after the browser's own events had their turn."""
    watched.page.wait_for_timeout(50)
    return condition()


@pytest.mark.parametrize("path", CONFIGURED)
def test_every_page_of_the_configuration_knows_which_version_it_shows(ada: Site, path: str) -> None:
    page = ada.get(path)
    asked = re.search(r'data-live="config" hx-get="(/config/newer\?than=\d+&amp;at=([^"]+))"', page)
    assert asked
    assert asked[2] == path
    address = asked[1].replace("&amp;", "&")
    ada.get(address, 204)
    put(CONFIGURATION.replace("ed: {role: editor}", "ed: {role: editor, name: Ed}"))
    newer = ada.get(address)
    assert re.search(rf'<a class="waiting" href="{path}"><b>Configuration version \d+ is active</b>', newer)
    assert "evil" not in ada.get("/config/newer?than=0&at=https://evil.example")


def test_other_pages_do_not(ada: Site) -> None:
    assert 'data-live="config"' not in ada.get("/") + ada.get("/checks") + ada.get("/oncall")
