"""A time server: whether it is synchronised, and how far this host's clock is off.

Metrics: `offset_seconds` (positive: our clock is behind the server's), `delay_seconds` (round trip; the offset is accurate to
half of it), `root_distance_seconds` (how far off the server itself may be), `stratum`, `leap` (0 none, 1 and 2 a leap second is
announced, 3 not synchronised), `synchronised` (0 or 1).

Critical: no response to our request, inconsistent times, a server that is not synchronised, or an offset of more than
`critical_above` seconds either way. Warning: more than `warning_above`. Unknown: the server refuses our requests (kiss codes
RATE, DENY, RSTR), or our clock was set during the check.
"""

import time

from app.checks.probe import Field, Reading, Run, Spec, Status, Unknown, measured, probe, unanswered
from app.failure import Failed, Kind
from app.net.ntp import Answer, ask
from app.net.resolve import Endpoint, in_turn, resolve
from app.net.url import Host

REFUSALS = {
    "RATE": "asks for a lower query rate",
    "DENY": "refuses to serve this client",
    "RSTR": "refuses to serve this client",
}
UNSYNCHRONISED, NO_STRATUM = 3, 16
MAX_ROOT_DISTANCE = 16.0  # seconds; RFC 5905 MAXDISP: beyond it a server counts as not synchronised


class Target(Spec):
    """Which server, and how far apart the clocks may be."""

    host: Host = Field(description="name or address of the time server", examples=["pool.ntp.org"])
    port: int = Field(default=123, ge=1, le=65535, description="UDP port")
    warning_above: float = Field(default=0.1, gt=0, description="seconds of offset, either way, above which it warns")
    critical_above: float = Field(default=1.0, gt=0, description="seconds of offset, either way, above which it is critical")


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    deadline = time.monotonic() + run.timeout * 0.95  # to report what hung before the runner's time-out
    try:
        answer = await _first_answer(await resolve(spec.host, spec.port, run.timeout / 2), deadline)
    except Failed as failed:
        raise unanswered(failed, Kind.DENIED, Kind.OTHER) from None
    if answer.stratum == 0 and answer.code in REFUSALS:
        raise Unknown(f"{spec.host} {REFUSALS[answer.code]} (kiss code {answer.code})")
    metrics = {"stratum": float(answer.stratum), "leap": float(answer.leap), "synchronised": 1.0}
    reason = _unsynchronised(answer)
    if reason:
        message = f"{spec.host} is not synchronised ({reason})"
        return Reading(Status.CRITICAL, message, metrics | {"synchronised": 0.0})
    metrics |= {
        "offset_seconds": answer.offset,
        "delay_seconds": answer.delay,
        "root_distance_seconds": answer.root_distance,
    }
    return Reading(_judge(abs(answer.offset), spec), _message(spec.host, answer), metrics)


async def _first_answer(servers: tuple[Endpoint, ...], deadline: float) -> Answer:
    """The first answer of any address. Raises Failed when there is none."""
    failures: list[Failed] = []
    for server, seconds in in_turn(servers, deadline):
        try:
            return await ask(server, seconds)
        except Failed as failed:
            if failed.kind is Kind.OTHER:  # about us
                raise
            failures.append(failed)
    raise Failed(failures[-1].kind, "; ".join(map(str, failures)))


def _unsynchronised(answer: Answer) -> str:
    """Why the server's time cannot be used; empty when it can."""
    code = f", {answer.code}" if answer.code.isalnum() else ""
    if answer.leap == UNSYNCHRONISED:
        return f"leap indicator 3{code}"
    if not 0 < answer.stratum < NO_STRATUM:
        return f"stratum {answer.stratum}{code}"
    return f"it may be {answer.root_distance:.3g} s off" if answer.root_distance >= MAX_ROOT_DISTANCE else ""


def _judge(offset: float, spec: Target) -> Status:
    if offset > spec.critical_above:
        return Status.CRITICAL
    return Status.WARNING if offset > spec.warning_above else Status.OK


def _message(host: str, answer: Answer) -> str:
    direction = "behind" if answer.offset >= 0 else "ahead of"
    leap = "; a leap second is scheduled" if answer.leap else ""
    server = f"{host} (stratum {answer.stratum}, delay {answer.delay:.3g} s)"
    return f"the local clock is {measured(abs(answer.offset))} {direction} {server}{leap}"
