"""Answers an HTTP request as it must: status, body and headers.

Metrics: `seconds` until the end of the body, `first_byte_seconds`, `status_code`, `bytes` of the unpacked body, and over TLS
`certificate_days` until the server's certificate ends. Critical: no answer within the time-out, a certificate that is not
believed, or anything else than what `expect` says. It never warns; rules judge how long it took.
"""

import re
from datetime import UTC, datetime

import re2
from pydantic import field_validator

from app.checks.probe import CannotTell, Field, Reading, Run, SecretStr, Spec, Status, Unreachable, probe
from app.net.http import Failed, Kind, Request, Response, fetch
from app.net.url import Url

DAY = 86_400
STATUSES = re.compile(r"[1-5]xx|[1-5]\d\d(-[1-5]\d\d)?")


class Expected(Spec):
    """What the answer must be; every line counts."""

    status: list[int | str] = Field(
        default=["200-399"], min_length=1, description="one of these: numbers, ranges as `200-299`, classes as `2xx`"
    )
    body_contains: str | None = Field(default=None, description="text the body must hold")
    body_lacks: str | None = Field(default=None, description="text the body must not hold, e.g. of an error page")
    body_matches: str | None = Field(default=None, max_length=1024, description="RE2 pattern that must match in the body")
    header: dict[str, str] = Field(default={}, description="header name to text that its value must hold")

    @field_validator("status")
    @classmethod
    def _are_statuses(cls, given: list[int | str]) -> list[int | str]:
        for item in given:
            if not STATUSES.fullmatch(str(item)):
                raise ValueError(f"{item!r} is not a status; write 200, 200-299 or 2xx")
        return given

    @field_validator("body_matches")
    @classmethod
    def _is_a_pattern(cls, given: str | None) -> str | None:
        if given is not None:
            try:
                re2.compile(given, QUIET)
            except re2.error as error:
                raise ValueError(f"not an RE2 pattern: {error}") from None
        return given


class Target(Spec):
    """What is asked."""

    url: Url = Field(description="http:// or https:// address")
    method: str = Field(default="GET", pattern=r"^[A-Z]{1,20}$", description="HTTP method")
    headers: dict[str, str] = Field(default={}, repr=False, description="headers sent along")
    body: str | None = Field(default=None, description="text sent as the request's body")
    username: str | None = Field(default=None, description="user name for basic authentication")
    password: SecretStr | None = Field(default=None, description="password for basic authentication")
    token: SecretStr | None = Field(default=None, description="sent as `Authorization: Bearer TOKEN`")
    expect: Expected = Field(default=Expected(), description="what the answer must be")
    follow_redirects: int = Field(default=5, ge=0, le=20, description="redirects followed; 0 = judge the redirect itself")
    verify_tls: bool = Field(default=True, description="does an untrusted certificate count as no answer")
    ca: str | None = Field(default=None, description="path of the CA bundle to believe instead of the system's")
    max_bytes: int = Field(default=1_048_576, ge=1, le=67_108_864, description="bytes of the body that are read and judged")


QUIET = re2.Options()
QUIET.log_errors = False


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    try:
        response = await fetch(_request(spec, run.timeout))
    except Failed as failed:
        raise (CannotTell if failed.kind is Kind.BLOCKED else Unreachable)(str(failed)) from None
    wrong = _wrong(response, spec.expect)
    told = f"{response.status} in {response.timings.total:.3g} s"
    return Reading(
        Status.CRITICAL if wrong else Status.OK,
        f"{told}: {'; '.join(wrong)}" if wrong else told,
        _metrics(response),
    )


def _request(spec: Target, timeout: float) -> Request:
    headers = dict(spec.headers)
    if spec.token is not None:
        headers["Authorization"] = f"Bearer {spec.token.get_secret_value()}"
    return Request(
        spec.url,
        spec.method,
        headers,
        (spec.body or "").encode(),
        timeout=timeout * 0.95,  # to say what hung before the runner gives up
        follow_redirects=spec.follow_redirects,
        max_bytes=spec.max_bytes,
        verify_tls=spec.verify_tls,
        ca=spec.ca,
        username=spec.username,
        password=spec.password.get_secret_value() if spec.password else None,
        fresh=True,
        certificate=spec.url[:6].lower() == "https:" or spec.follow_redirects > 0,
    )


def _metrics(response: Response) -> dict[str, float]:
    found = {
        "seconds": response.timings.total,
        "first_byte_seconds": response.timings.first_byte,
        "status_code": float(response.status),
        "bytes": float(len(response.body)),
    }
    if response.certificate_expires:
        found["certificate_days"] = (response.certificate_expires - datetime.now(UTC)).total_seconds() / DAY
    return found


def _wrong(response: Response, expected: Expected) -> list[str]:
    """What is not as it must be, in words."""
    wrong = []
    if not any(_is(response.status, item) for item in expected.status):
        wrong.append(f"status {response.status}, expected {', '.join(map(str, expected.status))}")
    for name, part in expected.header.items():
        value = response.headers.get(name.lower())
        if value is None or part not in value:
            wrong.append(f"header {name} is {'missing' if value is None else repr(value[:80])}, expected {part!r}")
    return wrong + _wrong_in_body(response, expected)


def _wrong_in_body(response: Response, expected: Expected) -> list[str]:
    wrong = []
    where = f"the first {len(response.body)} bytes" if response.truncated else "the body"
    text = response.text
    if expected.body_contains is not None and expected.body_contains not in text:
        wrong.append(f"{where} does not hold {expected.body_contains!r}")
    if expected.body_lacks is not None and expected.body_lacks in text:
        wrong.append(f"{where} holds {expected.body_lacks!r}")
    if expected.body_matches is not None and not re2.search(expected.body_matches, text, QUIET):
        wrong.append(f"{where} does not match {expected.body_matches!r}")
    return wrong


def _is(status: int, item: int | str) -> bool:
    low, _, high = str(item).replace("xx", "00").partition("-")
    if str(item).endswith("xx"):
        high = f"{low[0]}99"
    return int(low) <= status <= int(high or low)
