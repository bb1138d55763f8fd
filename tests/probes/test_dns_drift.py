"""security.dns_drift against dnsmasq whose zone changes, and against name servers that fail, hang and lie."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.udp import Answers, serve_udp, silent
from tests.probes.run import Options, measure, measured, observed
from tests.probes.servers import nameservers as lying
from tests.probes.servers.dnsmasq import dnsmasq, free_port

ZONE = (
    "local=/test/",
    "host-record=www.shop.test,192.0.2.10,2001:db8::10,300",
    "host-record=two.shop.test,192.0.2.11",
    "host-record=two.shop.test,192.0.2.12",
    "mx-host=shop.test,mail.shop.test,10",
    "txt-record=shop.test,v=spf1 -all",
    "caa-record=shop.test,0,issue,letsencrypt.org",
)
NAMES = ["shop.test", "WWW.shop.test.", "two.shop.test"]
ACCEPTED = {
    "shop.test MX": "10 mail.shop.test",
    "shop.test TXT": "v=spf1 -all",
    "shop.test CAA": '0 issue "letsencrypt.org"',
    "www.shop.test A": "192.0.2.10",
    "www.shop.test AAAA": "2001:db8::10",
    "two.shop.test A": "192.0.2.11, 192.0.2.12",
}


def watched(folder: Path, zone: tuple[str, ...], baseline: Mapping[str, str] | None = None) -> Reading:
    """What the probe finds in a zone."""
    with dnsmasq(folder, *zone) as port:
        return measure("security.dns_drift", 5.0, None, baseline, names=NAMES, resolver="127.0.0.1", port=port)


def changed(old: str, *new: str) -> tuple[str, ...]:
    """The zone with other lines in the place of one."""
    assert old in ZONE
    return (*(line for line in ZONE if line != old), *new)


def test_the_first_run_takes_the_baseline(tmp_path: Path) -> None:
    reading = watched(tmp_path, ZONE)
    assert (reading.status, reading.message) == ("ok", "baseline recorded: 6 record sets")
    assert reading.observed == ACCEPTED
    assert reading.metrics == {**reading.metrics, "record_sets": 6, "changed_sets": 0, "unanswered_questions": 0}


def test_order_ttl_and_capitals_do_not_matter(tmp_path: Path) -> None:
    reordered = changed(
        "host-record=www.shop.test,192.0.2.10,2001:db8::10,300", "host-record=www.shop.test,192.0.2.10,2001:db8::10,5"
    )
    capitals = tuple(line.replace("mail.shop.test", "MAIL.Shop.test") for line in reversed(reordered))
    reading = watched(tmp_path, capitals, ACCEPTED)
    assert (reading.status, reading.message) == ("ok", "6 record sets match the baseline")


@pytest.mark.parametrize(
    "zone, told",
    [
        pytest.param(
            changed("mx-host=shop.test,mail.shop.test,10", "mx-host=shop.test,mx.evil.test,10"),
            "shop.test MX was 10 mail.shop.test, is 10 mx.evil.test",
            id="mail that goes elsewhere",
        ),
        pytest.param(
            (*ZONE, "host-record=two.shop.test,203.0.113.66"),
            "two.shop.test A was 192.0.2.11, 192.0.2.12, is 192.0.2.11, 192.0.2.12, 203.0.113.66",
            id="one address more",
        ),
        pytest.param(
            changed("caa-record=shop.test,0,issue,letsencrypt.org"),
            'shop.test CAA is gone, was 0 issue "letsencrypt.org"',
            id="a set that is gone",
        ),
        pytest.param(
            (*ZONE, "txt-record=www.shop.test,owned"), "www.shop.test TXT is new: owned", id="a set that is new"
        ),
    ],
)  # fmt: skip
def test_a_change_is_critical_until_it_is_accepted(tmp_path: Path, zone: tuple[str, ...], told: str) -> None:
    reading = watched(tmp_path, zone, ACCEPTED)
    assert (reading.status, reading.message) == ("critical", told)
    assert watched(tmp_path, zone, reading.observed).status == "ok"


def test_many_changes_are_told_in_short(tmp_path: Path) -> None:
    reading = watched(tmp_path, ("local=/test/",), ACCEPTED)
    assert reading.status == "critical"
    assert reading.message.endswith("; and 3 more")
    assert (reading.metrics["gone_sets"], reading.observed) == (6, {})


def of(answers: Answers, baseline: Mapping[str, str] | None, timeout: float = 0.3, **with_: Any) -> Reading:
    async def story() -> Reading:
        async with serve_udp(answers) as port:
            with_given = {"names": ["www.shop.test"], "types": ["A"], "resolver": "127.0.0.1", "port": port, **with_}
            return await measured("security.dns_drift", timeout, None, baseline, **with_given)

    return asyncio.run(story())


@pytest.mark.parametrize(
    "answers, told",
    [
        (silent, "did not respond over UDP"),
        (lying.wrong_id, "datagrams ignored"),
        (lying.wrong_question, "datagrams ignored"),
        (lying.flood, "datagrams ignored"),
        (lying.cut_in_the_middle, "inconsistent or malformed"),
        (lying.loop_of_names, "inconsistent or malformed"),
        (lying.refuses, "REFUSED"),
        (lying.refers, "only refers to other servers"),
        (lying.bogus, "SERVFAIL, dnssec bogus"),
    ],
    ids=lambda value: getattr(value, "__name__", "").replace("_", " "),
)
def test_a_server_that_fails_hangs_or_lies_is_unknown_and_drops_no_record(answers: Answers, told: str) -> None:
    accepted = {"www.shop.test A": "192.0.2.10"}
    started = time.monotonic()
    reading = of(answers, accepted)
    assert time.monotonic() - started < 2.5
    assert reading.status == "unknown"
    assert reading.message.startswith("1 of 1 queries got no response; www.shop.test A: ")
    assert told in reading.message
    assert reading.observed == accepted
    assert of(answers, None).observed is None  # no baseline without answers


def test_a_change_is_critical_even_when_other_questions_fail() -> None:
    def some(query: bytes) -> list[bytes]:
        return [lying.made(query, "a.test. 60 IN A 192.0.2.66").to_wire()] if b"\1a\4test" in query else []

    accepted = {"a.test A": "192.0.2.1", "b.test A": "192.0.2.2"}
    reading = of(some, accepted, names=["a.test", "b.test"])
    told = "a.test A was 192.0.2.1, is 192.0.2.66; 1 of 2 queries got no response"
    assert (reading.status, reading.message) == ("critical", told)
    assert reading.observed == accepted | {"a.test A": "192.0.2.66"}


def test_two_hundred_questions_to_a_silent_server_end_in_time() -> None:
    started = time.monotonic()
    reading = of(silent, None, 1.0, names=[f"n{number}.test" for number in range(200)])
    assert reading.message.startswith("200 of 200 queries got no response")
    assert time.monotonic() - started < 3


def test_a_record_set_of_64_kb_is_kept_in_short_and_still_compared() -> None:
    def long(last: str) -> Answers:
        def answer(query: bytes) -> list[bytes]:
            records = (f'www.shop.test. 60 IN TXT "{number:04}{"x" * 200}{last}"' for number in range(250))
            return [lying.made(query, *records).to_wire(max_size=65_000)]

        return answer

    first = of(long("a"), None, 5.0, types=["TXT"])
    assert len(observed(first)["www.shop.test TXT"]) < 2200
    assert of(long("a"), first.observed, 5.0, types=["TXT"]).status == "ok"
    assert of(long("b"), first.observed, 5.0, types=["TXT"]).status == "critical"


def test_nobody_there_is_unknown_and_what_is_no_longer_watched_is_not_missed(tmp_path: Path) -> None:
    reading = measure("security.dns_drift", names=["a.test"], resolver="127.0.0.1", port=free_port())
    assert (reading.status, "nothing is listening" in reading.message) == ("unknown", True)
    assert watched(tmp_path, ZONE, ACCEPTED | {"old.shop.test A": "192.0.2.1"}).status == "ok"


@pytest.mark.parametrize(
    "with_",
    [{"names": []}, {"names": ["a..b"]}, {"types": ["ANY"]}, {"names": ["a.test"] * 201}, {"resolver": "169.254.169.254"}],
    ids=lambda with_: str(with_)[:40],
)
def test_what_cannot_be_asked_is_refused_when_read(with_: Options) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("security.dns_drift").Target.model_validate({"names": ["a.test"], **with_})
