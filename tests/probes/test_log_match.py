"""security.log_match: counts what matches, and is slow or blind for nobody's line."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.probes.run import Options, measure, remembered
from tests.probes.watched import BAD, DULL, OOM, Watched


@pytest.fixture
def log(tmp_path: Path) -> Watched:
    watched = Watched(tmp_path)
    watched.path.write_text(BAD * 3)
    assert watched.matches() == 0
    return watched


def test_a_match_is_critical_and_shown(log: Watched) -> None:
    log.add(DULL, BAD)
    reading = log()
    assert reading.status == "critical"
    assert reading.message == f"1 of 2 lines match: oom 1; last in {log.path}: {BAD.strip()}"
    assert [(one.metric, one.value, dict(one.labels)) for one in reading.series] == [("matches", 1, {"pattern": "oom"})]
    assert reading.metrics["lines_per_second"] > 0
    quiet = log()
    assert (quiet.status, quiet.message) == ("ok", "0 of 0 lines match")


@pytest.mark.parametrize(
    "limits, status",
    [({}, "critical"), ({"warning_above": 2}, "warning"), ({"warning_above": 3}, "ok"), ({"critical_above": 2}, "critical")],
    ids=str,
)
def test_the_counts_are_judged(log: Watched, limits: Options, status: str) -> None:
    log.add(BAD * 3)
    assert log(**limits).status == status


def test_the_first_run_may_begin_at_the_start(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.path.write_text(BAD * 3)
    assert watched.matches(**{"from": "start"}) == 3


def test_named_groups_become_a_bounded_number_of_labels(log: Watched) -> None:
    log.add(*(f"login of {user} failed\n" for user in ["ada"] * 5 + ["bo"] * 3 + [f"u{n}" for n in range(6000)]))
    reading = log(patterns={"login": "login of (?P<user>.*) failed"}, top=2)
    told = {one.labels.get("user"): one.value for one in reading.series if one.metric == "labelled_matches"}
    assert told == {"ada": 5, "bo": 3, "other": 6000}


def test_what_is_ignored_does_not_count(log: Watched) -> None:
    log.add(BAD, BAD.replace("python", "stress-test"))
    assert log.matches(ignore=[r"\(stress-\w+\)"]) == 1


def test_garbage_endless_lines_and_control_characters_are_survived(log: Watched) -> None:
    with log.path.open("ab") as file:
        file.write(b"\x00\xff\xfe" * 5000 + b"\n" + b"x" * 3_000_000 + b"Out of memory: Killed process 9\n")
        file.write(b"caf\xe9 Out of memory: Killed process 9 \x1b[31m\xe2\x80\xaered\x07\n")
    reading = log()
    assert reading.metrics["matches"] == 1
    assert reading.message.endswith("caf\ufffd Out of memory: Killed process 9  [31m red")


def test_a_line_half_written_is_judged_whole(log: Watched) -> None:
    log.add(BAD[:45])
    assert log.matches() == 0
    log.add(BAD[45:])
    assert log.matches() == 1


def test_patterns_that_would_backtrack_are_fast(log: Watched) -> None:
    log.add("a" * 4000 + "!\n")
    began = time.monotonic()
    assert log.matches(patterns={"evil": "(a+)+$", "twice": "(a|aa)+$", "nested": "(.*a){20}$"}) == 0
    assert time.monotonic() - began < 1


def test_a_flood_is_read_in_pieces_and_said(log: Watched) -> None:
    log.add(BAD * 3000)
    reading = log(max_lines=1000)
    assert (reading.metrics["matches"], "behind:" in reading.message) == (1000, True)
    assert sum(log.matches(max_lines=1000) for _ in range(3)) == 2000


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), os.mkfifo], ids=["nothing", "folder", "FIFO"])
def test_what_cannot_be_read_is_unknown_and_read_later(tmp_path: Path, make: Callable[[Path], None]) -> None:
    watched = Watched(tmp_path)
    make(watched.path)
    assert watched().status == "unknown"
    if not watched.path.exists():
        watched.add(BAD)
        assert watched.matches() == 1


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"patterns": {"a": "("}}, "missing )"),
        ({"patterns": {"a": "(?=x)"}}, "look-around"),
        ({"patterns": {"a": "(?P<pattern>x)"}}, "the name of the pattern"),
        ({"patterns": {}}, "at least 1"),
        ({"patterns": {"a": "((a{100}){100}){100}"}}, "invalid repetition size"),
        ({"paths": []}, "give paths"),
        ({"paths": ["app.log"]}, "match pattern"),
        ({"ignore": ["["]}, "missing ]"),
    ],
    ids=str,
)
def test_mistakes_are_refused_when_read(wrong: Options, told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        plugins.probe_module("security.log_match").Logs.model_validate({"paths": ["/x"], "patterns": OOM} | wrong)


ENTRY = '{"__CURSOR":"%s","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"%s"}'
JOURNAL = f"""#!/bin/sh
echo "$*" >> "$0.asked"
case "$*" in
  *--lines=1*) echo '{ENTRY % ("c1", BAD.strip())}' ;;
  *--after-cursor=c1*) echo '{ENTRY % ("c2", BAD.strip())}'; echo rubbish; echo '{ENTRY % ("c3", "dull")}' ;;
  *--after-cursor=flood*) while :; do echo '{ENTRY % ("more", BAD.strip())}'; done ;;
  *--after-cursor=hang*) exec sleep 30 ;;
  *) echo "Failed to open: Permission denied" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Reading]:
    stand_in = tmp_path / "journalctl"
    stand_in.write_text(JOURNAL)
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return lambda cursor=None, timeout=5.0, **with_: measure(
        "security.log_match", timeout, {"cursor": cursor, "files": {}} if cursor else {}, journal=with_, patterns=OOM
    )


def test_the_journal_is_read_on_from_its_cursor(journal: Callable[..., Reading], tmp_path: Path) -> None:
    first = journal(units=["ssh.service"], identifiers=["sshd"], priority="warning", folder="/host/journal")
    assert (first.metrics["matches"], remembered(first)["cursor"]) == (0, "c1")
    asked = (tmp_path / "journalctl.asked").read_text()
    assert "--directory=/host/journal" in asked
    assert "--unit=ssh.service --identifier=sshd --priority=warning" in asked
    second = journal("c1")
    assert (second.metrics["matches"], remembered(second)["cursor"], "last in kernel" in second.message) == (1, "c3", True)


def test_a_journal_that_refuses_hangs_or_floods(journal: Callable[..., Reading]) -> None:
    refused = journal("gone")
    assert (refused.status, "Permission denied" in refused.message, remembered(refused)["cursor"]) == ("unknown", True, "gone")
    assert "did not respond" in journal("hang", timeout=0.4).message
    flooded = journal("flood", timeout=0.6)
    assert (flooded.status, "behind" in flooded.message, remembered(flooded)["cursor"]) == ("critical", True, "more")


HEAD = "Nov 23 09:00:01 web "
AGAIN = "Nov 23 09:00:31 web last message repeated 4 times\n"


@pytest.mark.parametrize(
    "lines, count, messages",
    [
        ([BAD, AGAIN], 5, 5),
        ([BAD, DULL, AGAIN], 1, 6),
        ([DULL, AGAIN], 0, 5),
        ([BAD, AGAIN, AGAIN], 9, 9),
        ([BAD, AGAIN, BAD], 6, 6),
        ([f"{HEAD}kernel: message repeated 7 times: [ {BAD.strip()}]\n"], 7, 7),
        ([f"{HEAD}kernel: message repeated 7 times: [ {BAD.strip()}]\n", AGAIN], 11, 11),
        ([BAD, "an application says: last message repeated 4 times\n"], 1, 2),
        ([BAD, f"{HEAD}app: a: message repeated 7 times: [ {BAD.strip()}]\n"], 2, 2),
    ],
)
def test_what_syslog_says_came_again_counts_as_often(log: Watched, lines: list[str], count: int, messages: int) -> None:
    log.add(*lines)
    reading = log()
    assert (reading.metrics["matches"], reading.metrics["lines"]) == (count, len(lines))
    assert f"{count} of {messages} lines match" in reading.message


def test_what_came_again_after_the_last_run_counts_too(log: Watched) -> None:
    with_ = {"patterns": {"login": "login of (?P<user>.*) failed"}}
    log.add(f"{HEAD}app: login of ada failed\n")
    assert log.matches(**with_) == 1
    log.add(AGAIN)
    reading = log(**with_)
    assert [(one.value, dict(one.labels)) for one in reading.series if one.metric == "labelled_matches"] == [
        (4, {"user": "ada", "pattern": "login"})
    ]
    log.add(AGAIN)
    log.add(f"{HEAD}app: login of ada failed\n")
    assert log.matches(**with_) == 5
    log.add(AGAIN)
    assert log.matches(patterns={"login": "login of .* failed", "other": "x"}) == 0


def test_the_line_that_says_so_may_be_what_is_looked_for(log: Watched) -> None:
    log.add(BAD, AGAIN)
    assert log.matches(patterns={"flood": "repeated"}) == 1
