"""How a text goes on within a sentence, and how what a program said in several lines is shown."""

from dataclasses import replace

import pytest

from app.checks.run import _clean
from app.cli.terminal import in_one_line, say
from app.notify.compose import _lines
from app.reason import recorded
from app.rules.announce import signal
from app.rules.evaluate import ONE_SERIES, Transition
from app.rules.model import RuleState, SeriesState, Verdict
from app.sentence import lower_first
from tests.decisions.recordings import book
from tests.decisions.words import NOON, alert, draft, incident


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [
        ("Connection refused", "connection refused"),
        ("A value is wanted", "a value is wanted"),
        ("already so", "already so"),
        ("Input/output error", "input/output error"),
        ("TLS connect error: x", "TLS connect error: x"),
        ("SSL certificate problem", "SSL certificate problem"),
        ("DNS is away", "DNS is away"),
        ("HTTP/2 stream 1 was not closed", "HTTP/2 stream 1 was not closed"),
        ("HTTP, not HTTPS", "HTTP, not HTTPS"),
        ("URL rejected", "URL rejected"),
        ("URLs are rejected", "URLs are rejected"),
        ("OpenSSL SSL_connect: reset", "OpenSSL SSL_connect: reset"),
        ("SMTP server says no", "SMTP server says no"),
        ("IPv6 is off", "IPv6 is off"),
        ("I/O error", "I/O error"),
        ("'X' is no name", "'X' is no name"),
        ("Content-Length twice", "Content-Length twice"),
        ("Redis is away", "Redis is away"),
        ("Redirected too often", "redirected too often"),
        ("JSON: a comma", "JSON: a comma"),
        ("", ""),
        (" ", " "),
        ("Élan", "élan"),
    ],
)
def test_a_first_letter_is_lowered_and_a_name_stays(text: str, goes_on: str) -> None:
    assert lower_first(text) == goes_on


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("down\nwhy", "down\nwhy"),
        ("down\r\nwhy\r\n", "down\nwhy"),
        ("a\tb", "a b"),
        ("a\x1b[31mb\0c", "a\ufffd[31mbc"),
    ],
)
def test_lines_and_tabs_of_programs_are_kept_as_such(said: str, stored: str) -> None:
    assert _clean(said) == stored


def test_several_lines_stand_below_each_other_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("check: critical: DISK CRITICAL\n/ 91%\r\n\t/var\x1b[2J")
    assert capsys.readouterr().out == "check: critical: DISK CRITICAL\n    / 91%\n     /var\ufffd[2J\n"
    say("")
    assert capsys.readouterr().out == "\n"
    assert (in_one_line("a\nb"), in_one_line("a"), in_one_line("")) == ("a …", "a", "")


@pytest.mark.parametrize(
    ("template", "summary"),
    [(None, "r: DISK CRITICAL"), ("Full: {{ because }}", "Full: DISK CRITICAL"), ("{{ value / 0 }}", "r: DISK CRITICAL")],
)
def test_an_alert_has_one_line_and_its_reason_all_of_them(template: str | None, summary: str) -> None:
    rule = {"kind": "threshold", "metric": "m", "above": 1, **({"summary": template} if template else {})}
    active = next(one for one in book({"r": rule}).rules if one.name == "r")
    on = replace(SeriesState(), state=RuleState.FIRING, firing=True)
    verdict = Verdict(NOON, RuleState.FIRING, True, active.severity, 5.0, (recorded("DISK CRITICAL\n/ 91%\n/var 99%"),))
    found = signal(active, Transition(ONE_SERIES, SeriesState(), on, verdict), last=True)
    assert found is not None
    assert (found.summary, found.reasons) == (summary, verdict.reasons)


def test_a_page_has_the_other_lines_below_the_first() -> None:
    said = (recorded("DISK CRITICAL\n/ 91%\n/var 99%"),)
    named = alert(summary="disk: DISK CRITICAL", reasons=said, reason_in_summary=True)
    lines = _lines(draft(), incident(), [named], 1)
    assert lines[1:4] == ["- error: disk: DISK CRITICAL", "  / 91%", "  /var 99%"]
    assert (
        _lines(draft(), incident(), [replace(named, summary="The disk is full", reason_in_summary=False)], 1)[1]
        == "- error: The disk is full (DISK CRITICAL)"
    )
