"""What is right but worth a look is one warning; what is planned is "not active yet"."""

from typing import Any

import pytest

from app.configfile.load import compile
from tests.configfile.words import BASE, Sections, configuration, with_

Thing = dict[str, Any]  # a check or a rule as the files write it
STEP = {"steps": [{"page": "user:ada"}]}
LAYER = {"name": "all", "users": ["ada"], "every": "1d", "handoff": "09:00", "start": "2026-11-02"}


def warned(**sections: Any) -> list[str]:
    loaded = configuration(**sections)
    assert loaded.errors == ()
    return [one.message for one in loaded.warnings]


def test_nothing_is_said_of_what_is_whole() -> None:
    assert warned() == []


@pytest.mark.parametrize(
    "sections, message",
    [
        ({"policies": {**BASE["policies"], "spare": STEP}}, 'policy "spare" is unused: no route uses it'),
        ({"schedules": {"spare": {"layers": [LAYER]}}}, 'schedule "spare" is unused: no policy pages it'),
        (
            {"channels": {**BASE["channels"], "spare": BASE["channels"]["hook"]}},
            'channel "spare" is unused: no contact and no policy uses it',
        ),
        ({"platform": None}, "platform.owners is not set: no pages would be sent once escalation is exhausted"),
        ({"platform": {"owners": []}}, "platform.owners is empty: no pages would be sent once escalation is exhausted"),
        (
            {"routes": [{"policy": "usual"}, {"match": "a=b", "policy": "usual"}, {"policy": "usual"}]},
            "route 2 is unreachable: route 1 matches everything",
        ),
        (
            with_("checks", "up", timeout="20s", every="10s"),
            'timeout of check "up" is longer than every: a slow run delays the next one',
        ),
        (with_("checks", "up", service=None), 'check "up" has no service: its alerts have no service and no team'),
        (with_("checks", "up", hold="1m"), 'hold of check "up" is not active yet (waiting before the incident opens)'),
        (with_("rules", "slow", flapping="off"), 'flapping of rule "slow" is not active yet (flapping of its own)'),
        ({"flapping": "off"}, '"flapping" is not active yet'),
        ({"status_pages": {"shop": {"any": ["field"]}}}, '"status_pages" is not active yet'),
        ({"enrichment": {"region": {}}}, '"enrichment" is not active yet'),
        ({"correlate": {"deploys": {"within": "10m"}}}, '"correlate" is not active yet'),
        ({"maintenance": {"backup": {"rrule": "FREQ=DAILY"}}}, '"maintenance" is not active yet'),
        ({"inhibit": [{"when": "a=b", "mute": "c=d"}]}, '"inhibit" is not active yet'),
    ],
)
def test_a_gap_is_one_warning(sections: Sections, message: str) -> None:
    assert warned(**sections) == [message]


def test_routes_and_policies_that_are_missing_are_said_when_something_alerts() -> None:
    assert 'check "up" can alert, but there are no routes: no pages would be sent' in warned(routes=None)
    nobody = [one.message for one in configuration(policies=None).warnings]  # beside the error about the routes
    assert 'check "up" can alert, but there are no policies: no pages would be sent' in nobody
    quiet = {**BASE["checks"]["up"], "alert": "off"}
    assert warned(routes=None, policies=None, rules=None, checks={"up": quiet}) == []


def test_services_in_a_cycle_are_named_once() -> None:
    arrows = {"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a", "d"]}
    cycle = {name: {"depends_on": names} for name, names in arrows.items()}
    assert [one for one in warned(services={**BASE["services"], **cycle}) if "cycle" in one] == [
        "services depend on each other in a cycle (a -> b -> c -> a); none of them is suppressed",
        "services depend on each other in a cycle (d -> d); none of them is suppressed",
    ]


def test_a_mail_channel_without_an_address_is_named_where_it_is_paged() -> None:
    mail = {"kind": "email", "host": "127.0.0.1", "port": 25, "sender": "t@example.org"}
    policies = {"usual": {"steps": [{"page": "channel:mail"}]}}
    with_mail = {**BASE["channels"], "mail": mail}
    assert warned(channels=with_mail, policies=policies) == [
        'policy "usual" pages channel "mail", which has no "to": its pages cannot be sent'
    ]
    assert warned(channels={**with_mail, "mail": {**mail, "to": "x@example.org"}}, policies=policies) == []


@pytest.mark.parametrize(
    "contacts,words",
    [
        ({"mail": "nobody"}, 'contact "mail" of user "ada": \'nobody\' is not a mail address'),
        ({"home": {"channel": "mail", "to": "a@b.example, c@d.example"}}, 'contact "home" of user "ada": '),
        ({"mail": "ada@-ü.example"}, "'-ü.example' is not a domain"),
        ({"mail": "ada@bücher.example"}, None),
        ({"home": {"channel": "mail", "to": "jörg@example.com"}, "hook": "anything"}, None),
    ],
)
def test_a_contact_that_is_no_mail_address_is_worth_a_word(
    contacts: dict[str, str | dict[str, str]], words: str | None
) -> None:
    mail = {"kind": "email", "host": "127.0.0.1", "sender": "t@example.org"}
    users = {**BASE["users"], "ada": {"contacts": {"hook": "a", **contacts}}}
    found = warned(channels={**BASE["channels"], "mail": mail}, users=users)
    assert len(found) == (words is not None)
    assert words is None or all(words in one for one in found)


def test_a_planned_kind_is_accepted_with_a_warning_and_stored_apart() -> None:
    thing = {"kind": "slack", "token": "x"}
    loaded = configuration(channels={**BASE["channels"], "later": thing})
    assert loaded.errors == ()
    assert any("is not active yet" in one.message for one in loaded.warnings)
    assert loaded.config is not None
    stored = {(one.kind, one.name): one.spec for one in compile(loaded.config)}
    assert ("channel", "later") not in stored
    assert stored["planned", "channel:later"].items() >= thing.items()


def test_a_summary_whose_template_is_broken_is_worth_a_word_and_no_mistake() -> None:
    loaded = configuration(**with_("rules", "slow", summary="{{ value | rond(2) }}"))
    assert loaded.errors == ()
    (warning,) = [one.message for one in loaded.warnings]
    assert warning.startswith('summary of rule "slow": unknown filter "rond"')


@pytest.mark.parametrize(
    "summary,why",
    [
        ("{{ vlaue }}", 'unknown name "vlaue"; use one of value, check, rule, because, labels'),
        ("{{ value.__class__ }}", "only labels have parts, as in labels.host"),
        ("{{ 'a' * 300000000 }}", "arithmetic needs numbers"),
        ("{% for x in labels %}{% endfor %}", "a summary cannot contain for; use values, filters and if"),
    ],
)
def test_a_summary_that_could_only_give_nonsense_is_worth_a_word(summary: str, why: str) -> None:
    (warning,) = [one.message for one in configuration(**with_("rules", "slow", summary=summary)).warnings]
    assert why in warning


def test_a_composite_over_a_check_that_never_alerts_is_a_mistake() -> None:
    both = {"kind": "composite", "when": "slow and check:up"}
    loaded = configuration(rules={**BASE["rules"], "both": both}, **with_("checks", "up", alert="off"))
    assert [one.message for one in loaded.errors] == [
        'rule "both" refers to check:up, but check "up" has alert: off; use a rule over that check'
    ]


def test_a_composite_names_rules_that_exist_and_does_not_depend_on_itself() -> None:
    rules = {
        **BASE["rules"],
        "one": {"kind": "composite", "when": "slwo or two"},
        "two": {"kind": "composite", "when": "not one"},
    }
    assert [one.message for one in configuration(rules=rules).errors] == [
        "composite rules refer to each other in a cycle: one -> two -> one",
        'unknown rule "slwo" in rule "one" (did you mean "slow"?)',
    ]


SQL = {"probe": "business.sql", "service": "web", "with": {"url": "postgresql://u@127.0.0.1/d", "query": "select 1 as n"}}
JSON = {"probe": "business.http_json", "service": "web", "with": {"url": "http://127.0.0.1/", "metrics": {"orders": "$.n"}}}
PAGE = {"probe": "performance.scrape", "service": "web", "with": {"url": "http://127.0.0.1/", "metrics": ["jobs_total"]}}
ASKED = {"probe": "business.promql", "service": "web", "with": {"url": "http://127.0.0.1/", "query": "up", "metric": "live"}}
PLUGIN = {"probe": "health.nagios", "service": "web", "with": {"command": "/bin/true"}}


@pytest.mark.parametrize(
    ("check", "metric", "near"),
    [
        (None, "secnds", "seconds"),
        (None, "Seconds", "seconds"),
        (None, "temperature", None),
        (JSON, "ordres", "orders"),
        (PAGE, "jobs_per_secnd", "jobs_per_second"),
        (PAGE, "job_total", "jobs_total"),
        (ASKED, "value", None),
    ],
)
def test_a_metric_that_the_probe_does_not_give_is_named_with_the_nearest(
    check: Thing | None, metric: str, near: str | None
) -> None:
    checks = {"up": check or BASE["checks"]["up"]}
    told = f'rule "slow" reads {metric}, which probe {checks["up"]["probe"]} of check "up" does not report'
    found = warned(checks=checks, **with_("rules", "slow", metric=metric))
    assert found == [told + (f' (did you mean "{near}"?)' if near else "")]


@pytest.mark.parametrize(
    ("check", "metric"),
    [
        (None, "seconds"),
        (SQL, "anything"),
        (PLUGIN, "anything"),
        (JSON, "orders"),
        (JSON, "seconds"),
        (PAGE, "jobs_per_second"),
        (PAGE, "jobs_total"),
        (PAGE, "jobs_p95"),
        (ASKED, "live"),
    ],
)
def test_a_metric_that_the_probe_may_give_is_no_gap(check: Thing | None, metric: str) -> None:
    assert warned(checks={"up": check or BASE["checks"]["up"]}, **with_("rules", "slow", metric=metric)) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "change", "rises": "10%"},
        {"kind": "forecast", "above": 1},
        {"kind": "anomaly"},
        {"kind": "absence"},
        {"kind": "burn_rate", "objective": "99%"},
    ],
)
def test_every_kind_that_reads_a_metric_is_held_to_it(rule: Thing) -> None:
    found = warned(rules={"slow": {"check": "up", "metric": "secnds", **rule}})
    assert found == ['rule "slow" reads secnds, which probe health.tcp of check "up" does not report (did you mean "seconds"?)']


def test_a_probe_that_cannot_be_read_or_does_not_tell_invents_no_gap() -> None:
    loaded = configuration(checks={"up": {"probe": "health.tcp", "with": {"prot": 1}}}, **with_("rules", "slow", metric="x"))
    assert not any("does not report" in str(one) for one in (*loaded.errors, *loaded.warnings) if "check" not in one.message)
