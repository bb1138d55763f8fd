"""Whose an alert is, with what it belongs together, and what it changes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.alerts.label import labels
from app.alerts.model import Tally
from app.alerts.service import batches
from app.catalog.model import Grouping, Route, Service, Severity
from app.errors import Conflict
from app.incidents.correlate import Way, follow, group
from app.incidents.lifecycle import MOVES, Move, acknowledged, allowed, must_allow, offered, snoozed, step
from app.incidents.merge import merge
from app.incidents.model import OPEN, IncidentState
from app.incidents.rise import Effect, rise
from app.incidents.route import route
from app.people.model import Urgency
from app.signals.model import Signal, SignalStatus
from app.wording import text, texts
from tests.decisions.words import NOON, alert, incident, quick, s

CRITICAL, ERROR, WARNING, INFO = Severity.CRITICAL, Severity.ERROR, Severity.WARNING, Severity.INFO
HIGH, LOW = Urgency.HIGH, Urgency.LOW
names = st.sampled_from(["service", "zone", "host", "alertname"])
label_sets = st.dictionaries(names, st.sampled_from(["", "a", "b", 'x","y']), max_size=4)


@pytest.mark.parametrize(
    "one,other,groupings,same",
    [
        ({"service": "a"}, {"service": "a", "host": "x"}, [], True),
        ({"service": "a"}, {"service": "b"}, [], False),
        ({"alertname": "a"}, {"alertname": "a", "host": "x"}, [], True),
        ({"service": "a", "alertname": "a"}, {"alertname": "a"}, [], False),
        ({"zone": "a"}, {"zone": "a", "service": "b"}, [Grouping(by=("zone",))], True),
        ({}, {"zone": ""}, [Grouping(by=("zone",))], True),
        ({"zone": "a", "host": "b"}, {"zone": "b", "host": "a"}, [Grouping(by=("zone", "host"))], False),
        ({"service": "a"}, {"service": "b"}, [Grouping(by=())], True),
        (
            {"x": "1", "service": "a"},
            {"service": "a"},
            [Grouping(match=("x=1",), by=("service",)), Grouping(by=("service",))],
            False,
        ),
    ],
    ids=[
        "by service by default",
        "other services apart",
        "by name without a service",
        "with and without a service apart",
        "by a label",
        "a missing label is an empty one",
        "labels do not run together",
        "by nothing: all together",
        "under different groupings apart",
    ],
)
def test_which_alerts_belong_together(one: Any, other: Any, groupings: Any, same: bool) -> None:
    assert (group(one, groupings).key == group(other, groupings).key) is same


@quick
@given(label_sets, label_sets, st.lists(names, max_size=3, unique=True))
def test_alerts_belong_together_exactly_when_their_by_labels_are_equal(one: Any, other: Any, by: list[str]) -> None:
    by_these = [Grouping(by=tuple(by))]
    equal = all(one.get(name, "") == other.get(name, "") for name in by)
    assert (group(one, by_these).key == group(other, by_these).key) is equal


HOUR = timedelta(hours=1)
OVER = {"state": IncidentState.RESOLVED, "resolved_at": NOON}


@pytest.mark.parametrize(
    "closed,whole,reopen,after,expected",
    [
        ({}, None, HOUR, timedelta(0), Way.REOPEN),
        ({}, None, HOUR, HOUR - timedelta(microseconds=1), Way.REOPEN),
        ({}, None, HOUR, HOUR, None),
        ({}, None, timedelta(0), timedelta(0), None),
        ({"merged_into": 2}, {}, HOUR, 2 * HOUR, Way.JOIN),
        ({"merged_into": 2}, OVER, HOUR, timedelta(0), None),
    ],
    ids=[
        "at the moment it resolves",
        "just within the reopen window",
        "the window is over when it has lasted",
        "no window by default",
        "merged into one that is open: joined whenever",
        "merged into one that is over: not reopened",
    ],
)
def test_what_a_new_alert_does_to_the_last_incident_of_its_group(
    closed: Any, whole: Any, reopen: timedelta, after: timedelta, expected: Way | None
) -> None:
    merged = None if whole is None else incident(number=2, **whole)
    assert follow(incident(**{**OVER, **closed}), merged, reopen, NOON + after) is expected


@pytest.mark.parametrize(
    "found,severity,expected",
    [
        ({"team": "db"}, ERROR, ("first", HIGH, 1)),
        ({"team": "db"}, WARNING, ("first", LOW, 1)),
        ({"team": "web"}, INFO, ("second", HIGH, 2)),
        ({"team": "none"}, CRITICAL, ("third", LOW, 3)),
    ],
    ids=[
        "the first that matches",
        "a warning is low",
        "unless the route says high",
        "a critical one is high unless the route says low",
    ],
)
def test_routes(found: Any, severity: Severity, expected: Any) -> None:
    routes = [
        Route(match=("team=db",), policy="first"),
        Route(match=("team=web",), policy="second", urgency=HIGH),
        Route(policy="third", urgency=LOW),
    ]
    routed = route(found, severity, routes)
    assert (routed.policy, routed.urgency, routed.number) == expected


def test_without_a_route_nobody_is_chosen_and_it_says_who_answers() -> None:
    routed = route({}, ERROR, [])
    assert (routed.policy, routed.urgency, routed.number) == (None, HIGH, None)
    assert "owners" in texts(routed.reasons)


RISES: dict[str, tuple[dict[str, Any], list[Severity], list[Severity], Urgency, float, Effect]] = {
    "joining within the window sends nothing": ({}, [ERROR], [], HIGH, 600, Effect.NONE),
    "joining later is an update": ({}, [ERROR], [], HIGH, 601, Effect.UPDATE),
    "so is joining with less": ({}, [INFO], [], LOW, 601, Effect.UPDATE),
    "a known alert that says the same sends nothing": ({}, [], [ERROR], HIGH, 9999, Effect.NONE),
    "worse but not critical is an update": ({"severity": WARNING}, [ERROR], [], HIGH, 0, Effect.UPDATE),
    "a rise to critical starts anew": ({}, [CRITICAL], [], HIGH, 0, Effect.RESTART),
    "of a known alert as well": ({}, [], [CRITICAL], HIGH, 0, Effect.RESTART),
    "a second critical one does not": ({"severity": CRITICAL}, [CRITICAL], [], HIGH, 0, Effect.NONE),
    "a rise of urgency starts anew": ({"severity": WARNING, "urgency": LOW}, [ERROR], [], HIGH, 0, Effect.RESTART),
    "even without one of severity": ({"urgency": LOW}, [ERROR], [], HIGH, 0, Effect.RESTART),
    "a fall changes nothing": ({"severity": CRITICAL}, [], [INFO], LOW, 0, Effect.NONE),
    "the window counts from a reopening": ({"reopened_at": NOON + timedelta(hours=2)}, [ERROR], [], HIGH, 7300, Effect.NONE),
}


@pytest.mark.parametrize("before,joined,known,urgency,after,effect", RISES.values(), ids=RISES)
def test_what_an_alert_changes(before: Any, joined: Any, known: Any, urgency: Urgency, after: float, effect: Effect) -> None:
    decided = rise(
        incident(**before),
        [alert(one) for one in joined],
        [alert(one) for one in known],
        lambda _: urgency,
        NOON + timedelta(seconds=after),
    )
    assert decided.effect is effect
    assert text(decided.reason)


@quick
@given(
    st.sampled_from(Severity),
    st.sampled_from(Urgency),
    st.lists(st.sampled_from(Severity)),
    st.lists(st.sampled_from(Severity)),
    st.sampled_from(Urgency),
)
def test_neither_severity_nor_urgency_ever_falls_while_it_is_open(
    severity: Severity, urgency: Urgency, joined: list[Severity], known: list[Severity], routed: Urgency
) -> None:
    before = incident(severity=severity, urgency=urgency)
    decided = rise(before, [alert(one) for one in joined], [alert(one) for one in known], lambda _: routed, NOON)
    assert decided.severity.rank == max(one.rank for one in (severity, *joined, *known))
    assert decided.urgency is (HIGH if urgency == HIGH or (routed == HIGH and (joined or known)) else LOW)
    assert (decided.by is None) is (decided.effect is not Effect.RESTART)
    assert decided.effect is not Effect.NONE or (decided.severity, decided.urgency) == (severity, urgency)


@pytest.mark.parametrize("urgencies", [(LOW, LOW), (LOW, HIGH), (HIGH, LOW), (HIGH, HIGH)], ids=lambda pair: "-".join(pair))
@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("other", Severity)
def test_an_incident_that_is_merged_in_rises_the_other_as_an_alert_like_it_would(
    severity: Severity, other: Severity, urgencies: tuple[Urgency, Urgency]
) -> None:
    target = incident(severity=severity, urgency=urgencies[0])
    source = incident(number=2, severity=other, urgency=urgencies[1])
    merged = merge(source, target, Tally(open=2, total=2), "ada", NOON)
    joined = rise(target, [alert(other)], [], lambda _: urgencies[1], NOON)
    anew = (other is CRITICAL and severity is not CRITICAL) or urgencies == (LOW, HIGH)
    assert (merged.restarted, joined.effect is Effect.RESTART) == (anew, anew)
    worst = max((severity, other), key=lambda one: one.rank)
    urgency = HIGH if HIGH in urgencies else LOW
    assert (merged.target.severity, joined.severity) == (worst, worst)
    assert (merged.target.urgency, joined.urgency) == (urgency, urgency)


@pytest.mark.parametrize("state", IncidentState)
@pytest.mark.parametrize("move", Move)
def test_a_move_is_in_the_table_or_a_conflict(state: IncidentState, move: Move) -> None:
    if (state, move) in MOVES:
        assert step(state, move) in IncidentState
    else:
        with pytest.raises(Conflict, match=f"cannot {move} an incident that is {state}"):
            step(state, move)


ALLOWED = {
    IncidentState.TRIGGERED: {Move.ACKNOWLEDGE, Move.RESOLVE, Move.SNOOZE, Move.ASSIGN, Move.MERGE, Move.ESCALATE},
    IncidentState.ACKNOWLEDGED: {Move.ACKNOWLEDGE, Move.RESOLVE, Move.SNOOZE, Move.ASSIGN, Move.MERGE, Move.UNACKNOWLEDGE},
    IncidentState.RESOLVED: {Move.REOPEN},
}


@pytest.mark.parametrize("state", IncidentState)
@pytest.mark.parametrize("merged_into", [None, 7], ids=["by itself", "merged"])
def test_what_a_person_may_do_is_offered_or_a_conflict(state: IncidentState, merged_into: int | None) -> None:
    one = incident(state=state, merged_into=merged_into)
    wanted = ALLOWED[state] if merged_into is None else set()
    assert allowed(one) == wanted
    assert offered(one) == wanted - ({Move.ACKNOWLEDGE} if state is IncidentState.ACKNOWLEDGED else set())
    for move in Move:
        if move in wanted:
            must_allow(one, move)
        else:
            with pytest.raises(
                Conflict, match="merged into #7" if merged_into else f"cannot {move} an incident that is {state}"
            ):
                must_allow(one, move)


def test_who_acknowledged_it_first_stays() -> None:
    first = acknowledged(incident(), "ada", NOON)
    assert acknowledged(first, "bo", NOON + s(60)) == first
    assert snoozed(first, "bo", NOON + s(600), NOON + s(60)) == replace(first, snoozed_until=NOON + s(600))


def test_what_is_triggered_or_acknowledged_is_open() -> None:
    assert set(OPEN) == {IncidentState.TRIGGERED, IncidentState.ACKNOWLEDGED}
    assert {state for state in IncidentState if incident(state=state).open} == set(OPEN)


def test_a_resolved_incident_can_only_be_reopened() -> None:
    assert {move for state, move in MOVES if state is IncidentState.RESOLVED} == {Move.REOPEN}


LABELLED = {
    "the catalog's words": (
        Signal("user:t", "k", SignalStatus.FIRING, "s", service="shop"),
        {"alertname": "k", "service": "shop", "team": "web", "tier": "critical", "severity": "error"},
    ),
    "an unknown service has no team": (
        Signal("user:t", "k", SignalStatus.FIRING, "s", service="x"),
        {"alertname": "k", "service": "x", "severity": "error"},
    ),
    "the label wins as name": (
        Signal("user:t", "k", SignalStatus.FIRING, "s", labels={"alertname": "n"}),
        {"alertname": "n", "severity": "error"},
    ),
    "without a key the summary": (Signal("user:t", "", SignalStatus.FIRING, "s"), {"alertname": "s", "severity": "error"}),
    "its own severity cannot be another": (
        Signal("user:t", "k", SignalStatus.FIRING, "s", CRITICAL, labels={"severity": "info"}),
        {"alertname": "k", "severity": "critical"},
    ),
    "check and family": (
        Signal("check:c", "c", SignalStatus.FIRING, "s", check="c", family="health"),
        {"alertname": "c", "check": "c", "family": "health", "severity": "error"},
    ),
}


@pytest.mark.parametrize("signal,expected", LABELLED.values(), ids=LABELLED)
def test_labels(signal: Signal, expected: dict[str, str]) -> None:
    assert labels(signal, {"shop": Service(team="web", tier="critical")}) == expected


@quick
@given(st.lists(st.sampled_from("abcd"), max_size=20))
def test_batches_keep_the_order_of_each_alert_and_have_none_twice(keys: list[str]) -> None:
    said = [Signal("user:t", key, SignalStatus.FIRING, str(number)) for number, key in enumerate(keys)]
    parts = batches(said)
    assert all(len({one.key for one in part}) == len(part) for part in parts)
    for key in "abcd":
        assert [one for part in parts for one in part if one.key == key] == [one for one in said if one.key == key]
    assert sum(map(len, parts)) == len(said)
