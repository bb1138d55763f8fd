"""Checks, on its pages: graphs of every series, baselines to accept, excused results, and what each rule says."""

import json
import re
from urllib.parse import quote

import pytest

from tests.web.conftest import Site, raise_alert, stored
from tests.web.watching import SOURCES, configure, results, watch_all


@pytest.fixture
def watched(site: Site) -> Site:
    """A viewer's browser, on a database where everything is watched."""
    return watch_all(site).as_("vi")


def _series(source: str) -> str:
    return json.dumps({"source": source}, separators=(",", ":"))


@pytest.mark.parametrize("span", ["1h", "6h", "1d", "7d", "30d", "nonsense"])
def test_a_check_is_drawn_over_every_span(watched: Site, span: str) -> None:
    page = watched.get(f"/checks/web?span={span}")
    assert 'class="line l0" d="M' in page
    assert "threshold 1 s (slow)" in page
    assert "clears at 500 ms (slow)" in page
    assert 'class="firing"' in page


def test_slices_of_many_samples_have_a_ribbon_from_lowest_to_highest_and_single_ones_none(watched: Site) -> None:
    assert 'class="ribbon"' in watched.get("/checks/web?span=7d&metric=seconds")
    assert 'class="ribbon"' not in watched.get("/checks/web?span=1h&metric=seconds")
    assert "Not enough samples" in watched.get("/checks/web?span=1y")  # of hours: a year has slices of a day


def test_a_metric_with_label_sets_shows_those_that_stand_out_and_each_can_be_chosen(watched: Site) -> None:
    page = watched.get("/checks/logins?metric=failed&span=1h")
    assert page.count('class="line l') == 6 * 2  # the line, and its place in the legend
    assert "and 3 more series" in page
    assert page.count("<option") == len(SOURCES) + 2
    one = watched.get(f"/checks/logins?metric=failed&span=1h&series={quote(_series(SOURCES[2]))}")
    assert one.count('class="line l') == 1
    assert f'<option value="{stored(_series(SOURCES[2])).replace("&quot;", "&#34;")}" selected>' in one
    assert watched.get("/checks/logins?metric=failed&series=nonsense").count('class="line l') == 12


def test_metrics_that_come_in_label_sets_only_have_a_tab(site: Site) -> None:
    from app.checks.probe import Series

    configure()
    results("logins", 5, lambda n: {"metrics": {"lines": 1.0}, "series": (Series("by_user", float(n), {"user": "<b>"}),)})
    page = site.as_("vi").get("/checks/logins?metric=by_user&span=1h")
    assert "?metric=by_user" in page
    assert "user &lt;b&gt;" in page or 'class="line l0"' in page


def test_pending_is_shaded_apart_from_firing() -> None:
    from datetime import UTC, datetime, timedelta

    from app.rules.model import Change, RuleState
    from app.web.trouble import pending

    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    at = [noon + timedelta(minutes=n) for n in range(5)]
    said = [
        Change(series="{}", at=at[0], state=RuleState.PENDING),
        Change(series='{"a":"b"}', at=at[1], state=RuleState.PENDING),
        Change(series="{}", at=at[2], state=RuleState.FIRING),
        Change(series="{}", at=at[3], state=RuleState.OK),
    ]
    assert pending(said, at[4]) == [(at[0], at[2]), (at[1], at[4])]
    assert pending(said, at[4], '{"a":"c"}') == [(at[0], at[2])]


def test_what_the_prober_is_to_blame_for_is_told_apart(watched: Site) -> None:
    from datetime import UTC, datetime

    from app.checks.prober import store as prober
    from app.db import transaction

    page = watched.get("/checks/far?span=1h")
    assert page.count("prober offline</span>") == 3  # the check, and two of its three results
    assert "offline since" not in page
    with transaction() as db:
        prober.went_off(db, "eu-west", {"a:443": False}, datetime.now(UTC))
    assert "Prober eu-west offline since" in watched.get("/checks/far")
    assert "is cut off" not in watched.get("/checks/web")
    assert "offline</span>" in watched.get("/checks")


def test_a_baseline_shows_what_differs_and_an_editor_accepts_it(watched: Site, site: Site) -> None:
    page = watched.get("/checks/ports")
    shown = re.findall(r'<li class="(\w+)">.*?<code>(.*?)</code>(.*?)</span></li>', page)
    assert [(kind, thing) for kind, thing, _ in shown] == [("added", "tcp/8080"), ("gone", "tcp/22"), ("changed", "tcp/443")]
    assert "<del>open</del>" in shown[2][2]
    assert "<ins>filtered</ins>" in shown[2][2]
    assert "Accept as baseline" not in page
    editor = site.as_("ed")
    seen = re.search(r'name="seen" value="(\w+)"', editor.get("/checks/ports"))
    assert seen is not None
    site.as_("ada").post("/checks/ports/baseline", 403, seen=seen[1])
    results("ports", 1, lambda _: {"observed": {"tcp/80": "open"}}, step=0.1)
    editor.post("/checks/ports/baseline", 409, seen=seen[1])  # it saw something else since
    fresh = re.search(r'name="seen" value="(\w+)"', editor.get("/checks/ports"))
    assert fresh is not None
    editor.post("/checks/ports/baseline", seen=fresh[1], back="/checks/ports")
    page = editor.get("/checks/ports")
    assert "No differences." in page
    assert "by ed" in page
    assert "Accept as baseline" not in page
    assert "accepted the baseline of check" in site.as_("root").get("/admin/audit")


def test_a_check_without_a_baseline_has_no_card_for_one(watched: Site) -> None:
    assert 'id="baseline"' not in watched.get("/checks/web")


def test_no_secret_of_a_check_is_shown(watched: Site) -> None:
    page = watched.get("/checks/api")
    assert "***" in page
    assert "-secret" not in page


def test_a_rule_shows_its_limit_its_series_and_its_alerts(watched: Site) -> None:
    page = watched.get("/rules/slow?span=1d")
    assert "threshold 1 s (slow)" in page
    assert "shadow mode: no pages" in page
    assert "owner: shop" in page
    assert 'class="chip ru-firing"' in page
    assert 'class="chip al-firing"' in page
    assert 'class="firing"' in page
    page = watched.get("/rules/guessing")
    assert "review overdue since 2026-01-31" in page
    assert page.index("source 192.0.2.47") < page.index("source 10.0.0.1")
    assert "source 192.0.2.47</a>" not in page
    assert "source 192.0.2.45: last failed" in page
    assert page.count("/rules/guessing?span=6h&amp;series=") >= len(SOURCES)


def test_a_burn_rate_rule_shows_what_is_left_and_every_pair_of_windows(watched: Site) -> None:
    page = watched.get("/rules/budget")
    assert "of the 30d budget left" in page
    assert re.search(r"<td>1h and 5m<td class=\"num\">\d", page)
    assert '<td class="num">14.4×' in page
    assert "learning: needs 3d of data" in page
    assert "for context" not in page
    assert "Burn rate over 1h and 5m</b>" in page
    assert "threshold 14.4×</span>" in page
    assert "Error budget left over 30d</b>" in page
    assert '"seconds' not in page, "the latency is drawn on the page of the check"


def test_a_composite_shows_how_its_members_stand(watched: Site) -> None:
    page = watched.get("/rules/both")
    assert "<code>slow and not guessing</code>" in page
    assert '<a href="/rules/slow">' in page
    assert '<a href="/rules/guessing">' in page


def test_rules_are_reached_from_the_list_the_check_and_the_incident(watched: Site) -> None:
    assert 'href="/rules/slow"' in watched.get("/rules")
    page = watched.get("/checks/ports")
    assert 'href="/rules/check%3Aports"' in page
    assert "fires when K of the last N" in watched.get("/rules/check%3Aports").lower().replace("k of", "K of").replace(
        "last n", "last N"
    )
    number = raise_alert("slow again", source="rule:slow", check="web", alertname="slow", severity="critical")
    assert 'href="/rules/slow"' in watched.get(f"/incidents/{number}")
    watched.get("/rules/nope", 404)


def test_where_a_rule_expected_the_values_is_drawn(watched: Site) -> None:
    from datetime import UTC, datetime, timedelta

    from sqlalchemy import insert

    from app.db import transaction
    from app.rules.table import band

    now = datetime.now(UTC)
    rows = [
        {"rule": "slow", "series": "{}", "at": now - timedelta(minutes=n), "low": 0.1, "expected": 0.3, "high": 0.6}
        for n in range(60)
    ]
    with transaction() as db:
        db.execute(insert(band), rows)
    assert 'class="expected"' in watched.get("/checks/web?span=1h")
    assert "expected range" in watched.get("/rules/slow?span=1h")
