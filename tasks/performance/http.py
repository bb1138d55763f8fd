"""Duration of each phase of an HTTP request: name lookup, connection, TLS, first byte, total.

Metrics: `dns_seconds`, `connect_seconds`, `tls_seconds`, `first_byte_seconds` (from the end of the request to the first byte of
the response) and `seconds` (everything, including redirects and body), always on a new connection, as for a first-time visitor;
`bytes` of the decoded body. With `samples`, each is the median of that many requests in a row, and `slowest_seconds` is the
slowest.

Critical: no response, or a different one than `expect` says. Warning and critical: above `warning_seconds` and
`critical_seconds`, if these are set.
"""

import time
from statistics import median
from typing import Self

from pydantic import model_validator

from app.checks.probe import Field, Reading, Run, Spec, Status, Unreachable, measured, probe, unanswered
from app.net.ask import MARGIN, Server
from app.net.expect import Expected, check_response
from app.net.http import Failed, Response, fetch


class Target(Server, Spec):
    """The request, and the limits of its time."""

    method: str = Field(default="GET", pattern=r"^[A-Z]{1,20}$", description="HTTP method")
    body: str | None = Field(default=None, description="request body")
    expect: Expected = Field(default_factory=Expected, description="expected response; a different one is not measured")
    follow_redirects: int = Field(
        default=5, ge=0, le=20, description="maximum number of redirects to follow; their time counts"
    )
    max_bytes: int = Field(default=16_777_216, ge=1, le=268_435_456, description="maximum bytes of the body to read and time")
    samples: int = Field(
        default=1, ge=1, le=20, description="requests in a row, all within the timeout; the median counts", examples=[3]
    )
    warning_seconds: float | None = Field(
        default=None, gt=0, description="total seconds above which it warns; unset = never", examples=[0.8]
    )
    critical_seconds: float | None = Field(default=None, gt=0, description="total seconds above which it is critical")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.warning_seconds and self.critical_seconds and self.warning_seconds > self.critical_seconds:
            raise ValueError("warning_seconds is above critical_seconds")
        return self


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    until = time.monotonic() + run.timeout * MARGIN
    found = []
    for number in range(1, spec.samples + 1):
        prefix = f"request {number} of {spec.samples}: " if spec.samples > 1 else ""
        response = await _fetch(spec, prefix, until)
        if mismatches := await check_response(response, spec.expect):
            summary = f"{prefix}{response.status} in {measured(response.timings.total)}: {'; '.join(mismatches)}"
            return Reading(Status.CRITICAL, summary)
        found.append(_phases(response))
    metrics = {name: median(one[name] for one in found) for name in found[0]}
    summary = f"{measured(metrics['seconds'])}, first byte after {measured(metrics['first_byte_seconds'])}"
    if spec.samples > 1:
        metrics["slowest_seconds"] = max(one["seconds"] for one in found)
        summary = f"{summary}; slowest of {spec.samples} {measured(metrics['slowest_seconds'])}"
    status, exceeded = _judge(metrics["seconds"], spec)
    return Reading(status, summary + exceeded, metrics)


async def _fetch(spec: Target, prefix: str, until: float) -> Response:
    """One response. Raises Unreachable or Unknown when there is none."""
    remaining = until - time.monotonic()
    if remaining <= 0:
        raise Unreachable(f"{prefix}the earlier ones used up the timeout")
    try:
        return await fetch(
            spec.request(spec.url, remaining, method=spec.method, body=spec.body, follow_redirects=spec.follow_redirects)
        )
    except Failed as failed:
        raise unanswered(Failed(failed.kind, f"{prefix}{failed}")) from None


def _phases(response: Response) -> dict[str, float]:
    timings = response.timings
    return {
        "dns_seconds": timings.dns,
        "connect_seconds": timings.connect,
        "tls_seconds": timings.tls,
        "first_byte_seconds": timings.first_byte,
        "seconds": timings.total,
        "bytes": float(len(response.body)),
    }


def _judge(seconds: float, spec: Target) -> tuple[Status, str]:
    """The status, and which limit was passed."""
    if spec.critical_seconds is not None and seconds > spec.critical_seconds:
        return Status.CRITICAL, f"; more than critical_seconds ({spec.critical_seconds:g} s)"
    if spec.warning_seconds is not None and seconds > spec.warning_seconds:
        return Status.WARNING, f"; more than warning_seconds ({spec.warning_seconds:g} s)"
    return Status.OK, ""
