"""performance.promql and business.promql: a real Prometheus, and servers that fail, hang and lie in its name."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import Answer, Handler, drips, floods, hangs, ok, says, slams
from tests.probes.run import Options, against, measure
from tests.probes.servers.prometheus import running

pytestmark = pytest.mark.xdist_group("prometheus")


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("prometheus")) as url:
        yield url


def asked(query: str, prometheus: str, name: str = "business.promql", **with_: Any) -> Reading:
    return measure(name, url=prometheus, query=query, **with_)


def by_labels(reading: Reading) -> dict[tuple[str, ...], float]:
    return {
        tuple(v for k, v in sorted(one.labels.items()) if k not in ("instance", "job")): one.value for one in reading.series
    }


@pytest.mark.parametrize("name", ["performance.promql", "business.promql"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_label_set_of_a_real_server_is_a_series(prometheus: str, name: str, method: str) -> None:
    reading = asked("shop_orders_open", prometheus, name, metric="orders_open", method=method)
    assert reading.status == "ok", reading.message
    assert by_labels(reading) == {("eu",): 3, ("us",): 0.5}
    assert not any("__name__" in one.labels for one in reading.series)
    assert {one.metric for one in reading.series} == {"orders_open"}
    assert not reading.metrics


@pytest.mark.parametrize(
    "query, value", [("sum(shop_orders_open)", 3.5), ("scalar(sum(shop_orders_open)) * 2", 7), ("1 + 1", 2)]
)
def test_a_value_without_labels_is_a_metric(prometheus: str, query: str, value: float) -> None:
    reading = asked(query, prometheus)
    assert (reading.status, reading.metrics, reading.series) == ("ok", {"value": value}, ())
    assert reading.message == f"value {value:g}"


def test_names_stay_where_the_label_sets_need_them(prometheus: str) -> None:
    reading = asked('{__name__=~"shop_orders_open|shop_odd"}', prometheus)
    assert {one.labels["__name__"] for one in reading.series} == {"shop_orders_open", "shop_odd"}


def test_nan_and_infinity_are_left_out_and_said(prometheus: str) -> None:
    reading = asked("shop_odd", prometheus)
    assert by_labels(reading) == {("one",): 1}
    assert "2 NaN or infinite skipped" in reading.message
    assert asked("vector(0) / 0", prometheus, empty="ok").status == "unknown"
    assert asked("scalar(nothing_there)", prometheus, empty="ok").status == "unknown"


def test_a_series_that_limits_cannot_judge_is_never_ok(prometheus: str) -> None:
    reading = asked("shop_odd", prometheus, critical_above=5)
    assert (reading.status, "2 NaN or infinite skipped" in reading.message) == ("unknown", True)
    assert asked("shop_odd >= 0 < 100", prometheus, critical_above=5).status == "ok"
    assert asked("shop_odd", prometheus, critical_below=5).status == "critical"


@pytest.mark.parametrize("empty", ["ok", "unknown", "critical"])
def test_no_result_is_what_the_check_says_it_is(prometheus: str, empty: str) -> None:
    reading = asked("shop_orders_open > 100", prometheus, empty=empty)
    assert (reading.status, reading.message) == (empty, "the query returned no value")


@pytest.mark.parametrize(
    "limits, status, told",
    [
        ({"critical_above": 2}, "critical", 'region="eu"} 3 is above 2'),
        ({"warning_below": 1}, "warning", 'region="us"} 0.5 is below 1'),
        ({"warning_below": 0, "critical_above": 3}, "ok", "2 series"),
    ],
    ids=str,
)
def test_values_are_judged_when_asked_and_the_label_set_is_named(
    prometheus: str, limits: Options, status: str, told: str
) -> None:
    reading = asked("shop_orders_open", prometheus, **limits)
    assert reading.status == status
    assert told in reading.message


@pytest.mark.parametrize(
    "query, told, more",
    [
        ("sum(", "bad_data", {}),
        ("shop_orders_open[1m]", "instant vector or a scalar", {}),
        ('"text"', "returned a string", {}),
        ("shop_orders_open", "more than 1 series", {"max_series": 1}),
        ("shop_orders_open", "longer than 20 bytes", {"max_bytes": 20}),
    ],
    ids=str,
)
def test_what_cannot_be_measured_is_unknown_with_the_servers_words(
    prometheus: str, query: str, told: str, more: Options
) -> None:
    reading = asked(query, prometheus, **more)
    assert reading.status == "unknown"
    assert told in reading.message
    assert not reading.series


def answer(result: object, kind: str = "vector", /, **more: object) -> bytes:
    return ok(json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode())


ONE = [{"metric": {"a": "b"}, "value": [1, "5"]}]
SECRETS: Options = {"token": "t0ken"}


def lied(handler: Answer, timeout: float = 5.0, **with_: Any) -> Reading:
    handler = says(handler) if isinstance(handler, bytes) else handler
    return against(
        handler, "business.promql", url="http://127.0.0.1:PORT/prefix/", query="up", timeout=timeout, **SECRETS, **with_
    )


@pytest.mark.parametrize("handler", [hangs, drips], ids=lambda one: one.__name__)
def test_a_server_that_hangs_is_unknown_within_the_time_out(handler: Handler) -> None:
    started = time.monotonic()
    reading = lied(handler, timeout=0.4)
    assert reading.status == "unknown"
    assert "within" in reading.message
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "handler, told",
    [
        (slams, "re"),
        (floods, "too long to be read"),
        (ok(b"<html>login</html>"), "not JSON"),
        (ok(b'{"status": "fine"}'), "not from the Prometheus"),
        (ok(b"[]"), "not from the Prometheus"),
        (ok(b"", status="401 No"), "the server returned 401"),
        (ok(b"no healthy upstream", status="503 Busy"), "503"),
        (ok(b'{"status":"error","errorType":"execution","error":"too many samples"}', status="422 No"), "too many samples"),
        (answer(None), "not a list"),
        (answer([{"metric": {}}]), "a sample in the response is invalid"),
        (answer([{"metric": [], "value": [1, "2"]}]), "a sample in the response is invalid"),
        (answer([{"metric": {}, "value": [1, "x"]}]), "a sample in the response is invalid"),
        (answer(["x"]), "a sample in the response is invalid"),
        (answer(ONE + ONE), "same labels"),
        (answer(ONE * 600), "more than 500 series"),
        (answer([1, "2"], "matrix"), "returned a matrix"),
        (answer([{"metric": {}, "histogram": [1, {}]}]), "1 histograms skipped"),
        (ok(b'{"status":"success"}'), "without a type"),
    ],
    ids=lambda one: one.__name__ if callable(one) else str(one)[-60:],
)
def test_a_server_that_lies_is_unknown_and_said_how(handler: Answer, told: str) -> None:
    reading = lied(handler)
    assert reading.status == "unknown"
    assert told in reading.message
    assert "t0ken" not in reading.message


@pytest.mark.parametrize(
    "more, with_, status, told",
    [
        ({"warnings": ["store 10.0.0.7 is away"]}, {}, "unknown", "store 10.0.0.7 is away"),
        ({"warnings": ["store 10.0.0.7 is away"]}, {"partial": "warning"}, "warning", "10.0.0.7"),
        ({"isPartial": True}, {}, "unknown", "partial"),
        ({"isPartial": True}, {"partial": "ok"}, "ok", "partial"),
        ({"warnings": ["PromQL warning: quantile value should be between 0 and 1"]}, {}, "ok", "quantile"),
        ({"isPartial": False}, {"critical_above": 4}, "critical", "above 4"),
    ],
    ids=str,
)
def test_an_answer_without_some_stores_is_said_and_never_simply_ok(
    more: dict[str, object], with_: Options, status: str, told: str
) -> None:
    reading = lied(answer(ONE, **more), **with_)
    assert (reading.status, told in reading.message) == (status, True), reading.message
    assert reading.series[0].value == 5


def test_the_query_goes_below_the_prefix_with_its_token_and_an_end() -> None:
    heard = bytearray()

    async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"\r\n\r\n"))
        heard.extend(await reader.read(1000))
        writer.write(answer(ONE))
        await writer.drain()

    assert lied(listens).status == "ok"
    assert heard.startswith(b"POST /prefix/api/v1/query HTTP/1.1")
    assert b"Bearer t0ken" in heard
    assert b"query=up&timeout=" in heard


@pytest.mark.parametrize(
    "wrong",
    [{"query": " "}, {"metric": "a b"}, {"empty": "fine"}, {"max_series": 0}, {"url": "http://169.254.169.254"}],
    ids=str,
)
def test_a_wrong_setting_is_refused(wrong: Options) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("business.promql").Question.model_validate({"url": "http://h", "query": "up", **wrong})
