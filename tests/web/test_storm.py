"""A storm: the worst is on top whatever its age, everything is found and counted, and many are acted on at once."""

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from tests.web.conftest import CONFIGURATION, RUNBOOK, Site, begin, incident, raise_alert

MANY = 600
GROUPED = "grouping: [{by: [region, service]}]\n"


@pytest.fixture
def storm(clean: None, engine: Engine, server: str) -> Site:
    """Six hundred warnings that came after three criticals, one of them acknowledged; of ten services."""
    return begin(engine, "storm", Site(server), _fill).as_("ada")


def _fill(site: Site) -> None:
    from app import line
    from app.alerts import service as alerts
    from app.catalog.model import Severity
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM
    from app.signals.model import Signal, SignalStatus

    found = load_texts({"all.yaml": CONFIGURATION + GROUPED, "runbooks/shop-down.md": RUNBOOK}, {})
    with transaction() as db:
        apply(db, found, SYSTEM, datetime.now(UTC))
    for n in (1, 2, 3):
        raise_alert(f"critical {n}", service=f"vital-{n}", severity="critical")
    signals = [
        Signal(
            "integration:test",
            f"w{n}",
            SignalStatus.FIRING,
            f"warning {n}",
            Severity.WARNING,
            service=f"s{n % 10}",
            labels={"region": f"r{n}"},
        )
        for n in range(MANY)
    ]
    with transaction() as db:
        alerts.accept(db, signals, datetime.now(UTC))
    while line.dedup():
        pass
    site.as_("ada").post("/incidents/1/acknowledge")


def numbers(page: str) -> list[int]:
    """The incidents of a page, in its order."""
    return [int(one) for one in re.findall(r'id="i(\d+)"', page)]


def test_the_worst_is_on_top_however_many_came_after_it(storm: Site) -> None:
    home = storm.get("/")
    assert numbers(home)[:3] == [2, 3, 1], "unacknowledged before acknowledged"
    assert len(numbers(home)) == 20
    assert "All 603 open incidents" in home
    listed = storm.get("/incidents")
    assert numbers(listed)[:3] == [2, 3, 1]
    assert "603 open incidents" in listed


def test_every_incident_is_on_some_page(storm: Site) -> None:
    path, found = "/incidents?sort=oldest", []
    while path:
        page = storm.get(path)
        found += numbers(page)
        following = re.search(r'<a class="button" href="([^"]+)">next page</a>', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert found == sorted(set(found))
    assert len(found) == MANY + 3


def test_a_label_that_only_the_oldest_alert_has_is_found(storm: Site) -> None:
    for query in ('region="r0"', 'region=~"r0|r0x"', "warning r0", "s0 r0"):
        page = storm.get("/incidents", params={"q": query})
        assert [incident(number).title for number in numbers(page)][:1] == ["warning 0"], query
    assert "1 open incident match." in storm.get("/incidents", params={"q": 'region="r0"'})


def test_what_is_announced_is_what_came_since(storm: Site) -> None:
    home = storm.get("/")
    assert " new</b>" not in storm.get(f"/?{live(home)}"), "those that do not fit the page are not new"
    newest = raise_alert("another", service="vital-9", severity="error")
    page = storm.get(f"/?{live(home)}")
    assert "<b>1 new</b>: error · another" in page
    assert numbers(page) == numbers(home)
    assert newest in numbers(storm.get("/"))


def live(page: str) -> str:
    """What the page's live refresh adds to its address."""
    return "&".join(
        f"{name}={value}" for name, value in re.findall(r'name="(known|seen|since|following)" value="([\d.]+)"', page)
    )


def following(site: Site, page: str) -> list[int]:
    """The incidents of the page after this one."""
    found = re.search(r'<a class="button" href="([^"]+)">next page</a>', page)
    return numbers(site.get(found[1].replace("&amp;", "&"))) if found else []


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_acting_on_a_whole_page_loses_no_other(storm: Site, action: str) -> None:
    page = storm.get("/incidents")
    behind = following(storm, page)
    assert len(behind) == 50
    picked(storm, action, *numbers(page))
    refreshed = storm.get(f"/incidents?{live(page)}")
    assert numbers(refreshed) == numbers(page)
    assert following(storm, refreshed) == behind
    home = storm.get("/")
    picked(storm, "resolve", *numbers(home))
    assert "open incidents</a>" in storm.get(f"/?{live(home)}")


def test_a_page_past_the_last_says_so(storm: Site) -> None:
    page = storm.get("/incidents?state=all&sort=newest&after=1")
    assert "No more incidents." in page
    assert "tocsin send" not in page


def test_an_old_one_that_is_back_is_announced_where_the_list_is_whole(ada: Site) -> None:
    old, other = raise_alert("old", service="a"), raise_alert("other", service="b")
    ada.post(f"/incidents/{old}/resolve")
    page = ada.get("/")
    assert numbers(page) == [other]
    ada.post(f"/incidents/{old}/reopen")
    refreshed = ada.get(f"/?{live(page)}")
    assert re.search(rf"data-show>[^\n]*<b>#{old} is open again</b>: error · old", refreshed)
    assert " new</b>" not in refreshed
    assert numbers(refreshed) == [other]


def test_an_old_one_of_another_page_that_is_back_is_announced_and_no_row_moves(storm: Site) -> None:
    first, second, third = numbers(storm.get("/incidents"))[5], *following(storm, storm.get("/incidents"))[:2]
    picked(storm, "resolve", first, second, third)
    page = storm.get("/incidents")
    assert "open again" not in storm.get(f"/incidents?{live(page)}")
    storm.post(f"/incidents/{third}/reopen")
    refreshed = storm.get(f"/incidents?{live(page)}")
    assert f"<b>#{third} is open again</b>: warning · {incident(third).title} <u>Show</u>" in refreshed
    assert f'<a class="waiting" href="/incidents/{third}">' in refreshed
    assert " new</b>" not in refreshed
    assert numbers(refreshed) == numbers(page)
    storm.post(f"/incidents/{second}/reopen")
    raise_alert("another", service="vital-9", severity="error")
    refreshed = storm.get(f"/incidents?{live(page)}")
    assert f"<b>#{second} and 1 more are open again</b>" in refreshed
    assert "<b>1 new</b>: error · another" in refreshed
    assert numbers(refreshed) == numbers(page)
    for address in ("/incidents", "/incidents?sort=oldest", "/"):
        assert "open again" not in storm.get(f"{address}{'&' if '?' in address else '?'}{live(storm.get(address))}")


def test_the_storm_is_summed_up_by_service(storm: Site) -> None:
    page = storm.get("/incidents")
    services = re.search(r'<nav class="services".*?</nav>', page, re.DOTALL)
    assert services is not None
    assert re.findall(r"service=(s\d)", services[0]) == [f"s{n}" for n in range(8)]
    assert "<b>60</b>" in services[0]
    assert "and 5 more services" in services[0], "two of several incidents, and the three of one each"
    assert '<nav class="services"' not in storm.get("/incidents?service=s1")


def picked(site: Site, action: str, *chosen: int, **more: str) -> str:
    site.post(f"/incidents/bulk/{action}", number=[str(one) for one in chosen], back="/incidents", **more)
    return site.toast()


def test_many_are_acknowledged_at_once_and_the_toast_takes_it_back(storm: Site) -> None:
    toast = picked(storm, "acknowledge", 2, 3, 4)
    assert "3 incidents acknowledged" in toast
    assert [incident(number).acknowledged_by for number in (2, 3, 4)] == ["ada"] * 3
    undo = re.search(r'action="(/incidents/bulk/unacknowledge[^"]*)"', toast)
    assert undo is not None
    storm.post(undo[1].replace("&amp;", "&"))
    assert [incident(number).state for number in (2, 3, 4)] == ["triggered"] * 3


def test_one_that_has_changed_holds_up_no_other(storm: Site) -> None:
    storm.post("/incidents/3/resolve")
    assert "2 incidents acknowledged; 1 unchanged" in picked(storm, "acknowledge", 2, 3, 4)
    toast = picked(storm, "resolve", 2, 3, 4)
    assert "2 incidents resolved; 1 unchanged" in toast
    undo = re.search(r'action="(/incidents/bulk/undo-resolve[^"]*)"', toast)
    assert undo is not None
    storm.post(undo[1].replace("&amp;", "&"))
    assert "2 incidents reopened, acknowledged as before" in storm.toast()
    assert [incident(number).state for number in (2, 3, 4)] == ["acknowledged", "resolved", "acknowledged"]
    picked(storm, "resolve", 2, 4)
    assert "2 incidents reopened; escalation restarts" in picked(storm, "reopen", 2, 4)
    assert "2 incidents snoozed" in picked(storm, "snooze", 2, 4, **{"for": "15m"})
    assert all(incident(number).snoozed_until for number in (2, 4))


def test_an_undo_takes_back_nothing_that_was_there_before(storm: Site) -> None:
    """Number 1 is acknowledged already."""
    toast = picked(storm, "acknowledge", 1, 2)
    assert "1 incident acknowledged; 1 unchanged" in toast
    assert re.findall(r"number=(\d+)", toast) == ["2"]
    toast = picked(storm, "snooze", 1, 2, 3, **{"for": "1h"})
    assert "3 incidents snoozed" in toast
    assert "<button" not in toast
    assert "Undo" in picked(storm, "snooze", 4, 5, **{"for": "1h"})
    for action, said in (("acknowledge", "#1 is acknowledged"), ("snooze", "#1 is snoozed")):
        storm.post(f"/incidents/1/{action}", **{"for": "1h"})
        toast = storm.toast()
        assert said in toast
        assert "<button" not in toast
    storm.post("/incidents/6/acknowledge")
    assert "Undo" in storm.toast()


def test_what_cannot_be_had_holds_up_no_other(storm: Site) -> None:
    """One that somebody holds, and one that is not there."""
    from app.db import transaction
    from app.incidents import store

    with transaction() as db:
        store.lock(db, [3])
        assert "2 incidents acknowledged; 2 unchanged" in picked(storm, "acknowledge", 2, 3, 4, 9999)
    assert "2 incidents unchanged" in picked(storm, "merge", 2, 4, 9999, 9998)


def test_the_others_are_merged_into_the_oldest(storm: Site) -> None:
    assert "Merged into #4" in picked(storm, "merge", 6, 5, 4)
    assert [incident(number).merged_into for number in (5, 6)] == [4, 4]
    assert incident(4).alert_count == 3


@pytest.mark.parametrize(
    "action, chosen, status",
    [("acknowledge", (), 422), ("resolve", tuple(range(1, 102)), 422), ("merge", (2,), 422), ("explode", (2,), 404)],
    ids=str,
)
def test_what_cannot_be_done_says_so(storm: Site, action: str, chosen: tuple[int, ...], status: int) -> None:
    storm.post(f"/incidents/bulk/{action}", status, number=[str(one) for one in chosen])


def test_a_viewer_selects_nothing_and_acts_on_nothing(storm: Site) -> None:
    viewer = storm.as_("vi")
    assert "data-pick" not in viewer.get("/incidents")
    viewer.post("/incidents/bulk/acknowledge", 403, number=["2"])
    assert incident(2).state == "triggered"


def test_mine_and_my_teams(storm: Site) -> None:
    mine = raise_alert("of the shop", service="shop")
    assert numbers(storm.get("/incidents?view=teams")) == [mine]
    assert 1 in numbers(storm.get("/incidents?view=mine")), "acknowledged by her"
    assert "No incidents match" in storm.as_("ed").get("/incidents?view=mine")


def test_links_in_a_list_lead_away_and_enter_in_a_box_acts_on_nothing(storm: Site) -> None:
    page = storm.get("/incidents")
    form = re.search(r'<form class="list"[^>]*>', page)
    assert form is not None
    assert 'hx-disinherit="*"' in form[0], "what the form says of its answers is not said of its links"
    first = re.search(r"<button[^>]*>", page[form.end() :])
    assert first is not None
    assert "disabled" in first[0], "the button that Enter would press"
