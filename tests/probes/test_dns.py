"""health.dns against dnsmasq, and against name servers that fail, hang and lie."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from app.net.dns import canonical, system_servers
from tests.net.serve import Handler, hangs, serve, slams
from tests.net.udp import Answers, serve_udp, silent
from tests.probes.run import Options, measure, measured
from tests.probes.servers import nameservers as lying
from tests.probes.servers.dnsmasq import dnsmasq, free_port
from tests.probes.servers.nameservers import made

LINES = (
    "local=/test/",
    "host-record=www.shop.test,192.0.2.10,2001:db8::10,300",
    "host-record=two.shop.test,192.0.2.11",
    "host-record=two.shop.test,192.0.2.12",
    "cname=alias.shop.test,www.shop.test,60",
    "mx-host=shop.test,mail.shop.test,10",
    'txt-record=shop.test,"v=spf1 -all"',
    "caa-record=shop.test,0,issue,letsencrypt.org",
    "srv-host=_ldap._tcp.shop.test,dc.shop.test,389,0,5",
    "ptr-record=10.2.0.192.in-addr.arpa,www.shop.test",
    *(f"txt-record=long.shop.test,{number:03}{'x' * 200}" for number in range(20)),
    "neg-ttl=30",
)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with dnsmasq(tmp_path_factory.mktemp("dns"), *LINES) as port:
        yield port


def asked(port: int, name: str = "www.shop.test", timeout: float = 5.0, **with_: Any) -> Reading:
    return measure("health.dns", timeout, query_name=name, resolver="127.0.0.1", port=port, **with_)


@pytest.mark.parametrize(
    "name, type_, values",
    [
        pytest.param("www.shop.test", "A", ["192.0.2.10"], id="an address"),
        pytest.param("WWW.shop.test.", "aaaa", ["2001:DB8:0::10"], id="an IPv6 address in another spelling"),
        pytest.param("two.shop.test", "A", ["192.0.2.12", "192.0.2.11"], id="several in any order"),
        pytest.param("alias.shop.test", "A", ["192.0.2.10"], id="through an alias"),
        pytest.param("alias.shop.test", "CNAME", ["WWW.shop.test."], id="the alias itself"),
        pytest.param("shop.test", "MX", ["10 mail.shop.test"], id="mail servers without the last dot"),
        pytest.param("shop.test", "TXT", ["v=spf1 -all"], id="text without quotes"),
        pytest.param("shop.test", "TXT", ['"v=spf1" " -all"'], id="text in two strings"),
        pytest.param("shop.test", "CAA", ["0 issue letsencrypt.org"], id="authorities"),
        pytest.param("_ldap._tcp.shop.test", "SRV", ["0 5 389 dc.shop.test"], id="a service"),
        pytest.param("192.0.2.10", "PTR", ["www.shop.test"], id="an address's name"),
    ],
)
def test_records_of_every_type_are_compared(port: int, name: str, type_: str, values: list[str]) -> None:
    reading = asked(port, name, query_type=type_, expect={"values": values, "contains": values[:1]})
    assert reading.status == "ok", reading.message
    assert reading.metrics["answers"] == len(values)


def test_an_answer_is_measured(port: int) -> None:
    reading = asked(port)
    assert reading.message.startswith(f"www.shop.test A: 192.0.2.10 from 127.0.0.1:{port} in ")
    assert reading.metrics == {**reading.metrics, "ttl_seconds": 300, "rcode": 0, "authenticated": 0, "truncated": 0}
    assert 0 < reading.metrics["seconds"] < 1
    assert asked(port, transport="tcp").status == "ok"


@pytest.mark.parametrize(
    "name, expect, told",
    [
        ("www.shop.test", {"values": ["192.0.2.99"]}, "missing: 192.0.2.99; unexpected: 192.0.2.10"),
        ("two.shop.test", {"values": ["192.0.2.11"]}, "unexpected: 192.0.2.12"),
        ("two.shop.test", {"contains": ["192.0.2.13"]}, "missing: 192.0.2.13"),
        ("two.shop.test", {"lacks": ["192.0.2.11"]}, "unexpected: 192.0.2.11"),
        ("www.shop.test", {"values": []}, "unexpected: 192.0.2.10"),
        ("shop.test", {}, "the name has no record of type A"),
        ("none.shop.test", {}, "; expected NOERROR"),
        ("www.shop.test", {"rcode": "nxdomain"}, "; expected NXDOMAIN"),
        ("www.elsewhere.example", {}, "; expected NOERROR"),
        ("www.shop.test", {"authenticated": True}, "not validated by DNSSEC"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_not_as_expected_is_critical_and_said(port: int, name: str, expect: Options, told: str) -> None:
    reading = asked(port, name, expect=expect)
    assert reading.status == "critical"
    assert told in reading.message


def test_a_name_that_must_not_exist_is_ok_when_it_does_not(port: int) -> None:
    assert asked(port, "none.shop.test", expect={"rcode": "NXDOMAIN"}).status == "ok"
    assert asked(port, "shop.test", expect={"values": []}).status == "ok"


def test_a_long_answer_is_fetched_over_tcp(port: int) -> None:
    reading = asked(port, "long.shop.test", query_type="TXT")
    assert (reading.status, reading.metrics["truncated"], reading.metrics["answers"]) == ("ok", 1, 20)
    assert "and 15 more" in reading.message


def of(answers: Answers, timeout: float = 5.0, **with_: Any) -> Reading:
    async def story() -> Reading:
        async with serve_udp(answers) as port:
            return await measured(
                "health.dns", timeout, **{"query_name": "www.shop.test", "resolver": "127.0.0.1", "port": port, **with_}
            )

    return asyncio.run(story())


@pytest.mark.parametrize(
    "answers, told",
    [
        (silent, "did not respond over UDP within"),
        (lying.wrong_id, "datagrams ignored"),
        (lying.wrong_question, "datagrams ignored"),
        (lying.echo, "datagrams ignored"),
        (lying.flood, "datagrams ignored"),
        (lying.cut_in_the_middle, "inconsistent or malformed"),
        (lying.loop_of_names, "inconsistent or malformed"),
        (lying.pointer_loop, "inconsistent or malformed"),
        (lying.nxdomain_with_an_answer, "inconsistent or malformed"),
        (lying.refers, "a referral to other servers from"),
        (lying.of_another_name, "no record of type A"),
        (lying.refuses, "; expected NOERROR"),
        (lying.bogus, "SERVFAIL (dnssec bogus (signature expired))"),
    ],
    ids=lambda value: getattr(value, "__name__", "").replace("_", " "),
)
def test_a_server_that_fails_hangs_or_lies_is_critical_within_the_time_out(answers: Answers, told: str) -> None:
    started = time.monotonic()
    reading = of(answers, 0.3)
    assert reading.status == "critical"
    assert told in reading.message
    assert time.monotonic() - started < 2.5


def test_the_right_answer_counts_after_spoofed_ones() -> None:
    def spoofed(query: bytes) -> list[bytes]:
        right = made(query, "www.shop.test. 60 IN A 192.0.2.10").to_wire()
        return [*lying.wrong_id(query), *lying.wrong_question(query), b"", right]

    assert of(spoofed, expect={"values": ["192.0.2.10"]}).status == "ok"


def test_a_lost_datagram_is_no_outage() -> None:
    seen: list[bytes] = []

    def second(query: bytes) -> list[bytes]:
        seen.append(query)
        return [made(query, "www.shop.test. 60 IN A 192.0.2.10").to_wire()] if len(seen) == 2 else []

    assert of(second, 1.0).status == "ok"
    assert seen[0] == seen[1]


def test_an_authenticated_answer_is_asked_for_and_told() -> None:
    def validates(query: bytes) -> list[bytes]:
        asked = dns.message.from_wire(query)
        flags = dns.flags.AD if asked.flags & dns.flags.AD and asked.ednsflags & dns.flags.DO else 0
        return [made(query, "www.shop.test. 60 IN A 192.0.2.10", flags=flags).to_wire()]

    reading = of(validates, expect={"authenticated": True})
    assert (reading.status, reading.metrics["authenticated"]) == ("ok", 1)
    assert of(validates).metrics["authenticated"] == 0


def test_an_answer_of_64_kb_is_taken_whole_and_told_in_short() -> None:
    def huge(query: bytes) -> list[bytes]:
        answer = made(query, *(f"www.shop.test. 60 IN A 10.0.{number >> 8}.{number & 255}" for number in range(4000)))
        return [answer.to_wire(max_size=65_000)]

    reading = of(huge)
    assert (reading.status, reading.metrics["answers"]) == ("ok", 4000)
    assert len(reading.message) < 300


@pytest.mark.parametrize("handler, told", [(hangs, "did not respond over TCP"), (slams, "closed the TCP connection")])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_tcp_that_hangs_or_slams_is_critical(handler: Handler, told: str, transport: str) -> None:
    def cut(query: bytes) -> list[bytes]:
        return [made(query, flags=dns.flags.TC).to_wire()]

    async def story() -> Reading:
        async with serve(handler) as port, serve_udp(cut, port):
            with_: Options = {"query_name": "www.shop.test", "resolver": "127.0.0.1", "port": port, "transport": transport}
            return await measured("health.dns", 0.3, **with_)

    reading = asyncio.run(story())
    assert reading.status == "critical"
    assert told in reading.message
    assert ("its UDP response was truncated" in reading.message) is (transport == "udp")


def test_nobody_there_is_critical_at_once() -> None:
    port = free_port()
    assert f"nothing is listening on UDP 127.0.0.1:{port}" in asked(port).message
    assert asked(port).status == "critical"


@pytest.mark.parametrize(
    "with_",
    [
        {"resolver": "169.254.169.254"},
        {"query_type": "AXFR"},
        {"query_type": "ANY"},
        {"query_type": "B"},
        {"query_name": "a..b"},
        {"query_name": f"{'x' * 64}.test"},
        {"expect": {"rcode": "FINE"}},
        {"expect": {"values": ["not an address"]}},
        {"query_type": "MX", "expect": {"contains": ["mail.shop.test"]}},
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused_when_read(with_: Options) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("health.dns").Target.model_validate({"query_name": "www.shop.test", **with_})


def test_the_systems_servers_are_those_of_resolv_conf(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text("# x\nsearch test\nnameserver 10.0.0.2\nnameserver ::1 \nnameserver junk\nnameserver 10.0.0.3\n" * 2)
    assert system_servers(conf) == ("10.0.0.2", "::1", "10.0.0.3")
    assert system_servers(tmp_path / "none") == ("127.0.0.1",)


def test_names_and_only_names_are_compared_without_regard_to_capitals() -> None:
    assert canonical("MX", "10 MX.Example.ORG.") == "10 mx.example.org"
    assert canonical("TXT", "Key=AbC.") == "Key=AbC."
    assert canonical("MX", "0 .") == "0 ."
