"""What the configuration declares, as pages: services and whom they page, routes, policies, teams, users, channels."""

import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from tests.web.conftest import CONFIGURATION, RUNBOOK, Site, deliver_inbox, measure, raise_alert

HOOK = 'hook: {kind: webhook, url: "http://127.0.0.1:9/hook"}'
SECRETS = 'hook: {kind: webhook, url: "http://u:hunter2@127.0.0.1:9/hook", secret: hunter3, headers: {X-Token: hunter4}}'
ROOM = 'room: {kind: slack, webhook: "https://hooks.example.org/hunter5"}'
BO = 'bo: {role: responder, contacts: {hook: "bo"}}'
BO_AT_HOME = """bo: {role: responder, contacts: {hook: "bo-at-home"}, notify: {high: [hook, {contact: inbox, after: 3m}]},
    quiet_hours: {from: "22:00", to: "07:00"}}"""
SHOP = "{team: shop, runbook: shop-down}"
SHOP_MORE = '{team: shop, runbook: shop-down, depends_on: [db], tier: critical, links: ["https://example.org/a"]}'
ROUTE = "  - {match: 'service=\"shop\"', policy: shop}"
WARNINGS = "  - {match: ['service=\"shop\"', 'severity=\"warning\"'], policy: rest, pages: never}"
MORE = f"""{CONFIGURATION.replace(HOOK, f"{SECRETS}, {ROOM}").replace(BO, BO_AT_HOME).replace(SHOP, SHOP_MORE)}
grouping: [{{match: 'alertname="same"', by: [alertname]}}, {{by: [service, host]}}]
hours: {{never: {{days: [mon], from: "03:00", to: "03:01"}}}}
""".replace(ROUTE, f"{WARNINGS}\n{ROUTE}")


@pytest.fixture
def more(site: Site) -> Site:
    """Nobody's browser, where more is declared."""
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM

    found = load_texts({"shop/more.yaml": MORE, "runbooks/shop-down.md": RUNBOOK}, {})
    assert found.errors == ()
    with transaction() as db:
        apply(db, found, SYSTEM, datetime.now(UTC))
    return site


def line_of(text: str) -> str:
    """FILE:LINE of the first line of the configuration that begins so."""
    number = next(n for n, line in enumerate(MORE.splitlines(), 1) if line.lstrip().startswith(text))
    return f"shop/more.yaml:{number}"


def words(page: str) -> str:
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.partition("<main")[2].partition("</main>")[0]).split())


def test_a_service_says_how_it_is_and_whom_each_severity_pages(more: Site) -> None:
    measure("web", [0.1])
    number = raise_alert("disk full", severity="critical")
    page = more.as_("ada").get("/services/shop")
    said = words(page)
    assert f'href="/incidents/{number}"' in page
    assert line_of("services:") in said
    assert "1 open incident, 1 unacknowledged" in said
    assert "critical error info route 2 , policy shop , high urgency" not in said, "info is not as urgent"
    assert re.search(r"critical error route 2 ?, policy shop ?, high urgency", said)
    assert re.search(r"warning route 1 ?, policy rest ?, low urgency, pages held outside never hours step 1 you wait 5m", said)
    assert "The shop is down" in said
    assert 'href="https://example.org/a"' in page
    assert re.search(r"Depends on no checks db no open incidents", said)
    assert 'href="/checks/web"' in page
    assert 'href="/rules/slow"' in page
    assert re.search(r"Dependents ok shop|Dependents critical shop", words(more.as_("ada").get("/services/db")))


@pytest.mark.parametrize("path", ["/services/shop", "/teams/shop", "/users/bo"])
def test_rows_stay_while_the_page_is_looked_at_and_new_ones_are_announced(more: Site, path: str) -> None:
    bo = more.as_("bo")
    first, second = raise_alert("first", labels={"host": "a"}), raise_alert("second", labels={"host": "b"})
    for number in (first, second):
        bo.post(f"/incidents/{number}/acknowledge")
    page = bo.get(path)
    order = re.findall(r'name="known" value="(\d+)"', page)
    (seen,) = re.findall(r'name="seen" value="(\d+)"', page)
    assert order == [str(first), str(second)]
    bo.post(f"/incidents/{first}/resolve")
    third = raise_alert("third", severity="critical", labels={"host": "c"})
    bo.post(f"/incidents/{third}/acknowledge")
    page = bo.get(f"{path}?known={first}&known={second}&seen={seen}")
    assert re.findall(r'class="cover" id="i(\d+)"', page) == order
    assert "1 new</b>: critical · third" in page
    assert re.findall(r'class="cover" id="i(\d+)"', bo.get(path)) == [str(third), str(second)]


def test_a_storm_leaves_the_rest_of_the_page_in_sight(more: Site) -> None:
    for n in range(7):
        raise_alert(f"alert {n}", labels={"host": f"h{n}"})
    for path, link in (
        ("/services/shop", "/incidents?q=service%3D%22shop%22"),
        ("/teams/shop", "/incidents?q=team%3D%22shop%22"),
    ):
        page = more.as_("ada").get(path)
        assert page.count("data-row>") == 5, path
        assert f'<a href="{link}">All 7 open incidents</a>' in page, path
        assert more.as_("ada").get(link).count("data-row>") == 7


def test_resolved_incidents_of_a_service_stay_in_sight(more: Site) -> None:
    number = raise_alert("disk full")
    more.as_("ada").post(f"/incidents/{number}/resolve")
    assert f"#{number} disk full" in words(more.as_("ada").get("/services/shop")).partition("Last resolved")[2]


@pytest.mark.parametrize("name", ["elsewhere", "a/b?c", "<b>x</b>"])
def test_a_service_that_only_alerts_name_has_a_page(more: Site, name: str) -> None:
    raise_alert("disk full", service=name)
    page = more.as_("ada").get(f"/services/{quote(name, safe='')}")
    assert "does not declare it" in words(page)
    assert "disk full" in page
    assert re.search(r"error route 3 ?, policy rest", words(page))
    assert "not declared; seen only in alerts" in words(more.as_("ada").get("/services"))


def test_an_incident_counts_for_the_services_of_all_its_alerts(more: Site) -> None:
    from app import line
    from app.alerts import service as alerts
    from app.catalog.model import Severity
    from app.db import transaction
    from app.incidents.search import store
    from app.signals.model import Signal, SignalStatus

    for service in ("shop", "db"):
        signal = Signal("integration:test", service, SignalStatus.FIRING, "same", Severity.ERROR, service=service, labels={})
        with transaction() as db:
            alerts.accept(db, [signal], datetime.now(UTC))
        line.dedup()
    with transaction() as db:
        found = store.open_of_services(db)
    assert {name: one.incidents for name, one in found.items()} == {"shop": 1, "db": 1}


def test_the_list_of_services_puts_the_worst_first_and_filters_by_matchers(more: Site) -> None:
    raise_alert("slow", service="db", severity="critical")
    ada = more.as_("ada")
    names = re.findall(r'class="cover" href="/services/(\w+)"', ada.get("/services"))
    assert names == ["db", "shop"]
    assert re.findall(r'class="cover" href="/services/(\w+)"', ada.get('/services?q=team="shop"')) == ["shop"]
    assert re.findall(r'class="cover" href="/services/(\w+)"', ada.get("/services?q=state=critical")) == ["db"]


def test_a_policy_says_whom_it_reaches_now_and_which_routes_lead_to_it(more: Site) -> None:
    page = more.as_("ada").get("/policies")
    said = words(page)
    assert line_of("shop: {steps") in said
    assert re.search(r"step 2 team shop : you ?, bo wait 10m then ed every 30m until acknowledged From route 2", said)
    assert re.search(r"step 1 schedule primary : (you|bo) wait 5m", said)
    assert re.search(r"Without a policy .* then root every 30m", said)


def test_a_step_that_reaches_nobody_says_so(more: Site) -> None:
    from sqlalchemy import text

    from app.db import transaction

    with transaction() as db:
        db.execute(text("update person set active = false where login in ('ada', 'bo')"))
    said = words(more.as_("ed").get("/policies"))
    assert "schedule primary : nobody" in said
    assert "ada cannot be paged" in said


def test_a_route_leads_to_its_policy_and_to_a_preview_filled_in(more: Site) -> None:
    page = more.as_("ada").get("/routes")
    assert 'href="/policies#shop"' in page
    assert 'href="/preview?service=shop&amp;severity=warning"' in page
    said = words(page)
    assert re.search(r"1 shop/more.yaml:\d+ service=&#34;shop&#34; severity=&#34;warning&#34; policy rest", said)
    assert "pages held outside never hours" in said
    assert "everything not matched above" in said
    assert re.search(r"never closed now|never open now", said)
    assert "high urgency for critical and error, else low" in said


def test_a_team_shows_its_incidents_services_members_and_schedules(more: Site) -> None:
    number = raise_alert("disk full")
    page = more.as_("vi").get("/teams/shop")
    said = words(page)
    assert f'href="/incidents/{number}"' in page
    assert line_of("teams:") in said
    assert "error shop 1 open incident" in said
    assert re.search(r"Members 2 Ada ada responder", said)
    assert re.search(r"Schedules primary now (ada|bo)", said)
    assert "Policies shop" in said
    assert "/acknowledge" not in page
    assert "1 service, 1 with open incidents" in words(more.as_("vi").get("/teams"))


def test_an_address_is_shown_to_its_person_and_to_admins_alone(more: Site) -> None:
    for login, shown in (("bo", True), ("root", True), ("ada", False), ("ed", False), ("vi", False)):
        page = more.as_(login).get("/users/bo")
        assert ("bo-at-home" in page) is shown, login
        assert "bo-at-home" not in more.as_(login).get("/users")
    said = words(more.as_("ada").get("/users/bo"))
    assert line_of("bo: {role") in said
    assert re.search(r"High urgency custom at once hook after 3m inbox", said)
    assert re.search(r"Low urgency default at once inbox at once hook", said)
    assert "Quiet hours 22:00 to 07:00 (Europe/Paris)" in said
    assert re.search(r"Teams shop Schedules primary Policies none", said)


def test_a_user_shows_what_they_work_on(more: Site) -> None:
    number = raise_alert("disk full")
    more.as_("bo").post(f"/incidents/{number}/acknowledge")
    assert f'href="/incidents/{number}"' in more.as_("ada").get("/users/bo")
    assert "No open incidents acknowledged by" in more.as_("ada").get("/users/ed")


def test_who_was_invited_is_not_said_to_be_in_the_files(more: Site) -> None:
    more.as_("root").post("/admin/invite", 200, login="cy", role="viewer")
    said = words(more.as_("ada").get("/users/cy"))
    assert "invited by root" in said
    assert "more.yaml" not in said
    assert "cy" in re.findall(r'class="cover" href="/users/(\w+)"', more.as_("ada").get('/users?q=declared="no"'))
    assert "ed" not in re.findall(r'class="cover" href="/users/(\w+)"', more.as_("ada").get('/users?q=declared="no"'))


def test_a_channel_shows_its_settings_to_editors_and_its_secrets_to_nobody(more: Site) -> None:
    for login in ("vi", "ada", "ed", "root"):
        page = more.as_(login).get("/channels")
        assert not re.search(r"hunter\d", page), login
        assert ("127.0.0.1:9/hook" in page) is (login in ("ed", "root")), login
        assert ("visible to editors" in page) is (login in ("vi", "ada")), login
    said = words(more.as_("ada").get("/channels"))
    assert line_of("channels:") in said
    assert "Used by bo" in said
    assert "Not active yet: this release sends nothing via slack" in said


def test_a_channel_says_when_a_page_last_arrived_and_last_failed(more: Site) -> None:
    from sqlalchemy import text

    from app.db import transaction

    number = raise_alert("disk full")
    deliver_inbox()
    made = """insert into page (key, kind, incident, generation, round, channel, user_name, reasons, made_at, due_at, next_at,
      expires_at, state, attempts) values ('k', 'page', :number, 1, 0, 'hook', 'bo', '[]', now(), now(), now(), now(), 'queued',
      1) returning id"""
    attempt = """insert into page_attempt (page, n, at, outcome, error, ended_at)
      values (:page, 1, now(), 'transient', :error, now())"""
    with transaction() as db:
        page = db.execute(text(made), {"number": number}).scalar_one()
        db.execute(text(attempt), {"page": page, "error": "<b>refused</b>"})
    said = words(more.as_("vi").get("/channels"))
    assert "the last page via hook failed" in said
    assert re.search(r"failed \d+ s ago #\d+ &lt;b&gt;refused&lt;/b&gt;; the page is now queued", said)
    assert re.search(r"inbox built in Last delivery delivered \d+ s ago", said)


def test_the_overview_has_the_version_the_counts_and_for_editors_the_warnings(more: Site) -> None:
    said = words(more.as_("ed").get("/config"))
    assert re.search(r"Version \d+ active · applied \d+ s ago by system", said)
    assert re.search(r"5 users", said)
    assert re.search(r"shop/more\.yaml:\d+: .*kind &#34;slack&#34; is not active yet", said)
    assert re.search(r"Not active yet channel room shop/more\.yaml:\d+", said)
    said = words(more.as_("ada").get("/config"))
    assert "Visible to editors" in said
    assert "is not active yet" not in said


def test_files_that_need_a_variable_of_somebody_else_are_not_called_right(more: Site) -> None:
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM

    files = {"a.yaml": MORE.replace("secret: hunter3", 'secret: "${ONLY_THERE}"'), "runbooks/shop-down.md": RUNBOOK}
    found = load_texts(files, {"ONLY_THERE": "known to whoever applied it"})
    with transaction() as db:
        apply(db, found, SYSTEM, datetime.now(UTC))
    assert re.search(r"Not checked here: a\.yaml:\d+: .*ONLY_THERE", words(more.as_("ed").get("/config")))


def test_the_configuration_is_one_place_of_the_navigation(more: Site) -> None:
    for path in ("/config", "/services", "/services/shop", "/routes", "/policies", "/teams", "/users/ada", "/channels"):
        page = more.as_("ada").get(path)
        assert re.findall(r'<a href="(/\w*)" class="\w*" aria-current="page"', page) == ["/config"], path
