"""Durations and shares as people write them; links that act; what a page says."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import NotFound
from app.incidents.lifecycle import Move, offered
from app.incidents.model import IncidentState
from app.notify.compose import SHOWN_ALERTS, MessageContext, compose
from app.notify.links import MOVES, Link, read, token
from app.notify.model import Claim, Draft, Kind
from app.reason import recorded
from app.units import format_duration, parse_duration, parse_percent
from tests.decisions.words import NOON, alert, draft, incident, quick

SECRET = b"s" * 32
DURATIONS = {
    "30s": 30,
    "5m": 300,
    "1h30m": 5400,
    "2d": 172_800,
    "1w": 604_800,
    "1.5h": 5400,
    "250ms": 0.25,
    "0s": 0,
    "1m1m": 120,
}


@pytest.mark.parametrize("text,seconds", DURATIONS.items())
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 m", "-5m", "5M", "1h 30m", "9" * 400 + "w", "5218w", "5m\n", 5, None, ["5m"]])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@quick
@given(st.integers(0, 10**12).map(lambda ms: timedelta(milliseconds=ms)))
def test_a_duration_reads_back_as_it_was_written(length: timedelta) -> None:
    assert parse_duration(format_duration(length)) == length


@pytest.mark.parametrize("text,share", [("40%", 0.4), ("0%", 0), ("99.9 %", 0.999), ("250%", 2.5)])
def test_percentages(text: str, share: float) -> None:
    assert parse_percent(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["40", "%", "-4%", 40, None, "4%%"])
def test_what_is_no_percentage_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="write 40%"):
        parse_percent(text)


# --- links

keys = st.text(min_size=1, max_size=40)
times = st.integers(946_684_800, 7_258_118_400).map(lambda at: datetime.fromtimestamp(at, UTC))


@quick
@given(keys, st.sampled_from(MOVES), times)
def test_a_link_is_read_back_and_always_the_same(key: str, action: Move, expires: datetime) -> None:
    key = key.encode("utf-8", "ignore").decode()
    made = token(SECRET, key, action, expires)
    assert read(SECRET, made) == Link(key, action, expires)
    assert token(SECRET, key, action, expires) == made
    with pytest.raises(NotFound):
        read(b"other" * 8, made)


@quick
@given(st.data())
def test_any_altered_character_of_a_link_is_refused(data: st.DataObject) -> None:
    made = token(SECRET, "1:1:0:1:ada:hook", "acknowledge", NOON)
    place = data.draw(st.integers(0, len(made) - 1))
    altered = made[:place] + data.draw(st.characters()) + made[place + 1 :]
    if altered != made:
        with pytest.raises(NotFound):
            read(SECRET, altered)


@quick
@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_other_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(NotFound, match=r"this link is|invalid link"):
        read(SECRET, text)


@quick
@given(keys, keys, times, times)
def test_two_links_are_the_same_only_for_the_same_page_action_and_time(
    one: str, other: str, at: datetime, then: datetime
) -> None:
    first, second = one.encode("utf-8", "ignore").decode(), other.encode("utf-8", "ignore").decode()
    same = token(SECRET, first, "resolve", at) == token(SECRET, second, "resolve", then)
    assert same is ((first, at) == (second, then))


SENT = {  # by the first release, and still in somebody's mail
    (b"k" * 32, "17:1:0:0:ada:hook", "acknowledge", datetime(2026, 11, 30, 12, tzinfo=UTC)): (
        "YWNrbm93bGVkZ2V8MTc5NjA0MDAwMHwxNzoxOjA6MDphZGE6aG9vaw.lcyOWEdV4pXCWIJJKzBPEyTT3GpSMXX71H4LTM33MxI"
    ),
    ("schlüssel".encode(), "3:2:1:0:ü|x:mail", "resolve", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)): (
        "cmVzb2x2ZXwxODkzNTUzNDQ1fDM6MjoxOjA6w7x8eDptYWls.wCLg7bAu-qZtMMHAyYkRFtA_r34Wl7ITlbrrsmJZTo4"
    ),
}


@pytest.mark.parametrize("known", SENT)
def test_a_link_that_was_sent_stays_valid_and_a_repeat_carries_the_same(known: tuple[bytes, str, str, datetime]) -> None:
    secret, key, action, expires = known
    assert read(secret, SENT[known]) == Link(key, Move(action), expires)
    assert token(*known) == SENT[known]


def test_a_key_that_looks_like_a_link_stays_a_key() -> None:
    key = "9|resolve|9999999999|1:1"
    assert read(SECRET, token(SECRET, key, "acknowledge", NOON)) == Link(key, Move.ACKNOWLEDGE, NOON)


# --- what a page says


def page(kind: Kind = Kind.PAGE, **more: Any) -> Draft:
    return draft(**{"key": "1:1:0:1:ada:hook", "kind": kind, **more})


DESK = MessageContext("https://tocsin.example", SECRET)


def said(draft: Draft, attempt: int = 1, alerts: Any = (), **facts: Any) -> Any:
    about = None if draft.kind is Kind.TEST else incident(**facts)
    return compose(Claim(7, 1, attempt, draft), about, alerts, DESK, NOON)


def test_a_page_says_how_bad_which_what_since_when_and_why_you() -> None:
    message = said(page(), alerts=[alert(reasons=(recorded("3 of 3"),))], title="db is down")
    assert message.title == "[ERROR] #1 db is down"
    for part in ("Since 2026-11-23 12:00:00 UTC", "service shop", "it is wrong (3 of 3)", "Reason: user ada."):
        assert part in message.text
    why = {"code": "user_named", "facts": {"user": "ada"}, "text": "user ada"}
    known = {"id": 7, "key": "1:1:0:1:ada:hook", "attempt": 1, "step": 1}
    assert message.json["page"] == {**known, "reason": "user ada", "reasons": [why]}


def test_the_reason_is_said_once() -> None:
    why = (recorded("3 of 3\nand more of it"),)
    told = said(page(), alerts=[alert(reasons=why, summary="it is wrong: 3 of 3", reason_in_summary=True)]).text
    assert "- error: it is wrong: 3 of 3\n  and more of it\n" in told
    short = said(page(), alerts=[alert(reasons=(recorded("x"),), summary="xylophone")]).text
    assert "- error: xylophone (x)\n" in short


def test_a_repeat_is_marked_and_otherwise_the_same() -> None:
    first, second = said(page()), said(page(), attempt=2)
    assert (first.key, first.json["links"]) == (second.key, second.json["links"])
    assert "attempt 2" in second.text


@pytest.mark.parametrize("kind,links", [(Kind.PAGE, True), (Kind.UPDATE, True), (Kind.RESOLVED, False), (Kind.TEST, False)])
def test_only_what_can_still_be_acted_on_carries_links_that_act(kind: Kind, links: bool) -> None:
    message = said(page(kind))
    assert (message.json["links"]["acknowledge"] is not None) is links
    assert message.json["event"] == kind.value


@pytest.mark.parametrize("kind", [Kind.PAGE, Kind.UPDATE])
@pytest.mark.parametrize("state", IncidentState)
def test_a_message_links_to_what_changes_the_incident_and_to_nothing_else(kind: Kind, state: IncidentState) -> None:
    links = said(page(kind), state=state).json["links"]
    acting = {move for move in (Move.ACKNOWLEDGE, Move.RESOLVE) if links[move] is not None}
    assert acting == offered(incident(state=state)) & {Move.ACKNOWLEDGE, Move.RESOLVE}
    assert (Move.ACKNOWLEDGE in acting) is (state is IncidentState.TRIGGERED)


def test_many_alerts_are_a_few_and_a_number() -> None:
    message = said(page(), alerts=[alert(summary=f"no {n}") for n in range(SHOWN_ALERTS)], alert_count=50_000)
    assert f"and {50_000 - SHOWN_ALERTS} more" in message.text


@pytest.mark.parametrize(
    "kind,title",
    [
        (Kind.PAGE, "[ERROR] #1 db is down"),
        (Kind.UPDATE, "[UPDATE] [ERROR] #1 db is down"),
        (Kind.RESOLVED, "[RESOLVED] #1 db is down"),
    ],
)
def test_what_a_message_is_stands_in_brackets_so_that_mail_programs_keep_one_conversation(kind: Kind, title: str) -> None:
    assert said(page(kind), title="db is down").title == title


def test_messages_of_one_incident_have_one_thread_and_each_page_its_own_id() -> None:
    first, repeat, end = said(page()), said(page(), attempt=2), said(page(Kind.RESOLVED, key="1:1:resolved:ada"))
    assert first.thread == repeat.thread == end.thread
    assert first.uid == repeat.uid != end.uid
    assert said(page(Kind.TEST, incident=None)).thread is None


OTHERS = {
    "a stack with another key": (MessageContext("https://tocsin.example", b"another"), {}),
    "the same key over a new database": (DESK, {"opened_at": NOON + timedelta(days=1)}),
    "another incident": (DESK, {"number": 2}),
}


@pytest.mark.parametrize("desk,facts", OTHERS.values(), ids=OTHERS)
def test_no_other_stack_or_database_has_this_thread_or_this_id(desk: MessageContext, facts: dict[str, Any]) -> None:
    ours = said(page())
    theirs = compose(Claim(7, 1, 1, page()), incident(**facts), [], desk, NOON)
    assert ours.thread != theirs.thread
    assert ours.uid != theirs.uid
    assert ours.key == theirs.key


EVIL = "x\u202egnp.exe\u202c\x1b[2J\x9b31m\r\nBcc: eve@example.com\u2028\u200by"


def test_no_text_from_outside_steers_what_shows_it() -> None:
    message = said(
        page(reasons=(recorded(EVIL),)),
        alerts=[alert(summary=EVIL, reasons=(recorded(EVIL + "z"),))],
        title=EVIL,
        service=EVIL,
        team=EVIL,
    )
    assert message.title == "[ERROR] #1 xgnp.exe Bcc: eve@example.com y"
    for text in (message.text, message.html):
        assert text.replace("\n", "").isprintable()
    assert "\nBcc" not in message.text
    assert message.json["incident"]["title"] == EVIL  # data is kept as it came; its own encoding escapes it


@quick
@given(st.text(max_size=200))
def test_no_text_from_outside_becomes_markup_or_breaks_the_json(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    message = said(page(reasons=(recorded(text),)), alerts=[alert(summary=text)], title=text)
    assert "<script" not in said(page(), title="<script>alert(1)</script>").html
    assert message.html.count("<h2>") == 1
    assert json.loads(orjson.dumps(message.json))["incident"]["title"] == text
