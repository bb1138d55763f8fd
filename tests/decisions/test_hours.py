"""What hours decide: which route an alert takes, how urgent it is, when its pages go, and when a schedule is needed."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.alerts.label import asked, labels, within
from app.catalog.matcher import parse_matchers
from app.catalog.model import During, Policy, Route, Severity
from app.escalation.ahead import EscalationTerms, ahead
from app.escalation.hold import hold
from app.escalation.model import Due, EscalationState, EscalationStatus
from app.escalation.plan import LastResort, ResolvedTarget
from app.incidents.hours import caught_up, urgency
from app.incidents.route import route
from app.incidents.routing import Routing, with_urgency
from app.oncall.coverage import coverage
from app.oncall.hours import Hours, Timetable
from app.oncall.model import Span
from app.oncall.needs import common, needs
from app.people.model import Urgency
from app.reason import Code, Reason
from app.wording import text, texts
from tests.decisions.words import incident
from tests.oncall.words import PARIS, always, at, schedule

HIGH, LOW = Urgency.HIGH, Urgency.LOW
OFFICE = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "18:00"}
TIMES = Timetable(
    {"office": Hours.model_validate(OFFICE), "late": Hours.model_validate({"from": "12:00", "to": "22:00"})}, PARIS
)
NOON, EVENING, NIGHT = at("2026-11-23 12:00"), at("2026-11-23 20:00"), at("2026-11-23 23:00")
RULE = During.model_validate({"during": "office", "then": "high", "else": "low"})


MATCHERS = {  # a matcher, the hours that are open, whether it holds
    "one open": ('hours="office"', ("office",), True),
    "another open": ('hours="office"', ("late",), False),
    "none open": ('hours="office"', (), False),
    "the first of two": ('hours="office"', ("office", "late"), True),
    "the second of two": ('hours="late"', ("office", "late"), True),
    "both at once, as two matchers": ('hours="office", hours="late"', ("office", "late"), True),
    "both wanted, one open": ('hours="office", hours="late"', ("office",), False),
    "not open": ('hours!="office"', ("late",), True),
    "not, and it is one of two": ('hours!="office"', ("office", "late"), False),
    "not, and none is open": ('hours!="office"', (), True),
    "a pattern fits one of two": ('hours=~"of.*"', ("late", "office"), True),
    "either": ('hours=~"office|night"', ("office",), True),
    "a pattern fits none": ('hours=~"night|day"', ("office", "late"), False),
    "no pattern fits any": ('hours!~"night|day"', ("office", "late"), True),
    "a pattern that must not fit fits one": ('hours!~"of.*"', ("late", "office"), False),
    "closed": ('hours=""', (), True),
    "closed, and one is open": ('hours=""', ("office",), False),
    "anything open": ('hours=~".+"', ("office",), True),
    "anything open, and none is": ('hours=~".+"', (), False),
}  # fmt: skip


@pytest.mark.parametrize(("text", "opened", "expected"), MATCHERS.values(), ids=MATCHERS)
def test_a_matcher_of_hours_sees_every_name(text: str, opened: tuple[str, ...], expected: bool) -> None:
    known = within({"service": "shop", "hours": "sent by somebody"}, opened)
    assert all(one.matches(known) for one in parse_matchers(text)) is expected


def test_other_labels_with_commas_are_one_value() -> None:
    (matcher,) = parse_matchers('zone="a"')
    assert not matcher.matches({"zone": "a,b"})


def test_where_no_hours_are_declared_the_label_is_the_senders() -> None:
    signal = asked({"hours": "9-5"}, Severity.ERROR)
    assert labels(signal, {}, None)["hours"] == "9-5"
    assert "hours" not in labels(signal, {}, ())
    assert labels(signal, {}, ("office", "late"))["hours"] == "office,late"


ROUTES = tuple(
    Route.model_validate(one)
    for one in (
        {"match": 'team="shop", hours="office"', "policy": "day"},
        {"match": 'team="shop"', "policy": "night", "urgency": {"during": "late", "then": "low", "else": "high"}},
        {"policy": "rest", "pages": "office", "urgency": {"during": "office", "then": "high", "else": "low"}},
    )
)
ROUTED = {
    "the team at noon": ("shop", NOON, ("day", HIGH, None)),
    "the team in the evening": ("shop", EVENING, ("night", LOW, None)),
    "the team at night": ("shop", NIGHT, ("night", HIGH, None)),
    "others at noon": ("else", NOON, ("rest", HIGH, "office")),
    "others at night": ("else", NIGHT, ("rest", LOW, "office")),
}


@pytest.mark.parametrize(("team", "when", "expected"), ROUTED.values(), ids=ROUTED)
def test_hours_decide_route_and_urgency(team: str, when: datetime, expected: tuple[str, Urgency, str | None]) -> None:
    found = route(within({"team": team}, TIMES.open_at(when)), Severity.ERROR, ROUTES)
    assert (found.policy, found.urgency, found.hours) == expected


def test_the_reason_names_the_hours() -> None:
    found = route(within({}, TIMES.open_at(NIGHT)), Severity.INFO, ROUTES)
    assert texts(found.reasons) == "route 3 matches everything; low outside office hours"


HURRIED = EscalationState(1, 1, 0, 0, NIGHT, Due.HURRIED, EscalationStatus.RUNNING)
AGAIN = EscalationState(1, 1, 0, 0, NIGHT, Due.AGAIN, EscalationStatus.STOPPED)
SPENT = EscalationState(1, 1, 1, 0, NIGHT, Due.STEP, EscalationStatus.EXHAUSTED)
STEP = EscalationState(1, 1, 0, 0, NIGHT, Due.STEP, EscalationStatus.RUNNING)
HELD = {
    "closed: until they open": ("office", STEP, NIGHT, "held until 09:00 (office hours)"),
    "open: at once": ("office", STEP, NOON, None),
    "no hours: at once": (None, STEP, NIGHT, None),
    "hours that are gone: at once": ("gone", STEP, NIGHT, None),
    "somebody asked for it": ("office", HURRIED, NIGHT, None),
    "an acknowledgement runs out": ("office", AGAIN, NIGHT, None),
    "the owners, too": ("office", SPENT, NIGHT, "held until 09:00 (office hours)"),
    "over a weekend with its day": ("office", STEP, at("2026-11-20 18:00"), "held until Mon 23 Nov 09:00 (office hours)"),
}  # fmt: skip


@pytest.mark.parametrize(("hours", "standing", "now", "expected"), HELD.values(), ids=HELD)
def test_what_waits_and_until_when(hours: str | None, standing: EscalationState, now: datetime, expected: str | None) -> None:
    found = hold(hours, TIMES, standing, now)
    assert (text(found.reason) if found else None) == expected


def test_every_step_to_come_waits_for_its_hours() -> None:
    policy = Policy.model_validate({"steps": [{"page": "user:ada", "wait": "8h"}, {"page": "user:bo", "wait": "1h"}]})
    who = {
        f"user:{name}": ResolvedTarget(f"user:{name}", Reason(Code.USER_NAMED, {"user": name}), (name,))
        for name in ("ada", "bo", "dee")
    }
    terms = EscalationTerms(policy, LastResort(("user:dee",), ()), "office", TIMES)
    steps = list(ahead(terms, STEP, NIGHT, lambda _: who))
    assert [(f"{one.at:%a %H:%M}", one.step.step, bool(one.held)) for one in steps] == [
        ("Tue 08:00", 1, True), ("Tue 16:00", 2, False), ("Wed 08:00", None, True),
    ]  # fmt: skip


def test_an_incident_keeps_its_rule_and_knows_when_it_is_asked_again() -> None:
    routing = Routing(ROUTES, {}, TIMES)
    keeps = routing.freeze(route({"team": "x"}, Severity.ERROR, ROUTES), NIGHT)
    assert (keeps.policy_name, keeps.hours, keeps.during) == ("rest", "office", RULE)
    assert keeps.urgency_at == at("2026-11-24 08:00")
    assert routing.freeze(route({"team": "shop"}, Severity.ERROR, ROUTES[:1]), NIGHT).urgency_at is None


TURNED = {
    "they began": (LOW, RULE, NOON, HIGH),
    "they ended": (HIGH, RULE, NIGHT, LOW),
    "nothing changed": (HIGH, RULE, NOON, HIGH),
    "no rule": (LOW, None, NOON, LOW),
    "the hours are gone": (HIGH, During.model_validate({"during": "gone", "then": "low", "else": "low"}), NOON, HIGH),
}


@pytest.mark.parametrize(("before", "rule", "now", "after"), TURNED.values(), ids=TURNED)
def test_urgency_when_hours_change(before: Urgency, rule: During | None, now: datetime, after: Urgency) -> None:
    one = incident(urgency=before, during=rule)
    assert urgency(one, TIMES, now)[0] is after
    caught, reason = caught_up(one, TIMES, now)
    changes_at = TIMES.changes(rule.during, now) if rule else None
    assert (caught.urgency, caught.urgency_at) == (after, changes_at)
    assert reason == urgency(one, TIMES, now)[1]


def test_what_something_else_raised_forgets_its_rule() -> None:
    one = incident(urgency=LOW, during=RULE, urgency_at=NOON)
    assert with_urgency(one, LOW) == one
    assert (with_urgency(one, HIGH).urgency, with_urgency(one, HIGH).during, with_urgency(one, HIGH).urgency_at) == (
        HIGH,
        None,
        None,
    )


OTHER = {"policy": "other"}
DAY = (at("2026-11-23 00:00"), at("2026-11-24 00:00"))
IN_OFFICE = [Span(at("2026-11-23 08:00"), at("2026-11-23 17:00"))]
NEEDS: dict[str, tuple[list[dict[str, Any]], list[Span] | None]] = {  # routes, and when the schedule of policy `s` is needed
    "pages in the office": ([{"policy": "s", "pages": "office"}], IN_OFFICE),
    "matched in the office": ([{"match": 'hours="office"', "policy": "s"}, {"policy": "other"}], IN_OFFICE),
    "matched but never then": ([{"match": 'hours="office", hours=""', "policy": "s"}, {"policy": "other"}], []),
    "all the time": ([{"policy": "s"}], None),
    "one route in the office, one always": ([{"match": "a=b", "policy": "s", "pages": "office"}, {"policy": "s"}], None),
    "what is left outside of it": (
        [{"match": 'hours="office"', "policy": "other"}, {"policy": "s"}],
        [Span(DAY[0], at("2026-11-23 08:00")), Span(at("2026-11-23 17:00"), DAY[1])],
    ),
    "an earlier route that takes only some": ([{"match": 'hours="office", a="b"', "policy": "other"}, {"policy": "s"}], None),
    "an earlier route that takes all of ours": (
        [{"match": 'hours!="office", a="b"', "policy": "other"}, {"match": ['a="b"', 'c="d"'], "policy": "s"}, OTHER],
        IN_OFFICE,
    ),
    "never reached": ([{"policy": "other"}, {"policy": "s"}], []),
    "no route leads to it": ([{"policy": "other", "pages": "office"}], None),
    "urgency by hours needs it always": ([{"policy": "s", "urgency": RULE.model_dump(by_alias=True)}], None),
}  # fmt: skip


@pytest.mark.parametrize(("routes", "expected"), NEEDS.values(), ids=NEEDS)
def test_a_schedule_is_needed_while_a_route_leads_to_it(routes: list[dict[str, Any]], expected: list[Span] | None) -> None:
    policies = {
        "s": Policy.model_validate({"steps": [{"page": "schedule:s"}]}),
        "other": Policy.model_validate({"steps": [{"page": "user:x"}]}),
    }
    parsed = [Route.model_validate(one) for one in routes]
    assert needs(["s"], parsed, policies, (), TIMES, *DAY).get("s") == expected
    assert needs(["s"], parsed, policies, ("schedule:s",), TIMES, *DAY) == {}


def test_the_last_to_answer_is_needed_as_well() -> None:
    policies = {"p": Policy.model_validate({"steps": [{"page": "user:x"}], "if_exhausted": ["schedule:s"]})}
    found = needs(["s"], [Route.model_validate({"policy": "p", "pages": "office"})], policies, (), TIMES, *DAY)
    assert found == {"s": IN_OFFICE}


def test_coverage_asks_only_for_what_is_needed() -> None:
    office = schedule(always("day", "ada", only=[{"from": "09:00", "to": "17:00"}]))
    found = coverage(office, PARIS, [], DAY[0], 1, None, IN_OFFICE)
    assert (round(found.share, 4), found.needed) == (round(8 / 9, 4), timedelta(hours=9))
    assert found.gaps == (Span(at("2026-11-23 16:00"), at("2026-11-23 17:00")),)
    assert coverage(office, PARIS, [], DAY[0], 1, None, []).percent == 100.0
    assert coverage(office, PARIS, [], DAY[0], 1).percent == 33.33


def test_what_lies_in_both() -> None:
    def spans(*hours: tuple[int, int]) -> list[Span]:
        return [Span(DAY[0] + timedelta(hours=a), DAY[0] + timedelta(hours=b)) for a, b in hours]

    assert common(spans((0, 4), (6, 10)), spans((1, 2), (3, 7), (9, 12))) == spans((1, 2), (3, 4), (6, 7), (9, 10))
    assert common(spans((0, 4)), []) == []
