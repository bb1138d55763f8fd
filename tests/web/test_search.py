"""One search finds everything: incidents by number, words and labels, and whatever the configuration names."""

import re

import pytest

from tests.web.conftest import Site, raise_alert


def test_a_number_leads_to_its_incident(ada: Site) -> None:
    number = raise_alert("disk full")
    answer = ada.session.get(f"{ada.url}/search", params={"q": f"#{number}"}, allow_redirects=False, timeout=9)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/incidents/{number}")
    assert "Nothing found" in ada.get("/search?q=%23999")


@pytest.mark.parametrize(
    "q, kind, link",
    [
        ("shop", "Services", "/services/shop"),
        ("web", "Checks", "/checks/web"),
        ("health.tcp", "Checks", "/checks/web"),
        ("slow", "Rules", "/rules/slow"),
        ("primary", "Schedules", "/oncall#primary"),
        ("ADA", "People and teams", "/users/ada"),
        ("shop", "People and teams", "/teams/shop"),
        ("down the", "Runbooks", "/runbooks/shop-down"),
        ('probe="health.tcp"', "Checks", "/checks/web"),
        ('kind=~"thresh.*"', "Rules", "/rules/slow"),
    ],
)
def test_what_the_configuration_names_is_found(ada: Site, q: str, kind: str, link: str) -> None:
    page = ada.get("/search", params={"q": q})
    assert f">{kind}</h2>" in page
    assert f'href="{link}"' in page


@pytest.mark.parametrize("q", ['region!="eu"', 'region!~"eu"', 'region=""', 'region=~".*"'])
def test_what_has_no_such_label_is_not_found_by_it(ada: Site, q: str) -> None:
    assert "Nothing found" in ada.get("/search", params={"q": q})


def test_incidents_are_found_by_words_in_any_order_and_by_labels_of_their_alerts(ada: Site) -> None:
    number = raise_alert("disk full on host a", labels={"region": "eu"})
    other = raise_alert("latency", service="db", labels={"region": "us"})
    for q in ("full disk", 'region="eu"', "eu disk"):
        page = ada.get("/search", params={"q": q})
        assert f'id="i{number}"' in page, q
        assert f'id="i{other}"' not in page, q


def test_an_error_in_the_search_stands_beside_it(ada: Site) -> None:
    page = ada.get("/search", params={"q": 'a=~"("'})
    assert "is not a regular expression" in page
    assert 'value="a=~&#34;(&#34;"' in page
    assert "Finds incidents by number" in ada.get("/search")


LISTS = {
    "services": ["shop", 'team="shop"', 'state=~".*"', 'tier!="critical"', "zzz"],
    "checks": ["web", "tcp health", 'probe=~"health.*"', 'service="shop"', "zzz"],
    "rules": ["slow", 'mode="shadow"', 'owner="shop"', 'kind!="status"', "threshold web", "zzz"],
    "users": ["ada", 'role="responder"', 'team="shop"', 'on_call=~".+"', "Ada responder", "zzz"],
}


def named(page: str, kind: str) -> set[str]:
    """What of this kind a page links to."""
    return set(re.findall(rf'href="/{kind}/([^"/?#]+)"', page)) - {"try"}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_and_the_search_of_everything_find_the_same(ada: Site, kind: str) -> None:
    for q in LISTS[kind]:
        listed, found = (named(ada.get(path, params={"q": q}), kind) for path in (f"/{kind}", "/search"))
        assert listed == found, q
        assert bool(found) is (q != "zzz"), q


@pytest.mark.parametrize("kind", LISTS)
def test_an_error_in_a_filter_stands_beside_it_and_what_was_typed_stays(ada: Site, kind: str) -> None:
    page = ada.get(f"/{kind}", params={"q": 'name=~"("'})
    assert 'aria-describedby="filter-error"' in page
    assert "is not a regular expression" in page
    assert 'value="name=~&#34;(&#34;"' in page
