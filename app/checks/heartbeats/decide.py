"""What a ping and the passing of time make of a heartbeat. Pure; Healthchecks' rules, for several runs side by side.

1. A success is the beat: the next one is expected from it on. A failure, or an exit status above 0, is down at once.
2. A start begins a run; an end with the same run id ends that run, and only that one, and measures it. Pings without a run id
   speak of the run without one.
3. Down: the expected ping has not come within the grace, or a run has not ended within the grace since it started.
4. A run that hangs is down until its own end, whatever the runs beside it say. The end of a run that began after it was overdue
   forgets it: the job has been started again and works. So does a start with its run id, or a pause.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cronsim import CronSim

from app.checks.heartbeats.model import Assessment, Beat, Cause, Expectation, HeartbeatState, Kind, Ping, Run
from app.downtime import Downtime, silent_since
from app.reason import Code, Reason, Reasons

LINE = 200  # characters of a job's last line that are shown
RUNS = 50  # runs kept in mind; a job that starts more and ends none is late by its oldest
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # ANSI's control sequences
EARLY = timedelta(seconds=10)  # clocks of two machines differ: a ping this shortly before its time is that time's ping


def receive(beat: Beat, ping: Ping, grace: timedelta) -> tuple[Beat, float | None]:
    """The heartbeat after this ping, and how many seconds the run took that it ended, where that is known."""
    if ping.kind is Kind.LOG:
        return beat, None
    if ping.kind is Kind.START:
        return _started(beat, ping, grace), None
    runs, seconds = _ended(beat.runs, ping, grace)
    reasons: Reasons
    hangs = beat.state is HeartbeatState.DOWN and any(run.since + grace <= ping.at for run in runs)
    if ping.kind is Kind.FAIL:
        state, cause, reasons = HeartbeatState.DOWN, Cause.FAILED, (failure(ping),)
    elif hangs:  # no end of its alert and a new one: `assess` says which run it is
        state, cause, reasons = HeartbeatState.DOWN, Cause.OVERRUN, beat.reasons
    else:
        state, cause, reasons = HeartbeatState.UP, Cause.NONE, _well(beat)
    after = replace(
        beat,
        state=state,
        cause=cause,
        reasons=reasons,
        since=beat.since if beat.state is state else ping.at,
        counts_from=ping.at,
        last_ping=ping.at,
        runs=runs,
        run_seconds=beat.run_seconds if seconds is None else seconds,
    )
    return after, seconds


def assess(beat: Beat, expected: Expectation, now: datetime, away: Sequence[Downtime] = ()) -> Assessment:
    """How it stands at `now`. What lies in the future (the clock was set back) counts as now.

    away: when nobody listened, oldest first. A ping that was expected then may have been lost: intervals and graces count from
    when somebody listens again, but are put off by one interval at most, so that downtime that keeps coming hides nothing.
    """
    if beat.state in (HeartbeatState.NEW, HeartbeatState.PAUSED) or beat.counts_from is None:
        return Assessment(beat)
    base = min(beat.counts_from, now)
    runs = tuple(replace(run, since=min(run.since, now)) for run in beat.runs)
    beat = replace(beat, counts_from=base, runs=runs)
    if beat.cause is Cause.FAILED:
        return Assessment(beat)
    if beat.state is HeartbeatState.DOWN and beat.since is not None:  # what came after it went down does not take that back
        away = [one for one in away if one.ended <= beat.since]
    at, silent = _silent_at(expected, base, away)
    oldest = min(runs, key=lambda run: run.since, default=None)
    ends: list[tuple[datetime, Cause, Reasons]] = []
    ends += [(_hung_at(oldest, expected, away), Cause.OVERRUN, (overran(oldest, expected),))] if oldest is not None else []
    ends += [(silent, Cause.SILENT, (missed(beat, at, expected),))] if at is not None and silent is not None else []
    due, cause, reasons = min(ends, key=lambda end: end[0], default=(None, Cause.NONE, ()))
    if due is None or now < due:
        return Assessment(_up_again(beat, now), at, due)
    return Assessment(_down(beat, cause, reasons, due), at)


def _silent_at(expected: Expectation, base: datetime, away: Sequence[Downtime]) -> tuple[datetime | None, datetime | None]:
    """When the next ping is expected, and when its absence is an alert."""
    first = at = next_expected(expected, base)
    if first is None:
        return None, None
    late_from, missed_time = first, timedelta(0)
    for one in (one for one in away if one.ended > base):
        missed_time += one.ended - max(one.began, base)
        if at is not None and at <= one.began:
            late_from = max(late_from, one.ended)  # it was late before nobody listened: its grace begins again
        else:
            at = next_expected(expected, one.ended if expected.every is not None else one.ended - EARLY)
            late_from = at or late_from
    second = next_expected(expected, first) or first
    return at or first, min(late_from + expected.grace, second + missed_time + 2 * expected.grace)


def _hung_at(run: Run, expected: Expectation, away: Sequence[Downtime]) -> datetime:
    """When a run that has not ended is an alert; its end may have been lost while nobody listened."""
    return silent_since(run.since, expected.grace, away) + expected.grace


def next_expected(expected: Expectation, after: datetime) -> datetime | None:
    """When the first ping after `after` is expected; None when the calendar has no such day any more."""
    if expected.every is not None:
        return after + expected.every
    times = CronSim(str(expected.cron), (after + EARLY).astimezone(expected.zone))
    for at in times:
        instant = at.astimezone(UTC)
        if instant > after:  # where an hour comes twice, the library may name the first one although it is over
            return instant
    return None


def missed(beat: Beat, at: datetime, expected: Expectation) -> Reason:
    """Why it is down when no ping came."""
    last = beat.last_ping.isoformat() if beat.last_ping else None
    return Reason(Code.PING_MISSED, {"last_ping": last, "expected_at": at.isoformat(), **_within(expected)})


def overran(run: Run, expected: Expectation) -> Reason:
    """Why it is down when a run does not end."""
    return Reason(Code.RUN_OVERRAN, {"run": run.rid, "started_at": run.since.isoformat(), **_within(expected)})


def _within(expected: Expectation) -> dict[str, Any]:
    return {"grace": expected.grace.total_seconds(), "zone": str(expected.zone)}


def failure(ping: Ping) -> Reason:
    """Why it is down when the job pinged a failure; with the last line of what it sent."""
    return Reason(Code.JOB_FAILED, {"exit_status": ping.exit_status, "output": ping.tail})


def last_line(output: bytes) -> str:
    """What a failed job said last: its end where it is long, without colours and other control characters."""
    plain = _COLOUR.sub("", output.decode("utf-8", "replace"))
    lines = ("".join(char for char in line if char.isprintable()).strip() for line in reversed(plain.splitlines()))
    last = next((line for line in lines if line), "")
    return last if len(last) <= LINE else f"…{last[-LINE:]}"


def restored(beat: Beat, now: datetime) -> Beat:
    """A removed heartbeat that comes back: expected from now on, whatever it missed while it was away.

    One whose last word was a failure is not called up for that: it waits for its next ping, as a new one does.
    """
    since = now if beat.state is HeartbeatState.DOWN else beat.since
    back = replace(beat, cause=Cause.NONE, reasons=(), since=since, runs=())
    if beat.cause is Cause.FAILED:
        return replace(back, state=HeartbeatState.NEW, reasons=(Reason(Code.AWAITS_PING),), counts_from=None)
    state = HeartbeatState.UP if beat.state is HeartbeatState.DOWN else beat.state
    return replace(back, state=state, counts_from=now if beat.counts_from else None)


def _started(beat: Beat, ping: Ping, grace: timedelta) -> Beat:
    runs = [run for run in beat.runs if run.rid != ping.rid]
    if len(runs) >= RUNS:  # of those that hang the oldest is enough
        hung = [run for run in runs if run.since + grace <= ping.at]
        runs = [run for run in runs if run not in hung[1:]]
    if len(runs) < RUNS:
        runs.append(Run(ping.rid, ping.at))
    after = replace(beat, last_start=ping.at, runs=tuple(runs))
    if beat.state in (HeartbeatState.NEW, HeartbeatState.PAUSED):
        after = replace(after, state=HeartbeatState.UP, cause=Cause.NONE, reasons=(), since=ping.at, counts_from=ping.at)
    return after


def _ended(runs: Sequence[Run], ping: Ping, grace: timedelta) -> tuple[tuple[Run, ...], float | None]:
    """The runs still under way after an end, and how long the ended one took."""
    ended = next((run for run in runs if run.rid == ping.rid), None)
    left = tuple(run for run in runs if run is not ended)
    if ended is None or ended.since > ping.at:
        return left, None
    if ping.kind is Kind.SUCCESS:
        left = tuple(run for run in left if run.since + grace > ended.since)
    return left, (ping.at - ended.since).total_seconds()


def _down(beat: Beat, cause: Cause, reasons: Reasons, at: datetime) -> Beat:
    since = beat.since if beat.state is HeartbeatState.DOWN else at
    return replace(beat, state=HeartbeatState.DOWN, cause=cause, reasons=reasons, since=since)


def _up_again(beat: Beat, now: datetime) -> Beat:
    """Not late any more: its schedule or grace was changed."""
    if beat.state is HeartbeatState.UP:
        return beat
    return replace(beat, state=HeartbeatState.UP, cause=Cause.NONE, reasons=(Reason(Code.NOT_LATE),), since=now)


def _well(beat: Beat) -> Reasons:
    return (Reason(Code.PINGED_AGAIN),) if beat.state is HeartbeatState.DOWN else ()
