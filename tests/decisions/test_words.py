"""Durations and shares as people write them; links that act; what a page says; what comes in from outside."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid, TooLarge
from app.notify.compose import SHOWN_ALERTS, Desk, compose
from app.notify.links import ACTIONS, Link, read, token
from app.notify.model import Claim, Draft, Kind
from app.signals.model import Said
from app.signals.sources import generic
from app.units import format_duration, parse_duration, parse_percent
from tests.decisions.words import NOON, alert, incident, quick

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


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5m", "5M", "1h 30m", "9" * 400 + "w", "5m\n", 5, None, ["5m"]])
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
@given(keys, st.sampled_from(ACTIONS), times)
def test_a_link_is_read_back_and_always_the_same(key: str, action: str, expires: datetime) -> None:
    key = key.encode("utf-8", "ignore").decode()
    made = token(SECRET, key, action, expires)
    assert read(SECRET, made) == Link(key, action, expires)
    assert token(SECRET, key, action, expires) == made
    with pytest.raises(Invalid):
        read(b"other" * 8, made)


@quick
@given(st.data())
def test_any_altered_character_of_a_link_is_refused(data: st.DataObject) -> None:
    made = token(SECRET, "1:1:0:1:ada:hook", "acknowledge", NOON)
    place = data.draw(st.integers(0, len(made) - 1))
    altered = made[:place] + data.draw(st.characters()) + made[place + 1 :]
    if altered != made:
        with pytest.raises(Invalid):
            read(SECRET, altered)


@quick
@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_other_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(Invalid, match="this link is"):
        read(SECRET, text)


@quick
@given(keys, keys, times, times)
def test_two_links_are_the_same_only_for_the_same_page_action_and_time(
    one: str, other: str, at: datetime, then: datetime
) -> None:
    first, second = one.encode("utf-8", "ignore").decode(), other.encode("utf-8", "ignore").decode()
    same = token(SECRET, first, "resolve", at) == token(SECRET, second, "resolve", then)
    assert same is ((first, at) == (second, then))


def test_a_key_that_looks_like_a_link_stays_a_key() -> None:
    key = "9|resolve|9999999999|1:1"
    assert read(SECRET, token(SECRET, key, "acknowledge", NOON)) == Link(key, "acknowledge", NOON)


# --- what a page says


def page(kind: Kind = Kind.PAGE, **more: Any) -> Draft:
    known = {
        "key": "1:1:0:1:ada:hook",
        "kind": kind,
        "incident": 1,
        "obligation": 1,
        "generation": 1,
        "round": 0,
        "step": 1,
        "user": "ada",
        "contact": "hook",
        "channel": "hook",
        "to": "x",
        "due_at": NOON,
        "reason": "ada is named",
    }
    return Draft(**known | more)


DESK = Desk("https://tocsin.example", SECRET)


def said(draft: Draft, attempt: int = 1, alerts: Any = (), **facts: Any) -> Any:
    about = None if draft.kind is Kind.TEST else incident(**facts)
    return compose(Claim(7, 1, attempt, draft), about, alerts, DESK, NOON)


def test_a_page_says_how_bad_which_what_since_when_and_why_you() -> None:
    message = said(page(), alerts=[alert(because="3 of 3")], title="db is down")
    assert message.title == "[ERROR] #1 db is down"
    for part in ("Since 2026-11-23 12:00:00 UTC", "service shop", "it is wrong (3 of 3)", "Why you: ada is named."):
        assert part in message.text
    assert message.json["page"] == {"id": 7, "key": "1:1:0:1:ada:hook", "attempt": 1, "step": 1, "reason": "ada is named"}


def test_a_repeat_is_marked_and_otherwise_the_same() -> None:
    first, second = said(page()), said(page(), attempt=2)
    assert (first.key, first.json["links"]) == (second.key, second.json["links"])
    assert "attempt 2" in second.text


@pytest.mark.parametrize("kind,links", [(Kind.PAGE, True), (Kind.UPDATE, True), (Kind.RESOLVED, False), (Kind.TEST, False)])
def test_only_what_can_still_be_acted_on_carries_links_that_act(kind: Kind, links: bool) -> None:
    message = said(page(kind))
    assert (message.json["links"]["acknowledge"] is not None) is links
    assert message.json["event"] == kind.value


def test_many_alerts_are_a_few_and_a_number() -> None:
    message = said(page(), alerts=[alert(summary=f"no {n}") for n in range(SHOWN_ALERTS)], alert_count=50_000)
    assert f"and {50_000 - SHOWN_ALERTS} more" in message.text


@quick
@given(st.text(max_size=200))
def test_no_text_from_outside_becomes_markup_or_breaks_the_json(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    message = said(page(reason=text), alerts=[alert(summary=text)], title=text)
    assert "<script" not in said(page(), title="<script>alert(1)</script>").html
    assert message.html.count("<h2>") == 1
    assert json.loads(orjson.dumps(message.json))["incident"]["title"] == text


# --- what comes in

events = st.fixed_dictionaries(
    {},
    optional={
        "key": st.text(max_size=600) | st.none() | st.integers(),
        "status": st.sampled_from(["firing", "resolved", "on", 1]),
        "severity": st.sampled_from(["critical", "info", "bad", None]),
        "summary": st.text(max_size=1100) | st.floats(),
        "service": st.text(max_size=300) | st.none(),
        "labels": st.dictionaries(st.text(max_size=140), st.text(max_size=10) | st.integers(), max_size=70),
        "starts_at": st.datetimes().map(lambda at: at.isoformat() + "Z") | st.text(max_size=30) | st.integers(),
        "links": st.lists(st.text(max_size=20), max_size=25),
        "unknown": st.none(),
    },
)


WAYS = ("taken", "invalid", "too large")


def outcome(body: bytes) -> str:
    """How a body is taken; anything but the three ways is an error."""
    try:
        signals = generic.parse(body, "user:t")
    except TooLarge:
        return "too large"
    except Invalid as error:
        return "invalid" if all(fault.detail for fault in error.faults) else "invalid without a word"
    for signal in signals:
        orjson.dumps([signal.summary, dict(signal.labels), signal.key, signal.alertname])
        assert signal.key
        assert signal.alertname
        assert len(signal.fingerprint) == 32
        assert "\0" not in signal.summary + signal.key + "".join([*signal.labels, *signal.labels.values()])
    return "taken"


@quick
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_signals_or_invalid_or_too_large(body: bytes) -> None:
    assert outcome(body) in WAYS


@quick
@given(st.lists(events, max_size=4))
def test_any_events_are_signals_or_invalid_or_too_large(given_: list[dict[str, Any]]) -> None:
    assert outcome(json.dumps({"events": given_}).encode("utf-8", "surrogatepass")) in WAYS


@quick
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_signals_or_invalid_or_too_large(document: Any) -> None:
    assert outcome(json.dumps(document).encode("utf-8", "surrogatepass")) in WAYS


def body(*given_: dict[str, Any]) -> bytes:
    return json.dumps({"events": list(given_)}).encode()


TAKEN = {
    "a key is enough": (body({"key": "k"}), "taken"),
    "labels are enough": (body({"labels": {"a": "b"}}), "taken"),
    "a summary is enough": (body({"summary": "s"}), "taken"),
    "nothing is not": (body({}), "invalid"),
    "no events are fine": (body(), "taken"),
    "NaN is no JSON": (b'{"events": [{"key": "k", "labels": {"a": NaN}}]}', "invalid"),
    "a number is no label": (body({"key": "k", "labels": {"a": 1}}), "invalid"),
    "a summary of 1,024 characters": (body({"summary": "s" * 1024}), "taken"),
    "one more": (body({"summary": "s" * 1025}), "invalid"),
    "a key of 512": (body({"key": "s" * 512}), "taken"),
    "one more in the key": (body({"key": "s" * 513}), "invalid"),
    "64 labels": (body({"labels": {f"l{n}": "x" for n in range(64)}}), "taken"),
    "65 labels": (body({"labels": {f"l{n}": "x" for n in range(65)}}), "invalid"),
    "5,000 events": (body(*[{"key": "k"}] * 5000), "taken"),
    "5,001 events": (body(*[{"key": "k"}] * 5001), "too large"),
    "nested 20 deep": (b"[" * 20 + b"]" * 20, "invalid"),
    "nested 21 deep": (b"[" * 21 + b"]" * 21, "too large"),
    "brackets in a text are not nesting": (body({"key": "[" * 100}), "taken"),
    "after an escaped quote, too": (body({"key": '"\\"' + "[" * 100}), "taken"),
    "9 MiB": (b" " * (9 << 20), "too large"),
    "a time in the year 10000 when in UTC": (body({"key": "k", "starts_at": "9999-12-31T23:59:59-12:00"}), "invalid"),
    "a time before the year 1 when in UTC": (body({"key": "k", "starts_at": "0001-01-01T00:00:00+14:00"}), "invalid"),
    "a time without an offset": (body({"key": "k", "starts_at": "2026-01-01T00:00:00"}), "invalid"),
}


@pytest.mark.parametrize("given_,expected", TAKEN.values(), ids=TAKEN)
def test_what_is_taken(given_: bytes, expected: str) -> None:
    assert outcome(given_) == expected


def test_one_bad_event_refuses_all_and_every_mistake_is_named_with_its_place() -> None:
    with pytest.raises(Invalid) as refused:
        generic.parse(body({"key": "k"}, {"severity": "bad", "key": 1}, {"labels": {"a": "b"}, "colour": 1}), "user:t")
    assert sorted((fault.index, fault.field) for fault in refused.value.faults) == [(1, "key"), (1, "severity"), (2, "colour")]


def test_without_a_key_equal_labels_are_the_same_alert_in_any_order() -> None:
    one, other, third = generic.parse(
        body({"labels": {"a": "1", "b": "2"}}, {"labels": {"b": "2", "a": "1"}, "status": "resolved"}, {"labels": {"a": "12"}}),
        "user:t",
    )
    assert one.fingerprint == other.fingerprint != third.fingerprint
    assert other.said is Said.RESOLVED
