"""What pings and the passing of time make of a heartbeat."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.checks.heartbeats.decide import RUNS, assess, last_line, next_expected, receive
from app.checks.heartbeats.model import Beat, Cause, Expectation, Heartbeat, HeartbeatState, Kind, Ping, Run
from app.checks.heartbeats.present import schedule, shown_state
from app.checks.heartbeats.service import slug_of
from app.reason import Code, Reason
from app.wording import because, text
from tests.decisions.words import NOON, quick, s

GRACE = s(600)
HOURLY = Expectation(ZoneInfo("UTC"), GRACE, every=s(3600))
A, B = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def told(
    *pings: tuple[float, str] | tuple[float, str, str | None], beat: Beat | None = None
) -> tuple[Beat, list[float | None]]:
    """The heartbeat after pings of (minute, what it says, rid); `exit 3` is an exit status."""
    beat, measured = beat or Beat(), []
    for n, (minute, say, *rid) in enumerate(pings, 1):
        status = int(say.removeprefix("exit ")) if say.startswith("exit") else None
        kind = Kind(say) if status is None else Kind.FAIL if status else Kind.SUCCESS
        beat, seconds = receive(beat, Ping(n, at(minute), kind, status, rid[0] if rid else None), GRACE)
        measured.append(seconds)
    return beat, measured


def how(beat: Beat, minute: float, expected: Expectation = HOURLY) -> tuple[str, str]:
    after = assess(beat, expected, at(minute)).beat
    return str(after.state), str(after.cause)


@pytest.mark.parametrize(
    "pings, minute, state",
    [
        pytest.param([], 9999, "new", id="one that was never pinged never alerts"),
        pytest.param([(0, "log")], 9999, "new", id="a log line is no first ping"),
        pytest.param([(0, "success")], 69, "up", id="within the grace it is up"),
        pytest.param([(0, "success")], 70, "down", id="when the grace is over it is down"),
        pytest.param([(0, "success"), (30, "log")], 70, "down", id="a log line does not count as a ping"),
        pytest.param([(0, "success"), (65, "success")], 134, "up", id="a ping within the grace is in time"),
        pytest.param([(0, "success"), (0.1, "success")], 69, "up", id="a ping that comes twice counts once"),
        pytest.param([(0, "fail")], 0, "down", id="a failure is down at once"),
        pytest.param([(0, "exit 0")], 0, "up", id="exit status 0 is a success"),
        pytest.param([(0, "exit 3")], 0, "down", id="exit status 3 is a failure"),
        pytest.param([(0, "success"), (1, "fail"), (2, "log")], 3, "down", id="a log line ends no failure"),
        pytest.param([(0, "fail"), (1, "start")], 2, "down", id="a start ends no failure"),
        pytest.param([(0, "fail"), (1, "success")], 2, "up", id="the next success ends a failure"),
        pytest.param([(0, "start")], 9, "up", id="a first start arms it"),
        pytest.param([(0, "start")], 10, "down", id="a run that does not end within the grace is down"),
        pytest.param([(0, "start"), (9, "success")], 70, "up", id="a run that ended is no overrun"),
        pytest.param([(0, "start"), (9, "success")], 79, "down", id="it counts from the end of the run, not from its start"),
        pytest.param([(0, "start"), (9, "log")], 10, "down", id="a log line ends no run"),
        pytest.param([(0, "start"), (9, "start")], 18, "up", id="a start without run id replaces the one before"),
        pytest.param(
            [(0, "start", A), (5, "start", B), (9, "success", B)], 10, "down", id="the end of one run is not another's"
        ),
        pytest.param([(0, "start", A), (5, "start", B), (9, "success", A)], 14, "up", id="the other run has its own grace"),
        pytest.param([(0, "start", A), (5, "start", B), (9, "success", A)], 15, "down", id="and is down when that is over"),
        pytest.param([(0, "start", A), (9, "success")], 10, "down", id="an end without run id ends no run that has one"),
        pytest.param([(0, "start", A), (9, "success"), (9.5, "success", A)], 60, "up", id="which ends by its own end"),
        pytest.param([(0, "start"), (5, "start", B), (9, "success")], 15, "down", id="it ends the one without"),
        pytest.param([(0, "start"), (5, "start", B), (9, "success", B)], 10, "down", id="which no other end does"),
        pytest.param(
            [(0, "start", A), (20, "start", B), (25, "success", B)], 26, "up", id="the job has run since: what hung is over"
        ),
        pytest.param([(0, "start", A), (20, "start", A)], 21, "up", id="a start with the same run id begins it anew"),
        pytest.param([(0, "start", A), (20, "fail"), (21, "success")], 22, "down", id="nor of a failure and its end"),
        pytest.param([(0, "start", A), (20, "success", A)], 21, "up", id="a run that ends late is up again"),
        pytest.param([(0, "start", A), (1, "fail", B)], 1, "down", id="a failure of an unknown run is a failure"),
    ],
)
def test_how_it_stands(pings: list[tuple[float, str]], minute: float, state: str) -> None:
    assert how(told(*pings)[0], minute)[0] == state


def test_the_reason_says_what_whoever_is_woken_needs() -> None:
    paris = replace(HOURLY, zone=ZoneInfo("Europe/Paris"))
    said = assess(told((0, "success"))[0], paris, at(70)).beat
    assert because(said.reasons) == (
        "no ping since Mon 23 Nov 13:00:00 CET; expected at Mon 23 Nov 14:00:00 CET, grace of 10m exceeded"
    )
    assert said.since == at(70)
    overrun = assess(told((0, "start", A))[0], HOURLY, at(10)).beat
    assert because(overrun.reasons) == f"started at Mon 23 Nov 12:00:00 UTC (run {A}), not finished within 10m"
    failed, _ = receive(Beat(), Ping(1, NOON, Kind.FAIL, 3, None, "disk full"), GRACE)
    assert because(failed.reasons) == "exit status 3: disk full"
    reported, _ = receive(Beat(), Ping(1, NOON, Kind.FAIL), GRACE)
    assert because(reported.reasons) == "failure reported"
    started = replace(told((0, "start"))[0], runs=())
    assert because(assess(started, HOURLY, at(70)).beat.reasons) == (
        "started, but no completion ping received; expected at Mon 23 Nov 13:00:00 UTC, grace of 10m exceeded"
    )
    assert because(assess(said, replace(paris, every=s(86_400)), at(71)).beat.reasons) == "no longer late"
    assert because(receive(said, Ping(2, at(71), Kind.SUCCESS), GRACE)[0].reasons) == "ping received"
    assert [text(Reason(code)) for code in (Code.HEARTBEAT_PAUSED, Code.AWAITS_PING)] == [
        "paused",
        "waiting for the next ping: it was down when it was removed",
    ]


@pytest.mark.parametrize(
    "pings, measured",
    [
        pytest.param([(0, "start"), (2, "success")], [None, 120], id="from start to success"),
        pytest.param([(0, "start"), (2, "exit 1")], [None, 120], id="a failed run took its time, too"),
        pytest.param([(0, "success")], [None], id="without a start nothing is known"),
        pytest.param(
            [(0, "start", A), (1, "start", B), (3, "success", A), (4, "success", B)], [None, None, 180, 180], id="per run"
        ),
        pytest.param([(0, "start", A), (2, "success", A), (3, "success", A)], [None, 120, None], id="an end that comes twice"),
        pytest.param([(0, "start", A), (2, "success", B)], [None, None], id="the end of another run"),
        pytest.param([(5, "start"), (2, "success")], [None, None], id="a clock that was set back"),
    ],
)
def test_run_times(pings: list[tuple[float, str]], measured: list[float | None]) -> None:
    beat, found = told(*pings)
    assert found == measured
    assert beat.run_seconds == next((one for one in reversed(measured) if one is not None), None)


def test_a_clock_set_back_delays_nothing_by_more_than_one_interval() -> None:
    beat, _ = told((120, "success"))
    judgement = assess(beat, HOURLY, at(0))  # two hours back
    assert judgement.due_at == at(70)
    beat, _ = told((120, "start"))
    assert assess(beat, HOURLY, at(0)).due_at == at(10)


def test_a_schedule_made_longer_ends_what_is_not_late_by_it() -> None:
    down = assess(told((0, "success"))[0], HOURLY, at(70)).beat
    daily = replace(HOURLY, every=s(86_400))
    assert how(down, 71, daily) == ("up", "")
    failed, _ = told((0, "fail"))
    assert how(failed, 71, daily) == ("down", "failed")


def test_where_the_calendar_has_no_further_day_only_a_run_that_hangs_is_an_alert() -> None:
    never = cron("0 0 */30 2 1#5", "UTC")  # a fifth Monday on a first of February
    beat, _ = told((0, "success"))
    found = assess(beat, never, at(10**6))
    assert (found.beat.state, found.expected_at, found.due_at) == (HeartbeatState.UP, None, None)
    hanging, _ = told((0, "success"), (1, "start"))
    assert [how(hanging, minute, never) for minute in (10, 11)] == [("up", ""), ("down", "overrun")]


def test_more_runs_than_are_kept_still_overrun_by_the_oldest() -> None:
    beat, _ = told(*[(n / 100, "start", f"{n}") for n in range(RUNS + 20)])
    assert len(beat.runs) == RUNS
    assert assess(beat, HOURLY, at(10)).beat.cause is Cause.OVERRUN
    beat, _ = told((20, "start", B), beat=beat)
    assert beat.runs == (Run("0", at(0)), Run(B, at(20)))  # the oldest stands for all that hang


def cron(line: str, zone: str = "Europe/Paris") -> Expectation:
    return Expectation(ZoneInfo(zone), GRACE, cron=line)


@pytest.mark.parametrize(
    "line, zone, after, expected",
    [
        pytest.param("15 2 * * *", "UTC", "2026-11-23T02:15:03Z", "2026-11-24T02:15:00Z", id="the next day"),
        pytest.param("15 2 * * *", "UTC", "2026-11-23T02:14:55Z", "2026-11-24T02:15:00Z", id="a clock five seconds ahead"),
        pytest.param(
            "15 2 * * *", "UTC", "2026-11-23T02:14:00Z", "2026-11-23T02:15:00Z", id="a minute before is yesterday's, late"
        ),
        pytest.param("15 2 * * *", "Europe/Paris", "2026-07-01T00:15:01Z", "2026-07-02T00:15:00Z", id="in its zone, in summer"),
        pytest.param(
            "15 2 * * *", "Europe/Paris", "2026-03-28T01:15:01Z", "2026-03-29T01:00:00Z", id="a time that does not exist"
        ),
        pytest.param(
            "15 2 * * *", "Europe/Paris", "2026-10-24T00:15:01Z", "2026-10-25T00:15:00Z", id="a time that comes twice: first"
        ),
        pytest.param(
            "15 2 * * *", "Europe/Paris", "2026-10-25T00:15:01Z", "2026-10-26T01:15:00Z", id="and not again in the second"
        ),
        pytest.param(
            "15 2 * * *", "Europe/Paris", "2026-10-25T01:05:00Z", "2026-10-26T01:15:00Z", id="nor from within the second"
        ),
        pytest.param(
            "*/30 * * * *", "Europe/Paris", "2026-10-25T00:30:01Z", "2026-10-25T01:00:00Z", id="each half hour goes on"
        ),
        pytest.param("0 9 * * 1-5", "America/New_York", "2026-11-20T14:00:01Z", "2026-11-23T14:00:00Z", id="over a weekend"),
        pytest.param("0 0 29 2 *", "UTC", "2026-11-23T12:00:00Z", "2028-02-29T00:00:00Z", id="a leap day"),
    ],
)
def test_when_a_cron_line_expects_a_ping(line: str, zone: str, after: str, expected: str) -> None:
    assert next_expected(cron(line, zone), datetime.fromisoformat(after)) == datetime.fromisoformat(expected)


@quick
@given(
    st.integers(0, 2 * 366 * 86_400).map(lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + s(seconds)),
    st.sampled_from(["15 2 * * *", "*/7 * * * *", "0 */3 * * *", "30 1,2,3 * * 0", "59 23 L * *"]),
    st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_what_is_expected_is_always_to_come_and_comes_again(after: datetime, line: str, zone: str) -> None:
    first = next_expected(cron(line, zone), after)
    assert first is not None
    assert first > after
    second = next_expected(cron(line, zone), first)
    assert second is not None
    assert second > first


SAYS = st.sampled_from(["success", "start", "fail", "log", "exit 0", "exit 2"])


@quick
@given(st.lists(st.tuples(st.integers(0, 500), SAYS, st.sampled_from([None, A, B])), max_size=30), st.integers(500, 1200))
def test_whatever_comes_looking_twice_is_looking_once_and_new_never_alerts(
    pings: list[tuple[int, str, str]], minute: int
) -> None:
    beat, _ = told(*sorted(pings, key=lambda ping: ping[0]))
    once = assess(beat, HOURLY, at(minute))
    assert assess(once.beat, HOURLY, at(minute)) == once
    assert (once.beat.state is HeartbeatState.NEW) == (not [one for one in pings if one[1] != "log"])
    assert (once.due_at is not None) == (once.beat.state is HeartbeatState.UP)
    if once.due_at is not None:
        assert once.due_at > at(minute)


@pytest.mark.parametrize(
    "expected, state",
    [(at(-1), "late"), (at(0), "late"), (at(1), "up"), (None, "up")],
)
def test_late_is_shown_while_the_grace_runs(expected: datetime | None, state: str) -> None:
    assert shown_state(HeartbeatState.UP, expected, NOON) == state
    assert shown_state(HeartbeatState.DOWN, expected, NOON) == "down"


def test_the_schedule_in_words() -> None:
    assert schedule(Heartbeat.model_validate({"every": "1h", "grace": "10m"}), "UTC") == "every 1h, grace 10m"
    nightly = Heartbeat.model_validate({"cron": "15 2 * * *", "grace": "30m"})
    assert schedule(nightly, "Europe/Paris") == "at 02:15 every day (Europe/Paris), grace 30m"


@pytest.mark.parametrize(
    "wrong, why",
    [
        ({}, "either every"),
        ({"every": "1h", "cron": "0 * * * *"}, "either every"),
        ({"every": "100ms"}, "at least 1s"),
        ({"cron": "0 25 * * *"}, "bad hour"),
        ({"cron": "0 0 * * * *"}, "five fields"),
        ({"cron": "0 0 30 2 *"}, "is not a cron expression"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_a_mistake(wrong: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Heartbeat.model_validate(wrong)


def test_a_name_in_an_address() -> None:
    assert slug_of("Nightly Backup (db)") == "nightly-backup-db"
    assert slug_of("x" * 99 + " (db)") == "x" * 99


def test_runs_stay_in_the_order_they_began() -> None:
    beat, _ = told((0, "start", A), (1, "start", B), (2, "start", A))
    assert beat.runs == (Run(B, at(1)), Run(A, at(2)))


@pytest.mark.parametrize(
    "output, line",
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"one\ntwo\r\n\n", "two"),
        (b"\x1b[31merror:\x1b[0m disk\0 full\x07", "error: disk full"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 201, "…" + "x" * 200),
    ],
)
def test_the_last_line_of_a_failed_job(output: bytes, line: str) -> None:
    assert last_line(output) == line
