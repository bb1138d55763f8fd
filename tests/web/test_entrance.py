"""Getting in, staying out: passwords, invitations, foreign forms, roles."""

import html
from datetime import UTC, datetime

import pytest
import requests

from tests.web.conftest import PASSWORD, Site, incident, raise_alert


def _password(login: str) -> None:
    from app.db import transaction
    from app.people.model import SYSTEM
    from app.people.service import set_password

    with transaction() as db:
        set_password(db, login, PASSWORD, SYSTEM, datetime.now(UTC))


def test_whoever_is_not_logged_in_is_asked_to_and_then_goes_on_where_he_wanted(site: Site) -> None:
    _password("ada")
    asked = site.session.get(site.url + "/incidents?state=all", allow_redirects=False)
    assert asked.status_code == 303
    assert asked.headers["location"] == "/login?back=%2Fincidents%3Fstate%3Dall"
    site.get(asked.headers["location"])
    entered = site.post("/login", login="ada", password=PASSWORD, back="/incidents?state=all")
    assert entered.headers["location"] == "/incidents?state=all"
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Ada" in site.get("/")
    site.post("/logout")
    site.get("/", 303)


def test_a_wrong_password_says_so_keeps_the_login_and_stops_being_counted_in_words(site: Site) -> None:
    site.get("/login")
    page = site.post("/login", 422, login="nobody<b>", password="x").text
    assert "Incorrect login or password" in page
    assert 'value="nobody&lt;b&gt;"' in page
    for _ in range(9):
        site.post("/login", 422, login="nobody<b>", password="x")
    page = site.post("/login", 429, login="nobody<b>", password="x").text
    assert "Too many login attempts for this account; retry in" in page


def test_a_password_change_ends_every_other_session(site: Site) -> None:
    _password("ada")
    here, elsewhere = site.as_("ada"), site.as_("ada")
    here.post("/me/password", 422, old="wrong", password="another password", again="another password")
    here.post("/me/password", 422, old=PASSWORD, password="short", again="short")
    here.post("/me/password", old=PASSWORD, password="another password", again="another password")
    here.get("/me")
    elsewhere.get("/me", 303)


def test_an_invitation_works_once(site: Site) -> None:
    made = site.as_("root").post("/admin/invite", 200, login="cy", role="responder", name="Cy").text
    path = "/invite/" + made.split("/invite/")[1].split("<")[0]
    assert "Welcome, cy" in site.get(path)
    assert "do not match" in site.post(path, 422, password="a long password", again="another one").text
    site.post(path, password="a long password", again="a long password")
    assert "Cy" in site.get("/me")
    assert "already used" in Site(site.url).get(path, 409)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=["another site", "no origin", "another port", "cross-site", "same-site"],
)
def test_a_form_from_elsewhere_does_nothing(ada: Site, headers: dict[str, str]) -> None:
    number = raise_alert("disk full")
    assert "from another site" in ada.sending(headers).post(f"/incidents/{number}/acknowledge", 403).text
    assert incident(number).state == "triggered"


def test_a_form_without_its_token_or_with_anothers_does_nothing(site: Site, ada: Site) -> None:
    number = raise_alert("disk full")
    for token in ("", "0" * 32, site.as_("bo").token(), "é"):
        ada.post(f"/incidents/{number}/acknowledge", 403, csrf=token)
    silent = requests.post(
        f"{ada.url}/incidents/{number}/acknowledge", data={"csrf": ada.token()}, cookies=ada.session.cookies, timeout=10
    )
    assert silent.status_code == 403
    assert incident(number).state == "triggered"


def test_a_login_cannot_be_forced_on_somebody(site: Site) -> None:
    _password("ada")
    Site(site.url).post("/login", 403, login="ada", password=PASSWORD)
    site.get("/login")
    site.sending({"Origin": "https://evil.example"}).post("/login", 403, login="ada", password=PASSWORD)


def test_a_forged_session_is_nobody(site: Site) -> None:
    from app.web.guard import cookie_name

    for value in ("x", "WyJyb290IiwwXQ.aaaa.bbbb", site.as_("ada").session.cookies.values()[0][1:]):
        site.session.cookies.set(cookie_name("session"), value)
        site.get("/admin", 303)


def test_a_form_is_small(ada: Site) -> None:
    number = raise_alert("disk full")
    ada.post(f"/incidents/{number}/note", 413, text="x" * 300_000)


def test_viewers_read_everything_and_change_nothing(site: Site) -> None:
    number = raise_alert("disk full")
    viewer = site.as_("vi")
    page = viewer.get(f"/incidents/{number}")
    assert "disk full" in page
    assert "/acknowledge" not in page
    for path in (f"/incidents/{number}/acknowledge", f"/incidents/{number}/note", "/checks/web/run", "/checks/web/pause"):
        assert "requires role" in viewer.post(path, 403, text="x").text
    assert incident(number).state == "triggered"


def test_each_role_may_what_it_may(site: Site, ada: Site) -> None:
    editor, admin = site.as_("ed"), site.as_("root")
    span = {"schedule": "primary", "start": "2030-01-08T10:00", "end": "2030-01-08T12:00"}  # in a shift of bo
    ada.post("/oncall/override", user="ada", **span)
    ada.post("/oncall/override", 403, user="bo", **span)
    editor.post("/oncall/override", user="bo", **span)
    assert "viewer" in editor.post("/oncall/override", 422, user="vi", **span).text
    ada.post("/checks/web/pause", 403)
    editor.post("/checks/web/pause")
    ada.post("/admin/integrations", 403, name="prometheus", kind="generic")
    editor.post("/admin/integrations", name="prometheus", kind="generic")
    editor.post("/admin/integrations", 409, name="prometheus", kind="generic")
    editor.post("/admin/invite", 403, login="cy", role="viewer")
    assert "/in/" in editor.get("/admin")
    assert "/in/" not in ada.get("/admin").replace("/incidents", "")
    admin.post("/admin/integrations/prometheus/rotate")
    admin.post("/admin/invite", 422, login="a b", role="viewer")


@pytest.mark.parametrize("login", ["..", ".hidden", "<b>", "a b", "a/b", "a:b", "ada\nbo", "-x", "x" * 129, "é" * 129])
def test_a_login_that_no_address_could_hold_is_not_invited(site: Site, login: str) -> None:
    page = site.as_("root").post("/admin/invite", 422, login=login, role="viewer")
    assert "is not a valid login; use letters, digits, dots and dashes, a letter or digit first" in html.unescape(page.text)


@pytest.mark.parametrize("login", ["zoe", "j.doe", "o-neil", "x_1", "é", "7of9"])
def test_any_other_login_is(site: Site, login: str) -> None:
    assert "/invite/" in site.as_("root").post("/admin/invite", 200, login=login, role="viewer").text
