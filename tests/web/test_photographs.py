"""Every page in a real browser, full of what happens: it fits, is photographed in both themes, and all can use it."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.web.accessible import beside_the_screen, bring_axe, findings, same_names, small_targets, without_ring
from tests.web.conftest import CONFIGURATION, RUNBOOK, Site, deliver_inbox, measure, raise_alert
from tests.web.test_browser import CHROMIUM, Watched, chromium  # noqa: F401 - chromium is a fixture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGES = {
    "home": "/",
    "incidents": "/incidents",
    "all-incidents": "/incidents?state=all",
    "unreadable-filter": "/incidents?q=severity=",
    "incident": "/incidents/1",
    "assign": "/incidents/1/assign",
    "new-incident": "/incidents/new",
    "new-incident-preview": "/incidents/new?target=team:shop&service=shop&summary=No+customer+can+order",
    "new-incident-unknown": "/incidents/new?target=user:bob",
    "paged-by-hand": "/incidents/paged",
    "resolved": "/incidents/2",
    "acknowledged": "/incidents/3",
    "search": "/search?q=shop",
    "nothing-found": "/search?q=zebra",
    "checks": "/checks",
    "check": "/checks/web",
    "paused-check": "/checks/away",
    "probes": "/checks/try",
    "try": "/checks/web/try",
    "heartbeats": "/heartbeats",
    "heartbeat": "/heartbeats/nightly",
    "oncall": "/oncall",
    "preview": "/preview?service=shop&severity=critical&at=2026-11-23T08:30&hours=1",
    "me": "/me",
    "rules": "/rules",
    "rule": "/rules/slow",
    "burn-rate": "/rules/budget?span=1d",
    "analytics": "/analytics?days=7",
    "analytics-empty": "/analytics?user=vi",
    "runbooks": "/runbooks",
    "runbook": "/runbooks/shop-down",
    "config": "/config",
    "services": "/services",
    "service": "/services/shop",
    "undeclared": "/services/elsewhere",
    "routes": "/routes",
    "policies": "/policies",
    "teams": "/teams",
    "team": "/teams/shop",
    "users": "/users",
    "user": "/users/bo",
    "channels": "/channels",
    "admin": "/admin",
    "audit": "/admin/audit",
    "unreadable-time": "/admin/audit?start=soon",
    "missing": "/incidents/999",
    "denied": "/checks/none/try",
    "unreadable": "/me?before=soon",
}
EXAMPLE = CONFIGURATION.replace(
    "policies:\n",
    """  front-desk:
    timezone: America/New_York
    layers:
      - {name: office, users: [ed, ada], every: 1d, handoff: "09:00", start: 2026-01-05,
         only: [{days: [mon, tue, wed], from: "09:00", to: "17:00"}]}
heartbeats: {nightly: {every: 1h, grace: 10m, service: shop}}
policies:
""",
    1,
).replace("checks:\n", "checks:\n  away: {probe: health.tcp, alert: off, with: {host: 127.0.0.1, port: 8}}\n", 1)
EXAMPLE = EXAMPLE.replace(
    "rules:\n",
    """rules:
  budget: {kind: burn_rate, check: web, metric: seconds, above: 1, objective: 90%, period: 12h,
           windows: [{long: 30m, short: 5m, budget: 5%}, {long: 2h, short: 20m, budget: 10%, speed: slow}]}
""",
    1,
)
STORM = 60
AT_REST = """() => Promise.all(document.getAnimations()
  .filter((one) => one.effect.getComputedTiming().endTime !== Infinity).map((one) => one.finished.catch(() => 0)))"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="install chromium to run this"),
]


@pytest.fixture
def root(site: Site) -> Site:
    """An admin's browser, on a Tocsin to which much has happened."""
    from app import line
    from app.alerts import service as alerts
    from app.catalog.model import Severity
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM
    from app.signals.model import Signal, SignalStatus

    now = datetime.now(UTC)
    found = load_texts({"all.yaml": EXAMPLE, "runbooks/shop-down.md": RUNBOOK}, {})
    assert found.errors == (), found.errors
    with transaction() as db:
        apply(db, found, SYSTEM, now)
    measure("web", [0.2, 0.3, 0.25] * 20 + [1.8] * 10)
    line.evaluate()
    long = "The shop does not answer, and this title is rather long for a phone"
    raise_alert(long, severity="critical", check="web", source="rule:slow")
    raise_alert("latency", service="db")
    raise_alert("a service that nobody declared", service="elsewhere")
    storm = [
        Signal(
            "integration:test",
            f"w{n}",
            SignalStatus.FIRING,
            f"warning {n}",
            Severity.WARNING,
            service=f"s{n % 20}",
            labels={"n": f"{n}"},
        )
        for n in range(STORM)
    ]
    with transaction() as db:
        alerts.accept(db, storm, now)
    while line.dedup():
        pass
    line.escalate()
    deliver_inbox()
    root = site.as_("root")
    root.post("/incidents/2/acknowledge")
    root.post("/incidents/2/note", text="The index was missing.")
    root.post("/incidents/2/resolve")
    root.post("/incidents/3/acknowledge")
    root.post("/admin/integrations", name="grafana", kind="generic")
    start, end = (f"{now + timedelta(hours=hours):%Y-%m-%dT%H:00}" for hours in (-2, 30))
    root.post("/oncall/override", schedule="primary", user="bo", start=start, end=end, reason="dentist")
    root.post("/checks/away/pause", reason="The host is moved to another rack; see the plan of the data centre")
    root.post("/me/test")
    page = {"summary": "No customer can order", "details": "Since 14:00,\nin the EU only", "key": "k", "severity": "critical"}
    PAGES["paged-by-hand"] = root.post("/incidents/new", target="user:bo", **page).headers["location"]
    line.escalate()
    return root


def photograph(page: "Page", name: str, width: int) -> list[str]:
    """What keeps anybody from using a page; pictures of it in both themes where somebody wants to look at them."""
    folder = os.environ.get("SCREENSHOTS")
    wrong = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.evaluate(AT_REST)  # half faded in, nothing has the contrast that it has
        if folder:
            picture = Path(folder) / f"{name}-{width}-{theme}.jpeg"
            page.screenshot(path=picture, quality=80, full_page=True, animations="disabled")
        wrong += findings(page, colours_only=theme == "dark")
    wrong += beside_the_screen(page) + same_names(page)
    if width == 390:
        wrong += small_targets(page)
        page.set_viewport_size({"width": 320, "height": 640})
        wrong += beside_the_screen(page)
        page.set_viewport_size({"width": width, "height": 844})
    else:
        wrong += without_ring(page)
    return [f"{name}: {one}" for one in wrong]


@pytest.mark.xdist_group("photographs")  # beside the others, which drive a browser of their own
@pytest.mark.timeout(300)
@pytest.mark.parametrize("width, height", [(390, 844), (1440, 900)], ids=["phone", "desk"])
def test_every_page_fits_is_photographed_and_can_be_used_by_all(
    chromium: "Browser",  # noqa: F811
    root: Site,
    width: int,
    height: int,
) -> None:
    watched = Watched(chromium, root, viewport={"width": width, "height": height})
    bring_axe(watched.context)
    wrong = []
    for name, path in PAGES.items():
        watched.page.goto(path)
        wrong += photograph(watched.page, name, width)
    assert wrong == [], "\n".join(wrong)
    watched.complaints = [one for one in watched.complaints if not re.search("40[34]|422|does not conform", one)]
    watched.close()


@pytest.mark.xdist_group("photographs")
def test_who_has_not_logged_in_yet_and_what_opens_can_be_used_by_all(chromium: "Browser", root: Site) -> None:  # noqa: F811
    invited = re.search(r"/invite/[\w-]+", root.post("/admin/invite", 200, login="fay", role="viewer").text)
    assert invited
    stranger = Watched(chromium, Site(root.url), viewport={"width": 390, "height": 844})
    bring_axe(stranger.context)
    page = stranger.page
    wrong = []
    for name, path in (("login", "/login"), ("invitation", invited[0]), ("used-invitation", "/invite/none")):
        page.goto(path)
        wrong += photograph(page, name, 390)
    page.goto("/login")
    page.fill("[name=login]", "ada")
    page.fill("[name=password]", "wrong")
    page.keyboard.press("Enter")
    page.get_by_text("Incorrect login or password").wait_for()
    wrong += photograph(page, "wrong-login", 390)
    stranger.complaints = []
    stranger.close()

    own = root.as_("fay")
    fay = Watched(chromium, own, viewport={"width": 1440, "height": 900})
    bring_axe(fay.context)
    own.post("/me/contacts", **{"channel.1": "hook", "to.1": "fay"})
    rules = {
        "high.contact.0": "hook",
        "high.contact.1": "inbox",
        "high.after.1": "2m",
        "quiet.from": "22:00",
        "quiet.to": "07:00",
    }
    own.post("/me/settings", **rules)
    for width in (1440, 390):
        fay.page.set_viewport_size({"width": width, "height": 844})
        fay.page.goto("/me")
        wrong += photograph(fay.page, "me-invited", width)
    fay.close()

    watched = Watched(chromium, root, viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    bring_axe(watched.context)
    page = watched.page
    page.goto("/incidents/1")
    page.locator("[data-key=n]").fill("I look at it.")
    page.get_by_role("button", name="Add note").click()
    page.locator(".toast").wait_for()
    assert page.locator(".toast").evaluate("one => getComputedStyle(one).animationName") == "none"
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for opened in ("menu", "snooze"):
            page.locator(f"#{opened} > summary").click()
            wrong += photograph(page, f"open-{opened}", width)
            page.locator(f"#{opened} > summary").click()
    page.goto("/checks/web")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.locator("#pause-menu > summary").click()
        wrong += photograph(page, "open-pause", width)
        page.locator("#pause-menu > summary").click()
    page.locator("main").press("?")
    page.locator("#help[open]").wait_for()
    wrong += photograph(page, "open-help", 390)
    assert wrong == [], "\n".join(wrong)
    watched.close()
