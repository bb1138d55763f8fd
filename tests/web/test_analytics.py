"""The page of analytics: which alert cost sleep, the same figures as the API, drawings that say their figures in words."""

import html
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.days import Part, axis, draw
from tests.web.conftest import Site, incident, raise_alert

DAY = date(2026, 11, 23)


def words(page: str) -> str:
    main = page[page.index("<main") : page.index("</main>")]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


def page_at(number: int, at: datetime, user: str = "bo", channel: str = "hook") -> None:
    """A page of an incident that a channel accepted then."""
    from sqlalchemy import text

    from app.db import transaction

    row = """insert into page (key, kind, incident, generation, round, step, user_name, contact, channel, state, reasons,
      made_at, due_at, next_at, expires_at, ended_at)
      select count(*)::text || :channel, 'page', :number, 1, 0, 1, :user, :channel, :channel, 'accepted', '[]',
      :at, :at, :at, :at, :at from page"""
    with transaction() as db:
        db.execute(text(row), {"number": number, "user": user, "channel": channel, "at": at})


def recovered(number: int, at: datetime) -> None:
    """Its alerts ended by themselves."""
    from app.db import transaction
    from app.incidents import store
    from app.incidents.lifecycle import resolved

    with transaction() as db:
        store.save_all(db, [resolved(incident(number), None, at)])


@pytest.fixture
def slept(site: Site) -> Site:
    """A night in Paris with a flapping alert that needed no action, and one that ada acknowledged."""
    at = (datetime.now(UTC) - timedelta(days=2)).replace(hour=2, minute=0)
    flapping = raise_alert(
        "flapping disk", age=datetime.now(UTC) - at, source="rule:slow", check="web", labels={"rule": "slow"}
    )
    latency = raise_alert("latency", service="db", age=datetime.now(UTC) - at)
    for _ in range(3):
        page_at(flapping, at)
    page_at(latency, at)
    page_at(latency, at, "ada", "inbox")
    recovered(flapping, at + timedelta(minutes=5))
    site.as_("ada").post(f"/incidents/{latency}/acknowledge")
    return site


def test_the_alert_that_cost_sleep_and_needed_nobody_stands_first(slept: Site) -> None:
    page = slept.as_("vi").get("/analytics")
    said = words(page)
    assert "Alert At night Pages Incidents flapping disk rule slow 3 3 1 of 1" in said
    assert '<a href="/rules/slow"><b>flapping disk</b></a>' in page
    assert "Pages 4 +4 from 0" in said
    assert "Night pages that needed no action 3 +3 from 0" in said
    assert "Incidents that needed no action 1 50 %" in said
    assert "1 not acknowledged" in said
    assert 'aria-label="4 pages in 30 days (4 at night, 0 by day); most on' in page
    assert "days are in Europe/Paris" in said


def test_a_filter_narrows_every_figure_and_stays_in_the_links(slept: Site) -> None:
    ada = slept.as_("ada")
    page = ada.get("/analytics?days=7&service=db")
    said = words(page)
    assert "Pages 1 +1 from 0" in said
    assert "None: someone acknowledged, snoozed or resolved every incident of this time range" in said
    assert "/analytics?days=90&amp;service=db" in page
    assert "<option selected>db</option>" in page
    assert "Pages 3" in words(ada.get("/analytics?team=shop"))
    assert "No pages and no incidents in this time range for ada" in words(ada.get("/analytics?user=ada"))
    assert "<option selected>gone</option>" in ada.get("/analytics?service=gone")


def test_services_teams_and_users_lead_to_theirs(site: Site) -> None:
    ada = site.as_("ada")
    for path, link in (("services/shop", "service=shop"), ("teams/shop", "team=shop"), ("users/bo", "user=bo")):
        assert f'href="/analytics?{link}"' in ada.get(f"/{path}")
    assert '<a href="/analytics" class="wide" aria-current="page">' in ada.get("/analytics?days=7")


def test_an_empty_page_teaches(site: Site) -> None:
    said = words(site.as_("vi").get("/analytics"))
    assert "Send a test alert: tocsin send" in said
    assert "Pages between 22:00 and 07:00 in the time zone of the person who was paged." in said
    site.as_("vi").get("/analytics?days=0", 422)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=100))
def test_bars_fit_and_are_as_high_as_their_counts(counts: list[tuple[int, int]]) -> None:
    days = [DAY + timedelta(days=n) for n in range(len(counts))]
    parts = [Part("a", "one", tuple(a for a, _ in counts)), Part("b", "other", tuple(b for _, b in counts))]
    made = draw("page", days, parts)
    top = axis(max(sum(one) for one in counts))
    assert [line.counts for line in made.table] == counts
    for bar, (a, b) in zip(made.bars, counts, strict=True):
        heights = {block.style: block.height for block in bar.blocks}
        assert heights == pytest.approx({style: 100 * of / top for style, of in (("a", a), ("b", b)) if of})
        assert all(block.y >= -1e-9 and block.y + block.height <= 100 + 1e-9 for block in bar.blocks)
    assert len(made.times) <= 6
    assert all(0 <= label.place < 100 for label in made.times)


@pytest.mark.parametrize("most, top", [(0, 1), (1, 1), (3, 4), (6, 8), (11, 20), (99, 100), (100, 100), (401, 500)])
def test_an_axis_ends_with_a_round_number(most: int, top: int) -> None:
    assert axis(most) == top


def test_a_drawing_says_its_figures_in_words() -> None:
    made = draw("page", [DAY, DAY + timedelta(days=1)], [Part("a", "at night", (0, 2)), Part("b", "by day", (0, 1))])
    assert made.summary == "3 pages in 2 days (2 at night, 1 by day); most on Tue 24 Nov: 3"
    assert [bar.title for bar in made.bars] == ["Mon 23 Nov: 0 pages", "Tue 24 Nov: 3 pages (2 at night, 1 by day)"]
