"""business.http_json: numbers out of APIs that answer, fail, hang and lie."""

import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import Answer, Handler, drips, floods, hangs, ok, redirect, says, slams
from tests.probes.run import Options, against

SHOP = {
    "orders": {"open": 12, "value": "1034.50", "paid": True}, "note": "none", "nothing": None,
    "stock": [{"sku": "tea", "left": 5, "at": 1}, {"sku": "cup", "left": "0", "at": 1}, {"sku": "pot", "left": None, "at": 2}],
    "rates": {"usd": 1.08, "chf": 0.93}, "long": [1] * 600,
}  # fmt: skip
SOUND = ok(json.dumps(SHOP).encode())
STOCK = {"path": "$.stock[*]", "value": "$.left", "labels": {"sku": "$.sku"}}


def asked(metrics: Options, answer: Answer = SOUND, **with_: Any) -> Reading:
    handler = says(answer) if isinstance(answer, bytes) else answer
    url = with_.pop("url", "http://127.0.0.1:PORT/api?key=s3cret")
    return against(handler, "business.http_json", url=url, metrics=metrics, token="t0ken", **with_)


@pytest.mark.parametrize(
    "path, value",
    [
        ("$.orders.open", 12),
        ("$.orders.value", 1034.5),
        ("$.orders.paid", 1),
        ("$.stock[?@.sku == 'cup'].left", 0),
        ({"path": "$.orders", "value": "$.open"}, 12),
    ],
    ids=str,
)
def test_a_number_a_text_that_is_one_and_a_yes_are_metrics(path: str | dict[str, str], value: float) -> None:
    reading = asked({"orders": path})
    assert (reading.status, reading.metrics, reading.series) == ("ok", {"orders": value}, ()), reading.message
    assert reading.message == f"orders {value:g}"


def test_a_list_of_objects_gives_one_value_for_each_by_its_label() -> None:
    reading = asked({"left": STOCK})
    assert reading.status == "ok"
    assert {one.labels["sku"]: one.value for one in reading.series} == {"tea": 5, "cup": 0}
    assert "left has no value for 1 of 3: it is null" in reading.message


def test_several_numbers_without_labels_are_told_apart_by_position() -> None:
    assert {one.labels["item"]: one.value for one in asked({"rate": "$.rates.*"}).series} == {"1": 1.08, "2": 0.93}


@pytest.mark.parametrize(
    "metrics, status, told",
    [
        ({"a": "$.missing"}, "unknown", "a has no value: it is missing"),
        ({"a": "$.nothing"}, "unknown", "a has no value: it is null"),
        ({"a": "$.note"}, "unknown", 'a has no value: it is "none"'),
        ({"a": "$.orders"}, "unknown", "a has no value: it is {"),
        ({"a": "$.orders.open", "b": "$.missing"}, "unknown", "a 12; b has no value: it is missing"),
        ({"a": "$.long[*]"}, "unknown", "selects 600 values, more than 500"),
        ({"a": {**STOCK, "labels": {"at": "$.at"}}}, "unknown", "have the same labels"),
        ({"a": {"path": "$.stock[0]", "value": "$.*"}}, "unknown", "3 values at $.*"),
    ],
    ids=str,
)
def test_what_is_missing_is_no_value_and_said(metrics: Options, status: str, told: str) -> None:
    reading = asked(metrics)
    assert (reading.status, told in reading.message) == (status, True), reading.message


@pytest.mark.parametrize(
    "metrics, limits, status, told",
    [
        ({"open": "$.orders.open"}, {"critical_above": 10}, "critical", "open 12 is above 10"),
        ({"open": "$.orders.open"}, {"warning_below": 13, "critical_below": 5}, "warning", "open 12 is below 13"),
        ({"left": STOCK}, {"critical_below": 1}, "critical", "left of cup 0 is below 1"),
        ({"open": "$.orders.open", "rate": "$.rates.chf"}, {"critical_below": 1}, "ok", "open 12"),
        ({"open": "$.orders.open", "b": "$.x"}, {"critical_above": 1}, "critical", "b has no value"),
        ({"left": STOCK}, {"critical_below": -1}, "unknown", "left has no value for 1 of 3: it is null"),
        ({"left": STOCK}, {"warning_above": 4}, "warning", "left has no value for 1 of 3: it is null"),
        ({"open": "$.orders.open", "left": STOCK}, {"critical_below": 1}, "ok", "left has no value for 1 of 3"),
        ({"a": "$.nothing"}, {"critical_below": 1}, "unknown", "a has no value"),
    ],
    ids=str,
)
def test_the_first_metric_is_judged_when_asked(metrics: Options, limits: Options, status: str, told: str) -> None:
    reading = asked(metrics, **limits)
    assert (reading.status, told in reading.message) == (status, True), reading.message


@pytest.mark.parametrize(
    "answer, told",
    [
        (slams, "re"),
        (floods, "too long"),
        (ok(b"<html>"), "not JSON"),
        (ok(b"{}", status="500 Oops"), "status 500"),
        (ok(b'{"error": "no such key"}', status="401 No"), "status 401"),
        (redirect("http://169.254.169.254/"), "metadata"),
        (redirect("/again"), "redirects"),
        (ok(b"[" + b"[]," * 150_000 + b"[]]"), "matches too much"),
        (ok(b"[" + b"[]," * 300_000 + b"[]]"), "more than 200000 lists"),
        (ok(json.dumps({"orders": {"open": "1" * 5000}}).encode()), "it is "),
        (ok(json.dumps({"orders": {"open": "Infinity"}}).encode()), 'it is "Infinity"'),
        (ok(b'{"orders": {"open": 1e999}}'), "infinity"),
    ],
    ids=lambda one: one.__name__ if callable(one) else str(one)[-40:],
)  # fmt: skip
def test_a_server_that_fails_or_lies_is_unknown_and_said_how(answer: Answer, told: str) -> None:
    reading = asked({"open": "$.orders.open", "all": "$..*.*"}, answer)
    assert (reading.status, told in reading.message) == ("unknown", True), reading.message
    assert not any(secret in reading.message for secret in ("t0ken", "s3cret"))
    assert len(reading.message) < 400


@pytest.mark.parametrize("handler", [hangs, drips])
def test_a_server_that_hangs_is_unknown_within_the_time_out(handler: Handler) -> None:
    started = time.monotonic()
    assert asked({"open": "$.orders.open"}, handler, timeout=0.4).status == "unknown"
    assert time.monotonic() - started < 1.5


def test_reading_that_takes_too_long_ends_in_time() -> None:
    things = json.dumps([[[]] * 400] * 400).encode()
    started = time.monotonic()
    reading = asked({"a": {"path": "$[*]", "value": "$..*..*..nothing"}}, ok(things), timeout=0.5, max_bytes=9_000_000)
    assert (reading.status, "not read in time" in reading.message) == ("unknown", True), reading.message
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "wrong",
    [{}, {"a": "orders"}, {"a b": "$.a"}, {"a": {"path": "$.a", "labels": {"x": "a"}}}, {"a": {"value": "$.a"}}, {"a": 5}],
    ids=str,
)
def test_a_wrong_setting_is_refused(wrong: Options) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("business.http_json").Question.model_validate({"url": "http://h/", "metrics": wrong})


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_json_is_read_in_its_own_charset(charset: str) -> None:
    answer = ok('{"orte": [{"name": "Köln", "n": 3}]}'.encode(charset), "Content-Type: application/json\r\n")
    reading = asked({"n": {"path": "$.orte[*]", "value": "$.n", "labels": {"name": "$.name"}}}, answer)
    assert [(one.value, one.labels) for one in reading.series] == [(3, {"name": "Köln"})], reading.message
