"""What comes in from outside: any bytes are signals, invalid or too large, and nothing else."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid, TooLarge
from app.signals.model import SignalStatus
from app.signals.sources import generic
from tests.decisions.words import quick

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
    assert other.status is SignalStatus.RESOLVED
