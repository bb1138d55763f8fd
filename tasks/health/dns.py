"""A DNS resolver: queries the records of a name and compares them with the expected ones.

Metrics: `seconds` until the response, `answers` (records of the type), `ttl_seconds` (the lowest TTL of the records, or of the
negative response if there are none), `rcode` (0 = NOERROR, 2 = SERVFAIL, 3 = NXDOMAIN, 5 = REFUSED), `authenticated` (flag AD)
and `truncated` (1 if the response did not fit into UDP, so that TCP was used). The query is sent over UDP, again after 40 % of
the timeout, and over TCP if the response is truncated.

Critical: no response that matches the query, a different rcode than expected, no record, or records that differ from the
expected ones. Unknown: connections to the resolver's address are forbidden. It never warns; use rules to evaluate the response
time.
"""

import time
from typing import Annotated, Self

import dns.rcode
from dns.exception import DNSException
from pydantic import AfterValidator, model_validator

from app.checks.probe import Field, Reading, Run, Spec, Status, measured, probe, unanswered
from app.failure import Failed, Kind
from app.net.dns import Answer, Question, Transport, ask, canonical, domain_name, record_type, servers
from app.net.url import Host

SHOWN = 5  # records in a message; characters of each:
LONGEST = 80


def _rcode(text: str) -> str:
    try:
        return dns.rcode.to_text(dns.rcode.from_text(text))
    except DNSException:
        raise ValueError(f"{text!r} is not an rcode; write NOERROR, NXDOMAIN, SERVFAIL or REFUSED") from None


class Expected(Spec):
    """What the answer must be; every line counts."""

    rcode: Annotated[str, AfterValidator(_rcode)] = Field(default="NOERROR", description="response code, e.g. NXDOMAIN")
    values: list[str] | None = Field(
        default=None,
        description="all expected records, in any order, in zone file notation; unset = at least one, [] = none",
    )
    contains: list[str] = Field(default=[], description="records that must be among them")
    lacks: list[str] = Field(default=[], description="records that must not be among them")
    authenticated: bool = Field(default=False, description="the resolver must confirm the response with DNSSEC (flag AD)")
    authoritative: bool = Field(default=False, description="the server must be authoritative for the zone (flag AA)")


class Target(Spec):
    """The question, the resolver and the expected answer."""

    query_name: str = Field(
        min_length=1,
        max_length=1000,
        description="name to query; for type PTR also an address",
        examples=["shop.example.org"],
    )
    query_type: Annotated[str, AfterValidator(record_type)] = Field(
        default="A", description="record type: A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, CAA or any other"
    )
    resolver: Host | None = Field(
        default=None, description="name or address of the resolver; unset = the system's resolvers, in the order of resolv.conf"
    )
    port: int = Field(default=53, ge=1, le=65535, description="UDP and TCP port of the server")
    transport: Transport = Field(default="udp", description="udp = TCP only if the response is truncated; tcp = TCP at once")
    recursion: bool = Field(default=True, description="ask for recursion (flag RD)")
    expect: Expected = Field(default=Expected(), description="expected response", examples=[{"values": ["192.0.2.10"]}])

    @model_validator(mode="after")
    def _check_records(self) -> Self:
        domain_name(self.query_name, self.query_type)
        for text in (*(self.expect.values or ()), *self.expect.contains, *self.expect.lacks):
            canonical(self.query_type, text)
        return self


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    deadline = time.monotonic() + run.timeout * 0.95  # to report what hung before the runner's time-out
    question = Question(spec.query_name, spec.query_type, spec.recursion, spec.expect.authenticated)
    try:
        endpoints = await servers(spec.resolver, spec.port, run.timeout / 2)
        answer = await ask(question, endpoints, deadline - time.monotonic(), spec.transport)
    except Failed as failed:
        raise unanswered(Failed(failed.kind, f"{spec.query_name} {spec.query_type}: {failed}"), Kind.DENIED) from None
    mismatches = _mismatches(answer, spec)
    summary = f"{spec.query_name} {spec.query_type}: {_describe(answer)} from {answer.server} in {measured(answer.seconds)}"
    return Reading(
        Status.CRITICAL if mismatches else Status.OK,
        f"{summary}; {'; '.join(mismatches)}" if mismatches else summary,
        {
            "seconds": answer.seconds,
            "answers": float(len(answer.values)),
            "ttl_seconds": float(answer.ttl),
            "rcode": float(dns.rcode.from_text(answer.rcode)),
            "authenticated": float(answer.authenticated),
            "truncated": float(answer.cut),
        },
    )


def _describe(answer: Answer) -> str:
    """`93.184.216.34, 93.184.216.35`, or why there is nothing: `SERVFAIL (dnssec bogus)`."""
    if answer.values:
        return _join(answer.values)
    text = "a referral to other servers" if answer.referral else "no record" if answer.rcode == "NOERROR" else answer.rcode
    return f"{text} ({', '.join(answer.reasons)})" if answer.reasons else text


def _join(values: tuple[str, ...] | list[str]) -> str:
    shown = [value if len(value) <= LONGEST else f"{value[:LONGEST]}..." for value in values[:SHOWN]]
    more = len(values) - SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _mismatches(answer: Answer, spec: Target) -> list[str]:
    """Mismatches with what is expected, as messages."""
    expected, mismatches = spec.expect, []
    if answer.rcode != expected.rcode:
        return [f"expected {expected.rcode}"]
    if expected.authenticated and not answer.authenticated:
        mismatches.append(
            "not validated by DNSSEC (flag AD is missing): the zone is not signed, or the resolver does not validate"
        )
    if expected.authoritative and not answer.authoritative:
        mismatches.append("not from a server of the zone (flag AA is missing)")
    return mismatches + _record_mismatches(set(answer.values), spec)


def _record_mismatches(found: set[str], spec: Target) -> list[str]:
    expected = spec.expect
    wanted = None if expected.values is None else {canonical(spec.query_type, text) for text in expected.values}
    missing = sorted(((wanted or set()) | {canonical(spec.query_type, text) for text in expected.contains}) - found)
    excess = set() if wanted is None else found - wanted
    excess |= found & {canonical(spec.query_type, text) for text in expected.lacks}
    mismatches = [f"missing: {_join(missing)}"] if missing else []
    if excess:
        mismatches.append(f"unexpected: {_join(sorted(excess))}")
    if not found and wanted is None and not missing and expected.rcode == "NOERROR":
        mismatches.append(f"the name has no record of type {spec.query_type}")
    return mismatches
