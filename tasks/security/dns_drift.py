"""Watches the DNS records of names against those that were accepted.

Metrics: `record_sets` (of a name and type, each counts once), `added_sets`, `changed_sets` and `gone_sets` (against the
baseline), `unanswered_questions`, `seconds`. Order, TTL and capitals do not matter; leave A and AAAA out of `types` for a name
whose addresses change by design. Critical: a set differs from the baseline, is new or gone. Unknown: a question was not
answered with records or their absence (its set stays as accepted), or the resolver's address is closed to us. It never warns.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from app.checks.probe import CannotTell, Drift, Field, Reading, Run, Spec, Status, drift, printable, probe
from app.failure import Failed
from app.net.dns import Question, Transport, ask, domain_name, record_type, servers
from app.net.resolve import Endpoint
from app.net.url import Host

AT_ONCE = 20  # questions under way
MOST = 200  # questions of one check
LONGEST = 2000  # characters kept of a record set; a longer one is kept as its beginning and a hash
NAMED, SHOWN = 3, 120  # differences in a message, characters of each side
ANSWERS = ("NOERROR", "NXDOMAIN")  # other codes say that the server could not tell


def _name(text: str) -> str:
    return domain_name(text).to_text(omit_final_dot=True).lower()


class Target(Spec):
    """Whose records, and who is asked for them."""

    names: list[Annotated[str, AfterValidator(_name)]] = Field(min_length=1, description="names whose records are watched")
    types: list[Annotated[str, AfterValidator(record_type)]] = Field(
        default=["A", "AAAA", "CNAME", "MX", "NS", "TXT", "CAA"],
        min_length=1,
        description="record types asked for of each name",
    )
    resolver: Host | None = Field(
        default=None, description="name or address of the server asked; unset = the system's, in the order of resolv.conf"
    )
    port: int = Field(default=53, ge=1, le=65535, description="UDP and TCP port of the server")
    transport: Transport = Field(default="udp", description="udp = TCP only when the answer is cut; tcp = TCP at once")

    @model_validator(mode="after")
    def _is_not_too_much(self) -> Self:
        if len(self.names) * len(self.types) > MOST:
            raise ValueError(f"{len(self.names)} names in {len(self.types)} types are more than {MOST} questions")
        return self


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one question."""

    thing: str  # `www.example.org A`
    records: str = ""  # empty: there is none
    failure: str = ""  # why it could not be told


@probe()
async def measure(spec: Target, run: Run) -> Reading:
    began = time.monotonic()
    try:
        where = await servers(spec.resolver, spec.port, run.timeout / 2)
    except Failed as failed:
        raise CannotTell(str(failed)) from None
    left = run.timeout * 0.9 - (time.monotonic() - began)  # to tell what was found before the runner gives up
    asked = await _all(spec, where, left)
    unanswered = [one for one in asked if one.failure]
    found = {one.thing: one.records for one in asked if one.records}
    baseline = {} if run.baseline is None else run.baseline
    watched = {one.thing for one in asked}
    accepted = found if run.baseline is None else {thing: how for thing, how in baseline.items() if thing in watched}
    now = {one.thing: accepted[one.thing] for one in unanswered if one.thing in accepted} | found
    differs = drift(accepted, now)
    metrics = {
        "record_sets": len(now),
        "added_sets": len(differs.added),
        "changed_sets": len(differs.changed),
        "gone_sets": len(differs.gone),
        "unanswered_questions": len(unanswered),
        "seconds": time.monotonic() - began,
    }
    status, message = _told(differs, accepted, now, asked, first=run.baseline is None)
    observed = None if unanswered and run.baseline is None else now  # half the answers are no baseline
    return Reading(status, message, {name: float(value) for name, value in metrics.items()}, observed=observed)


async def _all(spec: Target, where: tuple[Endpoint, ...], timeout: float) -> list[Asked]:
    """Every question asked, a few at a time, each with its share of the time."""
    questions = [Question(name, type_) for name in dict.fromkeys(spec.names) for type_ in dict.fromkeys(spec.types)]
    share = timeout / ceil(len(questions) / AT_ONCE)
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(question: Question) -> Asked:
        async with turn:
            return await _asked(question, where, share, spec.transport)

    return await asyncio.gather(*map(one, questions))


async def _asked(question: Question, where: tuple[Endpoint, ...], timeout: float, transport: Transport) -> Asked:
    thing = f"{question.name} {question.type}"
    try:
        answer = await ask(question, where, timeout, transport)
    except Failed as failed:
        return Asked(thing, failure=str(failed))
    if answer.rcode not in ANSWERS:
        return Asked(thing, failure=f"{answer.server} answered {', '.join((answer.rcode, *answer.reasons))}")
    if answer.referral:
        return Asked(thing, failure=f"{answer.server} only refers to other servers")
    return Asked(thing, _kept(", ".join(answer.values)))


def _kept(records: str) -> str:
    records = printable(records)
    if len(records) <= LONGEST:
        return records
    return f"{records[:LONGEST]}... (SHA-256 {sha256(records.encode()).hexdigest()})"


def _told(
    differs: Drift, accepted: Mapping[str, str], now: Mapping[str, str], asked: list[Asked], *, first: bool
) -> tuple[Status, str]:
    unanswered = [one for one in asked if one.failure]
    short = f"{len(unanswered)} of {len(asked)} questions got no answer" if unanswered else ""
    if differs:
        return Status.CRITICAL, "; ".join(filter(None, (_differences(differs, accepted, now), short)))
    if unanswered:
        return Status.UNKNOWN, f"{short}; {unanswered[0].thing}: {unanswered[0].failure}"
    if first:
        return Status.OK, f"baseline taken: {len(now)} record sets"
    return Status.OK, f"{len(now)} record sets are as accepted"


def _differences(differs: Drift, accepted: Mapping[str, str], now: Mapping[str, str]) -> str:
    """`shop.test MX was 10 mail.shop.test, is 10 mx.evil.test; shop.test CAA is gone, was ...`."""
    told = [f"{thing} was {_cut(accepted[thing])}, is {_cut(now[thing])}" for thing in differs.changed]
    told += [f"{thing} is new: {_cut(now[thing])}" for thing in differs.added]
    told += [f"{thing} is gone, was {_cut(accepted[thing])}" for thing in differs.gone]
    more = len(told) - NAMED
    return "; ".join(told[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
