"""Who is next: the plan of a policy, whom targets stand for, when a promise is kept, when a message is sent again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.model import Policy
from app.catalog.model import Step as PolicyStep
from app.escalation.ahead import EscalationTerms, ahead
from app.escalation.model import Due, EscalationState, EscalationStatus, ObligationState
from app.escalation.plan import (
    AGAIN_AFTER_EXHAUSTION,
    LATE,
    LastResort,
    ResolvedTarget,
    others,
    out_of_turn,
    plan,
    recipients,
    targets,
)
from app.escalation.who import who
from app.notify.model import Page, PageState
from app.notify.retry import LONGEST_ASKED, WAITS, wait
from app.notify.settle import next_contact, settle
from app.oncall.hours import Timetable
from app.people.model import INBOX, Contact, Directory, Person, Role, Team, User
from app.reason import Code, Reason
from app.wording import text
from tests.decisions.words import NOON, page, quick, s

FIRST = EscalationState(1, 1, 0, 0, NOON, Due.STEP, EscalationStatus.RUNNING)
NOBODY = LastResort((), ())
WHO = {
    "user:ada": ResolvedTarget("user:ada", Reason(Code.USER_NAMED, {"user": "ada"}), ("ada",)),
    "user:bo": ResolvedTarget("user:bo", Reason(Code.USER_NAMED, {"user": "bo"}), ("bo",)),
    "user:gone": ResolvedTarget("user:gone", Reason(Code.USER_GONE, {"user": "gone"})),
    "team:both": ResolvedTarget("team:both", Reason(Code.TEAM_MEMBER, {"team": "both"}), ("ada", "bo")),
    "channel:room": ResolvedTarget("channel:room", Reason(Code.CHANNEL, {"channel": "room"}), channel="room"),
}
pages = st.lists(st.sampled_from(sorted(WHO)), min_size=1, max_size=3).map(tuple)
steps = st.builds(PolicyStep, page=pages, wait=st.integers(1, 3600).map(s))
policies = st.builds(
    Policy, steps=st.lists(steps, min_size=1, max_size=4).map(tuple), repeat=st.integers(0, 3), if_exhausted=st.none() | pages
)
last_resorts = st.builds(LastResort, st.lists(st.sampled_from(sorted(WHO)), max_size=2).map(tuple), st.just(("user:bo",)))


@quick
@given(policies, last_resorts, st.lists(st.integers(-30, 100_000), min_size=1, max_size=30))
def test_a_plan_ends_goes_on_and_always_has_a_next_time(policy: Policy, last: LastResort, lateness: list[int]) -> None:
    place, before = FIRST, (0, 0)
    for late in lateness:
        assert place.due_at is not None
        now = place.due_at + s(max(late, 0))
        made = plan(policy, last, WHO, place, now)
        assert made.steps
        assert all(step.excused for step in made.steps[:-1])  # an excused step is followed at once
        assert not made.steps[-1].excused  # somebody is reached, at the latest an admin
        assert made.after.due_at is not None
        assert made.after.due_at > now - LATE
        assert made.after.state in (EscalationStatus.RUNNING, EscalationStatus.EXHAUSTED)
        assert (made.after.round, made.after.step) > before or place.state is EscalationStatus.EXHAUSTED
        before, place = (made.after.round, made.after.step), made.after


@quick
@given(policies)
def test_the_list_runs_once_and_repeat_times_more_and_then_is_exhausted(policy: Policy) -> None:
    last = LastResort((), ("user:bo",))
    place, taken = FIRST, 0
    while place.state is not EscalationStatus.EXHAUSTED:
        made = plan(policy, last, WHO, place, place.due_at or NOON)
        taken += sum(step.step is not None for step in made.steps)
        place = made.after
    assert taken == len(policy.steps) * (policy.repeat + 1)


@quick
@given(policies, st.sets(st.sampled_from(sorted(WHO))))
def test_targets_are_all_that_a_plan_asks_for(policy: Policy, admins: set[str]) -> None:
    last = LastResort(("channel:room",), tuple(sorted(admins)))
    known = {name: WHO[name] for name in targets(policy, last)}
    plan(policy, last, known, FIRST, NOON)
    plan(policy, last, known, replace(FIRST, round=policy.repeat + 1), NOON)


def two_steps(**more: Any) -> Policy:
    return Policy(steps=(PolicyStep(page=("user:ada",), wait=s(300)), PolicyStep(page=("user:bo",), wait=s(600))), **more)


DUE = {
    "on time: the wait counts from the due time": (0.0, 300.0),
    "a little late: still from the due time": (20.0, 300.0),
    "after an outage: from now, so that no burst follows": (7200.0, 7500.0),
    "early callers take nothing away": (-1.0, 300.0),
}


@pytest.mark.parametrize("late,due", DUE.values(), ids=DUE)
def test_when_the_next_step_is_due(late: float, due: float) -> None:
    assert plan(two_steps(), NOBODY, WHO, FIRST, NOON + s(late)).after.due_at == NOON + s(due)


LAST = {
    "if_exhausted first": (("user:ada",), ("user:bo",), ("channel:room",), "user:ada"),
    "the owners by default": (None, ("user:bo",), ("channel:room",), "user:bo"),
    "the owners where if_exhausted is nobody": (("user:gone",), ("user:bo",), ("channel:room",), "user:bo"),
    "the admins where owners are nobody": (("user:gone",), ("user:gone",), ("user:ada",), "user:ada"),
    "the admins where there are no owners": (None, (), ("user:ada",), "user:ada"),
}


@pytest.mark.parametrize("chosen,owners,admins,expected", LAST.values(), ids=LAST)
def test_who_is_paged_when_the_policy_is_exhausted(chosen: Any, owners: Any, admins: Any, expected: str) -> None:
    made = plan(two_steps(if_exhausted=chosen), LastResort(owners, admins), WHO, replace(FIRST, round=1), NOON)
    (step,) = made.steps
    assert (step.step, [one.target for one in step.targets]) == (None, [expected])
    assert made.after.due_at == NOON + AGAIN_AFTER_EXHAUSTION


def test_without_anybody_at_all_it_says_so_and_asks_again_in_half_an_hour() -> None:
    made = plan(None, NOBODY, WHO, FIRST, NOON)
    assert made.steps[0].excused
    assert made.after.due_at == NOON + AGAIN_AFTER_EXHAUSTION


def test_a_person_named_twice_in_a_step_is_called_once() -> None:
    policy = Policy(steps=(PolicyStep(page=("user:ada", "team:both", "channel:room", "user:gone")),))
    (step,) = plan(policy, NOBODY, WHO, FIRST, NOON).steps
    assert [(one.target, user) for one, user in recipients(step)] == [
        ("user:ada", "ada"),
        ("team:both", "bo"),
        ("channel:room", None),
        ("user:gone", None),
    ]


@pytest.mark.parametrize(
    "owners,admins,user,target,expected",
    [
        (("user:ada", "user:bo"), (), "ada", "user:ada", ["bo"]),
        (("user:ada",), ("user:bo",), "ada", "user:ada", ["bo"]),
        (("channel:room",), (), "ada", "user:ada", ["room"]),
        (("channel:room",), ("user:bo",), None, "channel:room", ["bo"]),
        (("team:both",), (), "ada", "team:both", ["bo"]),
        (("user:ada",), ("user:ada",), "ada", "user:ada", []),
    ],
    ids=[
        "another owner",
        "an admin where the owner is the one",
        "an owner that is a channel",
        "not the channel that failed",
        "the others of the same team",
        "nobody where there is nobody else",
    ],
)
def test_who_else_hears_of_a_broken_promise(
    owners: Any, admins: Any, user: str | None, target: str, expected: list[str]
) -> None:
    found = others(LastResort(owners, admins), WHO, user, target)
    assert [person or one.channel for one, person in found] == expected


def person(login: str, role: Role = Role.RESPONDER) -> Person:
    from zoneinfo import ZoneInfo

    return Person(login, User(role=role), True, ZoneInfo("UTC"))


WHOM = {
    "a user": ("user:ada", ("ada",), "user ada"),
    "one who left is nobody": ("user:gone", (), "gone can no longer be paged"),
    "a viewer is nobody": ("user:vi", (), "vi can no longer be paged"),
    "a team": ("team:t", ("ada",), "in team t"),
    "a team that is not there": ("team:x", (), "team x has no members"),
    "whoever is on call": ("schedule:s", ("ada",), "on call in s"),
    "a schedule with a hole": ("schedule:hole", (), "nobody is on call in hole"),
}


@pytest.mark.parametrize("target,users,why", WHOM.values(), ids=WHOM)
def test_whom_a_target_stands_for(target: str, users: tuple[str, ...], why: str) -> None:
    directory = Directory(
        {"ada": person("ada"), "vi": person("vi", Role.VIEWER)}, {"t": Team(members=("ada", "vi", "gone", "ada"))}
    )
    reached = who([target], directory, {"s": ("ada", "vi"), "hole": ()})[target]
    assert reached.users == users
    assert text(reached.reason) == why


def sent(channel: str, state: str, *codes: Code) -> Page:
    return page(channel, PageState(state), reasons=tuple(Reason(one) for one in codes))


SETTLED = {
    "one that is taken is enough": ([sent("a", "accepted"), sent("b", "queued")], ObligationState.MET),
    "a fallback counts as one": ([sent("a", "failed"), sent("b", "accepted", Code.FALLBACK)], ObligationState.FALLBACK),
    "so does one beside what does not answer": ([sent("b", "delivered", Code.FALLBACK_LATE)], ObligationState.FALLBACK),
    "all failed is broken": ([sent("a", "failed"), sent("b", "expired")], ObligationState.BREACHED),
    "one under way is open": ([sent("a", "failed"), sent("b", "sending")], None),
    "an inbox wakes nobody": ([sent("inbox", "delivered"), sent("a", "queued")], None),
    "nor does it mend what failed": ([sent("inbox", "delivered"), sent("a", "failed")], ObligationState.BREACHED),
    "it counts where there is nothing else": ([sent("inbox", "delivered")], ObligationState.MET),
    "taken back is not broken": ([sent("a", "superseded")], None),
    "without a page it is open": ([], None),
}


@pytest.mark.parametrize("of_one,expected", SETTLED.values(), ids=SETTLED)
def test_when_a_promise_is_kept(of_one: Any, expected: ObligationState | None) -> None:
    decided = settle(of_one)
    assert (decided[0] if decided else None) == expected


CONTACTS = (Contact(INBOX, INBOX, None), *(Contact(name, name, "x") for name in ("a", "b", "c")))


@pytest.mark.parametrize(
    "used,failed,expected",
    [
        (["a"], "a", "b"),
        (["b"], "b", "c"),
        (["a", "b"], "a", "c"),
        (["c"], "c", "a"),
        (["a", "b", "c"], "a", None),
        (["x"], "x", "a"),
    ],
    ids=[
        "the next",
        "the next, not the first",
        "not one that is used",
        "going round",
        "none left, and never the inbox",
        "from the start for one that is gone",
    ],
)
def test_which_contact_is_next(used: list[str], failed: str, expected: str | None) -> None:
    found = next_contact(CONTACTS, used, failed)
    assert (found.name if found else None) == expected


@quick
@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.none() | st.floats(-1e9, 1e9))
def test_a_retry_waits_its_time_within_a_fifth_or_what_was_asked_up_to_half_a_minute(
    attempt: int, chance: float, asked: float | None
) -> None:
    usual = WAITS[min(attempt, len(WAITS)) - 1]
    waited = wait(attempt, chance, asked)
    assert timedelta(seconds=0.8 * usual) - s(0.001) <= waited <= timedelta(seconds=max(1.2 * usual, LONGEST_ASKED))
    assert waited >= s(min(max(asked or 0, 0), LONGEST_ASKED)) - s(0.001)
    assert asked or waited <= s(1.2 * usual)


@quick
@given(policies, last_resorts, st.integers(0, 5), st.integers(0, 3))
def test_an_acknowledgement_that_runs_out_starts_the_policy_as_a_new_incident_does(
    policy: Policy, last: LastResort, round_: int, step: int
) -> None:
    spent = EscalationState(1, 1, round_, step, NOON, Due.AGAIN, EscalationStatus.STOPPED)
    terms = EscalationTerms(policy, last, None, Timetable({}, ZoneInfo("UTC")))
    fresh, again = (list(ahead(terms, one, NOON, lambda _: WHO)) for one in (FIRST, spent))
    assert EscalationState.started(1, 1, NOON) == FIRST
    assert [(one.at, one.step) for one in again] == [(one.at, one.step) for one in fresh]
    assert again[0].starts_again


def test_the_targets_of_a_policy_are_those_of_its_steps_and_of_if_exhausted() -> None:
    steps = (PolicyStep(page=("user:ada", "team:both")), PolicyStep(page=("schedule:day",)))
    assert Policy(steps=steps).targets == {"user:ada", "team:both", "schedule:day"}
    policy = Policy(steps=steps, if_exhausted=("user:bo",))
    assert policy.targets == {"user:ada", "team:both", "schedule:day", "user:bo"}
    assert targets(policy, LastResort(("user:dee",), ("user:root",))) == policy.targets | {"user:dee", "user:root"}
    assert targets(None, LastResort(("user:dee",), ())) == {"user:dee"}


@quick
@given(st.none() | policies, last_resorts)
def test_who_is_paged_out_of_turn_has_the_first_wait_and_a_place_no_step_has(policy: Policy | None, last: LastResort) -> None:
    made = out_of_turn(policy, WHO["user:bo"], Reason(Code.ASSIGNED), FIRST, NOON)
    assert made.after.due_at == NOON + (policy.steps[0].wait if policy else s(300))
    assert (made.after.step, made.after.state) == (0, EscalationStatus.RUNNING)
    taken, place = list(made.steps), made.after
    while place.state is not EscalationStatus.EXHAUSTED:
        following = plan(policy, last, WHO, place, place.due_at or NOON)
        taken, place = taken + list(following.steps), following.after
    assert len({(step.round, step.step) for step in taken}) == len(taken)


def test_where_the_person_is_nobody_step_1_follows_at_once() -> None:
    made = out_of_turn(Policy(steps=(PolicyStep(page=("user:ada",)),)), WHO["user:gone"], Reason(Code.ASSIGNED), FIRST, NOON)
    assert made.steps[0].excused
    assert made.after.due_at == NOON
