"""`tocsin analytics`: the figures of the API, and the same in lines."""

from tests.cli.conftest import Tocsin
from tests.web.conftest import raise_alert


def test_the_command_has_the_figures_of_the_api(tocsin: Tocsin) -> None:
    from app import clock
    from app.db import transaction
    from app.review.analytics import service
    from app.review.analytics.calendar import asked
    from app.review.analytics.model import Filter
    from app.review.analytics.present import present

    raise_alert("disk full")
    raise_alert("lag", service="db")
    said = tocsin("analytics", "--days", "7", "--service", "shop", "--json")
    assert said.status == 0
    with transaction() as db:
        within = asked(7, None, None, service.default_zone(db), clock.now(db))
        wanted = present(service.analytics(db, within, Filter(service="shop")))
    assert said.json["total"] == wanted["total"]
    assert (said.json["total"]["incidents"], said.json["service"]) == (1, "shop")


def test_it_says_what_alerts_page_and_what_is_not_acknowledged(tocsin: Tocsin) -> None:
    raise_alert("disk full")
    said = tocsin("analytics")
    assert said.status == 0
    assert "30 days; in parentheses: the period before" in said.out
    assert "incidents: 1 (0), needed no action 0 (0)" in said.out
    assert "time to acknowledge: none of 1 incident yet" in said.out
    assert "disk full  integration test" in said.out
    assert "SERVICE  PAGES" in said.out
    assert "USER" not in said.out


def test_an_empty_range_has_no_lists(tocsin: Tocsin) -> None:
    said = tocsin("analytics", "--team", "shop", "--user", "ada", "--days", "1")
    assert "1 day;" in said.out
    assert "ALERT" not in said.out


def test_a_number_of_days_that_cannot_be_is_refused(tocsin: Tocsin) -> None:
    assert tocsin("analytics", "--days", "0").status == 2
