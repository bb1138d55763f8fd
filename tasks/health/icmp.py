"""Ping (ICMP echo): packet loss and round-trip time.

Metrics: `loss_percent`, `sent`, `received` (requests), and for the replies `rtt_min_seconds`, `rtt_avg_seconds`,
`rtt_max_seconds` and `jitter_seconds` (mean difference between one round trip and the next).

Critical: `critical_percent` or more of the requests are lost, and always if all are. Warning: `warning_percent` or more. Use
rules to evaluate the round-trip time. Unknown: this worker may not send pings (it needs a group in the sysctl
`net.ipv4.ping_group_range`, or the capability CAP_NET_RAW).
"""

import time
from collections.abc import Sequence
from itertools import pairwise
from socket import AF_INET, AF_INET6
from statistics import fmean
from typing import Literal

from app.checks.probe import Field, Reading, Run, Spec, Status, Unreachable, counted, probe, unanswered
from app.failure import Failed, Kind
from app.net.ping import Echoes, ping
from app.net.resolve import Endpoint, in_turn, resolve
from app.net.url import Host

FAMILIES = {4: AF_INET, 6: AF_INET6}


class Target(Spec):
    """The host to ping, and the limits of loss."""

    host: Host = Field(description="name or address", examples=["gateway.example.org"])
    ip_version: Literal[4, 6] | None = Field(default=None, description="4 or 6; unset = the first address that answers")
    count: int = Field(default=5, ge=1, le=100, description="echo requests sent")
    interval: float = Field(
        default=0.2, ge=0.01, le=10, description="seconds between requests; less if the timeout requires it"
    )
    wait: float = Field(default=1.0, gt=0, le=60, description="how many seconds after the last request replies still count")
    size: int = Field(default=56, ge=16, le=8192, description="payload bytes in each request")
    warning_percent: float = Field(default=20, gt=0, le=100, description="lost requests, in percent, at which it warns")
    critical_percent: float = Field(default=60, gt=0, le=100, description="lost requests, in percent, at which it is critical")


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    deadline = time.monotonic() + run.timeout * 0.95  # to report what hung before the runner's time-out
    try:
        address, echoes = await _ping_first(spec, await _addresses(spec, run.timeout / 2), deadline)
    except Failed as failed:
        raise unanswered(failed, Kind.DENIED, Kind.OTHER) from None
    lost = 100 * (echoes.sent - len(echoes.seconds)) / echoes.sent
    return Reading(_judge(lost, spec), _summary(spec.host, address, echoes), _metrics(lost, echoes))


async def _ping_first(spec: Target, addresses: Sequence[Endpoint], deadline: float) -> tuple[Endpoint, Echoes]:
    """The first address that answers, or else the last one. Raises Failed."""
    for address, seconds in in_turn(addresses, deadline):
        wait = min(spec.wait, seconds / 2)
        interval = min(spec.interval, (seconds - wait) / spec.count)
        try:
            echoes = await ping(address, count=spec.count, interval=interval, wait=wait, size=spec.size)
        except Failed as failed:
            if address is addresses[-1] or failed.kind is Kind.DENIED:
                raise
            continue
        if echoes.seconds or address is addresses[-1]:
            return address, echoes
    raise AssertionError("a name has an address")


async def _addresses(spec: Target, timeout: float) -> list[Endpoint]:
    found = await resolve(spec.host, 0, timeout)
    matching = [one for one in found if spec.ip_version is None or one.family == FAMILIES[spec.ip_version]]
    if not matching:
        raise Unreachable(f"{spec.host} has no IPv{spec.ip_version} address")
    return matching


def _judge(lost: float, spec: Target) -> Status:
    if lost >= spec.critical_percent:
        return Status.CRITICAL
    return Status.WARNING if lost >= spec.warning_percent else Status.OK


def _summary(host: str, address: Endpoint, echoes: Echoes) -> str:
    name = host if host == address.address else f"{host} ({address.address})"
    received = len(echoes.seconds)
    if not received:
        why = f": {echoes.last_error}" if echoes.last_error else ""
        return f"{name} answered none of {counted(echoes.sent, 'echo request')}{why}"
    average = f"{1000 * fmean(echoes.seconds.values()):.3g} ms on average"
    if received == echoes.sent:
        return f"{name} answered {counted(received, 'echo request')}, {average}"
    return f"{name} answered only {received} of {echoes.sent} echo requests, {average}"


def _metrics(lost: float, echoes: Echoes) -> dict[str, float]:
    found = {"loss_percent": lost, "sent": float(echoes.sent), "received": float(len(echoes.seconds))}
    if echoes.seconds:
        trips = [echoes.seconds[number] for number in sorted(echoes.seconds)]
        found |= {"rtt_min_seconds": min(trips), "rtt_avg_seconds": fmean(trips), "rtt_max_seconds": max(trips)}
        found["jitter_seconds"] = _jitter(trips)
    return found


def _jitter(trips: Sequence[float]) -> float:
    return fmean(abs(after - before) for before, after in pairwise(trips)) if len(trips) > 1 else 0.0
