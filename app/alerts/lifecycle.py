"""From an alert's first sign to its end: what a signal makes of it. `store` carries the same table in SQL, for speed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from app.alerts.model import State
from app.catalog.model import Severity
from app.signals.model import Signal, SignalStatus

# An alert that fires never waits again, and only the dedup stage suppresses one, or lets it fire again.
MOVES: Mapping[tuple[State | None, SignalStatus], State | None] = {
    (None, SignalStatus.PENDING): State.PENDING,
    (None, SignalStatus.FIRING): State.FIRING,
    (None, SignalStatus.RESOLVED): None,  # it is over already
    (State.PENDING, SignalStatus.PENDING): State.PENDING,
    (State.PENDING, SignalStatus.FIRING): State.FIRING,
    (State.PENDING, SignalStatus.RESOLVED): State.RESOLVED,
    (State.FIRING, SignalStatus.PENDING): State.FIRING,
    (State.FIRING, SignalStatus.FIRING): State.FIRING,
    (State.FIRING, SignalStatus.RESOLVED): State.RESOLVED,
    (State.SUPPRESSED, SignalStatus.PENDING): State.SUPPRESSED,
    (State.SUPPRESSED, SignalStatus.FIRING): State.SUPPRESSED,
    (State.SUPPRESSED, SignalStatus.RESOLVED): State.RESOLVED,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an alert is. `news`: the dedup stage has something to look at."""

    state: State
    severity: Severity
    shadow: bool
    starts_at: datetime
    ends_at: datetime | None = None
    news: bool = False


def after(before: Progress | None, signal: Signal, now: datetime) -> Progress | None:
    """The open alert of a fingerprint after a signal; None: there is none. One that resolved is never `before`."""
    state = MOVES[before.state if before else None, signal.status]
    if state is None:
        return None
    begins = signal.starts_at or now
    if before is None:
        return Progress(state, signal.severity, signal.shadow, begins, news=_loud(signal))
    if state is State.RESOLVED:
        return replace(before, state=state, ends_at=now, news=not (before.state is State.PENDING or before.shadow))
    return Progress(
        state,
        signal.severity,
        signal.shadow,
        begins if (before.state, state) == (State.PENDING, State.FIRING) else before.starts_at,
        news=before.news or (_loud(signal) and _changes(before, signal)),
    )


def ended(before: Progress, now: datetime) -> Progress:
    """An open alert whose incident somebody resolved: no news, its incident is over already."""
    return replace(before, state=State.RESOLVED, ends_at=now, news=False)


def _loud(signal: Signal) -> bool:
    """Whether it may open an incident."""
    return signal.status is SignalStatus.FIRING and not signal.shadow


def _changes(before: Progress, signal: Signal) -> bool:
    """Whether what it says is news: the first firing, another severity, or a rule that was only tried until now."""
    return before.state is State.PENDING or before.severity is not signal.severity or before.shadow
