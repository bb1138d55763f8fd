"""From an alert's first sign to its end: what a signal makes of it. `store` carries the same table in SQL, for speed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from app.alerts.model import AlertState
from app.catalog.model import Severity
from app.signals.model import Signal, SignalStatus

# An alert that fires never waits again, and only the dedup stage suppresses one, or lets it fire again.
MOVES: Mapping[tuple[AlertState | None, SignalStatus], AlertState | None] = {
    (None, SignalStatus.PENDING): AlertState.PENDING,
    (None, SignalStatus.FIRING): AlertState.FIRING,
    (None, SignalStatus.RESOLVED): None,  # it is over already
    (AlertState.PENDING, SignalStatus.PENDING): AlertState.PENDING,
    (AlertState.PENDING, SignalStatus.FIRING): AlertState.FIRING,
    (AlertState.PENDING, SignalStatus.RESOLVED): AlertState.RESOLVED,
    (AlertState.FIRING, SignalStatus.PENDING): AlertState.FIRING,
    (AlertState.FIRING, SignalStatus.FIRING): AlertState.FIRING,
    (AlertState.FIRING, SignalStatus.RESOLVED): AlertState.RESOLVED,
    (AlertState.SUPPRESSED, SignalStatus.PENDING): AlertState.SUPPRESSED,
    (AlertState.SUPPRESSED, SignalStatus.FIRING): AlertState.SUPPRESSED,
    (AlertState.SUPPRESSED, SignalStatus.RESOLVED): AlertState.RESOLVED,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an alert is. `news`: the dedup stage has something to look at."""

    state: AlertState
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
    if state is AlertState.RESOLVED:
        return replace(before, state=state, ends_at=now, news=not (before.state is AlertState.PENDING or before.shadow))
    return Progress(
        state,
        signal.severity,
        signal.shadow,
        begins if (before.state, state) == (AlertState.PENDING, AlertState.FIRING) else before.starts_at,
        news=before.news or (_loud(signal) and _changes(before, signal)),
    )


def ended(before: Progress, now: datetime) -> Progress:
    """An open alert whose incident somebody resolved: no news, its incident is over already."""
    return replace(before, state=AlertState.RESOLVED, ends_at=now, news=False)


def _loud(signal: Signal) -> bool:
    """Whether it may open an incident."""
    return signal.status is SignalStatus.FIRING and not signal.shadow


def _changes(before: Progress, signal: Signal) -> bool:
    """Whether what it says is news: the first firing, another severity, or a rule that was only tried until now."""
    return before.state is AlertState.PENDING or before.severity is not signal.severity or before.shadow
