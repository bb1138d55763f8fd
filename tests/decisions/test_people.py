"""How a person is reached and when; sessions; secrets at rest."""

from contextlib import nullcontext
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import seal as at_rest
from app.errors import Denied, Invalid
from app.people import session
from app.people.model import Actor, Person, QuietHours, Role, Urgency, User
from app.people.permission import NEEDED, may, require
from app.people.reach import quiet_until, reach
from tests.decisions.words import NOON, quick, s

HIGH, LOW = Urgency.HIGH, Urgency.LOW
ZONES = ("Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Santiago", "Africa/Cairo", "UTC")
CHANGES = [
    date(2026, 3, 29),
    date(2026, 10, 25),
    date(2026, 11, 1),
    date(2026, 4, 5),
    date(2026, 9, 6),
    date(2026, 4, 24),
    date(2011, 12, 30),
]


def ada(zone: str = "UTC", **spec: Any) -> Person:
    return Person(
        "ada",
        User.model_validate({"contacts": {"push": "p", "mail": "m", "sms": {"channel": "twilio", "to": "+1"}}, **spec}),
        True,
        ZoneInfo(zone),
    )


REACHED: dict[str, tuple[dict[str, Any], Urgency, list[tuple[str, int]]]] = {
    "all contacts at once by default": ({}, HIGH, [("inbox", 0), ("push", 0), ("mail", 0), ("sms", 0)]),
    "low: the inbox and the first": ({}, LOW, [("inbox", 0), ("push", 0)]),
    "as the person wants it": (
        {"notify": {"high": ["mail", {"contact": "sms", "after": "5m"}]}},
        HIGH,
        [("mail", 0), ("sms", 300)],
    ),
    "in order of time": ({"notify": {"high": [{"contact": "sms", "after": "5m"}, "mail"]}}, HIGH, [("mail", 0), ("sms", 300)]),
    "once per contact and after": (
        {"notify": {"high": ["mail", "mail", {"contact": "mail", "after": "5m"}]}},
        HIGH,
        [("mail", 0), ("mail", 300)],
    ),
    "a list of nothing leaves the inbox": ({"notify": {"low": []}}, LOW, [("inbox", 0)]),
    "without contacts the inbox is all": ({"contacts": {}}, HIGH, [("inbox", 0)]),
    "low waits for the end of quiet hours": (
        {"quiet_hours": {"from": "11:00", "to": "13:30"}, "notify": {"low": ["mail", {"contact": "sms", "after": "5m"}]}},
        LOW,
        [("mail", 5400), ("sms", 5700)],
    ),
    "a later contact waits, too": (
        {"quiet_hours": {"from": "12:10", "to": "13:00"}, "notify": {"low": ["mail", {"contact": "sms", "after": "30m"}]}},
        LOW,
        [("mail", 0), ("sms", 3600)],
    ),
    "high does not": ({"quiet_hours": {"from": "11:00", "to": "13:30"}, "notify": {"high": "mail"}}, HIGH, [("mail", 0)]),
}


@pytest.mark.parametrize("spec,urgency,expected", REACHED.values(), ids=REACHED)
def test_how_a_person_is_reached(spec: dict[str, Any], urgency: Urgency, expected: list[tuple[str, int]]) -> None:
    found = reach(ada(**spec), urgency, NOON)
    assert [(one.contact.name, int((one.at - NOON).total_seconds())) for one in found] == expected


def hours(from_: str, to: str) -> QuietHours:
    return QuietHours.model_validate({"from": from_, "to": to})


QUIET = {
    "in the evening until the morning": ("22:00", "07:00", "2026-11-23T23:00+00:00", "2026-11-24T07:00+00:00"),
    "after midnight until the same morning": ("22:00", "07:00", "2026-11-23T03:00+00:00", "2026-11-23T07:00+00:00"),
    "the beginning is quiet": ("22:00", "07:00", "2026-11-23T22:00+00:00", "2026-11-24T07:00+00:00"),
    "the end is not": ("22:00", "07:00", "2026-11-23T07:00+00:00", "2026-11-23T07:00+00:00"),
    "by day": ("12:00", "14:00", "2026-11-23T13:00+00:00", "2026-11-23T14:00+00:00"),
    "from equals to: never": ("12:00", "12:00", "2026-11-23T12:00+00:00", "2026-11-23T12:00+00:00"),
}


@pytest.mark.parametrize("from_,to,at,until", QUIET.values(), ids=QUIET)
def test_quiet_hours(from_: str, to: str, at: str, until: str) -> None:
    assert quiet_until(hours(from_, to), ZoneInfo("UTC"), datetime.fromisoformat(at)) == datetime.fromisoformat(until)


def test_quiet_hours_end_when_the_wall_clock_says_so_in_the_night_it_changes() -> None:
    paris = ZoneInfo("Europe/Paris")
    until = quiet_until(hours("22:00", "07:00"), paris, datetime(2026, 10, 24, 21, tzinfo=UTC))
    assert until == datetime(2026, 10, 25, 6, tzinfo=UTC)  # 23:00 to 07:00 on the wall, and nine hours
    missing = quiet_until(hours("22:00", "02:30"), paris, datetime(2026, 3, 28, 23, tzinfo=UTC))
    assert missing == datetime(2026, 3, 29, 1, tzinfo=UTC)  # 02:30 does not exist: the first instant that does


@quick
@given(
    st.sampled_from(ZONES), st.sampled_from(CHANGES), st.integers(-2 * 1440, 2 * 1440), st.integers(0, 95), st.integers(0, 95)
)
def test_quiet_hours_end_within_a_day_outside_of_them_and_whoever_waits_until_then_waits_no_more(
    zone: str, day: date, minutes: int, from_: int, to: int
) -> None:
    quiet = QuietHours.model_validate({"from": time(from_ // 4, from_ % 4 * 15), "to": time(to // 4, to % 4 * 15)})
    at = datetime.combine(day, time(12), UTC) + timedelta(minutes=minutes)
    until = quiet_until(quiet, ZoneInfo(zone), at)
    assert at <= until <= at + timedelta(hours=50)  # Apia skipped a day
    if until > at:
        assert until.astimezone(ZoneInfo(zone)).time() >= quiet.to or until.astimezone(ZoneInfo(zone)).hour < 4
        again = quiet_until(quiet, ZoneInfo(zone), until)
        assert again == until or quiet.from_ == until.astimezone(ZoneInfo(zone)).time() or zone == "Pacific/Apia"


KEY = b"k" * 32


@quick
@given(st.text(min_size=1), st.integers(0, 2**31))
def test_a_session_is_read_back(login: str, epoch: int) -> None:
    made = session.Session(login, epoch)
    assert session.read(KEY, session.seal(KEY, made)) == made
    assert session.read(b"x" * 32, session.seal(KEY, made)) is None


@quick
@given(st.data())
def test_no_altered_character_of_a_session_is_accepted(data: st.DataObject) -> None:
    cookie = session.seal(KEY, session.Session("ada", 3))
    place = data.draw(st.integers(0, len(cookie) - 1))
    other = data.draw(st.sampled_from("aZ0-_.=é"))
    altered = cookie[:place] + other + cookie[place + 1 :]
    assert altered == cookie or session.read(KEY, altered) in (None, session.Session("ada", 3))
    assert session.read(KEY, altered) != session.Session("admin", 3)


@quick
@given(st.text())
def test_any_text_for_a_cookie_is_nobodys_session(cookie: str) -> None:
    assert session.read(KEY, cookie) is None


@quick
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_is_unsealed_and_does_not_show(plain: str) -> None:
    sealed = at_rest.seal(plain)
    assert at_rest.unseal(sealed) == plain
    assert len(plain) < 4 or plain not in sealed


@quick
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_not_sealed_here_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(Invalid, match="restore TOCSIN_SECRET_KEY"):
        at_rest.unseal(text)


def test_after_counts_from_the_step() -> None:
    (one,) = reach(ada(notify={"high": [{"contact": "sms", "after": "90s"}]}), HIGH, NOON)
    assert one.at - NOON == s(90)


MAY = {
    Role.VIEWER: set[str](),
    Role.RESPONDER: {"respond"},
    Role.EDITOR: {"respond", "edit"},
    Role.ADMIN: {"respond", "edit", "administer"},
}


@pytest.mark.parametrize("what", NEEDED)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_those_before_it_may(role: Role, what: str) -> None:
    assert may(role, what) is (what in MAY[role])
    refused = nullcontext() if what in MAY[role] else pytest.raises(Denied, match=f"requires role {NEEDED[what]}; x has {role}")
    with refused:
        require(Actor("x", role, "api"), what)
