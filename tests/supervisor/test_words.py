"""A process's last words, as servers and Python really write them."""

import pytest

from app.supervisor.exits import last_error, meaning

SAID = {
    "PostgreSQL gives a detail": (
        [
            "2026-11-02 09:00:00.000 UTC FATAL:  database files are incompatible with server",
            "2026-11-02 09:00:00.000 UTC DETAIL:  The data directory was initialized by PostgreSQL version 15.",
            "2026-11-02 09:00:00.001 UTC LOG:  database system is shut down",
        ],
        "FATAL: database files are incompatible with server (The data directory was initialized by PostgreSQL version 15)",
    ),
    "PostgreSQL said it before": (
        [
            "2026-11-02 09:00:00.000 GMT [7] LOG:  invalid checkpoint record",
            "2026-11-02 09:00:00.000 GMT [7] PANIC:  could not locate a valid checkpoint record at 0/1",
            "2026-11-02 09:00:00.001 GMT [6] LOG:  startup process (PID 7) was terminated by signal 6: Aborted",
            "2026-11-02 09:00:00.001 GMT [6] LOG:  aborting startup due to startup process failure",
        ],
        "PANIC: could not locate a valid checkpoint record at 0/1 (invalid checkpoint record)",
    ),
    "PostgreSQL without a level": (
        [
            "postgres: could not find the database system",
            'Expected to find it in the directory "/x",',
            'but could not open file "/x/global/pg_control": No such file or directory',
        ],
        'could not open file "/x/global/pg_control": No such file or directory',
    ),
    "Valkey": (
        ["12:M 02 Nov 2026 09:00:00.000 # Bad file format reading the append only file x.aof", "12:M 02 Nov 2026 bye"],
        "Bad file format reading the append only file x.aof",
    ),
    "one of ours": (["level=info event=began", "tocsin: the database is empty"], "the database is empty"),
    "a traceback": (["Traceback (most recent call last):", '  File "x"', "ModuleNotFoundError: No module named 'x'"], "Module"),
    "a line of our log": (['ts=2026-11-02T09:00:00Z level=error event=stage_failed error="no \\"x\\" here"'], 'no "x" here'),
    "an exception in our log": (
        ['ts=2026-11-02T09:00:00Z level=error event=broke exception="Traceback:\\n  File x\\nValueError: bad"'],
        "ValueError: bad",
    ),
    "anything": (["one", "two"], "two"),
    "nothing": ([], ""),
}


@pytest.mark.parametrize("case", SAID)
def test_the_line_that_says_why_is_found(case: str) -> None:
    lines, why = SAID[case]
    assert last_error(lines).startswith(why)
    assert bool(last_error(lines)) == bool(why)


@pytest.mark.parametrize(
    "status, words",
    [
        (None, "never started"),
        (3, "exit status 3"),
        (-9, "signal 9, SIGKILL"),
        (-99, "signal 99"),
        (75, "not available yet"),
        (78, "cannot run"),
    ],
)
def test_an_exit_status_has_a_meaning(status: int | None, words: str) -> None:
    assert meaning(status) == words
