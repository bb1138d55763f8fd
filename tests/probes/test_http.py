"""health.http and performance.http against servers that behave, fail, hang and lie."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import Answer, Handler, certificate, context, drips, floods, hangs, ok, redirect, says, slams
from tests.probes.run import Options, against, measure

PAY = ok(b"Pay here", "Content-Type: text/html\r\n")
URL = "http://127.0.0.1:PORT/checkout?token=s3cret"


def health(answer: Answer, expect: Options | None = None, **with_: Any) -> Reading:
    handler = says(answer) if isinstance(answer, bytes) else answer
    if expect:
        with_["expect"] = expect
    return against(handler, "health.http", url=with_.pop("url", URL), **with_)


@pytest.mark.parametrize(
    "expect",
    [
        {"status": [200]},
        {"status": ["2xx"]},
        {"status": [404, "200-201"]},
        {"body_contains": "Pay"},
        {"body_lacks": "Error"},
        {"body_matches": "^Pay .*e$"},
        {"header": {"content-type": "text/html"}},
    ],
    ids=str,
)
def test_what_is_as_expected_is_ok(expect: Options) -> None:
    reading = health(PAY, expect)
    assert reading.status == "ok", reading.message
    assert reading.metrics["status_code"] == 200
    assert reading.metrics["bytes"] == 8
    assert 0 < reading.metrics["first_byte_seconds"] <= reading.metrics["seconds"] < 5


@pytest.mark.parametrize(
    "expect, told",
    [
        ({"status": [201, "3xx"]}, "status 200, expected 201, 3xx"),
        ({"body_contains": "Buy"}, "does not contain 'Buy'"),
        ({"body_lacks": "Pay"}, "contains 'Pay'"),
        ({"body_matches": "^here"}, "does not match"),
        ({"header": {"X-A": "b"}}, "X-A is missing"),
        ({"header": {"Content-Type": "json"}}, "text/html"),
    ],
    ids=str,
)
def test_what_is_not_as_expected_is_critical_and_still_measured(expect: Options, told: str) -> None:
    reading = health(PAY, expect)
    assert reading.status == "critical"
    assert told in reading.message
    assert reading.metrics["status_code"] == 200


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "503 Busy"])
def test_an_error_is_critical(status: str) -> None:
    assert health(ok(status=status)).status == "critical"


@pytest.mark.parametrize("handler, told", [(hangs, "no response within"), (drips, "did not finish within"), (slams, "re")])
def test_a_server_that_gives_no_answer_is_critical(handler: Handler, told: str) -> None:
    reading = health(handler, timeout=0.4)
    assert reading.status == "critical"
    assert told in reading.message
    assert "s3cret" not in reading.message


def test_a_flood_is_cut_and_judged_by_its_beginning() -> None:
    assert health(floods, {"body_contains": "xxx"}).metrics["bytes"] == 1_048_576
    assert "the first 1048576 bytes" in health(floods, {"body_contains": "Pay"}).message


def test_a_redirect_to_metadata_cannot_be_told() -> None:
    reading = health(redirect("http://169.254.169.254/latest/meta-data/"))
    assert reading.status == "unknown"
    assert "metadata" in reading.message


def test_a_redirect_loop_is_critical_and_a_wanted_redirect_is_ok() -> None:
    assert health(redirect("/again")).status == "critical"
    assert health(redirect("/again"), {"status": [302]}, follow_redirects=0).status == "ok"


def test_nobody_listening_is_critical() -> None:
    reading = measure("health.http", url="http://127.0.0.1:1/")
    assert (reading.status, "connect" in reading.message) == ("critical", True)


def test_a_certificate_is_checked_and_its_days_are_told(tmp_path: Path) -> None:
    pem = certificate(tmp_path, days=30)
    url = "https://127.0.0.1:PORT/"
    reading = health(PAY, url=url, tls=context(pem), ca=str(pem))
    assert reading.status == "ok", reading.message
    assert 29 < reading.metrics["certificate_days"] < 31
    refused = health(PAY, url=url, tls=context(pem))
    assert refused.status == "critical"
    assert "certificate" in refused.message
    assert health(PAY, url=url, tls=context(pem), verify_tls=False).status == "ok"


def test_secrets_are_sent_and_not_shown() -> None:
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(ok(status="200 OK" if b"Bearer t0ken" in asked or b"Basic YTpi" in asked else "401 No"))
        await writer.drain()

    assert health(guarded).status == "critical"
    assert health(guarded, token="t0ken").status == "ok"
    assert health(guarded, username="a", password="b").status == "ok"
    spec = plugins.probe_module("health.http").Target(url="http://h/", token="t0ken", password="pw1", headers={"X-Key": "k3y"})
    assert not any(secret in repr(spec) for secret in ("t0ken", "pw1", "k3y"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://169.254.169.254/"},
        {"url": "http://2852039166/"},
        {"url": "ftp://h/"},
        {"url": "http://h/", "method": "G ET"},
        {"url": "http://h/", "expect": {"status": ["2yy"]}},
        {"url": "http://h/", "expect": {"body_matches": "("}},
        {"url": "http://h/", "expect": {"statos": []}},
        {"url": "http://h/", "expect": {"status": []}},
        {"url": 5},
        {},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["health.http", "performance.http"])
def test_a_wrong_setting_is_refused(name: str, wrong: Options) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module(name).Target.model_validate(wrong)


def performance(answer: Answer, **with_: Any) -> Reading:
    return against(
        says(answer) if isinstance(answer, bytes) else answer, "performance.http", url=with_.pop("url", URL), **with_
    )


def test_every_phase_is_timed(tmp_path: Path) -> None:
    reading = performance(PAY)
    assert reading.status == "ok"
    assert set(reading.metrics) == {
        *("dns_seconds", "connect_seconds", "tls_seconds", "first_byte_seconds", "seconds", "bytes"),
    }
    assert reading.metrics["tls_seconds"] == 0
    pem = certificate(tmp_path)
    assert performance(PAY, url="https://127.0.0.1:PORT/", tls=context(pem), ca=str(pem)).metrics["tls_seconds"] > 0


@pytest.mark.parametrize(
    "limits, status",
    [({"warning_seconds": 1e-9}, "warning"), ({"critical_seconds": 1e-9}, "critical"), ({"warning_seconds": 4.0}, "ok")],
)
def test_the_total_is_judged_when_asked(limits: Options, status: str) -> None:
    reading = performance(PAY, **limits)
    assert reading.status == status
    assert all((f"more than {name}" in reading.message) == (status != "ok") for name in limits)


def test_an_error_or_no_answer_is_critical() -> None:
    assert performance(ok(status="500 Oops")).status == "critical"
    assert performance(hangs, timeout=0.3).status == "critical"
    assert performance(redirect("http://169.254.169.254/")).status == "unknown"


def test_of_several_requests_the_middle_one_counts_and_the_slowest_is_told() -> None:
    calls = []

    async def stumbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        calls.append(1)
        if len(calls) == 2:
            await asyncio.sleep(0.3)  # the server's own slowness, which is what is measured
        writer.write(PAY)
        await writer.drain()

    reading = performance(stumbles, samples=3, warning_seconds=0.25)
    assert (reading.status, len(calls)) == ("ok", 3), reading.message
    assert reading.metrics["seconds"] < 0.25 < reading.metrics["slowest_seconds"]
    assert "slowest of 3" in reading.message


def test_one_of_several_requests_that_fails_or_hangs_is_critical_and_named() -> None:
    calls = []

    async def second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(1)
        await (says(PAY) if len(calls) % 2 else hangs)(reader, writer)

    reading = performance(second, samples=3, timeout=0.5)
    assert reading.status == "critical"
    assert reading.message.startswith("request 2 of 3: no response within")


def test_an_answer_other_than_expected_is_not_measured() -> None:
    reading = performance(PAY, expect={"body_contains": "Buy", "json": {"$.a": 1}})
    assert (reading.status, "does not contain 'Buy'; the body is not JSON" in reading.message) == ("critical", True)
    assert not reading.metrics


def test_limits_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValidationError, match="above"):
        plugins.probe_module("performance.http").Target(url="http://h/", warning_seconds=2.0, critical_seconds=1.0)
