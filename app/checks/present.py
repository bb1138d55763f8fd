"""A check as JSON: the same in the API and in the command line's answers. Pure."""

from typing import Any

from app.checks.model import Check, CheckState


def present(state: CheckState, check: Check) -> dict[str, Any]:
    """The public form of a check: how it stands, and what it is. `status` is null until it has run."""
    kept = ("name", "probe", "family", "queue", "status", "at", "next_due_at", "message", "metrics", "seconds", "paused")
    return {
        **{name: getattr(state, name) for name in kept},
        "service": check.service,
        "every": check.every.total_seconds(),
        "runbook": check.runbook,
        "labels": dict(check.labels),
    }
