"""How long each phase of an HTTP request takes: name, connection, TLS, first byte, all of it.

Metrics: `dns_seconds`, `connect_seconds`, `tls_seconds`, `first_byte_seconds` (from the request sent to the first byte of the
answer) and `seconds` (everything, redirects and body included), each on a new connection, as a first visitor waits. Warning
and critical: above `warning_seconds` and `critical_seconds`, which are off unless set; critical too: no answer or an error.
"""

from typing import Self

from pydantic import model_validator

from app.checks.probe import CannotTell, Field, Reading, Run, SecretStr, Spec, Status, Unreachable, probe
from app.net.http import Failed, Kind, Request, fetch
from app.net.url import Url


class Target(Spec):
    """What is asked, and how long it may take."""

    url: Url = Field(description="http:// or https:// address")
    headers: dict[str, str] = Field(default={}, repr=False, description="headers sent along")
    token: SecretStr | None = Field(default=None, description="sent as `Authorization: Bearer TOKEN`")
    follow_redirects: int = Field(default=5, ge=0, le=20, description="redirects followed; their time counts")
    verify_tls: bool = Field(default=True, description="does an untrusted certificate count as no answer")
    ca: str | None = Field(default=None, description="path of the CA bundle to believe instead of the system's")
    max_bytes: int = Field(default=16_777_216, ge=1, le=268_435_456, description="bytes of the body that are read and timed")
    warning_seconds: float | None = Field(default=None, gt=0, description="total seconds above which it warns; unset = never")
    critical_seconds: float | None = Field(default=None, gt=0, description="total seconds above which it is critical")

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if self.warning_seconds and self.critical_seconds and self.warning_seconds > self.critical_seconds:
            raise ValueError("warning_seconds is above critical_seconds")
        return self


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    headers = dict(spec.headers)
    if spec.token is not None:
        headers["Authorization"] = f"Bearer {spec.token.get_secret_value()}"
    request = Request(
        spec.url,
        headers=headers,
        timeout=run.timeout * 0.95,  # to say what hung before the runner gives up
        follow_redirects=spec.follow_redirects,
        max_bytes=spec.max_bytes,
        verify_tls=spec.verify_tls,
        ca=spec.ca,
        fresh=True,
    )
    try:
        response = await fetch(request)
    except Failed as failed:
        raise (CannotTell if failed.kind is Kind.BLOCKED else Unreachable)(str(failed)) from None
    if response.status >= 400:
        raise Unreachable(f"the answer is an error: {response.status}")
    took = response.timings
    return Reading(
        _judge(took.total, spec),
        f"{took.total:.3g} s, first byte after {took.first_byte:.3g} s",
        {
            "dns_seconds": took.dns,
            "connect_seconds": took.connect,
            "tls_seconds": took.tls,
            "first_byte_seconds": took.first_byte,
            "seconds": took.total,
        },
    )


def _judge(seconds: float, spec: Target) -> Status:
    if spec.critical_seconds is not None and seconds > spec.critical_seconds:
        return Status.CRITICAL
    if spec.warning_seconds is not None and seconds > spec.warning_seconds:
        return Status.WARNING
    return Status.OK
