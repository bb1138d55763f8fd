"""From one finding to a verdict: pending, firing, recovery and missing data, the same for every kind of rule. Pure."""

from dataclasses import replace
from datetime import datetime

from app.catalog.model import Severity
from app.downtime import SETTLE, silent_since
from app.reason import Code, Reason, Reasons
from app.rules.model import BLIND, NO_DATA_INTERVALS, RECENT, Finding, Patience, SeriesState, State, Verdict

PUNCTUAL = 0.97  # runs begin a little early or late: the third missed one counts even so
NOTHING = Reason(Code.NO_RESULT)


def judge(
    before: SeriesState, finding: Finding, patience: Patience, severity: Severity, at: datetime
) -> tuple[SeriesState, Verdict]:
    """The series' state after `finding` at `at`, and the verdict.

    Bad for `patience.hold`, and so often as `patience.after` says, fires; while firing only `finding.clear` recovers; what
    is unknown changes nothing until `patience.silence` has passed since it last was known, then follows `patience.no_data`.
    """
    if finding.bad is None and not finding.learning:
        return silent(before, patience, severity, at, finding.reason)
    severity = finding.severity or severity
    known = replace(before, known_at=at, memory=finding.memory)
    if finding.learning:
        after = replace(known, state=State.LEARNING, bad_since=None)
    elif before.firing:
        after = _still(before, known, finding)
    else:
        after = _now(before, known, finding, patience, at)
    return after, Verdict(
        at,
        after.state,
        after.firing,
        severity,
        finding.value,
        (finding.reason,),
        shown=finding.shown,
        score=finding.score,
        band=finding.band,
    )


def _still(before: SeriesState, known: SeriesState, finding: Finding) -> SeriesState:
    """Its alert is on: is it over?"""
    blind = bool(before.memory.get(BLIND)) and finding.value is not None  # it fired for want of data: there is some again
    if (finding.clear or blind) and not finding.bad:
        return replace(known, state=State.OK, firing=False, bad_since=None)
    return replace(known, state=State.FIRING)


def _now(before: SeriesState, known: SeriesState, finding: Finding, patience: Patience, at: datetime) -> SeriesState:
    """Its alert is off: does it begin? Once it does, the counting of `after` starts afresh."""
    bad, counted = bool(finding.bad), {}
    if patience.after is not None:
        counted = {RECENT: [*before.memory.get(RECENT, ()), int(bad)][-patience.after.last :]}
        bad = sum(counted[RECENT]) >= patience.after.needed
    since = (before.bad_since or at) if bad else None
    fires = since is not None and at - since >= patience.hold
    state = State.FIRING if fires else State.PENDING if bad else State.OK
    memory = finding.memory if fires else {**finding.memory, **counted}
    return replace(known, state=state, firing=fires, bad_since=since, memory=memory)


def pass_over(before: SeriesState, severity: Severity, at: datetime, reason: Reason) -> tuple[SeriesState, Verdict]:
    """The verdict when nothing could be learnt and nobody is notified: unknown, and its time is not counted as silence."""
    after = replace(before, state=State.UNKNOWN, known_at=at)
    return after, Verdict(at, after.state, after.firing, severity, None, (reason,))


def silent(
    before: SeriesState, patience: Patience, severity: Severity, at: datetime, reason: Reason = NOTHING
) -> tuple[SeriesState, Verdict]:
    """The verdict when nothing was learnt at `at`: unknown, and an alert once it has lasted if the rule wants one.

    Time in which Tocsin itself did not run is not silence; what is remembered stays the instant at which it last was known.
    """
    known_at = before.known_at or at - patience.silence / NO_DATA_INTERVALS  # the run before the first is not missed
    reasons: Reasons = (reason,)
    after = replace(before, state=State.UNKNOWN, known_at=known_at)
    if at >= overdue_at(after, patience, at):
        reasons = (Reason(Code.NO_DATA, {"seconds": patience.silence.total_seconds()}), reason)
        after = _overdue(after, patience)
    return after, Verdict(at, after.state, after.firing, severity, None, reasons)


def overdue_at(series: SeriesState, patience: Patience, at: datetime) -> datetime:
    """When it counts as silent, by what is known at `at`."""
    since = silent_since(series.known_at or at, patience.silence, patience.away, SETTLE)
    return since + patience.silence * PUNCTUAL


def _overdue(series: SeriesState, patience: Patience) -> SeriesState:
    if patience.no_data == "alert":
        memory = series.memory if series.firing else {**series.memory, BLIND: True}
        return replace(series, firing=True, bad_since=None, memory=memory)
    if patience.no_data == "ok":
        return replace(series, firing=False, bad_since=None)
    return series
