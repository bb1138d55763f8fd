"""Whatever a process prints comes out as `ts=... level=... event=... key=value`, one line an event, without secrets."""

import pytest

from app.supervisor.translate import Translator
from tests.stack import LOG_LINE

PG, VALKEY = "2026-11-30 11:15:10.025 UTC ", "31107:M 30 Nov 2026 11:15:10.023 "


def said(kind: str, *lines: str, red: bool = False) -> list[str]:
    translator = Translator(kind)
    made = [one for text in lines for one in translator.lines(text, red)] + list(translator.flush())
    assert all(LOG_LINE.fullmatch(one) for one in made), made
    return [one.split(" ", 1)[1] for one in made]


@pytest.mark.parametrize(
    "kind, text, expected",
    [
        ("postgres", PG + "LOG:  database system is ready", 'level=info event=postgres text="database system is ready"'),
        ("postgres", PG + "WARNING:  low", "level=warning event=postgres text=low"),
        ("postgres", PG + "ERROR:  no", "level=error event=postgres text=no"),
        ("postgres", PG + "FATAL:  the end", 'level=error event=postgres text="the end"'),
        ("postgres", PG + "PANIC:  could not write", 'level=critical event=postgres text="could not write"'),
        ("postgres", PG + "DEBUG1:  x", "level=debug event=postgres text=x"),
        ("postgres", PG + "[123] LOG:  x", "level=info event=postgres text=x"),
        ("postgres", PG + "HINT:  try it", 'level=info event=postgres part=hint text="try it"'),
        (
            "postgres",
            PG + "DETAIL:  Failing row contains (7, hush, x).",
            'level=info event=postgres part=detail text="Failing row contains (***)."',
        ),
        (
            "postgres",
            PG + "DETAIL:  Key (token)=(hush) already exists.",
            'level=info event=postgres part=detail text="Key (token)=(***) already exists."',
        ),
        (
            "postgres",
            PG + "STATEMENT:  alter role x password 'hush'",
            'level=info event=postgres part=statement text="alter role x password ***"',
        ),
        ("postgres", "\tsecond line of something", 'level=info event=postgres text="second line of something"'),
        ("postgres", "postgres: could not find it", 'level=info event=postgres text="postgres: could not find it"'),
        ("valkey", VALKEY + "* Ready to accept", 'level=info event=valkey text="Ready to accept"'),
        ("valkey", VALKEY + "# Out of memory", 'level=warning event=valkey text="Out of memory"'),
        ("valkey", VALKEY + "- 0 clients", 'level=debug event=valkey text="0 clients"'),
        ("valkey", VALKEY.replace("M", "C", 1) + ". x", "level=debug event=valkey text=x"),
        ("valkey", "31107:signal-handler (1796) Received SIGTERM", 'level=info event=valkey text="Received SIGTERM"'),
        ("valkey", "*** FATAL CONFIG FILE ERROR ***", 'level=info event=valkey text="*** FATAL CONFIG FILE ERROR ***"'),
        ("worker", "worker: Warm shutdown", 'level=info event=output text="worker: Warm shutdown"'),
        ("web", "tocsin: port 80 is in use", 'level=error event=output text="tocsin: port 80 is in use"'),
        ("web", "/a/b.py:7: DeprecationWarning: old", 'level=warning event=output text="/a/b.py:7: DeprecationWarning: old"'),
        ("web", 'a "b" \\ c=d', 'level=info event=output text="a \\"b\\" \\\\ c=d"'),
        ("web", "\x1b[31mred\x07\ttab", 'level=info event=output text="\\u001b[31mred\\u0007\\ttab"'),
        ("web", "postgresql://u:hu/s@h@db/x failed", 'level=info event=output text="postgresql://u:***@db/x failed"'),
        ("web", "redis://:hush@r:6379/0", "level=info event=output text=redis://:***@r:6379/0"),
        ("web", "Authorization: Bearer abcdefghijkl", 'level=info event=output text="Authorization: Bearer ***"'),
        ("web", "tocsin_0123abcd.hu-sh_ is used", 'level=info event=output text="tocsin_*** is used"'),
        ("web", "host=x password=hush user=y", 'level=info event=output text="host=x password=*** user=y"'),
        ("web", "POST /in/0123456789abcdefghij/x", 'level=info event=output text="POST /in/***/x"'),
        ("tocsin", "ready after 6.1 s", 'level=info event=supervisor text="ready after 6.1 s"'),
        ("tocsin", "console  http://127.0.0.1:8080", "level=info event=address what=console url=http://127.0.0.1:8080"),
        (
            "tocsin",
            "Flower   http://127.0.0.1:5555  (user admin)",
            'level=info event=address what=Flower url=http://127.0.0.1:5555 note="(user admin)"',
        ),
    ],
)  # fmt: skip
def test_a_line_becomes_an_event(kind: str, text: str, expected: str) -> None:
    assert said(kind, text) == [expected]


def test_what_is_red_is_an_error() -> None:
    assert said("tocsin", "web ended (status 1)", red=True) == ['level=error event=supervisor text="web ended (status 1)"']
    assert said("step", "! kept", red=True) == ['level=error event=output text="! kept"']


def test_our_own_lines_pass_and_lose_what_is_secret() -> None:
    ours = "ts=2026-11-30T11:15:18.564992Z level=info event=listening process=web"
    assert said("web", ours, f'{ours} error="redis://:hush@x"') == [ours[31:], f'{ours[31:]} error="redis://:***@x"']


TRACE = ["Traceback (most recent call last):", '  File "x.py", line 1, in <module>', "    boom()", "ValueError: no\tway"]


def test_a_traceback_is_one_event_and_the_lines_around_it_are_others() -> None:
    before, whole, after = said("web", "one", *TRACE, "two")
    assert (before, after) == ("level=info event=output text=one", "level=info event=output text=two")
    assert whole == (
        'level=error event=traceback text="Traceback (most recent call last):\\n  File \\"x.py\\", line 1, in <module>\\n'
        '    boom()\\nValueError: no\\tway"'
    )


def test_a_traceback_that_is_cut_short_is_said_all_the_same() -> None:
    (whole,) = said("web", *TRACE[:3])
    assert whole.startswith('level=error event=traceback text="Traceback')
    ours = "ts=2026-11-30T11:15:18.564992Z level=info event=x"
    assert len(said("web", *TRACE[:2], ours)) == 2


def test_a_chain_of_tracebacks_loses_nothing() -> None:
    chain = [*TRACE, "During handling of the above exception, another exception occurred:", *TRACE]
    assert "".join(said("web", *chain)).count("ValueError: no") == 2


def test_an_endless_traceback_is_not_kept_for_ever() -> None:
    assert len(said("web", TRACE[0], *["  File x"] * 1000)) > 1
