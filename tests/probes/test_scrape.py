"""performance.scrape: pages of real clients and of liars, rates and quantiles between runs."""

import asyncio
import time
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from app.net.exposition import quantile
from tests.net.serve import Answer, Handler, drips, floods, hangs, ok, says, slams
from tests.probes.run import Options, against, remembered

INF = float("inf")


class Shop:
    """What a service counts, with the official client."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.queue = Gauge("queue_length", "h", registry=self.registry)
        self.jobs = Counter("jobs", "h", ["state"], registry=self.registry)
        self.took = Histogram("took_seconds", "h", ["path"], buckets=(0.1, 0.5, 1, 2), registry=self.registry)
        self.sent = Summary("sent_bytes", "h", registry=self.registry)

    def page(self, is_open: bool) -> bytes:
        if is_open:
            return ok(openmetrics(self.registry), f"Content-Type: {CONTENT_TYPE_LATEST}\r\n")
        return ok(generate_latest(self.registry), "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n")


def scraped(page: Answer, *names: str, ago: float = 10.0, last: Reading | None = None, **with_: Any) -> Reading:
    """A run; `last` is the reading of the run before, which was `ago` seconds ago."""
    memory = {**remembered(last), "at": time.time() - ago} if last else {}
    handler = says(page) if isinstance(page, bytes) else page
    with_ = {"metrics": list(names) or ["queue_length"], "memory": memory, **with_}
    return against(handler, "performance.scrape", url="http://127.0.0.1:PORT/metrics", **with_)


ALL = ("queue_length", "jobs_total", "took_seconds", "sent_bytes")


@pytest.mark.parametrize("is_open", [False, True], ids=["text", "openmetrics"])
def test_gauges_rates_and_quantiles_of_a_real_client(is_open: bool) -> None:
    shop = Shop()
    shop.queue.set(7)
    shop.jobs.labels("done").inc(5)
    shop.took.labels("/").observe(0.05)
    first = scraped(shop.page(is_open), *ALL)
    assert first.status == "ok", first.message
    assert first.metrics == {"queue_length": 7}
    assert not first.series
    assert "give a rate from the next run on" in first.message

    shop.jobs.labels("done").inc(20)
    shop.jobs.labels("lost").inc()
    shop.sent.observe(100)
    for seconds in [0.2] * 50 + [0.7] * 40 + [1.5] * 10:
        shop.took.labels("/").observe(seconds)
    second = scraped(shop.page(is_open), *ALL, last=first)
    assert second.status == "ok", second.message
    assert second.metrics["sent_bytes_count_per_second"] == pytest.approx(0.1, rel=0.02)
    values = {(one.metric, *one.labels.values()): one.value for one in second.series}
    assert values["jobs_per_second", "done"] == pytest.approx(2, rel=0.02)
    assert ("jobs_per_second", "lost") not in values
    assert values["took_seconds_count_per_second", "/"] == pytest.approx(10, rel=0.02)
    assert values["took_seconds_p50", "/"] == pytest.approx(0.5)
    assert values["took_seconds_p95", "/"] == pytest.approx(1.5)
    assert values["took_seconds_p99", "/"] == pytest.approx(1.9)
    again = scraped(shop.page(is_open), "took_seconds", last=second)
    assert not any("_p" in one.metric and "per_second" not in one.metric for one in again.series)


def test_a_service_that_began_again_counts_from_zero() -> None:
    before, after = Shop(), Shop()
    before.jobs.labels("done").inc(1000)
    before.took.labels("/").observe(0.2)
    before.took.labels("/").observe(0.2)
    after.jobs.labels("done").inc(30)
    after.took.labels("/").observe(1.5)
    second = scraped(after.page(False), "jobs", "took_seconds", last=scraped(before.page(False), "jobs", "took_seconds"))
    values = {one.metric: one.value for one in second.series}
    assert values["jobs_per_second"] == pytest.approx(3, rel=0.02)
    assert values["took_seconds_p50"] == pytest.approx(1.5)


def test_a_clock_that_was_set_back_gives_no_rates() -> None:
    shop = Shop()
    shop.jobs.labels("done").inc()
    reading = scraped(shop.page(False), "jobs_total", last=scraped(shop.page(False), "jobs_total"), ago=-3600)
    assert (reading.status, reading.series) == ("ok", ())


def test_labels_and_single_lines_are_picked() -> None:
    shop = Shop()
    for path in "ab":
        shop.took.labels(path).observe(1)
    first = scraped(shop.page(False), "took_seconds_count", match={"path": "a"})
    shop.took.labels("a").observe(1)
    second = scraped(shop.page(False), "took_seconds_count", last=first, match={"path": "a"})
    assert [(one.metric, dict(one.labels)) for one in second.series] == [("took_seconds_count_per_second", {"path": "a"})]


def test_quantiles_a_summary_gives_are_kept() -> None:
    page = ok(b'# TYPE rpc summary\nrpc{quantile="0.99"} 3.5\nrpc{quantile="0.5"} NaN\nrpc_sum 1\nrpc_count 2\n')
    assert scraped(page, "rpc").metrics == {"rpc_p99": 3.5}


@pytest.mark.parametrize(
    "wanted, buckets, value",
    [
        (0.5, {1: 5, 2: 10, INF: 10}, 1),
        (0.75, {1: 5, 2: 10, INF: 10}, 1.5),
        (0.25, {1: 5, 2: 10, INF: 10}, 0.5),
        (0.99, {1: 5, 2: 6, INF: 10}, 2),
        (0.5, {-1: 6, 2: 6, INF: 6}, -1),
        (0.5, {1: 5, 2: 4, INF: 10}, 1),
        (0.5, {1: 0, INF: 0}, None),
        (0.5, {1: 5, 2: 10}, None),
        (0.5, {INF: 10}, None),
    ],
    ids=str,
)
def test_a_quantile_is_what_prometheus_makes_of_the_buckets(
    wanted: float, buckets: dict[float, int], value: float | None
) -> None:
    assert quantile(wanted, buckets) == value


def lines(line: bytes, count: int = 1, kind: str = "text/plain") -> bytes:
    return ok(line * count, f"Content-Type: {kind}\r\n")


GAPS = b'one 1\nodd NaN\nwide +Inf\nside{a="x"} 2\n# TYPE done counter\ndone_total NaN\n'


@pytest.mark.parametrize(
    "names, with_, status, told",
    [
        (["one", "odd"], {}, "unknown", "1 value of 1 metric; no line has a number: odd"),
        (["one", "wide"], {}, "unknown", "no line has a number: wide"),
        (["one", "done_total"], {}, "unknown", "no line has a number: done_total"),
        (["one", "gone", "odd", "lost"], {}, "unknown", "not on the page: gone, lost; no line has a number: odd"),
        (["side", "one"], {"match": {"a": "x"}}, "unknown", "no line matches: one"),
        (["one", "side"], {}, "ok", "2 values of 2 metrics"),
    ],
    ids=str,
)
def test_a_name_without_a_value_is_never_ok_whatever_the_others_are(
    names: list[str], with_: Options, status: str, told: str
) -> None:
    reading = scraped(ok(GAPS), *names, **with_)
    assert (reading.status, told in reading.message) == (status, True), reading.message


OPEN = "application/openmetrics-text"


@pytest.mark.parametrize(
    "page, status, told",
    [
        (slams, "critical", "re"),
        (ok(status="503 Busy"), "critical", "returned 503"),
        (ok(status="401 No"), "unknown", "the page returned 401"),
        (floods, "unknown", "longer than"),
        (ok(b"<html>", "Content-Type: text/html\r\n"), "unknown", "text/html"),
        (lines(b"x", kind="application/vnd.google.protobuf"), "unknown", "protobuf"),
        (ok(b""), "unknown", "not on the page: queue_length"),
        (ok(b"queue_lengthy 5\n"), "unknown", "not on the page"),
        (ok(b"queue_length five\n"), "unknown", "the page is malformed"),
        (ok(b'queue_length{a="b" 5\n'), "unknown", "the page is malformed"),
        (ok(b'queue_length{a="' + b'\\"' * 10_000 + b'"} 5\n'), "unknown", "longer than 4096 bytes"),
        (lines(b'queue_length{a="' + b'\\"' * 2000 + b'"} 5\n', 4000), "unknown", "not read in time"),
        (lines(b"queue_length 5\n", 6000), "unknown", "more than 5000 lines"),
        (ok(b"queue_length NaN\n"), "unknown", "no line"),
        (lines(b"queue_length 5\n", kind=OPEN), "unknown", "# EOF"),
        (lines(b"\xff\xfe\x00# EOF", kind=OPEN), "unknown", "not on the page"),
        (ok(b'# TYPE queue_length histogram\nqueue_length_bucket{le="x"} 5\n'), "unknown", 'non-numeric label "le"'),
        (ok(b"".join(b'queue_length{a="%d"} 1\n' % one for one in range(600))), "unknown", "600 values, more than 500"),
    ],
    ids=lambda one: one.__name__ if callable(one) else str(one)[-40:],
)
def test_a_page_that_fails_or_lies_is_never_ok_and_said_how(page: Answer, status: str, told: str) -> None:
    started = time.monotonic()
    reading = scraped(page, timeout=2.0)
    assert (reading.status, told in reading.message) == (status, True), reading.message
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("handler", [hangs, drips])
def test_a_server_that_hangs_is_critical_within_the_time_out(handler: Handler) -> None:
    assert scraped(handler, timeout=0.4).status == "critical"


def test_the_wanted_lines_of_a_long_page_are_found_soon() -> None:
    noise = b'other_metric{a="b",c="d"} 12345\n' * 300_000
    started = time.process_time()
    assert scraped(ok(noise + b"queue_length 5\n" + noise[:1000])).metrics == {"queue_length": 5}
    assert time.process_time() - started < 2


@pytest.mark.parametrize("wrong", [{"metrics": []}, {"metrics": ["a b"]}, {"metrics": ["a"], "quantiles": [1.5]}, {}], ids=str)
def test_a_wrong_setting_is_refused(wrong: Options) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("performance.scrape").Page.model_validate({"url": "http://h/metrics", **wrong})


TEXT, OPEN = "text/plain; version=1.0.0; escaping={}", "application/openmetrics-text; version=1.0.0; escaping={}"
UTF_8 = """# HELP "http.server.duration" h
# TYPE "http.server.duration" gauge
{"http.server.duration","service.name"="shop",zone="a"} 3
{"http.server.duration", "service.name"="cart",zone="a\\"b"} 4
# TYPE "größe" gauge
{"größe"} 5
# TYPE "odd\\"name\\"\\\\x" gauge
{"odd\\"name\\"\\\\x"} 6
# TYPE "http.server.durations" gauge
{"http.server.durations"} 99
# TYPE plain gauge
plain{"label.name"="x"} 7
"""


def utf_8(kind: str, text: str, escaping: str = "allow-utf-8") -> bytes:
    end = "# EOF\n" if kind is OPEN else ""
    return ok((text + end).encode(), f"Content-Type: {kind.format(escaping)}\r\n")


@pytest.mark.parametrize("kind", [TEXT, OPEN], ids=["text", "openmetrics"])
def test_names_in_utf_8_are_read(kind: str) -> None:
    reading = scraped(utf_8(kind, UTF_8), "http.server.duration", "größe", 'odd"name"\\x', "plain")
    assert reading.status == "ok", reading.message
    assert reading.metrics == {"größe": 5, 'odd"name"\\x': 6}
    assert {(one.metric, one.value, tuple(one.labels.items())) for one in reading.series} == {
        ("http.server.duration", 3, (("service.name", "shop"), ("zone", "a"))),
        ("http.server.duration", 4, (("service.name", "cart"), ("zone", 'a"b'))),
        ("plain", 7, (("label.name", "x"),)),
    }
    only = scraped(utf_8(kind, UTF_8), "http.server.duration", match={"service.name": "cart"})
    assert [one.value for one in only.series] == [4]
    assert "not on the page: http.server" in scraped(utf_8(kind, UTF_8), "http.server").message


@pytest.mark.parametrize("kind", [TEXT, OPEN], ids=["text", "openmetrics"])
def test_a_counter_and_a_histogram_in_utf_8_count_from_one_run_to_the_next(kind: str) -> None:
    def page(count: int) -> bytes:
        return utf_8(
            kind,
            f'# TYPE "jobs.done{"_total" if kind is TEXT else ""}" counter\n{{"jobs.done_total"}} {count}\n'
            f'# TYPE "took.s" histogram\n{{"took.s_bucket",le="1.0"}} {count}\n{{"took.s_bucket",le="+Inf"}} {count}\n'
            f'{{"took.s_count"}} {count}\n{{"took.s_sum"}} {count}\n',
        )

    first = scraped(page(5), "jobs.done", "took.s")
    second = scraped(page(15), "jobs.done", "took.s", last=first)
    assert second.metrics["jobs.done_per_second"] == pytest.approx(1, rel=0.3)
    assert second.metrics["took.s_p50"] == pytest.approx(0.5)
    assert second.metrics["took.s_count_per_second"] == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize(
    ("escaping", "name"),
    [
        ("underscores", "http_server_dur_tion_total"),
        ("dots", "http_dot_server_dot_dur__tion__total"),
        ("values", "U__http_2e_server_2e_dur_e4_tion__total"),
    ],
)
def test_a_name_that_the_page_escapes_is_found_and_keeps_its_own(escaping: str, name: str) -> None:
    page = utf_8(TEXT, f"# TYPE {name} gauge\n{name} 4\n", escaping)
    assert scraped(page, "http.server.durätion_total").metrics == {"http.server.durätion_total": 4}
    older = ok(b"# TYPE a_b gauge\na_b 4\n", "Content-Type: text/plain; version=0.0.4\r\n")
    assert scraped(older, "a.b").metrics == {"a.b": 4}


def test_it_asks_as_prometheus_does() -> None:
    asked = []

    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(utf_8(TEXT, UTF_8))
        await writer.drain()

    assert scraped(page, "größe").status == "ok"
    accept = next(line for line in asked[0].decode().splitlines() if line.lower().startswith("accept:"))
    assert "text/plain;version=1.0.0;escaping=allow-utf-8" in accept
    assert "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8" in accept


def test_the_official_client_is_understood_in_utf_8() -> None:
    """It names as it was asked for: by our Accept header."""
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry()
    Gauge("queue.length", "h", ["shop.name"], registry=registry).labels("a").set(7)

    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        accept = next(line for line in head.splitlines() if line.lower().startswith("accept:"))
        encoder, kind = choose_encoder(accept.partition(":")[2].strip())
        writer.write(ok(encoder(registry), f"Content-Type: {kind}\r\n"))
        await writer.drain()

    reading = scraped(page, "queue.length")
    assert [(one.metric, one.value, one.labels) for one in reading.series] == [("queue.length", 7, {"shop.name": "a"})]
