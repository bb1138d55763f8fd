"""What is watched, in a real browser: progress that moves by itself, a try that keeps what was typed; screenshots with data."""

import os
from typing import TYPE_CHECKING

import pytest

from tests.web.accessible import bring_axe
from tests.web.conftest import Site
from tests.web.test_browser import CHROMIUM, Watched, chromium  # noqa: F401 - chromium is a fixture
from tests.web.test_photographs import photograph
from tests.web.watching import configure, results, watch_all, worker

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGES = {
    "checks-watched": "/checks",
    "check-drawn": "/checks/web?span=6h",
    "check-week": "/checks/web?span=7d",
    "check-series": "/checks/logins?metric=failed&span=1h",
    "check-baseline": "/checks/ports?span=1h",
    "check-offline": "/checks/far?span=1h",
    "rule-threshold": "/rules/guessing?span=1h",
    "rule-budget": "/rules/budget",
    "rule-both": "/rules/both",
    "try-secrets": "/checks/api/try",
    "run": "/checks/runs/b1",
}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="install chromium to run this"),
]


@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("width", [390, 1440])
def test_pause_in_the_list_opens_what_it_asks(chromium: "Browser", site: Site, width: int) -> None:  # noqa: F811
    configure()
    results("web", 2, lambda _: {})
    watched = Watched(chromium, site.as_("ed"), viewport={"width": width, "height": 844})
    page = watched.page
    page.goto("/checks")
    page.get_by_role("link", name="Pause web").click()
    page.get_by_role("button", name="Pause now").click()
    page.get_by_text("web paused until").wait_for()
    watched.close()


@pytest.mark.xdist_group("browser")
def test_a_run_of_many_goes_on_by_itself_until_all_have_answered(chromium: "Browser", site: Site) -> None:  # noqa: F811
    configure()
    results("web", 2, lambda _: {})
    watched = Watched(chromium, site.as_("ada"))
    page = watched.page
    page.goto("/checks?family=health")
    page.get_by_role("button", name="Run all shown").click()
    page.wait_for_url("**/checks/runs/*")
    page.get_by_text("0 of 3 done").wait_for()
    with worker():
        page.get_by_text("3 checks completed").wait_for(timeout=20_000)
    assert page.locator("#progress").evaluate("one => one.value") == 3
    assert page.locator("[hx-trigger]").count() == 0
    page.get_by_role("link", name="Back to checks").click()
    page.wait_for_url("**/checks?family=health")
    watched.close()


@pytest.mark.xdist_group("browser")
def test_settings_are_tried_mended_and_tried_again(chromium: "Browser", site: Site) -> None:  # noqa: F811
    import socket

    configure()
    watched = Watched(chromium, site.as_("root"))
    page = watched.page
    page.goto("/checks")
    page.get_by_role("link", name="Add a check").click()
    page.get_by_role("link", name="health.tcp").click()
    page.fill("[name='with.host']", "127.0.0.1")
    page.fill("[name='with.port']", "many")
    with worker(), socket.create_server(("127.0.0.1", 0)) as server:
        page.get_by_role("button", name="Run probe").click()
        page.locator("#wrong-port").wait_for()
        assert page.input_value("[name='with.host']") == "127.0.0.1"
        page.fill("[name='with.port']", str(server.getsockname()[1]))
        page.get_by_role("button", name="Run probe").click()
        page.get_by_role("heading", name="Configuration").wait_for()
    assert "probe: health.tcp" in page.locator("code.take").inner_text()
    watched.complaints = [one for one in watched.complaints if "422" not in one]
    watched.close()


@pytest.mark.xdist_group("photographs")
@pytest.mark.parametrize("width, height", [(390, 844), (1440, 900)], ids=["phone", "desk"])
def test_what_is_watched_fits_and_is_photographed(chromium: "Browser", site: Site, width: int, height: int) -> None:  # noqa: F811
    from datetime import UTC, datetime

    from app.checks.demand import store
    from app.db import transaction

    watch_all(site)
    with transaction() as db:
        now = datetime.now(UTC)
        store.ask(db, "b1", ["web", "api", "logins", "far"], "t1", "ed", now, None)
        store.answer(db, "b1", {"web": {"status": "critical", "message": "refused", "metrics": {}, "seconds": 0.1}}, now)
        store.answer(db, "b1", {"api": {"status": "ok", "message": "fine", "metrics": {}, "seconds": 0.1}}, now)
    watched = Watched(chromium, site.as_("root"), viewport={"width": width, "height": height})
    bring_axe(watched.context)
    wrong = []
    for name, path in PAGES.items():
        watched.page.goto(path)
        wrong += photograph(watched.page, name, width)
    assert wrong == [], "\n".join(wrong)
    watched.close()
