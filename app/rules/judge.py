"""From one finding to a verdict: pending, firing, recovery and missing data, the same for every kind of rule. Pure."""

from dataclasses import replace
from datetime import datetime

from app.catalog.model import Severity
from app.downtime import SETTLE, silent_since
from app.rules.model import BLIND, NO_DATA_INTERVALS, RECENT, Finding, Patience, Standing, State, Verdict
from app.units import format_duration

PUNCTUAL = 0.97  # runs begin a little early or late: the third missed one counts even so


def judge(before: Standing, finding: Finding, patience: Patience, severity: Severity, at: datetime) -> tuple[Standing, Verdict]:
    """The standing after `finding` at `at`, and the verdict.

    Bad for `patience.hold`, and so often as `patience.after` says, fires; while firing only `finding.clear` recovers; what
    cannot tell changes nothing until `patience.silence` has passed since it last could, then follows `patience.no_data`.
    """
    if finding.bad is None and not finding.learning:
        return silent(before, patience, severity, at, finding.because)
    severity = finding.severity or severity
    known = replace(before, known_at=at, memory=finding.memory)
    if finding.learning:
        after = replace(known, state=State.LEARNING, bad_since=None)
    elif before.firing:
        after = _still(before, known, finding)
    else:
        after = _now(before, known, finding, patience, at)
    return after, Verdict(
        at, after.state, after.firing, severity, finding.value, finding.because, finding.told, finding.score, finding.band
    )


def _still(before: Standing, known: Standing, finding: Finding) -> Standing:
    """Its alert is on: is it over?"""
    blind = bool(before.memory.get(BLIND)) and finding.value is not None  # it fired for want of data: there is some again
    if (finding.clear or blind) and not finding.bad:
        return replace(known, state=State.OK, firing=False, bad_since=None)
    return replace(known, state=State.FIRING)


def _now(before: Standing, known: Standing, finding: Finding, patience: Patience, at: datetime) -> Standing:
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


def pass_over(before: Standing, severity: Severity, at: datetime, because: str) -> tuple[Standing, Verdict]:
    """The verdict when nothing could be learnt and nobody is to be told: unknown, and its time is not counted as silence."""
    after = replace(before, state=State.UNKNOWN, known_at=at)
    return after, Verdict(at, after.state, after.firing, severity, None, because)


def silent(
    before: Standing, patience: Patience, severity: Severity, at: datetime, because: str = ""
) -> tuple[Standing, Verdict]:
    """The verdict when nothing was learnt at `at`: unknown, and an alert once it has lasted if the rule wants one.

    Time in which Tocsin itself did not run is not silence; what is remembered stays the instant at which it last could tell.
    """
    known_at = before.known_at or at - patience.silence / NO_DATA_INTERVALS  # the run before the first is not missed
    reason = because or "no result"
    after = replace(before, state=State.UNKNOWN, known_at=known_at)
    if at >= overdue_at(after, patience, at):
        reason = f"no data for {format_duration(patience.silence)}: {reason}"
        after = _overdue(after, patience)
    return after, Verdict(at, after.state, after.firing, severity, None, reason)


def overdue_at(standing: Standing, patience: Patience, at: datetime) -> datetime:
    """When it counts as silent, by what is known at `at`."""
    since = silent_since(standing.known_at or at, patience.silence, patience.away, SETTLE)
    return since + patience.silence * PUNCTUAL


def _overdue(standing: Standing, patience: Patience) -> Standing:
    if patience.no_data == "alert":
        memory = standing.memory if standing.firing else {**standing.memory, BLIND: True}
        return replace(standing, firing=True, bad_since=None, memory=memory)
    if patience.no_data == "ok":
        return replace(standing, firing=False, bad_since=None)
    return standing
