"""Runs side by side, one of which hangs: its alert is its own, and ends with it."""

from app.checks.heartbeats.decide import assess
from app.checks.heartbeats.model import Cause, HeartbeatState, Run
from app.wording import because
from tests.decisions.test_heartbeats import HOURLY, A, B, at, told


def test_another_runs_end_does_not_end_the_alert_of_one_that_hangs() -> None:
    """Not even for the moment between hearing and looking: an end and a new alert would page twice."""
    hung = assess(told((0, "start", A), (8, "start", B))[0], HOURLY, at(10)).beat
    heard, seconds = told((12, "success", B), beat=hung)
    assert (heard.state, heard.cause, heard.reasons, heard.since) == (HeartbeatState.DOWN, Cause.OVERRUN, hung.reasons, at(10))
    assert (seconds, heard.last_ping, heard.runs) == ([240], at(12), (Run(A, at(0)),))
    ended, _ = told((13, "success", A), beat=heard)
    assert (ended.state, because(ended.reasons), ended.runs) == (HeartbeatState.UP, "ping received", ())


def test_the_reason_names_the_run_that_hangs_still() -> None:
    both = assess(told((0, "start", A), (1, "start", B))[0], HOURLY, at(20)).beat
    assert f"(run {A})" in because(both.reasons)
    left = assess(told((21, "success", A), beat=both)[0], HOURLY, at(21)).beat
    assert (left.cause, left.since) == (Cause.OVERRUN, both.since)
    assert f"(run {B})" in because(left.reasons)
