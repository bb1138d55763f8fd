"""Graphs are read: under the pointer, by touch, by the arrow keys; and as a table, where there is no script."""

import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.stack import until
from tests.web.conftest import Site, measure
from tests.web.test_browser import CHROMIUM, Watched, chromium  # noqa: F401 - chromium is a fixture
from tests.web.watching import watch_all

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

VALUES = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
GRAPH = "#graph"

browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="install chromium to run this"),
    pytest.mark.xdist_group("browser"),
]


def cells(page: str) -> list[list[str]]:
    """The rows of the first graph's table."""
    table = re.search(r'<details class="values".*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert table
    rows = table[1].strip().split("</tr>")[:-1]
    return [[re.sub(r"<[^>]*>", "", cell).strip() for cell in row.split("<td")[1:]] for row in rows]


def test_what_is_drawn_is_a_table_too(ada: Site) -> None:
    measure("web", VALUES)
    page = ada.get("/checks/web?metric=seconds&span=1h")
    rows = cells(page)
    assert [row[1].partition(">")[2] for row in rows] == ["1.5 s", "1.25 s", "1 s", "750 ms", "500 ms", "250 ms"]
    assert all(re.search(r"\d\d:\d\d$", row[0]) for row in rows)
    assert 'aria-label="seconds between 250 ms and 1.5 s, now 1.5 s, threshold 1 s (slow)"' in page
    assert 'role="slider"' not in page, "without a script nothing reads it"


def test_a_table_of_several_lines_names_them_and_says_where_one_has_no_value(site: Site) -> None:
    page = watch_all(site).as_("vi").get("/checks/logins?metric=failed&span=1h")
    head = re.search(r'<details class="values".*?<thead>(.*?)</tr>', page, re.DOTALL)
    assert head
    assert head[1].count("source ") == 6
    assert {len(row) for row in cells(page)} == {7}


def texts(graph: "Locator") -> str:
    return graph.get_attribute("aria-valuetext") or ""


@pytest.mark.usefixtures("clean")
class TestInABrowser:
    pytestmark = browser

    def test_the_arrow_keys_read_it_from_its_last_value_on(
        self,
        chromium: "Browser",  # noqa: F811
        ada: Site,
    ) -> None:
        measure("web", VALUES)
        watched = Watched(chromium, ada)
        page = watched.page
        page.goto("/checks/web?metric=seconds&span=1h")
        graph = page.locator(GRAPH)
        assert graph.get_attribute("role") == "slider"
        assert graph.get_attribute("aria-label") == "seconds between 250 ms and 1.5 s, now 1.5 s, threshold 1 s (slow)"
        graph.focus()
        for key, wanted in (
            ("ArrowLeft", "1.25 s"), ("ArrowLeft", "1 s"), ("ArrowRight", "1.25 s"), ("Home", "250 ms"),
            ("ArrowLeft", "250 ms"), ("End", "1.5 s"), ("ArrowRight", "1.5 s"), ("PageDown", "250 ms"),
        ):  # fmt: skip
            page.keyboard.press(key)
            assert re.fullmatch(rf"(?:\w+ \d+ \w+ )?\d\d:\d\d: {re.escape(wanted)}", texts(graph)), (key, texts(graph))
        assert page.locator(f"{GRAPH} .tip").text_content() == texts(graph).replace(": 250", "250")
        assert graph.get_attribute("aria-valuenow") == "0"
        page.keyboard.press("Escape")
        assert page.locator(f"{GRAPH} .tip").count() == 0
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Tab")
        assert page.locator(f"{GRAPH} .tip").count() == 0
        watched.close()

    def test_the_pointer_reads_the_nearest_value_and_a_finger_too(
        self,
        chromium: "Browser",  # noqa: F811
        ada: Site,
    ) -> None:
        measure("web", VALUES, seconds=600)
        watched = Watched(chromium, ada, has_touch=True, viewport={"width": 390, "height": 844})
        page = watched.page
        page.goto("/checks/web?metric=seconds&span=1h")
        graph = page.locator(GRAPH)
        box = graph.bounding_box()
        assert box
        for share, wanted in ((0.99, "1.5 s"), (0.70, "1.25 s"), (0.01, "500 ms")):
            page.mouse.move(box["x"] + box["width"] * share, box["y"] + 40)
            assert texts(graph).endswith(f": {wanted}"), share
            tip = page.locator(f"{GRAPH} .tip").bounding_box()
            assert tip
            assert box["x"] <= tip["x"]
            assert tip["x"] + tip["width"] <= box["x"] + box["width"] + 1
        page.mouse.move(5, 5)
        assert page.locator(f"{GRAPH} .tip").count() == 0
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 40)
        assert texts(graph).endswith(": 1 s") or texts(graph).endswith(": 750 ms")
        assert page.locator(f"{GRAPH} .dot").count() == 1
        watched.close()

    def test_a_graph_that_is_read_stays_and_is_found_again_after_a_refresh(
        self,
        chromium: "Browser",  # noqa: F811
        ada: Site,
    ) -> None:
        from tests.web.test_quiet import say

        measure("web", VALUES)
        watched = Watched(chromium, ada)
        page = watched.page
        with page.expect_response(lambda answer: "/live?" in answer.url):
            page.goto("/checks/web?metric=seconds&span=1h")
        page.evaluate(f"window.old = document.querySelector('{GRAPH}')")
        page.locator(GRAPH).focus()
        page.keyboard.press("ArrowLeft")
        measure("web", [2.5], seconds=1)
        say("checks")
        for _ in range(14):
            page.keyboard.press("ArrowLeft")
            page.wait_for_timeout(250)
        assert page.evaluate("window.old.isConnected") is True
        assert page.locator(f"{GRAPH} .tip").count() == 1

        def refreshed() -> bool:
            page.wait_for_timeout(100)
            return page.evaluate("window.old.isConnected") is False

        until(refreshed, 10)
        assert page.evaluate("document.activeElement.id") == GRAPH.removeprefix("#")
        page.keyboard.press("End")
        assert texts(page.locator(GRAPH)).endswith(": 2.5 s")
        watched.close()
