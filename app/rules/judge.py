"""From one finding to a verdict: pending, firing, recovery and missing data, the same for every kind of rule. Pure."""

from dataclasses import replace
from datetime import datetime

from app.catalog.model import Severity
from app.rules.model import BLIND, NO_DATA_INTERVALS, Finding, Patience, Standing, State, Verdict
from app.units import format_duration

PUNCTUAL = 0.97  # runs begin a little early or late: the third missed one counts even so


def judge(before: Standing, finding: Finding, patience: Patience, severity: Severity, at: datetime) -> tuple[Standing, Verdict]:
    """The standing after `finding` at `at`, and the verdict.

    Bad for `patience.hold` fires; while firing only `finding.clear` recovers; what cannot tell changes nothing until
    `patience.silence` has passed since it last could, then follows `patience.no_data`.
    """
    if finding.bad is None:
        return silent(before, patience, severity, at, finding.because)
    severity = finding.severity or severity
    known = replace(before, known_at=at, memory=finding.memory)
    if before.firing:
        blind = bool(before.memory.get(BLIND)) and finding.value is not None  # it fired for want of data: there is some again
        recovered = (finding.clear or blind) and not finding.bad
        after = (
            replace(known, state=State.OK, firing=False, bad_since=None) if recovered else replace(known, state=State.FIRING)
        )
    elif not finding.bad:
        after = replace(known, state=State.OK, bad_since=None)
    else:
        since = before.bad_since or at
        held = at - since >= patience.hold
        after = replace(known, state=State.FIRING if held else State.PENDING, firing=held, bad_since=since)
    return after, Verdict(at, after.state, after.firing, severity, finding.value, finding.because)


def silent(
    before: Standing, patience: Patience, severity: Severity, at: datetime, because: str = ""
) -> tuple[Standing, Verdict]:
    """The verdict when nothing was learnt at `at`: unknown, and an alert once it has lasted if the rule wants one."""
    known_at = before.known_at or at - patience.silence / NO_DATA_INTERVALS  # the run before the first is not missed
    overdue = at - known_at >= patience.silence * PUNCTUAL
    reason = because or "no result"
    after = replace(before, state=State.UNKNOWN, known_at=known_at)
    if overdue:
        reason = f"no data for {format_duration(patience.silence)}: {reason}"
        after = _overdue(after, patience)
    return after, Verdict(at, after.state, after.firing, severity, None, reason)


def _overdue(standing: Standing, patience: Patience) -> Standing:
    if patience.no_data == "alert":
        memory = standing.memory if standing.firing else {**standing.memory, BLIND: True}
        return replace(standing, firing=True, bad_since=None, memory=memory)
    if patience.no_data == "ok":
        return replace(standing, firing=False, bad_since=None)
    return standing
