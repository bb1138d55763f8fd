"""An HTTP request, or several steps: status, headers, body and JSON values as expected.

Metrics: `seconds` until the end of the body, `first_byte_seconds`, `status_code`, `bytes` of the decoded body, and with TLS
`certificate_days` until the server's certificate expires. With `steps`, these are the values of the last step, except that
`seconds` is the total; `step_seconds` of each step has the label `step`.

Critical: no response within the timeout, an untrusted certificate, or anything other than what `expect` says; steps stop at the
first that fails. It never warns; use rules to evaluate the response time.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from app.checks.probe import Field, Reading, Run, Series, Spec, Status, measured, probe, unanswered
from app.net.ask import MARGIN, Server
from app.net.expect import Expected, check_response
from app.net.header import Headers
from app.net.http import Failed, Kind, Request, Response, fetch
from app.net.take import Take, extract, fill, fill_url, placeholders, url_template, value_redactor
from app.net.url import Url, origin

DAY = 86_400
METHOD = r"^[A-Z]{1,20}$"


class Step(Spec):
    """One request of several. `{{ name }}` in url, headers and body stands for a value that an earlier step took."""

    name: str | None = Field(
        default=None, min_length=1, max_length=64, description="name of the step in messages; unset = its number"
    )
    url: Annotated[str, AfterValidator(url_template)] = Field(description="http:// or https:// address")
    method: str = Field(default="GET", pattern=METHOD, description="HTTP method")
    headers: Headers = Field(default={}, repr=False, description="additional request headers")
    body: str | None = Field(default=None, description="request body")
    expect: Expected = Field(default_factory=Expected, description="expected response")
    take: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w{0,63}$")], Take] = Field(
        default={},
        description="name mapped to where to find its value: a JSONPath, or a map of `json`, or of `header` and"
        " `matches` (RE2)",
    )

    def required_values(self) -> set[str]:
        """Names of the values it needs."""
        return set().union(*map(placeholders, (self.url, self.body or "", *self.headers.values())))


class Target(Server, Spec):
    """The request, or the steps."""

    url: Url | None = Field(
        default=None, description="http:// or https:// address; this or `steps`", examples=["https://shop.example.org/checkout"]
    )  # type: ignore[assignment]
    method: str = Field(default="GET", pattern=METHOD, description="HTTP method")
    body: str | None = Field(default=None, description="request body")
    expect: Expected = Field(
        default_factory=Expected, description="expected response", examples=[{"status": [200], "body_contains": "Pay"}]
    )
    follow_redirects: int = Field(
        default=5, ge=0, le=20, description="maximum number of redirects to follow; 0 = check the redirect itself"
    )
    max_bytes: int = Field(default=1_048_576, ge=1, le=67_108_864, description="maximum bytes of the body to read and check")
    steps: tuple[Step, ...] = Field(
        default=(),
        max_length=20,
        description="requests in sequence that share cookies: maps of `name`, `url`, `method`, `headers`, `body`, `expect` and"
        " `take: {token: $.access_token}`, which later steps use as `{{ token }}`. The check's headers, token and password are"
        " sent only to the host of the first step",
    )

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        if (self.url is None) == (not self.steps):
            raise ValueError("write url or steps")
        if self.steps:
            _check_steps(self)
        return self


def _check_steps(spec: Target) -> None:
    """Raises ValueError when steps do not fit together."""
    if {"method", "body", "expect"} & spec.model_fields_set:
        raise ValueError("method, body and expect belong in each step")
    labels = [_label(position, step) for position, step in enumerate(spec.steps, 1)]
    if len(set(labels)) < len(labels):
        raise ValueError("two steps have the same name")
    known: set[str] = set()
    for label, step in zip(labels, spec.steps, strict=True):
        if missing := step.required_values() - known:
            raise ValueError(f"step {label} uses {', '.join(sorted(missing))}, which no earlier step takes")
        known |= step.take.keys()


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    if spec.url is None:
        return await _run_steps(spec, run.timeout * MARGIN)
    try:
        response = await fetch(_request(spec, spec.url, run.timeout * MARGIN))
    except Failed as failed:
        raise unanswered(failed) from None
    mismatches = await check_response(response, spec.expect)
    summary = f"{response.status} in {measured(response.timings.total)}"
    return Reading(
        Status.CRITICAL if mismatches else Status.OK,
        f"{summary}: {'; '.join(mismatches)}" if mismatches else summary,
        _metrics(response),
    )


def _request(spec: Target, url: str, timeout: float) -> Request:
    return spec.request(
        url,
        timeout,
        method=spec.method,
        body=spec.body,
        follow_redirects=spec.follow_redirects,
        certificate=url[:6].lower() == "https:" or spec.follow_redirects > 0,
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


def _label(position: int, step: Step) -> str:
    return step.name or str(position)


@dataclass
class _StepRun:
    """What the steps so far have left."""

    until: float
    values: dict[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    series: list[Series] = field(default_factory=list)
    metrics: Mapping[str, float] = field(default_factory=dict)

    def reading(self, status: Status, message: str, *, unreachable: bool = False) -> Reading:
        seconds = sum(one.value for one in self.series)
        summary = message or f"{len(self.series)} steps in {measured(seconds)}"
        metrics = {**self.metrics, "seconds": seconds}
        return Reading(status, value_redactor(self.values)(summary), metrics, tuple(self.series), unreachable=unreachable)


async def _run_steps(spec: Target, timeout: float) -> Reading:
    progress = _StepRun(time.monotonic() + timeout)
    for position, step in enumerate(spec.steps, 1):
        label = _label(position, step)
        try:
            mismatches = await _run_step(spec, step, label, progress)
        except Failed as failed:
            blocked = failed.kind is Kind.BLOCKED
            status = Status.UNKNOWN if blocked else Status.CRITICAL
            return progress.reading(status, f"step {label}: {failed}", unreachable=not blocked)
        if mismatches:
            return progress.reading(Status.CRITICAL, f"step {label}: {'; '.join(mismatches)}")
    return progress.reading(Status.OK, "")


async def _run_step(spec: Target, step: Step, label: str, progress: _StepRun) -> list[str]:
    """Make one step: what is wrong with its answer. Raises Failed when there is none."""
    remaining = progress.until - time.monotonic()
    if remaining <= 0:
        raise Failed(Kind.TIMEOUT, "the earlier steps used up the timeout")
    url = fill_url(step.url, progress.values)
    request = spec.request(
        url,  # judged again, as every URL that is asked
        remaining,
        method=step.method,
        headers={name: fill(value, progress.values) for name, value in step.headers.items()},
        body=fill(step.body or "", progress.values),
        follow_redirects=spec.follow_redirects,
        certificate=True,
        trusted=origin(url) == origin(spec.steps[0].url),
        cookies=progress.cookies,
    )
    response = await fetch(request)
    progress.cookies = response.cookies
    progress.metrics = _metrics(response)
    progress.series.append(Series("step_seconds", response.timings.total, {"step": label}))
    missing = []
    for name, extraction in step.take.items():
        try:
            progress.values[name] = extract(response, extraction)
        except ValueError as error:
            missing.append(f"no value for {name}: {error}")
    return await check_response(response, step.expect, value_redactor(progress.values)) + missing
