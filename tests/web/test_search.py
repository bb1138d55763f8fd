"""One search finds everything: incidents by number, words and labels, and whatever the configuration names."""

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
