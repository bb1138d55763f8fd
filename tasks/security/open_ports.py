"""Open TCP ports of a host, compared with the accepted baseline.

Metrics: `open_ports`, `opened_ports` and `closed_ports` (compared with the baseline), `tried_ports`, `seconds`. A name with
several addresses counts as one host: a port is open if any of them accepts a connection.

Critical: a port is open that was not accepted, or implausibly many ports are open. Warning: an accepted port is closed.
Unknown: the scan could not finish within the timeout (ports that it did not reach stay accepted), or a host that had open ports
does not respond at all.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from app.checks.probe import Drift, Field, Reading, Run, Spec, Status, Unknown, Unreachable, drift, probe
from app.failure import Failed
from app.net.resolve import Endpoint, resolve
from app.net.scan import Scan, scan
from app.net.url import Host

MAX_OPEN = 500  # beyond it a firewall or a tarpit answers in the host's place
OPEN = "open"


def parsed(ports: str) -> tuple[int, ...]:
    """`22,80,8000-8100` -> its ports in order, each once. Raises ValueError."""
    found: set[int] = set()
    for part in ports.split(","):
        low, dash, high = part.strip().partition("-")
        if not (low.isdecimal() and low.isascii() and (not dash or (high.isdecimal() and high.isascii()))):
            raise ValueError(f"{part.strip()!r} is not a port or a range; write 22,80,443,8000-8100")
        first, last = int(low[:9]), int((high or low)[:9])
        if not 1 <= first <= last <= 65535:
            raise ValueError(f"{part.strip()!r} is not between 1 and 65535, from low to high")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def _check_ports(ports: str) -> str:
    parsed(ports)
    return ports


def _text(ports: Any) -> Any:
    """A lone number, as YAML reads `ports: 22`."""
    return str(ports) if type(ports) is int else ports


class Target(Spec):
    """Whose ports, and how they are tried."""

    host: Host = Field(description="name or address", examples=["web1.example.org"])
    ports: Annotated[str, BeforeValidator(_text), AfterValidator(_check_ports)] = Field(
        default="1-1024",
        max_length=2000,
        description="TCP ports and ranges to try, e.g. `22,80,443,8000-8100`",
        examples=["1-1024"],
    )
    concurrency: int = Field(default=200, ge=1, le=500, description="how many ports to try at the same time")
    connect_timeout: float = Field(
        default=1.0, gt=0, le=30, description="seconds after which a port that does not respond counts as closed"
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """A scan beside the baseline."""

    observed: Mapping[str, str]  # what was not tried is as it was accepted
    drift: Drift
    finished: bool


@probe()
async def measure(spec: Target, run: Run) -> Reading:
    started = time.monotonic()
    deadline = started + run.timeout * 0.9  # to report what was found before the runner's time-out
    ports = parsed(spec.ports)
    try:
        addresses = await resolve(spec.host, 0, run.timeout / 2)
    except Failed as failed:
        raise Unknown(str(failed)) from None
    found = await _scan_twice(spec, addresses, ports, run.baseline or {}, deadline)
    if len(found.open) > MAX_OPEN:
        why = "it is wide open, or a firewall or tarpit responds for it"
        raise Unreachable(f"{spec.host} accepts connections on {len(found.open)} of {len(found.tried)} ports: {why}")
    if found.exhausted:
        raise Unknown(f"out of sockets: {found.exhausted}; use less concurrency")
    comparison = _compare(found, ports, run.baseline)
    if run.baseline and comparison.finished and not (found.open or found.refused):
        why = f": {found.last_error}" if found.last_error else ""
        raise Unknown(f"{spec.host} does not respond on any of {len(ports)} ports{why}; is it down?")
    metrics = {
        "open_ports": len(found.open),
        "opened_ports": len(comparison.drift.added),
        "closed_ports": len(comparison.drift.gone),
        "tried_ports": len(found.tried),
        "seconds": time.monotonic() - started,
    }
    status, message = _summary(spec.host, found, comparison, len(ports), first=run.baseline is None)
    observed = comparison.observed if comparison.finished or run.baseline is not None else None  # half a scan is no baseline
    return Reading(status, message, {name: float(value) for name, value in metrics.items()}, observed=observed)


async def _scan_twice(
    spec: Target, addresses: tuple[Endpoint, ...], ports: tuple[int, ...], accepted: Mapping[str, str], deadline: float
) -> Scan:
    """One scan, and a second one of accepted ports that did not answer: one lost packet closes no port."""
    found = await scan(
        addresses,
        ports,
        concurrency=spec.concurrency,
        connect_timeout=spec.connect_timeout,
        timeout=deadline - time.monotonic(),
    )
    unanswered = [port for port in found.tried - found.open - found.refused if _name(port) in accepted]
    if unanswered and not found.exhausted and (found.open or found.refused):
        found.tried.difference_update(unanswered)
        again = await scan(
            addresses,
            unanswered,
            concurrency=spec.concurrency,
            connect_timeout=spec.connect_timeout,
            timeout=deadline - time.monotonic(),
        )
        found.open |= again.open
        found.tried |= again.tried | again.open
    return found


def _name(port: int) -> str:
    return f"tcp/{port}"


def _compare(found: Scan, ports: tuple[int, ...], baseline: Mapping[str, str] | None) -> Comparison:
    observed = {_name(port): OPEN for port in sorted(found.open)}
    watched, tried = {_name(port) for port in ports}, {_name(port) for port in found.tried}
    accepted = observed if baseline is None else {name: how for name, how in baseline.items() if name in watched}
    now = {name: how for name, how in accepted.items() if name not in tried} | observed
    return Comparison(now, drift(accepted, now), len(found.tried) == len(ports))


def _summary(host: str, found: Scan, comparison: Comparison, wanted: int, *, first: bool) -> tuple[Status, str]:
    incomplete = "" if comparison.finished else f"; only {len(found.tried)} of {wanted} ports could be tried in time"
    if comparison.drift.added:
        return Status.CRITICAL, f"{host}: {comparison.drift}{incomplete}"
    if incomplete:
        return Status.UNKNOWN, f"{host}: {comparison.drift}{incomplete}"
    if first:
        return Status.OK, f"{host}: baseline recorded: {len(found.open)} of {wanted} ports are open"
    if comparison.drift:
        return Status.WARNING, f"{host}: {comparison.drift}"
    return Status.OK, f"{host}: {len(found.open)} of {wanted} ports are open, matching the baseline"
