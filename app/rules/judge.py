"""From one finding to a verdict: pending, firing, recovery and missing data, the same for every kind of rule. Pure."""

from dataclasses import replace
from datetime import datetime

from app.catalog.model import Severity
from app.checks.model import NO_DATA_INTERVALS
from app.downtime import SETTLE, silent_since
from app.reason import Code, Reason, Reasons
from app.rules.model import NO_DATA_ALERT, RECENT, Finding, RuleState, SeriesState, Timing, Verdict

JITTER_FACTOR = 0.97  # runs begin a little early or late: the third missed one counts even so
NO_RESULT = Reason(Code.NO_RESULT)


def judge(
    before: SeriesState, finding: Finding, timing: Timing, severity: Severity, at: datetime
) -> tuple[SeriesState, Verdict]:
    """The series' state after `finding` at `at`, and the verdict.

    Bad for `timing.hold`, and so often as `timing.after` says, fires; while firing only `finding.clear` recovers; what
    is unknown changes nothing until `timing.no_data_after` has passed since it last was known, then follows `timing.no_data`.
    """
    if finding.bad is None and not finding.learning:
        return judge_missing(before, timing, severity, at, finding.reason)
    severity = finding.severity or severity
    known = replace(before, known_at=at, memory=finding.memory)
    if finding.learning:
        after = replace(known, state=RuleState.LEARNING, bad_since=None)
    elif before.firing:
        after = _while_firing(before, known, finding)
    else:
        after = _while_not_firing(before, known, finding, timing, at)
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


def _while_firing(before: SeriesState, known: SeriesState, finding: Finding) -> SeriesState:
    """Its alert is on: is it over?"""
    had_no_data = (
        bool(before.memory.get(NO_DATA_ALERT)) and finding.value is not None
    )  # it fired for want of data: there is some again
    if (finding.clear or had_no_data) and not finding.bad:
        return replace(known, state=RuleState.OK, firing=False, bad_since=None)
    return replace(known, state=RuleState.FIRING)


def _while_not_firing(before: SeriesState, known: SeriesState, finding: Finding, timing: Timing, at: datetime) -> SeriesState:
    """Its alert is off: does it begin? Once it does, the counting of `after` starts afresh."""
    bad, counted = bool(finding.bad), {}
    if timing.after is not None:
        counted = {RECENT: timing.after.recent(before.memory.get(RECENT, ()), int(bad))}
        bad = timing.after.reached(counted[RECENT])
    since = (before.bad_since or at) if bad else None
    fires = since is not None and at - since >= timing.hold
    state = RuleState.FIRING if fires else RuleState.PENDING if bad else RuleState.OK
    memory = finding.memory if fires else {**finding.memory, **counted}
    return replace(known, state=state, firing=fires, bad_since=since, memory=memory)


def skip_run(before: SeriesState, severity: Severity, at: datetime, reason: Reason) -> tuple[SeriesState, Verdict]:
    """The verdict when the prober was offline: unknown, and the time does not count as missing data."""
    after = replace(before, state=RuleState.UNKNOWN, known_at=at)
    return after, Verdict(at, after.state, after.firing, severity, None, (reason,))


def judge_missing(
    before: SeriesState, timing: Timing, severity: Severity, at: datetime, reason: Reason = NO_RESULT
) -> tuple[SeriesState, Verdict]:
    """The verdict without a result at `at`: unknown, and an alert after `no_data_after` if the rule wants one.

    Time in which Tocsin itself did not run is not silence; what is remembered stays the instant at which it last was known.
    """
    known_at = before.known_at or at - timing.no_data_after / NO_DATA_INTERVALS  # the run before the first is not missed
    reasons: Reasons = (reason,)
    after = replace(before, state=RuleState.UNKNOWN, known_at=known_at)
    if at >= overdue_at(after, timing, at):
        reasons = (Reason(Code.NO_DATA, {"seconds": timing.no_data_after.total_seconds()}), reason)
        after = _overdue(after, timing)
    return after, Verdict(at, after.state, after.firing, severity, None, reasons)


def overdue_at(series: SeriesState, timing: Timing, at: datetime) -> datetime:
    """When it counts as silent, by what is known at `at`."""
    since = silent_since(series.known_at or at, timing.no_data_after, timing.downtimes, SETTLE)
    return since + timing.no_data_after * JITTER_FACTOR


def _overdue(series: SeriesState, timing: Timing) -> SeriesState:
    if timing.no_data == "alert":
        memory = series.memory if series.firing else {**series.memory, NO_DATA_ALERT: True}
        return replace(series, firing=True, bad_since=None, memory=memory)
    if timing.no_data == "ok":
        return replace(series, firing=False, bad_since=None)
    return series
