"""Nobody's silence counts while Tocsin itself did not run, and downtime that keeps coming hides nothing for ever."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.model import Severity
from app.checks.heartbeats.decide import assess
from app.checks.heartbeats.model import Beat, Cause, Expectation, HeartbeatState, Run
from app.downtime import NEVER_RAN, SETTLE, Downtime, Tick, between, silent_since
from app.rules.judge import judge_missing
from app.rules.model import SeriesState, Timing
from tests.decisions.words import NOON, quick, s

GAP = s(2)


def away(*spans: tuple[float, float]) -> list[Downtime]:
    """Downtimes in seconds after noon."""
    return [Downtime(NOON + s(began), NOON + s(ended)) for began, ended in spans]


@pytest.mark.parametrize(
    "last,now,found",
    [
        (None, 0, Tick(Downtime(NEVER_RAN, NOON))),
        (0, 1, Tick()),
        (0, 2, Tick()),
        (0, 2.1, Tick(Downtime(NOON, NOON + s(2.1)))),
        (0, 3600, Tick(Downtime(NOON, NOON + s(3600)))),
        (1, 0, Tick()),
        (2.5, 0, Tick(set_back=s(2.5))),
        (3600, 0, Tick(set_back=s(3600))),
    ],
    ids=["the first one", "on time", "late", "too late", "a night", "a little behind", "set back", "set back by an hour"],
)
def test_what_the_time_since_the_last_tick_was(last: float | None, now: float, found: Tick) -> None:
    assert between(None if last is None else NOON + s(last), NOON + s(now), GAP) == found


@pytest.mark.parametrize(
    "spans,since",
    [
        ([], 0),
        ([(-60, -1)], 0),
        ([(-60, 5)], 5),
        ([(5, 45)], 45),
        ([(5, 45), (50, 60)], 60),
        ([(20 * n, 20 * n + 5) for n in range(30)], 150 + 15),
    ],
    ids=["none", "one that was over", "one that lasted", "one meanwhile", "two", "one after the other for ten minutes"],
)
def test_silence_counts_from_the_end_of_the_last_downtime_within_bounds(spans: list[tuple[float, float]], since: float) -> None:
    assert silent_since(NOON, s(15), away(*spans)) == NOON + s(since)


CHECKS: dict[str, tuple[list[tuple[float, float]], float, bool]] = {
    "silent for three intervals": ([], 15, True),
    "restarted just before": ([(5, 45)], 46, False),
    "and still silent three intervals after the workers are up": ([(5, 45)], 45 + 10 + 15, True),
    "not a moment sooner": ([(5, 45)], 45 + 10 + 14, False),
    "silent before it went down": ([(16, 20)], 16, True),
    "it lasts": ([(5, 3600)], 3600, False),
}


@pytest.mark.parametrize("spans,at,alerts", CHECKS.values(), ids=CHECKS)
def test_a_check_without_results(spans: list[tuple[float, float]], at: float, alerts: bool) -> None:
    patience = Timing(s(0), "alert", s(15), downtimes=[one for one in away(*spans) if one.ended <= NOON + s(at)])
    after, verdict = judge_missing(SeriesState(known_at=NOON), patience, Severity.ERROR, NOON + s(at))
    assert verdict.alerting is alerts
    assert after.known_at == NOON, "what is remembered is when it could tell, or downtimes would add up for ever"


@quick
@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 100)), max_size=8), st.floats(0, 2000))
def test_downtime_only_ever_puts_the_alert_off(spans: list[tuple[float, float]], at: float) -> None:
    gone = sorted(away(*((began, began + length) for began, length in spans)), key=lambda one: one.ended)
    plain, with_gaps = (
        judge_missing(SeriesState(known_at=NOON), Timing(s(0), "alert", s(15), downtimes=given), Severity.ERROR, NOON + s(at))[
            1
        ].alerting
        for given in ([], gone)
    )
    assert plain or not with_gaps
    missed = sum((one.length for one in gone), timedelta(0))
    assert with_gaps or NOON + s(at) < NOON + missed + 2 * s(15) + SETTLE


EVERY = Expectation(ZoneInfo("UTC"), s(5), s(20), None)
CRON = Expectation(ZoneInfo("UTC"), s(10), None, "* * * * *")
DAILY = Expectation(ZoneInfo("UTC"), timedelta(minutes=30), None, "15 2 * * *")
UP = Beat(state=HeartbeatState.UP, counts_from=NOON, last_ping=NOON, since=NOON)

BEATS: dict[str, tuple[Expectation, list[tuple[float, float]], float | None]] = {
    "every: no downtime": (EVERY, [], 25),
    "every: the interval begins again": (EVERY, [(10, 50)], 75),
    "every: a moment before it is due": (EVERY, [(18, 58)], 83),
    "every: late already, the grace begins again": (EVERY, [(22, 62)], 67),
    "every: restarts that never end hide it for one interval more": (EVERY, [(10 * n, 10 * n + 1) for n in range(1, 99)], 55),
    "cron: the minute that fell into it is excused": (CRON, [(40, 80)], 130),
    "cron: one that comes after it is not": (CRON, [(10, 50)], 70),
    "cron: late already, the grace begins again": (CRON, [(65, 90)], 100),
}


@pytest.mark.parametrize("expected,spans,due", BEATS.values(), ids=BEATS)
def test_a_heartbeat_that_is_not_pinged(expected: Expectation, spans: list[tuple[float, float]], due: float) -> None:
    def state(at: float) -> HeartbeatState:
        known: Sequence[Downtime] = [one for one in away(*spans) if one.ended <= NOON + s(at)]
        return assess(UP, expected, NOON + s(at), known).beat.state

    running = [at for at in range(1, 200) if not any(began < at < ended for began, ended in spans)]
    assert next(at for at in running if state(at) is HeartbeatState.DOWN) == due


def test_a_daily_run_that_died_is_told_the_same_day_although_tocsin_restarted() -> None:
    before = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
    beat = Beat(state=HeartbeatState.UP, counts_from=before, last_ping=before, since=before)
    restarted = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
    gone = [Downtime(restarted, restarted + s(40))]
    found = assess(beat, DAILY, datetime(2026, 11, 23, 2, 45, tzinfo=UTC), gone)
    assert found.beat.state is HeartbeatState.DOWN


def test_a_run_whose_end_may_have_been_lost_has_its_grace_again() -> None:
    beat = Beat(state=HeartbeatState.UP, counts_from=NOON, last_ping=NOON, since=NOON, runs=(Run(None, NOON + s(1)),))
    gone = away((3, 43))
    expected = Expectation(ZoneInfo("UTC"), s(5), s(3600), None)
    assert assess(beat, expected, NOON + s(47), gone).beat.state is HeartbeatState.UP
    late = assess(beat, expected, NOON + s(48.1), gone).beat
    assert (late.state, late.cause) == (HeartbeatState.DOWN, Cause.OVERRUN)


def test_one_that_is_down_stays_down_over_a_restart() -> None:
    down = assess(UP, EVERY, NOON + s(30)).beat
    assert down.state is HeartbeatState.DOWN
    assert assess(down, EVERY, NOON + s(100), away((40, 90))).beat.state is HeartbeatState.DOWN
