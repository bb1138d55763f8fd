"""Heartbeats as signals: firing while one is down, resolved when it pings again."""

from datetime import datetime

from sqlalchemy import Connection

from app.checks.heartbeats import service
from app.checks.heartbeats.model import HeartbeatState
from app.checks.heartbeats.service import Move
from app.reason import Code, Reason
from app.rules.summary import Summary, render
from app.signals.model import SUMMARY_LIMIT, Signal, SignalStatus
from app.wording import because


def evaluate(db: Connection, now: datetime, limit: int = 500) -> tuple[list[Signal], int]:
    """Judge every heartbeat that was pinged or is due; the signals that follow, and how many were evaluated."""
    moves, count = service.judge(db, now, limit)
    return [signal(move) for move in moves], count


def signal(move: Move) -> Signal:
    """What a move means for the heartbeat's alert, of which there is one at most."""
    spec, down = move.spec, move.after.state is HeartbeatState.DOWN
    reasons = move.after.reasons if down else move.after.reasons or (Reason(Code.PINGED_AGAIN),)
    facts: dict[str, str | float | None] = {"heartbeat": move.name, "because": because(move.after.reasons)}
    plain = f"{move.name}: {because(reasons)}"
    summary = render(spec.summary, facts, spec.labels, plain) if spec.summary else Summary(plain, says_why=True)
    return Signal(
        source=f"heartbeat:{move.name}",
        key=move.name,
        status=SignalStatus.FIRING if down else SignalStatus.RESOLVED,
        summary=summary.text[:SUMMARY_LIMIT],
        reason_in_summary=summary.says_why,
        severity=spec.severity,
        alertname=move.name,
        service=spec.service,
        family=spec.family,
        labels=spec.labels,
        starts_at=move.at,
        reasons=reasons,
        runbook=spec.runbook,
    )
