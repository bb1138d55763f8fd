"""The audit log: who did what to which thing and when, found by each of them, with what changed."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from app.db import transaction
from app.people import audit
from app.people.model import SYSTEM, Actor, Role
from tests.web.conftest import CONFIGURATION, RUNBOOK, Site

ADA, ROOT = Actor("ada", Role.RESPONDER, "console"), Actor("root", Role.ADMIN, "cli")
LINES: tuple[tuple[Actor, str, str, dict[str, object]], ...] = (
    (ADA, "incident.acknowledged", "incident:42", {}),
    (ADA, "user.contacts", "user:ada", {"contacts": ["hook", "mail"]}),
    (ROOT, "user.invite", "user:cy", {"role": "viewer"}),
    (SYSTEM, "token.make", "user:root", {"name": "<b>x</b>"}),
)


@pytest.fixture
def root(site: Site) -> Site:
    """An admin's browser; the lines above are a day apart, the last one now."""
    with transaction() as db:
        for days, (actor, action, thing, detail) in zip((3, 2, 1, 0), LINES, strict=True):
            audit.record(db, actor, action, thing, detail, datetime.now(UTC) - timedelta(days=days))
    return site.as_("root")


def said(page: str) -> list[str]:
    """The lines of the log."""
    log = page.partition('<ol class="timeline">')[2].partition("</ol>")[0]
    return [" ".join(re.sub(r"<[^>]*>", " ", one).split()) for one in re.split(r'<li class="(?:human|machine|soft)"', log)[1:]]


def day(back: int) -> str:
    """Noon of a day so many days ago, plus a little: as a browser sends it."""
    return f"{datetime.now(UTC) - timedelta(days=back):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("person=ada", ["user ada", "incident #42"]),
        ("person=tocsin:", ["user root", "configuration version"]),
        ("action=user.", ["user cy", "user ada"]),
        ("action=user.invite", ["user cy"]),
        ("thing=incident:42", ["incident #42"]),
        ("thing=incident %2342", ["incident #42"]),
        ("thing=user cy", ["user cy"]),
        ("person=root&action=token.", []),
        ("person=nobody", []),
    ],
)
def test_the_log_is_found_by_person_action_and_thing(root: Site, query: str, found: list[str]) -> None:
    lines = said(root.get(f"/admin/audit?{query}"))
    if not found:
        assert ["No changes match." in one for one in lines] == [True]
    else:
        assert [want in line for want, line in zip(found, lines, strict=True)] == [True] * len(found), lines


def test_the_log_is_found_by_time(root: Site) -> None:
    lines = said(root.get(f"/admin/audit?start={day(2)}Z&end={day(0)}Z&action=user."))
    assert ["user cy" in one or "user ada" in one for one in lines] == [True, True]
    lines = said(root.get(f"/admin/audit?start={day(1)}Z&action=user."))
    assert ["user cy" in one for one in lines] == [True]
    page = root.get("/admin/audit?start=yesterday")
    assert "from: &#34;yesterday&#34; is not a time" in page
    assert 'value="yesterday"' in page


def test_a_line_says_what_changed_and_links_to_its_thing(root: Site) -> None:
    from app.configfile.apply import apply
    from app.configfile.load import load_texts

    changed = CONFIGURATION.replace("every: 1m", "every: 2m")
    with transaction() as db:
        apply(db, load_texts({"all.yaml": changed, "runbooks/shop-down.md": RUNBOOK}, {}), ROOT, datetime.now(UTC))
    page = root.get("/admin/audit?person=root&action=config.")
    (line,) = said(page)
    assert "1 change ~ check web every: 1m → 2m" in line
    page = root.get("/admin/audit")
    assert 'href="/incidents/42"' in page
    assert 'href="/users/cy"' in page
    assert any("contacts: hook, mail" in one for one in said(page))
    assert "name: &lt;b&gt;x&lt;/b&gt;" in page


def test_a_long_log_is_read_page_by_page_under_the_same_filter(root: Site) -> None:
    with transaction() as db:
        for n in range(120):
            audit.record(db, ADA, "check.run", f"check:c{n}", {}, datetime.now(UTC))
    page, seen = root.get("/admin/audit?action=check."), list[str]()
    for _ in range(3):
        seen += re.findall(r'href="/checks/(c\d+)"', page)
        older = re.search(r'href="(/admin/audit\?[^"]*before=\d+)"', page)
        page = root.get(older[1].replace("&amp;", "&")) if older else ""
    assert seen == [f"c{n}" for n in reversed(range(120))]


def test_everybody_may_read_the_log(root: Site) -> None:
    assert any("invited user cy" in one for one in said(root.as_("vi").get("/admin/audit")))


def test_contacts_are_logged_as_they_were_and_as_they_became(root: Site) -> None:
    root.post("/admin/invite", 200, login="dot", role="responder")
    dot = root.as_("dot")
    dot.post("/me/contacts", **{"channel.1": "hook", "to.1": "dot"})
    dot.post("/me/contacts", **{"channel.1": "hook", "to.1": ""})
    dot.post("/me/contacts", **{"channel.1": "hook", "to.1": ""})  # nothing changes
    last, first = said(root.get("/admin/audit?thing=user:dot&action=user.contacts"))
    assert "before: none · contacts: hook" in first
    assert "before: hook · contacts: none" in last
