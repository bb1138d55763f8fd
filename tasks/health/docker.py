"""Containers of a Docker engine (or Podman's), by name or label: running and healthy.

Metrics: `running`, `expected` and `unhealthy` containers, `restarts` since the last run, `seconds` for all responses; by label
`container`: `container_up` (0 or 1) and `restart_count`.

Critical: the daemon does not respond, or a container is missing, stopped, restarting, killed or unhealthy. Warning: a container
was restarted since the last run. Unknown: the daemon's socket is not accessible.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from app.checks.probe import Field, Reading, Run, Series, Spec, Status, Unknown, Unreachable, length, probe, worst
from app.failure import Failed, Kind
from app.net.docker import Container, Engine, EngineUrl

MAX_CONTAINERS = 500  # containers checked in one run
MAX_CONCURRENT = 8  # questions to the daemon
STOPPED_STATES = ("exited", "dead", "restarting")
FIX = "add the account of Tocsin's workers to the group docker, or point `url` at a read-only proxy of the socket"

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$")]
Finding = tuple[Status, str]


class Target(Spec):
    """Which daemon, and which containers must run."""

    url: EngineUrl = Field(
        default="unix:///var/run/docker.sock", description="unix:///PATH, tcp://HOST:PORT or https://HOST:PORT of the daemon"
    )
    containers: list[Name] = Field(
        default=[],
        max_length=MAX_CONTAINERS,
        description="names of the containers that must run",
        examples=[["shop-web-1", "shop-worker-1"]],
    )
    label: str | None = Field(
        default=None,
        min_length=1,
        description="instead of names: all containers with this label, e.g. `com.docker.compose.project=shop`",
    )
    minimum: int = Field(default=1, ge=0, description="with `label`: minimum number of containers")
    may_end: bool = Field(default=False, description="a container that exited with code 0 is ok")
    verify_tls: bool = Field(
        default=True, description="verify the server's certificate; an untrusted one counts as no response"
    )
    ca: str | None = Field(default=None, description="path of a CA bundle to use instead of the system's")

    @model_validator(mode="after")
    def _is_one_choice(self) -> Self:
        if self.containers and self.label:
            raise ValueError("write containers or label, not both; with neither, all running containers must be healthy")
        return self


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    started = time.perf_counter()
    limit = run.timeout * 0.95  # to report what hung before the runner's time-out
    waiting_for = "the list of containers" if not spec.containers else "its containers"
    try:
        async with asyncio.timeout(limit):
            engine = Engine(spec.url, run.timeout, spec.verify_tls, spec.ca)
            names = spec.containers or await engine.ids(spec.label)
            waiting_for = "the state of its containers"
            found = await _containers(engine, names)
    except TimeoutError:
        raise Unreachable(f"no response from the Docker daemon within {limit:.3g} s: {waiting_for}") from None
    except Failed as failed:
        raise _as_exception(failed) from None
    return _reading(spec, run, names, found, time.perf_counter() - started)


async def _containers(engine: Engine, names: Sequence[str]) -> list[Container | None]:
    if len(names) > MAX_CONTAINERS:
        raise Unknown(
            f"{len(names)} containers have the label; at most {MAX_CONTAINERS} are checked: use a more specific label"
        )
    semaphore = asyncio.Semaphore(MAX_CONCURRENT)

    async def one(name: str) -> Container | None:
        async with semaphore:
            return await engine.container(name)

    pending = [asyncio.create_task(one(name)) for name in names]
    try:
        return list(await asyncio.gather(*pending))
    finally:
        for task in pending:  # when one has failed, the others need not go on
            task.cancel()


def _as_exception(failed: Failed) -> Exception:
    if failed.kind is Kind.DENIED:
        return Unknown(f"access to the Docker daemon denied: {failed}; {FIX}")
    if failed.kind is Kind.BLOCKED:
        return Unknown(str(failed))
    return Unreachable(f"invalid response from the Docker daemon: {failed}")


def _reading(spec: Target, run: Run, names: Sequence[str], found: Sequence[Container | None], seconds: float) -> Reading:
    present = [one for one in found if one is not None]
    missing = [name for name, one in zip(names, found, strict=True) if one is None and spec.containers]  # else: just removed
    before = run.numbers("restarts")
    restarted = {one.name: max(0, one.restarts - int(before.get(one.id, one.restarts))) for one in present}
    findings = [(Status.CRITICAL, f"{name}: no such container") for name in missing]
    now = datetime.now(UTC)
    findings += [finding for one in present if (finding := _finding(one, spec.may_end, restarted[one.name], now))]
    if spec.label and len(present) < spec.minimum:
        findings.insert(
            0, (Status.CRITICAL, f"{len(present)} containers have the label {spec.label}, expected at least {spec.minimum}")
        )
    running = sum(one.state == "running" for one in present)
    metrics = {
        "running": float(running),
        "expected": float(max(len(present) + len(missing), spec.minimum if spec.label else 0)),
        "unhealthy": float(sum(one.health == "unhealthy" for one in present)),
        "restarts": float(sum(restarted.values())),
        "seconds": seconds,
    }
    summary = f"{running} of {metrics['expected']:.0f} containers are running"
    return Reading(
        worst(status for status, _ in findings),
        "; ".join([summary, *(text for _, text in findings)]),
        metrics,
        tuple(_series(present)),
        memory={"restarts": {one.id: one.restarts for one in present}},
    )


def _series(present: Sequence[Container]) -> list[Series]:
    return [
        Series(metric, value, {"container": one.name})
        for one in present
        for metric, value in (("container_up", float(one.state == "running")), ("restart_count", float(one.restarts)))
    ]


def _finding(one: Container, may_end: bool, restarted: int, now: datetime) -> Finding | None:
    """What is wrong with a container, if anything is."""
    if one.state == "running":
        if one.health == "unhealthy":
            output = f": {one.health_output[:200]!r}" if one.health_output else ""
            return Status.CRITICAL, f"{one.name}: unhealthy, {one.failures} health checks failed in a row{output}"
        if restarted:
            return Status.WARNING, f"{one.name}: restarted {restarted} times since the last run{_kill_reason(one)}"
        return None
    if one.state == "exited" and may_end and one.exit_code == 0:
        return None
    if one.state == "created":
        return Status.CRITICAL, f"{one.name}: has never started{_error(one)}"
    stopped = f" {length(now - one.ended_at)} ago" if one.ended_at and one.state in STOPPED_STATES else ""
    last = ", last exited" if one.state == "restarting" else ""
    code = f"{last} ({one.exit_code}{_kill_reason(one)})" if one.state in STOPPED_STATES else ""
    return Status.CRITICAL, f"{one.name}: {one.state}{code}{stopped}{_error(one)}"


def _kill_reason(one: Container) -> str:
    return ", killed: out of memory" if one.out_of_memory else ""


def _error(one: Container) -> str:
    return f": {one.error[:200]}" if one.error else ""
