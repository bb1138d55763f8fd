"""A heartbeat as JSON and in words: the same in the API, the command line and the console. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from cronsim import CronSim
from typing_extensions import TypedDict

from app.catalog.model import Severity
from app.checks.heartbeats.model import Heartbeat, HeartbeatRecord, HeartbeatState, Kind, PingRecord, Run
from app.checks.pause import Pause, PauseFields, flat
from app.reason import Reasons
from app.sentence import lower_first
from app.units import format_duration
from app.wording import PublicReason, because, present_all

LATE = "late"  # expected and not there, its grace still running


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatView:
    """A heartbeat as people see it. `due_at` is when silence becomes its alert."""

    name: str
    slug: str
    origin: str
    since: datetime | None
    last_ping: datetime | None
    last_start: datetime | None
    expected_at: datetime | None
    due_at: datetime | None
    run_seconds: float | None
    pings: int
    because: str
    reasons: Reasons
    state: str  # see `shown_state`
    pause: Pause | None  # while it is paused
    service: str | None
    severity: str
    schedule: str
    grace: float  # seconds
    running: tuple[Run, ...]
    runbook: str | None
    labels: Mapping[str, str]
    ping_url: str


class PublicRunning(TypedDict):
    """A run in progress; `rid` is what its pings carry, null for a job that sends none."""

    rid: str | None
    since: datetime


class PublicHeartbeat(PauseFields):
    """A heartbeat. `due_at`: when a missing ping becomes its alert. `grace` is in seconds."""

    name: str
    slug: str
    origin: str
    since: datetime | None
    last_ping: datetime | None
    last_start: datetime | None
    expected_at: datetime | None
    due_at: datetime | None
    run_seconds: float | None
    pings: int
    because: str
    reasons: list[PublicReason]
    state: Literal["new", "up", "late", "down", "paused"]
    service: str | None
    severity: Severity
    schedule: str
    grace: float
    running: list[PublicRunning]
    runbook: str | None
    labels: dict[str, str]
    ping_url: str


class PublicPing(TypedDict):
    """A ping, and what it contained as text; `n` counts from 1. `seconds`: how long the run took that it ended."""

    n: int
    at: datetime
    kind: Kind
    exit_status: int | None
    rid: str | None
    seconds: float | None
    method: str
    remote: str
    agent: str
    body: str
    body_bytes: int


def view(one: HeartbeatRecord, now: datetime, url: str) -> HeartbeatView:
    """How it is shown now; `url` is where this installation is."""
    spec, beat = one.spec, one.beat
    return HeartbeatView(
        name=one.name,
        slug=one.slug,
        origin=one.origin,
        since=beat.since,
        last_ping=beat.last_ping,
        last_start=beat.last_start,
        expected_at=one.expected_at,
        due_at=one.due_at,
        run_seconds=beat.run_seconds,
        pings=one.pings,
        because=because(beat.reasons),
        reasons=beat.reasons,
        state=shown_state(beat.state, one.expected_at, now),
        pause=one.pause,
        service=spec.service,
        severity=spec.severity.value,
        schedule=schedule(spec, one.zone),
        grace=spec.grace.total_seconds(),
        running=beat.runs,
        runbook=spec.runbook,
        labels=spec.labels,
        ping_url=f"{url}/ping/{one.uuid}",
    )


def present(one: HeartbeatRecord, now: datetime, url: str) -> dict[str, Any]:
    """The public form of a heartbeat: its view as JSON."""
    shown = view(one, now, url)
    return {
        **{field.name: getattr(shown, field.name) for field in fields(shown) if field.name != "pause"},
        **flat(shown.pause),
        "reasons": present_all(shown.reasons),
        "running": [{"rid": run.rid, "since": run.since} for run in shown.running],
        "labels": dict(shown.labels),
    }


def shown_state(state: HeartbeatState, expected_at: datetime | None, now: datetime) -> str:
    """new, up, late, down or paused: late is up with the expected time past and the grace not over."""
    return LATE if state is HeartbeatState.UP and expected_at is not None and expected_at <= now else state.value


def schedule(spec: Heartbeat, zone: str) -> str:
    """`every 1h, grace 10m`; `at 02:15 every day (Europe/Paris), grace 30m`."""
    grace = f"grace {format_duration(spec.grace)}"
    if spec.every is not None:
        return f"every {format_duration(spec.every)}, {grace}"
    words = CronSim(str(spec.cron), datetime(2026, 1, 1)).explain()  # noqa: DTZ001 - it is only put into words
    return f"{lower_first(words)} ({zone}), {grace}"


def present_ping(ping: PingRecord) -> dict[str, Any]:
    """The public form of a ping; what it carried as text."""
    return {**{field.name: getattr(ping, field.name) for field in fields(ping)}, "kind": ping.kind.value, "body": ping.text}


def searched(beat: HeartbeatView) -> dict[str, str]:
    """What a search sees of it: its labels, and how it stands."""
    names = ("name", "state", "service", "severity", "schedule", "because", "origin")
    return {**beat.labels, **{name: str(getattr(beat, name) or "") for name in names}}
