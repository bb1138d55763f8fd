"""A plan names every difference once, field by field, shows no secret, and says whom it pages differently."""

from typing import Any

import pytest

from app.configfile.diff import diff
from app.configfile.impact import retired, whom
from tests.configfile.words import BASE, Sections, declared, with_, without

FIRST, SECOND = {"page": "team:shop", "wait": "10m"}, {"page": ["user:dee", "channel:hook"]}
SILENT = "no longer pages; its open alerts are resolved without a notification"
OTHERS = 'team "shop" (paged by policy "usual") reaches different people'


def changes(**sections: Any) -> list[str]:
    return [str(change) for change in diff(declared(), declared(**sections))]


def words(**sections: Any) -> list[str]:
    after = declared(**sections)
    return whom(diff(declared(), after), after)


def test_the_same_configuration_changes_nothing() -> None:
    assert changes() == []
    assert words() == []


@pytest.mark.parametrize(
    "sections, line",
    [
        (with_("checks", "up", every="30s"), '~ check "up": every: (not set) -> 30s'),
        (with_("checks", "up", **{"with": {"host": "web", "port": 81}}), '~ check "up": with.port: 80 -> 81'),
        (with_("teams", "shop", members=["bo"]), '~ team "shop": members: ada, bo -> bo'),
        (with_("users", "cy"), '+ user "cy"'),
        (without("rules", "slow"), '- rule "slow"'),
        ({"platform": {"owners": ["user:ada"]}}, "~ platform: owners: user:dee -> user:ada"),
        ({"defaults": {"timezone": "Europe/Paris"}}, "+ defaults"),
    ],
)
def test_a_difference_is_one_line(sections: Sections, line: str) -> None:
    assert changes(**sections) == [line]


def test_a_changed_secret_is_said_and_not_shown() -> None:
    hook = BASE["channels"]["hook"]
    url = "http://u:hunter2@127.0.0.1:9/"
    lines = changes(channels={"hook": {**hook, "secret": "new-secret", "url": url}})
    assert lines == ['~ channel "hook": url: http://127.0.0.1:9/ -> http://***@127.0.0.1:9/; secret: changed']
    after = declared(channels={"hook": {**hook, "secret": "new-secret"}})
    assert "secret" not in str([change.record()["detail"].replace("secret: changed", "") for change in diff(declared(), after)])


def test_a_route_put_in_front_is_one_addition() -> None:
    added = {"match": ['team="db"'], "policy": "usual"}
    assert changes(routes=[added, *BASE["routes"]]) == ['+ route 1: match: team="db"; policy: usual']


def test_the_order_of_contacts_counts() -> None:
    twice = {"hook": "a", "second": {"channel": "hook", "to": "b"}}
    before = declared(users={**BASE["users"], "ada": {"contacts": twice}})
    after = declared(users={**BASE["users"], "ada": {"contacts": dict(reversed(twice.items()))}})
    assert [str(change) for change in diff(before, after)] == ['~ user "ada": order changed']
    assert whom(diff(before, after), after) == ["ada is notified differently: order changed"]


@pytest.mark.parametrize(
    "sections, sentence",
    [
        (
            {"policies": {"usual": {"steps": [FIRST, SECOND], "repeat": 1}}},
            'policy "usual" pages team:shop, after 10m user:dee and channel:hook, 2 times; after 5m platform.owners;'
            " before: team:shop; after 5m platform.owners",
        ),
        (with_("teams", "shop", members=["bo"]), f"{OTHERS}: members: ada, bo -> bo"),
        (with_("users", "ada", contacts={}), "ada is notified differently: contacts.hook: a -> (not set)"),
        ({"platform": {"owners": ["user:ada"]}}, "platform.owners, paged when escalation is exhausted: user:ada"),
        (without("rules", "slow"), f'rule "slow" {SILENT}'),
        (with_("checks", "up", alert="off"), f'check "up" {SILENT}'),
        (with_("rules", "slow", above=2), 'rule "slow" is evaluated differently: above: 1.0 -> 2.0'),
        (with_("rules", "new", **BASE["rules"]["slow"]), 'rule "new" can alert'),
    ],
)
def test_what_a_change_means_for_paging_is_said_in_words(sections: Sections, sentence: str) -> None:
    assert words(**sections) == [sentence]


def test_a_changed_route_says_where_its_alerts_go() -> None:
    spare = {**BASE["policies"], "spare": {"steps": [{"page": "user:bo"}]}}
    first, last = BASE["routes"]
    said = words(policies=spare, routes=[{**first, "policy": "spare", "urgency": "low"}, last])
    assert 'alerts that match team="shop" go to policy "spare" (low urgency) instead of policy "usual"' in said


def test_what_has_no_say_in_paging_is_not_spoken_of() -> None:
    assert words(**with_("services", "web", description="the shop")) == []
    assert words(**with_("users", "ada", name="Ada")) == []


@pytest.mark.parametrize(
    "sections, sources",
    [
        (with_("checks", "up", alert="off"), ["check:up"]),
        (with_("checks", "up", alert={"severity": "critical"}), []),
        (with_("rules", "slow", mode="shadow"), ["rule:slow"]),
        (without("rules", "slow"), ["rule:slow"]),
        ({"checks": {}, "rules": {}}, ["check:up", "rule:slow"]),
    ],
)
def test_the_alerts_of_what_falls_silent_are_retired(sections: Sections, sources: list[str]) -> None:
    assert retired(diff(declared(), declared(**sections))) == sources
    assert retired(diff(declared(**sections), declared(**sections))) == []
