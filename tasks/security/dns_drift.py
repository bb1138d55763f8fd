"""DNS records of names, compared with the accepted baseline.

Metrics: `record_sets` (each name and type is one set), `added_sets`, `changed_sets` and `gone_sets` (compared with the
baseline), `unanswered_questions`, `seconds`. Order, TTL and upper or lower case do not matter. Leave A and AAAA out of `types`
for a name whose addresses change by design.

Critical: a set differs from the baseline, is new or was removed. Unknown: a query got neither records nor a statement that
there are none (its set stays accepted), or connections to the resolver's address are forbidden. It never warns.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from app.checks.probe import Drift, Field, Reading, Run, Spec, Status, Unknown, drift, printable, probe
from app.failure import Failed
from app.net.dns import Question, Transport, ask, domain_name, record_type, servers
from app.net.resolve import Endpoint
from app.net.url import Host

MAX_CONCURRENT = 20  # questions under way
MAX_QUESTIONS = 200  # questions of one check
LONGEST = 2000  # characters kept of a record set; a longer one is kept as its beginning and a hash
NAMED, SHOWN = 3, 120  # differences in a message, characters of each side
ANSWERS = ("NOERROR", "NXDOMAIN")  # other codes are errors of the server


def _name(text: str) -> str:
    return domain_name(text).to_text(omit_final_dot=True).lower()


class Target(Spec):
    """The names and types, and the resolver."""

    names: list[Annotated[str, AfterValidator(_name)]] = Field(
        min_length=1, description="names whose records are compared", examples=[["example.org"]]
    )
    types: list[Annotated[str, AfterValidator(record_type)]] = Field(
        default=["A", "AAAA", "CNAME", "MX", "NS", "TXT", "CAA"],
        min_length=1,
        description="record types to query for each name",
        examples=[["A", "MX", "NS"]],
    )
    resolver: Host | None = Field(
        default=None, description="name or address of the resolver; unset = the system's resolvers, in the order of resolv.conf"
    )
    port: int = Field(default=53, ge=1, le=65535, description="UDP and TCP port of the server")
    transport: Transport = Field(default="udp", description="udp = TCP only if the response is truncated; tcp = TCP at once")

    @model_validator(mode="after")
    def _check_count(self) -> Self:
        if len(self.names) * len(self.types) > MAX_QUESTIONS:
            raise ValueError(f"{len(self.names)} names in {len(self.types)} types are more than {MAX_QUESTIONS} queries")
        return self


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The answer to one question, or the failure."""

    record_set: str  # `www.example.org A`
    records: str = ""  # empty: there is none
    failure: str = ""  # why there is no answer


@probe()
async def measure(spec: Target, run: Run) -> Reading:
    started = time.monotonic()
    try:
        endpoints = await servers(spec.resolver, spec.port, run.timeout / 2)
    except Failed as failed:
        raise Unknown(str(failed)) from None
    left = run.timeout * 0.9 - (time.monotonic() - started)  # to report what was found before the runner's time-out
    results = await _query_all(spec, endpoints, left)
    unanswered = [one for one in results if one.failure]
    found = {one.record_set: one.records for one in results if one.records}
    baseline = {} if run.baseline is None else run.baseline
    watched = {one.record_set for one in results}
    accepted = (
        found
        if run.baseline is None
        else {record_set: records for record_set, records in baseline.items() if record_set in watched}
    )
    now = {one.record_set: accepted[one.record_set] for one in unanswered if one.record_set in accepted} | found
    changes = drift(accepted, now)
    metrics = {
        "record_sets": len(now),
        "added_sets": len(changes.added),
        "changed_sets": len(changes.changed),
        "gone_sets": len(changes.gone),
        "unanswered_questions": len(unanswered),
        "seconds": time.monotonic() - started,
    }
    status, message = _summary(changes, accepted, now, results, first=run.baseline is None)
    observed = None if unanswered and run.baseline is None else now  # half the answers are no baseline
    return Reading(status, message, {name: float(value) for name, value in metrics.items()}, observed=observed)


async def _query_all(spec: Target, endpoints: tuple[Endpoint, ...], timeout: float) -> list[QueryResult]:
    """Every question asked, a few at a time, each with its share of the time."""
    questions = [Question(name, type_) for name in dict.fromkeys(spec.names) for type_ in dict.fromkeys(spec.types)]
    share = timeout / ceil(len(questions) / MAX_CONCURRENT)
    semaphore = asyncio.Semaphore(MAX_CONCURRENT)

    async def one(question: Question) -> QueryResult:
        async with semaphore:
            return await _query(question, endpoints, share, spec.transport)

    return await asyncio.gather(*map(one, questions))


async def _query(question: Question, endpoints: tuple[Endpoint, ...], timeout: float, transport: Transport) -> QueryResult:
    record_set = f"{question.name} {question.type}"
    try:
        answer = await ask(question, endpoints, timeout, transport)
    except Failed as failed:
        return QueryResult(record_set, failure=str(failed))
    if answer.rcode not in ANSWERS:
        return QueryResult(record_set, failure=f"{answer.server} answered {', '.join((answer.rcode, *answer.reasons))}")
    if answer.referral:
        return QueryResult(record_set, failure=f"{answer.server} only refers to other servers")
    return QueryResult(record_set, _kept(", ".join(answer.values)))


def _kept(records: str) -> str:
    records = printable(records)
    if len(records) <= LONGEST:
        return records
    return f"{records[:LONGEST]}... (SHA-256 {sha256(records.encode()).hexdigest()})"


def _summary(
    changes: Drift, accepted: Mapping[str, str], now: Mapping[str, str], results: list[QueryResult], *, first: bool
) -> tuple[Status, str]:
    unanswered = [one for one in results if one.failure]
    short = f"{len(unanswered)} of {len(results)} queries got no response" if unanswered else ""
    if changes:
        return Status.CRITICAL, "; ".join(filter(None, (_differences(changes, accepted, now), short)))
    if unanswered:
        return Status.UNKNOWN, f"{short}; {unanswered[0].record_set}: {unanswered[0].failure}"
    if first:
        return Status.OK, f"baseline recorded: {len(now)} record sets"
    return Status.OK, f"{len(now)} record sets match the baseline"


def _differences(changes: Drift, accepted: Mapping[str, str], now: Mapping[str, str]) -> str:
    """`shop.test MX was 10 mail.shop.test, is 10 mx.evil.test; shop.test CAA is gone, was ...`."""
    texts = [f"{record_set} was {_cut(accepted[record_set])}, is {_cut(now[record_set])}" for record_set in changes.changed]
    texts += [f"{record_set} is new: {_cut(now[record_set])}" for record_set in changes.added]
    texts += [f"{record_set} is gone, was {_cut(accepted[record_set])}" for record_set in changes.gone]
    more = len(texts) - NAMED
    return "; ".join(texts[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
