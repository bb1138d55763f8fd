"""What is mine: inbox, contacts, tokens, test of the pager; checks by hand; the stream of news."""

import re
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from sqlalchemy import text

from app import measure as prober
from app.db import transaction
from app.people.store import audited
from tests.stack import until
from tests.web.conftest import Site, deliver_inbox, measure, raise_alert

LISTENERS = "from pg_stat_activity where query like '%as of when it listens' and datname = current_database()"


def _local(site: Site) -> Site:
    from app.db import transaction
    from app.people.model import SYSTEM, Role
    from app.people.service import invite

    with transaction() as db:
        invite(db, "cy", Role.RESPONDER, "Cy", SYSTEM, datetime.now(UTC))
    return site.as_("cy")


def test_my_inbox_counts_what_i_have_not_read(site: Site) -> None:
    raise_alert("disk full", service="db")
    deliver_inbox()
    ada = site.as_("ada")
    page = ada.get("/me")
    assert "disk full" in page
    assert "1 unread" in page
    assert 'aria-label="Acknowledge #1"' in page
    ada.post("/incidents/1/acknowledge")
    assert 'aria-label="Acknowledge #1"' not in ada.get("/me")
    ada.post("/me/seen")
    assert "unread" not in ada.get("/me")


def test_contacts_are_mine_to_change_unless_a_file_has_them(site: Site, ada: Site) -> None:
    assert "Managed in the configuration" in ada.get("/me")
    assert "change the contacts there" in ada.post("/me/contacts", 409, **{"channel.1": "hook", "to.1": "x"}).text
    cy = _local(site)
    cy.post("/me/contacts", **{"channel.1": "hook", "to.1": "cy-phone", "channel.2": "", "to.2": "x", "channel.x": "y"})
    page = cy.get("/me")
    assert 'value="cy-phone"' in page
    cy.post("/me/test")
    assert "test via hook" in cy.get("/me")
    cy.post("/me/contacts", **{"channel.1": "hook", "to.1": ""})
    assert 'value="cy-phone"' not in cy.get("/me")


def test_a_token_is_shown_once_and_dies_when_revoked(ada: Site) -> None:
    page = ada.post("/me/tokens", 200, name="<b>ci</b>").text
    secret = re.search(r"tocsin_[\w.-]+", page)
    assert secret is not None
    bearer = {"Authorization": f"Bearer {secret[0]}"}
    assert requests.get(ada.url + "/api/v1/incidents", headers=bearer, timeout=9).status_code == 200
    page = ada.get("/me")
    assert secret[0] not in page
    assert "&lt;b&gt;ci&lt;/b&gt;" in page
    token = re.search(r'action="/me/tokens/(\w+)/revoke"', page)
    assert token is not None
    ada.post(f"/me/tokens/{token[1]}/revoke")
    assert requests.get(ada.url + "/api/v1/incidents", headers=bearer, timeout=9).status_code == 401
    ada.post(f"/me/tokens/{token[1]}/revoke", 404)


def test_the_theme_is_chosen_without_javascript(ada: Site) -> None:
    ada.post("/theme", theme="dark", back="/me")
    assert 'data-theme="dark"' in ada.get("/me")
    ada.post("/theme", theme="")
    assert "data-theme=" not in ada.get("/me").replace("data-themes", "")


def work_once() -> None:
    """Do what a worker does with the first run that somebody asks for."""

    def asked() -> tuple[str, str] | None:
        with transaction() as db:
            row = db.execute(text("select batch, check_name from check_run where done_at is null")).one_or_none()
            return (row.batch, row.check_name) if row else None

    batch, name = until(asked, 10)
    prober.check([name], batch)


def test_a_check_is_run_now_and_its_answer_stands_on_the_next_page(ada: Site) -> None:
    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(work_once)
        ada.post("/checks/web/run", back="/checks")
        worker.result(10)
    assert "web is critical: 127.0.0.1:9 " in ada.toast()


def test_a_check_is_paused_and_resumed(site: Site) -> None:
    measure("web", [0.1, 0.2, 0.3])
    editor = site.as_("ed")
    editor.post("/checks/web/pause", back="/checks/web")
    assert "paused" in editor.get("/checks")
    assert "Resume" in editor.get("/checks/web")
    editor.post("/checks/web/resume")
    editor.post("/checks/nope/pause", 404)
    assert 'class="spark"' in editor.get("/checks")
    assert "No checks match" in editor.get('/checks?q=status="critical"')


def test_whoever_is_on_call_hands_over_in_two_taps_and_takes_it_back(site: Site) -> None:
    from app.db import transaction
    from app.oncall import service as oncall
    from app.web import frame

    with transaction() as db:
        on = oncall.who(db, datetime.now(UTC))["primary"]
    (holder,) = on.users
    other = site.as_({"ada": "bo", "bo": "ada"}[holder])
    mine = site.as_(holder)
    assert "/oncall/hand-over" not in other.get("/")
    for path in ("/", "/oncall"):
        page = mine.get(path)
        form = page[page.index("/oncall/hand-over") :].partition("</form>")[0]
        logins = re.findall(r'name="user" value="(\w+)"', form)
        assert logins[0] == {"ada": "bo", "bo": "ada"}[holder], "team mates first"
        assert "free" in form
        assert 'value="shift">end of my shift' in form
        assert '#override" hx-boost="false"' in form, "On call has styles of its own, in its head"
    mine.post("/oncall/hand-over", 422, schedule="primary", user=logins[0], until="never")
    other.post("/oncall/hand-over", 403, schedule="primary", user="ed", until="1h")
    assert (
        mine.post("/oncall/hand-over", schedule="primary", user=logins[0], until="shift", back="/").headers["location"] == "/"
    )
    toast = mine.toast()
    assert f"{logins[0]} is on call in primary until" in toast
    undo = re.search(r'action="(/oncall/overrides/\d+/remove)"', toast)
    assert undo
    with transaction() as db:
        after = oncall.who(db, datetime.now(UTC))["primary"]
    assert after.users == (logins[0],)
    frame.invalidate()
    assert "/oncall/hand-over" not in mine.get("/")
    at = undo[1].removesuffix("/remove")
    shown = mine.get(f"/oncall?override={at.rpartition('/')[2]}").partition(f'action="{at}"')[2]
    start, end = re.findall(r'type="datetime-local" name="(?:start|end)" value="([^"]+)"', shown)
    same = {"schedule": "primary", "user": logins[0], "start": start, "reason": "hand-over"}
    mine.post(at, **same, end=end)
    assert not audited_edits(at)
    mine.post(at, **same, end=f"{datetime.fromisoformat(end) - timedelta(minutes=1):%Y-%m-%dT%H:%M}")
    (edited,) = audited_edits(at)
    assert set(edited["before"]) == {"end"}, "it began with seconds, which the form does not show"
    mine.post(undo[1], back="/")
    with transaction() as db:
        assert oncall.who(db, datetime.now(UTC))["primary"].users == (holder,)


def audited_edits(at: str) -> list[Mapping[str, Any]]:
    """What was changed of the override at this address."""
    with transaction() as db:
        return [one.detail for one in audited(db, object_=f"override:{at.rpartition('/')[2]}", action="oncall.edit", limit=9)]


def test_an_override_in_the_hour_that_comes_twice_stays_where_it_is_when_its_reason_changes(site: Site) -> None:
    from app.actions import pager
    from app.oncall import store
    from app.people.model import Actor, Role

    start, end = datetime(2027, 10, 31, 1, 30, tzinfo=UTC), datetime(2027, 10, 31, 1, 45, tzinfo=UTC)  # 02:30 in Paris, again
    with transaction() as db:
        made = pager.override(db, "primary", "bo", start, end, "", Actor("ed", Role.EDITOR, "api"), datetime.now(UTC))
    editor = site.as_("ed")
    span = _span(editor.get(f"/oncall?override={made.id}"))
    editor.post(f"/oncall/overrides/{made.id}", schedule="primary", user="bo", reason="parents", **span)
    with transaction() as db:
        (after,) = store.overlapping(db, start, end, "primary")
    assert (after.start, after.end, after.reason) == (start, end, "parents")


def _span(page: str) -> dict[str, str]:
    """The times in the form of an override."""
    return dict(re.findall(r'name="(start|end)" value="([^"]+)"', page))


def test_whoever_is_not_on_call_takes_over_in_two_taps(site: Site) -> None:
    from app.db import transaction
    from app.oncall import service as oncall
    from app.web import frame

    with transaction() as db:
        (holder,) = oncall.who(db, datetime.now(UTC))["primary"].users
    other = {"ada": "bo", "bo": "ada"}[holder]
    mine, viewer = site.as_(other), site.as_("vi")
    assert "/oncall/take-over" not in site.as_(holder).get("/oncall")
    assert "/oncall/take-over" not in viewer.get("/oncall")
    page = mine.get("/oncall")
    form = page[page.index("/oncall/take-over") :].partition("</form>")[0]
    assert re.findall(r'name="until" value="(\w+)"', form) == ["1h", "2h", "4h", "morning", "shift"]
    mine.post("/oncall/take-over", 422, schedule="primary", until="never")
    viewer.post("/oncall/take-over", 403, schedule="primary", until="2h")
    mine.post("/oncall/take-over", schedule="primary", until="2h")
    assert "You are on call in primary until" in mine.toast()
    with transaction() as db:
        on = oncall.who(db, datetime.now(UTC))["primary"]
    assert on.users == (other,)
    assert on.until is not None
    assert abs(on.until - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=5)
    frame.invalidate()
    assert "/oncall/take-over" not in mine.get("/oncall")


def test_an_override_is_shown_and_taken_back_by_its_owner_only(site: Site, ada: Site) -> None:
    now = datetime.now(UTC)
    ada.post(
        "/oncall/override",
        schedule="primary",
        user="ada",
        start=f"{now:%Y-%m-%d}T00:00",
        end=f"{now.year + 1}-01-01T00:00",
        reason="swap",
    )
    page = ada.get("/oncall")
    assert 'class="bar override mine final"' in page
    found = re.search(r'action="/oncall/overrides/(\d+)/remove"', page)
    assert found is not None
    bo = site.as_("bo")
    assert "/remove" not in bo.get("/oncall")
    bo.post(f"/oncall/overrides/{found[1]}/remove", 403)
    form = ada.get(f"/oncall?override={found[1]}")
    assert "Edit override" in form
    assert 'value="swap"' in form
    span = {"schedule": "primary", "user": "ada", "start": f"{now:%Y-%m-%d}T00:00", "end": f"{now.year + 1}-02-01T00:00"}
    ada.post(f"/oncall/overrides/{found[1]}", reason="longer", **span)
    bo.post(f"/oncall/overrides/{found[1]}", 403, reason="mine", **span)
    assert ": longer" in ada.get("/oncall")
    ada.get("/oncall?override=999", 404)
    ada.post(f"/oncall/overrides/{found[1]}/remove")
    ada.post(f"/oncall/overrides/{found[1]}/remove", 403)
    ada.post("/oncall/override", 422, schedule="primary", user="ada", start="2030-01-02T00:00", end="2030-01-01T00:00")
    ada.post("/oncall/override", 404, schedule="nope", user="ada", start="2030-01-01T00:00", end="2030-01-02T00:00")


def test_news_reach_an_open_page_also_after_the_database_was_away(ada: Site, engine: object) -> None:
    from sqlalchemy import text

    from app.db import transaction

    ear = _Ear(ada)
    until(lambda: _listeners() == 1)
    raise_alert("disk full")
    until(lambda: "event: incidents" in ear.heard)
    with transaction() as db:
        db.execute(text(f"select pg_terminate_backend(pid) {LISTENERS}"))
    ear.heard.clear()
    until(lambda: {"event: incidents", "event: checks", "event: pages"} <= set(ear.heard))
    ear.close()
    Site(ada.url).get("/live", 303)


class _Ear:
    """An open page's stream; what it says, line by line."""

    def __init__(self, site: Site) -> None:
        self.heard: list[str] = []
        where = urlsplit(site.url)
        self._socket = socket.create_connection((where.hostname or "", where.port or 0), timeout=20)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in site.session.cookies)
        self._socket.sendall(f"GET /live HTTP/1.1\r\nHost: {where.netloc}\r\nCookie: {cookies}\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with self._socket.makefile(encoding="utf-8") as lines:
            for line in lines:
                self.heard.append(line.strip())

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()


def _listeners() -> int:
    from sqlalchemy import text

    from app.db import transaction

    with transaction() as db:
        query = f"select count(*) {LISTENERS}"
        return int(db.execute(text(query)).scalar_one())


def test_who_was_invited_sets_time_zone_rules_and_quiet_hours_and_sees_how_a_page_would_reach_them(site: Site) -> None:
    cy = _local(site)
    cy.post("/me/contacts", **{"channel.1": "hook", "to.1": "cy-phone"})
    typed = {
        "timezone": "Europe/Paris", "high.contact.0": "hook", "high.after.0": "", "high.contact.1": "inbox",
        "high.after.1": "2m", "low.contact.0": "hook", "quiet.from": "22:00", "quiet.to": "07:00",
    }  # fmt: skip

    def reach(page: str) -> str:
        found = re.search(r'id="reach">(.*?)</div>', page, re.DOTALL)
        assert found is not None
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", found[1]))

    usual = reach(cy.get("/me"))
    tried = cy.post("/me/settings", 200, **typed, preview="1").text
    assert "A critical page at 03:00 (Europe/Paris) would reach you via hook at once, inbox after 2m" in reach(tried)
    assert "(quiet hours)" in reach(tried)
    assert 'value="2m"' in tried
    assert reach(cy.get("/me")) == usual, "a preview saves nothing"
    for _ in range(2):
        cy.post("/me/settings", **typed)
    with transaction() as db:
        (line,) = audited(db, object_="user:cy", action="user.settings", limit=9)
    assert set(line.detail["after"]) == {"timezone", "notify", "quiet_hours"}
    assert reach(cy.get("/me")) == reach(tried)
    wrong = cy.post("/me/settings", 422, **{**typed, "timezone": "Europe/Pari"}).text
    assert "did you mean &#34;Europe/Paris&#34;?" in wrong
    assert 'value="Europe/Pari"' in wrong
    assert reach(cy.get("/me")) == reach(tried)
    for bad in ({"high.after.1": "soon"}, {"quiet.to": ""}, {"low.contact.0": "nope"}):
        cy.post("/me/settings", 422, **{**typed, **bad})
    cy.post("/me/settings")
    assert reach(cy.get("/me")) == usual
    assert "changed the notification settings of" in site.as_("root").get("/admin/audit")


def test_who_is_declared_reads_their_settings_and_where_they_are_written(ada: Site) -> None:
    page = ada.get("/me")
    assert "would reach you" in page
    assert 'action="/me/settings"' not in page
    assert "change <code>timezone:</code>" in page
    assert "managed in the configuration" in ada.post("/me/settings", 409, timezone="UTC").text
