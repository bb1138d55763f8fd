"""Compares our clock with a time server's, and tells whether that server is synchronised itself.

Metrics: `offset_seconds` (positive: our clock is behind the server's), `delay_seconds` (there and back; the offset is right to
half of it), `root_distance_seconds` (by how much the server itself may be wrong), `stratum`, `leap` (0 none, 1 and 2 a leap
second is announced, 3 not synchronised), `synchronised` (0 or 1). Critical: no answer to our question, times that cannot be, a
server that is not synchronised, or more than `critical_above` seconds of offset either way; warning: more than
`warning_above`. Unknown: the server refuses us (kiss codes RATE, DENY, RSTR), or our clock was set meanwhile.
"""

import time

from app.checks.probe import CannotTell, Field, Reading, Run, Spec, Status, probe, unanswered
from app.failure import Failed, Kind
from app.net.ntp import Told, ask
from app.net.resolve import Endpoint, in_turn, resolve
from app.net.url import Host

REFUSALS = {
    "RATE": "asks us to ask less often",
    "DENY": "does not serve us",
    "RSTR": "does not serve us",
}
UNSYNCHRONISED, NO_STRATUM = 3, 16
FARTHEST = 16.0  # seconds; RFC 5905 MAXDISP: beyond it a server counts as not synchronised


class Target(Spec):
    """Which server, and how far apart the clocks may be."""

    host: Host = Field(description="name or address of the time server")
    port: int = Field(default=123, ge=1, le=65535, description="UDP port")
    warning_above: float = Field(default=0.1, gt=0, description="seconds of offset, either way, above which it warns")
    critical_above: float = Field(default=1.0, gt=0, description="seconds of offset, either way, above which it is critical")


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    end = time.monotonic() + run.timeout * 0.95  # to say what hung before the runner gives up
    try:
        told = await _asked(await resolve(spec.host, spec.port, run.timeout / 2), end)
    except Failed as failed:
        raise unanswered(failed, Kind.DENIED, Kind.OTHER) from None
    if told.stratum == 0 and told.code in REFUSALS:
        raise CannotTell(f"{spec.host} {REFUSALS[told.code]} (kiss code {told.code})")
    metrics = {"stratum": float(told.stratum), "leap": float(told.leap), "synchronised": 1.0}
    why = _unsynchronised(told)
    if why:
        message = f"{spec.host} is not synchronised itself ({why}): its time is worth nothing"
        return Reading(Status.CRITICAL, message, metrics | {"synchronised": 0.0})
    metrics |= {
        "offset_seconds": told.offset,
        "delay_seconds": told.delay,
        "root_distance_seconds": told.root_distance,
    }
    return Reading(_judge(abs(told.offset), spec), _message(spec.host, told), metrics)


async def _asked(servers: tuple[Endpoint, ...], end: float) -> Told:
    """The first answer of any address. Raises Failed when there is none."""
    failures: list[Failed] = []
    for server, seconds in in_turn(servers, end):
        try:
            return await ask(server, seconds)
        except Failed as failed:
            if failed.kind is Kind.OTHER:  # about us
                raise
            failures.append(failed)
    raise Failed(failures[-1].kind, "; ".join(map(str, failures)))


def _unsynchronised(told: Told) -> str:
    """Why the server's time is worth nothing; empty when it is worth something."""
    code = f", {told.code}" if told.code.isalnum() else ""
    if told.leap == UNSYNCHRONISED:
        return f"leap indicator 3{code}"
    if not 0 < told.stratum < NO_STRATUM:
        return f"stratum {told.stratum}{code}"
    return f"it may be {told.root_distance:.3g} s wrong" if told.root_distance >= FARTHEST else ""


def _judge(offset: float, spec: Target) -> Status:
    if offset > spec.critical_above:
        return Status.CRITICAL
    return Status.WARNING if offset > spec.warning_above else Status.OK


def _message(host: str, told: Told) -> str:
    side = "behind" if told.offset >= 0 else "ahead of"
    leap = "; a leap second is announced" if told.leap else ""
    return f"our clock is {abs(told.offset):.3g} s {side} {host} (stratum {told.stratum}, delay {told.delay:.3g} s){leap}"
