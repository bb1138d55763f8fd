"""A heartbeat as JSON and in words: the same in the API, the command line and the console. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cronsim import CronSim

from app.checks.heartbeats.model import Heartbeat
from app.reason import loaded
from app.sentence import lower_first
from app.units import format_duration
from app.wording import because, present_all

KEPT = (
    "name",
    "slug",
    "origin",
    "since",
    "last_ping",
    "last_start",
    "expected_at",
    "due_at",
    "run_seconds",
    "pings",
)
LATE = "late"  # expected and not there, its grace still running


def present(row: Mapping[str, Any], now: datetime, url: str) -> dict[str, Any]:
    """The public form of a heartbeat. `due_at` is when silence becomes its alert; `url` is where this installation is."""
    spec, reasons = Heartbeat.model_validate(row["spec"]), loaded(row["reasons"])
    return {
        **{name: row[name] for name in KEPT},
        "because": because(reasons),
        "reasons": present_all(reasons),
        "state": shown_state(row, now),
        "service": spec.service,
        "severity": spec.severity.value,
        "schedule": schedule(spec, row["zone"]),
        "grace": spec.grace.total_seconds(),
        "running": [{"rid": rid, "since": datetime.fromisoformat(since)} for rid, since in row["runs"]],
        "runbook": spec.runbook,
        "labels": dict(spec.labels),
        "ping_url": f"{url}/ping/{row['uuid']}",
    }


def shown_state(row: Mapping[str, Any], now: datetime) -> str:
    """new, up, late, down or paused: late is up with the expected time past and the grace not over."""
    expected = row["expected_at"]
    return LATE if row["state"] == "up" and expected is not None and expected <= now else str(row["state"])


def schedule(spec: Heartbeat, zone: str) -> str:
    """`every 1h, grace 10m`; `at 02:15 every day (Europe/Paris), grace 30m`."""
    grace = f"grace {format_duration(spec.grace)}"
    if spec.every is not None:
        return f"every {format_duration(spec.every)}, {grace}"
    words = CronSim(str(spec.cron), datetime(2026, 1, 1)).explain()  # noqa: DTZ001 - it is only put into words
    return f"{lower_first(words)} ({zone}), {grace}"


def present_ping(row: Mapping[str, Any]) -> dict[str, Any]:
    """The public form of a ping; what it carried as text."""
    return {**row, "body": bytes(row["body"]).decode("utf-8", "replace")}
