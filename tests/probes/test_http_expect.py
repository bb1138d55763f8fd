"""What health.http says of JSON, of where redirects end, and of answers that are not what they say they are."""

import asyncio
import gzip
import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import Answer, Handler, drips, floods, hangs, ok, redirect, says, serve
from tests.probes.run import Options, against, measured

SHOP = {
    "status": "ok", "ready": True, "none": None, "version": "2.7.1", "queue": {"depth": 7, "limit": "40"},
    "tags": ["a", "b", 1],
    "nodes": [{"name": "n1", "up": True}, {"name": "n2", "up": True}, {"name": "n3", "up": False}],
}  # fmt: skip
JSON = "Content-Type: application/json\r\n"
URL = "http://127.0.0.1:PORT/checkout?token=s3cret"


def health(answer: Answer, wanted: Options, **with_: Any) -> Reading:
    handler = says(answer) if isinstance(answer, bytes) else answer
    expect = wanted if "json" in wanted or "final_url" in wanted else {"json": wanted}
    return against(handler, "health.http", url=URL, expect=expect, **with_)


SOUND = ok(json.dumps(SHOP).encode(), JSON)


@pytest.mark.parametrize(
    "wanted",
    [
        {"$.status": "ok"},
        {"$.ready": True, "$.none": None, "$.queue.depth": 7.0},
        {"$.queue.depth": {"below": 100, "above": 5}},
        {"$.queue.limit": {"below": 41}},
        {"$.version": {"matches": r"^2\."}, "$.status": {"equals": "ok", "length": 2}},
        {"$.tags": {"contains": "a", "length": {"above": 1}}, "$.version": {"contains": "7"}, "$.queue": {"contains": "depth"}},
        {"$.tags": ["a", "b", 1], "$.queue": {"equals": {"depth": 7, "limit": "40"}}},
        {"$.error": {"exists": False}, "$.status": {"exists": True}},
        {"$.nodes[*].name": {"length": 2}, "$.nodes[?!@.up || @.up == false].name": {"exists": True}},
        {"$": {"length": {"below": 100}}},
    ],
    ids=str,
)
def test_json_as_expected_is_ok(wanted: Options) -> None:
    reading = health(SOUND, wanted)
    assert reading.status == "ok", reading.message


@pytest.mark.parametrize(
    "wanted, told",
    [
        ({"$.status": "up"}, '$.status is "ok", expected "up"'),
        ({"$.ready": 1}, "$.ready is true, expected 1"),
        ({"$.queue.depth": True}, "$.queue.depth is 7, expected true"),
        ({"$.queue.depth": "7"}, '$.queue.depth is 7, expected "7"'),
        ({"$.queue.depth": {"below": 7}}, "$.queue.depth is 7, expected below 7"),
        ({"$.queue.depth": {"above": 7}}, "$.queue.depth is 7, expected above 7"),
        ({"$.status": {"below": 7}}, '$.status is "ok", not a number'),
        ({"$.ready": {"above": 0}}, "$.ready is true, not a number"),
        ({"$.missing": "x"}, "$.missing is missing"),
        ({"$.missing": {"exists": True}}, "$.missing is missing"),
        ({"$.status": {"exists": False}}, '$.status is "ok", expected nothing there'),
        ({"$.tags": {"contains": True}}, 'expected to contain true'),
        ({"$.tags": {"length": 2}}, "of length 3, expected 2"),
        ({"$.tags": {"length": {"above": 3}}}, "of length 3, expected above 3"),
        ({"$.queue.depth": {"length": 2}}, "of length None, expected 2"),
        ({"$.version": {"matches": "^3"}}, '$.version is "2.7.1", expected to match "^3"'),
        ({"$.none": {"matches": "."}}, "$.none is null, expected to match"),
        ({"$.nodes[*].up": True}, "$.nodes[*].up is false, expected true"),
        ({"$.nodes[*].name": "n1"}, '$.nodes[*].name is "n2", expected "n1" (and 1 more)'),
        ({"$.status": "up", "$.ready": False}, "; $.ready is true, expected false"),
    ],
    ids=str,
)  # fmt: skip
def test_json_that_is_not_as_expected_is_critical_and_said(wanted: Options, told: str) -> None:
    reading = health(SOUND, wanted)
    assert reading.status == "critical"
    assert told in reading.message
    assert reading.metrics["status_code"] == 200


@pytest.mark.parametrize(
    "answer, told",
    [
        (ok(b"<html>Please log in</html>", JSON), "the body is not JSON"),
        (ok(b"", JSON), "the body is empty"),
        (ok(b'{"status": "ok"', JSON), "the body is not JSON"),
        (ok(b'{"status": NaN}', JSON), "the body is not JSON"),
        (ok(b"[" * 100_000, JSON), "the body is not JSON"),
        (ok(b'{"status": "' + b"x" * 2_000_000 + b'"}', JSON), "too long to be read as JSON"),
        (ok(gzip.compress(b"[" + b" " * 50_000_000), JSON + "Content-Encoding: gzip\r\n"), "too long to be read as JSON"),
        (ok(b"[" + b"[]," * 150_000 + b"[]]", JSON), "matches too much"),
        (ok(b"[" + b"[]," * 300_000 + b"[]]", JSON), "more than 200000 lists and objects"),
        (ok(json.dumps({"status": "\ud800"}).encode(), JSON), "the body is not JSON"),
        (ok(b'"ok"', JSON), "$.status is missing"),
        (floods, "too long to be read as JSON"),
    ],
    ids=[
        "a login page",
        "nothing",
        "cut off",
        "NaN",
        "deep",
        "long",
        "a gzip bomb",
        "wide",
        "wider",
        "half a letter",
        "a text",
        "a flood",
    ],
)
def test_an_answer_that_lies_about_being_json_is_critical_soon(answer: Answer, told: str) -> None:
    started = time.monotonic()
    reading = health(answer, {"$.status": "ok", "$..*..*": {"exists": True}})
    assert (reading.status, told in reading.message) == ("critical", True), reading.message
    assert time.monotonic() - started < 4
    assert len(reading.message) < 500


@pytest.mark.parametrize("handler", [hangs, drips])
def test_a_server_that_hangs_is_critical_within_the_time_out(handler: Handler) -> None:
    assert health(handler, {"$.status": "ok"}, timeout=0.4).status == "critical"


@pytest.mark.parametrize("charset, body", [("latin-1", '{"status": "\xfcber"}'), ("utf-8", '\ufeff{"status": "\xfcber"}')])
def test_json_is_read_in_its_charset_and_with_a_byte_order_mark(charset: str, body: str) -> None:
    answer = ok(body.encode(charset), f"Content-Type: application/json; charset={charset}\r\n")
    assert health(answer, {"$.status": "\xfcber"}).status == "ok"


def test_where_redirects_end_is_judged() -> None:
    async def moves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(ok() if asked.startswith(b"GET /new") else redirect("/new?x=1"))
        await writer.drain()

    assert health(moves, {"final_url": "http://127.0.0.1:"}).status == "ok"
    reading = health(moves, {"final_url": "https://"})
    assert reading.status == "critical"
    assert "/new?x=1, expected https://" in reading.message


@pytest.mark.parametrize(
    "wrong",
    [{"status": "ok"}, {"$.a": {}}, {"$.a": {"belw": 1}}, {"$.a": {"matches": "(?=x)"}}, {"$.a": {"below": "x"}}, {"$[?": 1}],
    ids=str,
)
def test_a_wrong_expectation_is_refused_when_read(wrong: Options) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("health.http").Target.model_validate({"url": "http://h/", "expect": {"json": wrong}})


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ("Zahlung gestört".encode("utf-16"), ""),
        (b"\xef\xbb\xbf" + "Zahlung gestört".encode(), "Content-Type: text/html; charset=iso-8859-1\r\n"),
        ("<meta charset=latin1>Zahlung gestört".encode("latin1"), "Content-Type: text/html\r\n"),
        (
            '<meta http-equiv="Content-Type" content="text/html; charset=cp850">Zahlung gestört'.encode("cp850"),
            "Content-Type: text/html\r\n",
        ),
        ("Zahlung gestört".encode("cp1252"), "Content-Type: text/plain\r\n"),
        ("Zahlung gestört".encode("utf-16-be"), "Content-Type: text/plain; charset=utf-16be\r\n"),
    ],
)
def test_an_error_page_is_read_in_its_own_charset(body: bytes, head: str) -> None:
    for wanted, status in (
        ({"body_lacks": "gestört"}, "critical"),
        ({"body_contains": "gestört"}, "ok"),
        ({"body_matches": "gest.rt$"}, "ok"),
    ):
        assert against(says(ok(body, head)), "health.http", url=URL, expect=wanted).status == status


def test_a_value_is_taken_from_a_page_in_its_own_charset() -> None:
    steps: list[Options] = [
        {"url": "http://127.0.0.1:PORT/", "take": {"name": {"matches": "<b>(.*)</b>"}}},
        {"url": "http://127.0.0.1:PORT/{{ name }}"},
    ]
    asked = []

    async def site(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ok("<html><meta charset=koi8-r><b>Заказ</b>".encode("koi8-r"), "Content-Type: text/html\r\n"))
        await writer.drain()

    async def story() -> Reading:
        async with serve(site) as port:
            filled = [{**step, "url": step["url"].replace("PORT", str(port))} for step in steps]
            return await measured("health.http", steps=filled)

    assert asyncio.run(story()).status == "ok"
    assert b"/%D0%97%D0%B0%D0%BA%D0%B0%D0%B7 " in asked[1]
