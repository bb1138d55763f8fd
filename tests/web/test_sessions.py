"""Sessions, invitations and tokens end when they should, for good; only declared proxies are believed; contacts are sound."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tests.web.conftest import CONFIGURATION, PASSWORD, RUNBOOK, Site, raise_alert

WITHOUT_CY = CONFIGURATION
WITH_CY = CONFIGURATION.replace("  vi: {role: viewer}", "  vi: {role: viewer}\n  cy: {role: ROLE}")


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine is a declared proxy."""
    from app.settings import settings

    monkeypatch.setenv("TOCSIN_TRUSTED_PROXIES", "127.0.0.1")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def in_db(work: Callable[..., Any], *args: Any) -> Any:
    from app.db import transaction
    from app.people.model import SYSTEM

    with transaction() as db:
        return work(db, *args, SYSTEM, datetime.now(UTC))


def password(login: str) -> None:
    from app.people.service import set_password

    in_db(set_password, login, PASSWORD)


def invitation(login: str) -> str:
    from app.people.model import Role
    from app.people.service import invite

    return f"/invite/{in_db(invite, login, Role.RESPONDER, None)}"


def newcomer(login: str) -> None:
    """Somebody of one test alone: tries of a password count for a login and an address, in every test of this process."""
    invitation(login)
    password(login)


def token(login: str) -> dict[str, str]:
    from app.people.service import make_token

    return {"Authorization": f"Bearer {in_db(make_token, login, 'test')}"}


def declare(config: str) -> None:
    from app.configfile.apply import apply
    from app.configfile.load import load_texts

    found = load_texts({"all.yaml": config, "runbooks/shop-down.md": RUNBOOK}, {})
    assert found.errors == ()
    in_db(lambda db, actor, now: apply(db, found, actor, now))


def logged_in(site: Site, login: str, **headers: str) -> Site:
    other = Site(site.url)
    other.get("/login")
    other.sending(headers).post("/login", login=login, password=PASSWORD)
    return other


def test_a_copied_cookie_is_dead_after_the_log_out_and_other_sessions_live(site: Site) -> None:
    password("ada")
    here, elsewhere = logged_in(site, "ada"), logged_in(site, "ada")
    copy = Site(site.url)
    copy.session.cookies.update(here.session.cookies)
    copy.get("/me")
    here.post("/logout")
    copy.get("/me", 303)
    copy.get("/live", 303)
    elsewhere.get("/me")


def test_logging_in_ends_the_session_that_was_there(site: Site) -> None:
    password("bo")
    before = site.as_("ada")
    copy = Site(site.url)
    copy.session.cookies.update(before.session.cookies)
    before.post("/login", login="bo", password=PASSWORD)
    copy.get("/me", 303)
    assert "bo" in before.get("/me")


def test_the_rows_of_ended_sessions_go_when_their_cookies_are_too_old(site: Site) -> None:
    from datetime import timedelta

    from sqlalchemy import text

    from app.db import transaction
    from app.people import session, store

    site.as_("ada").post("/logout")
    site.as_("bo").get("/me")
    count = text("select (select count(*) from ended_session), (select count(*) from session)")
    with transaction() as db:
        store.delete_expired_sessions(db, datetime.now(UTC))
        assert db.execute(count).one() == (1, 1)
        store.delete_expired_sessions(db, datetime.now(UTC) + timedelta(seconds=session.LIFE + 60))
        assert db.execute(count).one() == (0, 0)


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_sessions_are_listed_with_their_browser_and_this_one_is_said(site: Site) -> None:
    phone, here = site.as_("ada"), site.as_("ada")
    phone.session.headers["User-Agent"] = "<b>phone</b>/1"
    here.session.headers["User-Agent"] = FIREFOX
    site.as_("bo").get("/me")
    phone.get("/")
    page = here.get("/me").partition('id="sessions"')[2].partition("</section>")[0]
    assert "&lt;b&gt;phone&lt;" in page
    assert 'Firefox on Linux</b> <span class="chip">' in page
    assert page.count("this session") == 1
    assert page.count('/end"') == 2, "the phone's, and that of all others"


def test_a_session_is_ended_from_another_and_stays_ended(site: Site) -> None:
    phone, here, bo = site.as_("ada"), site.as_("ada"), site.as_("bo")
    for one in (phone, here, bo):
        one.get("/me")
    (end,) = re.findall(r'action="(/me/sessions/[^"]+/end)"', here.get("/me"))
    bo.post(end, 404)
    here.post(end)
    assert "Session ended" in here.toast()
    phone.get("/me", 303)
    here.post(end, 404)
    assert "this session" in here.get("/me")
    assert re.findall(r'action="(/me/sessions/[^"]+/end)"', here.get("/me")) == []
    assert "ended a session of user ada" in site.as_("root").get("/admin/audit?person=ada")


def test_all_other_sessions_end_also_those_that_were_never_seen(site: Site) -> None:
    unseen, phone, here, bo = site.as_("ada"), site.as_("ada"), site.as_("ada"), site.as_("bo")
    copy = Site(site.url)
    copy.session.cookies.update(here.session.cookies)
    phone.get("/me")
    here.get("/me")
    here.post("/me/sessions/end")
    page = here.get("/me")
    assert page.partition('id="sessions"')[2].partition("</section>")[0].count("<li>") == 1
    for one in (unseen, phone, copy):
        one.get("/me", 303)
    bo.get("/me")


def test_a_page_a_second_writes_a_session_once_a_minute(site: Site) -> None:
    from sqlalchemy import text

    from app.db import transaction

    ada = site.as_("ada")
    seen = text("select seen_at, xmin::text from session")
    rows = []
    for back in (0, 0, 61):
        with transaction() as db:
            db.execute(
                text("update session set seen_at = seen_at - make_interval(secs => :back) where :back > 0"), {"back": back}
            )
        ada.get("/me")
        with transaction() as db:
            rows.append(db.execute(seen).one())
    assert rows[0] == rows[1]
    assert rows[2].seen_at > rows[1].seen_at


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605.1 Version/18.0 Safari/605.1", "Safari on macOS"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 CriOS/140.0 Safari/604.1",
            "Chrome on iPhone",
        ),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Firefox/1", "Firefox"),
        ("curl/8.5.0", "curl"),
        ("", "unknown browser"),
    ],
    ids=lambda value: value[-30:],
)
def test_a_browser_is_named_as_people_know_it(agent: str, said: str) -> None:
    from app.web.agent import device

    assert device(agent) == said


def test_my_page_says_how_i_am_notified_and_where_that_is_declared(site: Site) -> None:
    bo, invited = site.as_("bo"), invitation("cy")
    line = next(n for n, text in enumerate(CONFIGURATION.splitlines(), 1) if text.startswith("  bo:"))
    assert invited
    page = bo.get("/me").partition('id="rules"')[2].partition("</section>")[0]
    assert f">all.yaml:{line}<" in page
    assert "Europe/Paris" in page
    assert ">all.yaml:2<" in page, "the time zone is that of the defaults"
    assert 'action="/me/settings"' not in bo.get("/me")
    assert 'action="/me/settings"' in site.as_("cy").get("/me"), "who is declared nowhere sets it here"


def test_a_removed_person_stays_out_also_when_the_login_comes_back(site: Site) -> None:
    declare(WITH_CY.replace("ROLE", "editor"))
    password("cy")
    here, bearer, invited = logged_in(site, "cy"), token("cy"), invitation("cy")
    declare(WITHOUT_CY)
    for _ in range(2):
        here.get("/me", 303)
        assert requests.get(site.url + "/api/v1/me", headers=bearer, timeout=9).status_code == 401
        site.get(invited, 409)
        site.get("/login")
        site.post("/login", 422, login="cy", password=PASSWORD)
        declare(WITH_CY.replace("ROLE", "editor"))


def test_removing_nobody_ends_nothing(site: Site) -> None:
    ada, bearer = site.as_("ada"), token("ada")
    declare(CONFIGURATION + "\n# again\n")
    ada.get("/me")
    assert requests.get(site.url + "/api/v1/me", headers=bearer, timeout=9).status_code == 200


def test_the_first_admin_is_there_when_the_files_no_longer_declare_it(site: Site) -> None:
    declare(CONFIGURATION.replace("  root: {role: admin}", "  root: {role: admin}\n  admin: {role: viewer}"))
    admin = site.as_("admin")
    declare(CONFIGURATION)
    assert "admin" in admin.get("/me")


def test_whoever_is_made_a_viewer_is_one_at_once(site: Site) -> None:
    declare(WITH_CY.replace("ROLE", "admin"))
    here, bearer = site.as_("cy"), token("cy")
    here.post("/admin/invite", 200, login="new", role="viewer")
    declare(WITH_CY.replace("ROLE", "viewer"))
    here.post("/admin/invite", 403, login="newer", role="viewer")
    here.post("/checks/web/pause", 403)
    assert requests.post(site.url + "/api/v1/checks/web/pause", headers=bearer, timeout=9).status_code == 403


def test_an_invitation_ends_when_a_password_is_set_another_way(site: Site) -> None:
    first = invitation("cy")
    site.get(first)
    password("cy")
    assert "already used or has expired" in site.get(first, 409)
    site.post(first, 409, password="a long password", again="a long password")


def test_a_newer_invitation_ends_the_older_one(site: Site) -> None:
    first, second = invitation("cy"), invitation("cy")
    site.get(first, 409)
    site.get(second)
    site.post(second, password="a long password", again="a long password")
    site.get(second, 409)


def test_a_person_who_was_invited_can_be_removed(site: Site) -> None:
    from app.errors import Conflict
    from app.people.service import remove

    first = invitation("cy")
    here, bearer = site.as_("cy"), token("cy")
    in_db(remove, "cy")
    here.get("/me", 303)
    site.get(first, 409)
    assert requests.get(site.url + "/api/v1/me", headers=bearer, timeout=9).status_code == 401
    with pytest.raises(Conflict, match="managed in the configuration"):
        in_db(remove, "ada")


def test_an_invitation_and_a_token_are_in_no_cache(site: Site) -> None:
    shown = site.session.get(site.url + invitation("cy"), timeout=9)
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["referrer-policy"] == "same-origin"
    made = site.as_("ada").post("/me/tokens", 200, name="x")
    assert made.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "/a\r\nSet-Cookie: x"]
)
def test_a_login_leads_nowhere_else(site: Site, back: str) -> None:
    password("ada")
    site.get("/login")
    assert site.post("/login", login="ada", password=PASSWORD, back=back).headers["location"] == "/"


def test_an_attacker_behind_a_proxy_locks_nobody_out(site: Site, proxied: None) -> None:
    password("ada")
    site.get("/login")
    for _ in range(10):
        site.sending({"X-Forwarded-For": "198.51.100.1"}).post("/login", 422, login="ada", password="wrong")
    refused = site.sending({"X-Forwarded-For": "1.2.3.4, 198.51.100.1"}).post("/login", 429, login="ada", password=PASSWORD)
    assert int(refused.headers["retry-after"]) > 200
    site.sending({"X-Forwarded-For": "203.0.113.5"}).post("/login", login="ada", password=PASSWORD)


def test_the_header_of_an_undeclared_proxy_is_anybodys_word(site: Site) -> None:
    site.get("/login")
    for n in range(10):
        site.sending({"X-Forwarded-For": f"198.51.100.{n}"}).post("/login", 422, login="guessed", password="wrong")
    site.sending({"X-Forwarded-For": "203.0.113.5"}).post("/login", 429, login="guessed", password="wrong")
    page = site.session.get(
        site.url + "/login", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}, timeout=9
    )
    assert "strict-transport-security" not in page.headers


def test_a_known_device_logs_in_while_its_address_is_spent(site: Site) -> None:
    newcomer("dee")
    known = logged_in(site, "dee")
    known.post("/logout")
    site.get("/login")
    for _ in range(10):
        site.post("/login", 422, login="dee", password="wrong")
    site.post("/login", 429, login="dee", password=PASSWORD)
    known.get("/login")
    known.post("/login", 422, login="dee", password="wrong")
    known.post("/login", login="dee", password=PASSWORD)


def test_a_device_knows_only_who_has_logged_in_there(site: Site) -> None:
    password("ada")
    known = logged_in(site, "ada")
    known.post("/logout")
    known.get("/login")
    for _ in range(10):
        known.post("/login", 422, login="elsewhere", password="wrong")
    known.post("/login", 429, login="elsewhere", password="wrong")


def test_cookies_behind_a_proxy_that_speaks_tls_are_secure(site: Site, proxied: None) -> None:
    password("ada")
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "tocsin.example.org"}
    page = site.session.get(site.url + "/login", headers=headers, timeout=9)
    assert "strict-transport-security" in page.headers
    (visitor,) = (cookie for cookie in site.session.cookies if "visitor" in cookie.name)
    assert visitor.secure
    from app.web.guard import form_token

    typed = {"login": "ada", "password": PASSWORD, "csrf": form_token(visitor.value or "")}
    headers |= {"Origin": "https://tocsin.example.org", "Cookie": f"{visitor.name}={visitor.value}"}
    answer = requests.post(site.url + "/login", data=typed, headers=headers, allow_redirects=False, timeout=9)
    assert answer.status_code == 303
    said = answer.headers["set-cookie"]
    assert said.count("HttpOnly") >= 2
    assert said.count("Secure") >= 2
    strangers = {**headers, "Origin": site.url}
    assert requests.post(site.url + "/login", data=typed, headers=strangers, timeout=9).status_code == 403


def test_a_link_made_behind_a_proxy_leads_through_it(site: Site, proxied: None) -> None:
    root = site.as_("root")
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "tocsin.example.org", "Origin": "https://tocsin.example.org"}
    made = root.sending(headers).post("/admin/invite", 200, login="cy", role="viewer").text
    assert "https://tocsin.example.org/invite/" in made
    root.sending(headers).post("/admin/integrations", name="prometheus", kind="generic")
    assert "https://tocsin.example.org/in/" in root.session.get(root.url + "/admin", headers=headers, timeout=9).text


def test_an_old_password_cannot_be_guessed_by_a_stolen_session(site: Site) -> None:
    newcomer("lee")
    stolen = site.as_("lee")
    for _ in range(10):
        stolen.post("/me/password", 422, old="guess", password="another password", again="another password")
    stolen.post("/me/password", 429, old=PASSWORD, password="another password", again="another password")


@pytest.mark.parametrize(
    ("channel", "to", "why"),
    [
        ("nope", "x", "unknown channel"),
        ("inbox", "x", "unknown channel"),
        ("hook", "x\r\nBcc: y", "line break"),
        ("hook", "x\ty", "line break"),
        ("hook", "x" * 9000, "9000 characters"),
    ],
    ids=str,
)
def test_a_contact_that_reaches_nobody_is_refused(site: Site, channel: str, to: str, why: str) -> None:
    invitation("cy")
    cy = site.as_("cy")
    assert why in cy.post("/me/contacts", 422, **{"channel.1": channel, "to.1": to}).text
    assert "9000" not in cy.get("/me")
    cy.post("/me/contacts", **{"channel.1": "hook", "to.1": "phone"})


def test_twenty_contacts_are_enough(site: Site) -> None:
    invitation("cy")
    many = {f"{what}.{n}": f"c{n}" for n in range(30) for what in ("channel", "to")}
    assert "at most 20" in site.as_("cy").post("/me/contacts", 422, **many).text


def test_keys_of_another_secret_key_are_not_shown_and_break_no_page(site: Site) -> None:
    from sqlalchemy import text

    from app.db import transaction

    root = site.as_("root")
    root.post("/admin/integrations", name="old", kind="generic")
    with transaction() as db:
        db.execute(text("update integration_key set sealed = 'gAAAAAsealed-with-another-key'"))
    assert "rotate the key to get a new URL" in root.get("/admin")
    found = requests.get(site.url + "/api/v1/integrations", headers=token("root"), timeout=9).json()
    assert [(one["name"], one["key"], one["url"]) for one in found["items"]] == [("old", "", "")]


@pytest.mark.parametrize("name", ["a%2Fb", "a%3Fb", "%22%3Cb%3E", "gr%C3%B6%C3%9Fe", "a%20b"])
def test_a_runbook_that_does_not_exist_is_said_by_its_name(ada: Site, name: str) -> None:
    assert "not found" in ada.get(f"/runbooks/{name}", 404)


def test_names_that_nobody_has_cost_no_work_and_take_as_long(site: Site) -> None:
    import time
    from statistics import median

    newcomer("tim")
    site.get("/login")
    site.post("/login", 422, login="tim", password="wrong")
    site.post("/login", 422, login="nobody", password="wrong")

    def cost(login: str) -> tuple[float, float]:
        """Seconds that passed, and those that the processor worked: the server is in this process."""
        began, worked = time.perf_counter(), time.process_time()
        site.post("/login", 422, login=login, password="wrong")
        return time.perf_counter() - began, time.process_time() - worked

    unknown = [cost(f"nobody-{n}") for n in range(8)]
    known = [cost("tim") for _ in range(8)]
    assert median(work for _, work in unknown) < median(work for _, work in known) / 2
    assert 0.1 < median(passed for passed, _ in unknown) / median(passed for passed, _ in known) < 10


def test_nobody_waits_behind_a_flood_of_names_that_nobody_has(site: Site) -> None:
    from concurrent.futures import ThreadPoolExecutor

    password("ada")

    def flood(n: int) -> None:
        other = Site(site.url)
        other.get("/login")
        for m in range(5):
            other.post("/login", 422, login=f"nobody-{n}-{m}", password="wrong")

    with ThreadPoolExecutor(20) as pool:
        floods = [pool.submit(flood, n) for n in range(20)]
        assert logged_in(site, "ada").get("/me")
        for one in floods:
            one.result()


def test_an_expired_session_shows_what_was_typed_and_leads_back(ada: Site) -> None:
    number = raise_alert("disk full")
    ada.session.cookies.clear()
    answer = ada.session.post(
        f"{ada.url}/incidents/{number}/note",
        data={"csrf": "x", "text": "the disk of host a <b>"},
        headers={"Origin": ada.url, "Referer": f"{ada.url}/incidents/{number}?all=true"},
        allow_redirects=False,
        timeout=9,
    )
    assert answer.status_code == 401
    assert "Session expired" in answer.text
    assert "the disk of host a &lt;b&gt;" in answer.text
    assert f'href="/login?back=%2Fincidents%2F{number}%3Fall%3Dtrue"' in answer.text


@pytest.mark.parametrize("referer", ["https://evil.example/x", "", "http://[::1", "//evil.example", "javascript:alert(1)"])
def test_a_strangers_page_is_never_led_back_to(ada: Site, referer: str) -> None:
    ada.session.cookies.clear()
    headers = {"Origin": ada.url, "Referer": referer, "HX-Current-URL": referer}
    answer = ada.session.post(f"{ada.url}/theme", data={"csrf": "x"}, headers=headers, allow_redirects=False, timeout=9)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    headers["HX-Request"] = "true"
    answer = ada.session.post(f"{ada.url}/theme", data={"csrf": "x"}, headers=headers, allow_redirects=False, timeout=9)
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login")
