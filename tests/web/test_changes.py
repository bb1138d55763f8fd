"""Beside an incident stands what was changed shortly before and touches it, and nothing else."""

import html
import re
from datetime import UTC, datetime

import pytest

from tests.web.conftest import CONFIGURATION, Site, raise_alert

ROUTE = "  - {match: 'service=\"shop\"', policy: shop}"
OTHERS = {
    "of another service": ("db: {}", "db: {tier: low}"),
    "of nobody": ("ed: {role: editor}", "ed: {role: editor, name: Ed}"),
    "of another policy": ('rest: {steps: [{page: "user:ada"}]}', 'rest: {steps: [{page: "user:bo"}]}'),
    "of a route that its alerts do not match": (ROUTE, ROUTE + "\n  - {match: 'service=\"db\"', policy: rest}"),
}
ITS_OWN = {
    "service": (
        "shop: {team: shop,",
        "shop: {tier: critical, team: shop,",
        "service shop changed (tier: (not set) → critical)",
    ),
    "check": ("every: 1m", "every: 30s", "check web changed (every: 1m → 30s)"),
    "rule": ("above: 1,", "above: 0.9,", "rule slow changed (above: 1.0 → 0.9)"),
    "policy": ("wait: 5m", "wait: 6m", "policy shop changed (steps[0].wait: 5m → 6m)"),
    "route": (ROUTE, f"  - {{match: 'check=\"web\"', policy: shop}}\n{ROUTE}", "route 1 added"),
    "urgency of its route": (ROUTE, ROUTE.replace("}", ", urgency: low}"), "route 1 changed (urgency: (not set) → low)"),
}


def put(text: str) -> None:
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM

    found = load_texts({"all.yaml": text, "runbooks/shop-down.md": "# The shop is down\n"}, {})
    assert found.errors == (), found.errors
    with transaction() as db:
        apply(db, found, SYSTEM, datetime.now(UTC))


def beside(site: Site) -> str:
    """What an incident that opens now says was changed."""
    return said_of(site, raise_alert("slow", check="web", source="rule:slow"))


def said_of(site: Site, number: int) -> str:
    found = re.search(r'<p class="note">.*?Recent change: (.*?)</p>', site.get(f"/incidents/{number}"))
    return html.unescape(found[1]) if found else ""


@pytest.mark.parametrize("before, after, said", ITS_OWN.values(), ids=list(ITS_OWN))
def test_a_change_of_its_own_stands_beside_an_incident(ada: Site, before: str, after: str, said: str) -> None:
    assert before in CONFIGURATION
    put(CONFIGURATION.replace(before, after, 1))
    found = beside(ada)
    assert re.match(r"configuration version \d+ applied by system ", found)
    assert found.endswith(f"before this incident opened: {said}.")


@pytest.mark.parametrize("before, after", OTHERS.values(), ids=list(OTHERS))
def test_a_change_of_others_does_not(ada: Site, before: str, after: str) -> None:
    assert before in CONFIGURATION
    put(CONFIGURATION.replace(before, after, 1))
    assert beside(ada) == ""


def test_the_first_version_is_no_change(ada: Site) -> None:
    assert beside(ada) == ""


def test_a_version_that_touches_it_is_named_though_later_ones_do_not(ada: Site) -> None:
    put(CONFIGURATION.replace("every: 1m", "every: 30s", 1))
    put(CONFIGURATION.replace("every: 1m", "every: 30s", 1).replace("db: {}", "db: {tier: low}"))
    assert "check web changed" in beside(ada)


def test_a_change_after_it_opened_is_not_its_cause(ada: Site) -> None:
    number = raise_alert("slow", check="web", source="rule:slow")
    put(CONFIGURATION.replace("every: 1m", "every: 30s", 1))
    assert said_of(ada, number) == ""
