"""The line's other doorway: Celery tasks, named QUEUE.WHAT. Each calls one stage and hints at the next."""

from datetime import datetime

from app import line
from app.celery import LONGEST_COUNTDOWN, hint, task


def instant(at: str | None) -> datetime | None:
    """The instant to act as of (RFC 3339); None is the database's clock. Stories and drills use it."""
    return datetime.fromisoformat(at) if at else None


@task("evaluate.checks")
def evaluate(names: list[str] | None = None, at: str | None = None) -> None:
    """Judge these checks, or every one with something new."""
    step = line.evaluate(names, instant(at))
    if step.seen:
        hint("dedup.alerts", [at])
    if step.full:
        hint("evaluate.checks", [names, at])


@task("dedup.alerts")
def dedup(at: str | None = None) -> None:
    """Collapse what changed into incidents."""
    step = line.dedup(instant(at))
    if step.seen:
        hint("escalation.advance", [at])
    if step.messages:
        hint("notify.send", [at])
    if step.full:
        hint("dedup.alerts", [at])


@task("escalation.advance")
def escalate(at: str | None = None) -> None:
    """Take the steps that are due; those due soon are armed by a countdown."""
    step = line.escalate(instant(at))
    if step.seen:
        hint("notify.send", [at])
    if step.full:
        hint("escalation.advance", [at])
    for seconds in step.waits:
        if at is None and seconds <= LONGEST_COUNTDOWN:
            hint("escalation.advance", countdown=seconds)


@task("notify.send")
def notify(at: str | None = None) -> None:
    """Send the pages that are due; what was not taken comes again after its countdown."""
    step, again = line.notify(instant(at))
    if step.seen:  # there may be more, and what failed for good has fallen to another contact
        hint("notify.send", [at])
    for seconds in sorted({round(seconds, 1) for _, seconds in again}) if at is None else ():
        hint("notify.send", countdown=seconds)
