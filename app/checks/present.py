"""A check as JSON: the same in the API and in the command line's answers. Pure."""

from datetime import datetime

from app.checks.model import Check, CheckState
from app.checks.pause import PauseFields, flat
from app.checks.probe import Status


class PublicCheck(PauseFields):
    """A check and its newest result. `status` is null until it has run; `every` is in seconds.

    `paused_until`: null while it is paused until resumed.
    """

    name: str
    probe: str
    family: str
    queue: str
    status: Status | None
    at: datetime | None
    next_due_at: datetime
    message: str
    metrics: dict[str, float]
    seconds: float | None
    paused: bool
    service: str | None
    every: float
    runbook: str | None
    labels: dict[str, str]


def present(state: CheckState, check: Check) -> PublicCheck:
    """The public form of a check."""
    return {
        "name": state.name,
        "probe": state.probe,
        "family": state.family,
        "queue": state.queue,
        "status": state.status,
        "at": state.at,
        "next_due_at": state.next_due_at,
        "message": state.message,
        "metrics": dict(state.metrics),
        "seconds": state.seconds,
        "paused": state.paused,
        **flat(state.pause),
        "service": check.service,
        "every": check.every.total_seconds(),
        "runbook": check.runbook,
        "labels": dict(check.labels),
    }
