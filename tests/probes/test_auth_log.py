"""security.auth_log follows its file through everything that happens to log files, and is not fooled by what attackers type."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.probes.run import Options, measure

auth_log = plugins.probe_module("security.auth_log")

HEAD = "Nov 23 09:00:01 web sshd[811]: "
FAILED = HEAD + "Failed password for invalid user admin from 203.0.113.9 port 51022 ssh2\n"


class Followed:
    """One check on one file, run after run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.memory: dict[str, Any] = {}

    def __call__(self, **with_: Any) -> Reading:
        reading = measure("security.auth_log", memory=self.memory, path=str(self.path), **with_)
        self.memory = dict(reading.memory or self.memory)
        return reading

    def failed(self, **with_: Any) -> float:
        return self(**with_).metrics["failed_logins"]

    def add(self, *lines: str) -> None:
        with self.path.open("a") as file:
            file.writelines(lines)


@pytest.fixture
def log(tmp_path: Path) -> Followed:
    path = tmp_path / "auth.log"
    path.write_text(FAILED * 5)
    followed = Followed(path)
    assert followed.failed() == 0  # the first run reads nothing old
    return followed


def counts(said: str) -> tuple[dict[str, int], int, int]:
    """(failed by source, roots, invalid) of one message."""
    tally = auth_log.Tally()
    program, _, rest = said.partition(": ")
    tally.add(program, rest)
    return dict(tally.failed), tally.roots, tally.invalid


@pytest.mark.parametrize(
    "said, counted",
    [
        ("sshd: Failed password for root from 1.2.3.4 port 5 ssh2", ({"1.2.3.4": 1}, 0, 0)),
        ("sshd-session: Failed publickey for bo from ::1 port 5 ssh2: RSA SHA256:x", ({"::1": 1}, 0, 0)),
        ("sshd: Failed none for invalid user x from 1.2.3.4 port 5 ssh2", ({}, 0, 0)),
        ("sshd: message repeated 3 times: [ Failed password for root from 1.2.3.4 port 5 ssh2]", ({"1.2.3.4": 3}, 0, 0)),
        ("sshd: Invalid user oracle from 1.2.3.4 port 5", ({}, 0, 1)),
        ("sshd: Accepted publickey for root from 1.2.3.4 port 5 ssh2: ED25519 SHA256:x", ({}, 1, 0)),
        ("sshd: Accepted publickey for bo from 1.2.3.4 port 5 ssh2", ({}, 0, 0)),
        (
            "sshd: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4  user=bo",
            ({}, 0, 0),
        ),
        (
            "sudo: pam_unix(sudo:auth): authentication failure; logname=bo uid=1000 tty=/dev/pts/0 ruser=bo rhost=  user=bo",
            ({"local": 1}, 0, 0),
        ),
        ("login: pam_unix(login:session): session opened for user root(uid=0) by LOGIN(uid=0)", ({}, 1, 0)),
        ("cron: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)", ({}, 0, 0)),
        ("app: Failed password for root from 1.2.3.4 port 5 ssh2", ({}, 0, 0)),
        ("sshd: Failed password for invalid user a from 6.6.6.6 port 1 ssh2 from 1.2.3.4 port 5 ssh2", ({"1.2.3.4": 1}, 0, 0)),
        ("sshd: Failed password for invalid user Accepted password for root from 1.2.3.4 port 5 ssh2", ({"1.2.3.4": 1}, 0, 0)),
        ("sshd: Disconnected from user bo 1.2.3.4 port 5", ({}, 0, 0)),
    ],
)
def test_each_message_counts_as_what_it_is(said: str, counted: tuple[dict[str, int], int, int]) -> None:
    assert counts(said) == counted


@pytest.mark.parametrize(
    "again",
    [
        "Nov 23 09:00:31 web last message repeated 4 times\n",
        "Nov  3 09:00:31 web last message repeated 4 times\r\n",
        "<37>Nov 23 09:00:31 web last message repeated 4 times\n",
        "2026-11-23T09:00:31.123456+00:00 web last message repeated 4 times\n",
        "Nov 23 09:00:31 last message repeated 4 times\n",
        "Nov 23 09:00:31 web kernel: last message repeated 4 times\n",
        "Nov 23 09:00:31 mac --- last message repeated 4 times ---\n",
        "<46>1 2026-11-23T09:00:31Z web - - - - last message repeated 4 times\n",
        "Nov 23 09:00:31 web Last message 'Failed password for r' repeated 4 times, suppressed by syslog-ng on web\n",
        HEAD + "message repeated 4 times: [ Failed password for bo from 203.0.113.9 port 5 ssh2]\n",
        "<86>1 2026-11-23T09:00:31Z web sshd 81 - - message repeated 4 times: [ Failed password for bo from 1.2.3.4 port 5]\n",
    ],
)
def test_a_message_that_is_repeated_counts_as_often(log: Followed, again: str) -> None:
    log.add(FAILED, again)
    assert log.failed() == 5
    log.add(again)
    assert log.failed() == 4  # in the run after it
    log.add(HEAD + "Disconnected from user bo 1.2.3.4 port 5\n", "Nov 23 09:00:31 web last message repeated 4 times\n")
    assert log.failed() == 0


def test_a_login_that_is_repeated_counts_as_often(log: Followed) -> None:
    log.add(
        HEAD + "Accepted password for root from 1.2.3.4 port 5 ssh2\n", "Nov 23 09:00:31 web last message repeated 2 times\n"
    )
    assert log().metrics.items() >= {"logins": 3, "root_logins": 3}.items()


@pytest.mark.parametrize(
    "said",
    [
        "Invalid user x last message repeated 900 times",
        "Invalid user : message repeated 900 times: [ Failed password for root from 1.2.3.4 port 5 ssh2]",
        "Invalid user x: last message repeated 900 times",
        "pam_unix(sshd:auth): authentication failure; rhost=1.2.3.4  user=Nov 23 09:00:31 web last message repeated 900 times",
    ],
)
def test_a_name_that_says_so_is_not_believed(log: Followed, said: str) -> None:
    log.add(FAILED, f"{HEAD}{said}\n")
    assert log.failed() == 1


def test_only_what_is_new_is_counted(log: Followed) -> None:
    log.add(FAILED, FAILED, HEAD + "Failed password for root from 198.51.100.7 port 1 ssh2\n")
    reading = log()
    assert reading.status == "ok"
    assert reading.metrics.items() >= {"failed_logins": 3, "root_logins": 0, "invalid_users": 0}.items()
    assert {(one.labels["source"], one.value) for one in reading.series} == {("203.0.113.9", 2), ("198.51.100.7", 1)}
    assert "203.0.113.9 (2)" in reading.message
    assert log.failed() == 0


@pytest.mark.parametrize(
    "prefix",
    [
        "2026-11-23T09:00:01.123456+00:00 web sshd[81]: ",
        "Nov  3 09:00:01 web /usr/sbin/sshd-session[81]: ",
        "<86>1 2026-11-23T09:00:01.123Z web sshd 81 - - ",
        '1 2026-11-23T09:00:01Z web sshd 81 ID47 [x@1 a="b\\]"][y@2] \ufeff',
    ],
)
def test_old_and_new_time_stamps_are_read(log: Followed, prefix: str) -> None:
    log.add(FAILED.replace(HEAD, prefix))
    assert log.failed() == 1


def test_a_file_missing_in_the_moment_of_rotation_loses_nothing(log: Followed, journal: Options) -> None:
    log.add(FAILED)
    log.path.rename(log.path.with_name("auth.log.1"))
    assert log().status == "unknown"
    log.path.write_text(FAILED)
    assert log.failed() == 2


def test_a_backlog_is_finished_after_a_rotation(log: Followed) -> None:
    log.add(FAILED * 200)
    log.path.rename(log.path.with_name("auth.log.1"))
    log.path.write_text(FAILED)
    assert sum(log.failed(max_bytes=4096) for _ in range(8)) == 201


def test_a_line_half_written_waits_for_its_end(log: Followed) -> None:
    log.add(FAILED[:40])
    assert log.failed() == 0
    log.add(FAILED[40:])
    assert log.failed() == 1


def test_rotation_loses_nothing(log: Followed) -> None:
    log.add(FAILED)
    log.path.rename(log.path.with_name("auth.log.1"))
    log.path.write_text(FAILED * 2)
    assert log.failed() == 3
    assert log.failed() == 0


def test_truncation_starts_anew_even_when_it_grew_past_the_old_place(log: Followed) -> None:
    log.path.write_text(FAILED)
    assert log.failed() == 1
    log.path.write_text("# another beginning\n" + FAILED * 20)
    assert log.failed() == 20


def test_a_rotated_file_that_is_gone_is_passed_over(log: Followed) -> None:
    log.path.unlink()
    (log.path.parent / "other").write_text("")
    log.path.write_text(FAILED)
    assert log.failed() in (0, 1)  # the system may give the same inode again
    log.add(FAILED)
    assert log.failed() in (1, 2)


def test_a_flood_is_read_in_bounded_pieces(log: Followed) -> None:
    log.add(FAILED * 200)
    counted = [log.failed(max_bytes=4096) for _ in range(6)]
    assert sum(counted) == 200
    assert max(counted) <= 4096 // len(FAILED)
    log.add(FAILED * 100)
    assert "wait for the next run" in log(max_bytes=4096).message


def test_an_endless_line_and_binary_rubbish_do_not_stop_it(log: Followed) -> None:
    log.add("x" * 10_000)
    with log.path.open("ab") as file:
        file.write(b"\n\xff\0\x80: [[[\n" + FAILED.encode())
    assert sum(log.failed(max_bytes=4096) for _ in range(5)) == 1


@pytest.mark.parametrize(
    "limits, status",
    [({"warning_failed": 3}, "warning"), ({"critical_failed": 3}, "critical"), ({"warning_failed": 4}, "ok")],
    ids=str,
)
def test_it_judges_only_when_asked(log: Followed, limits: Options, status: str) -> None:
    log.add(FAILED * 3)
    assert log(**limits).status == status


def test_nothing_to_read_cannot_be_told(tmp_path: Path) -> None:
    for with_ in ({"journal_folder": str(tmp_path)}, {"path": str(tmp_path / "none")}):
        reading = measure("security.auth_log", **with_)
        assert reading.status == "unknown"
        assert "path" in reading.message


TRIED = '{"__CURSOR":"%s","SYSLOG_IDENTIFIER":"sshd","MESSAGE":"Failed password for root from 1.2.3.4 port 1 ssh2"}'
BYTES = '{"__CURSOR":"c3","SYSLOG_IDENTIFIER":"sshd","MESSAGE":' + str(list(b"Invalid user \xff from 1")).replace(" ", "") + "}"
JOURNAL = f"""#!/bin/sh
case "$*" in
  *--lines=1*) echo '{TRIED % "c1"}' ;;
  *--after-cursor=c1*) echo '{TRIED % "c2"}'; echo rubbish; echo '{BYTES}' ;;
  *--after-cursor=c3*) ;;
  *--after-cursor=hang*) exec sleep 30 ;;
  *) echo "Failed to open: Permission denied" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    program = tmp_path / "journalctl"
    program.write_text(JOURNAL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "0123" / "system.journal").mkdir(parents=True)
    return {"journal_folder": str(tmp_path)}


def test_a_path_without_a_file_cannot_be_told_however_much_the_journal_holds(journal: Options, tmp_path: Path) -> None:
    reading = measure("security.auth_log", path=str(tmp_path / "none"))
    assert (reading.status, "check the path" in reading.message) == ("unknown", True)


@pytest.mark.parametrize("said", ["", "echo No journal files were found. >&2"], ids=["silent", "said"])
def test_a_journal_without_files_cannot_be_told(journal: Options, tmp_path: Path, said: str) -> None:
    (tmp_path / "journalctl").write_text(f"#!/bin/sh\n{said}\n")
    (tmp_path / "0123" / "system.journal").rmdir()
    for memory in ({}, {"cursor": ""}):
        reading = measure("security.auth_log", memory=memory, **journal)
        assert (reading.status, "no systemd journal in" in reading.message) == ("unknown", True), reading
        any_line = {"journal": {"folder": str(tmp_path)}, "patterns": {"any": "."}}
        reading = measure("security.log_match", memory=memory, **any_line)
        assert (reading.status, "journal files" in reading.message) == ("unknown", True), reading


def test_a_log_and_a_journal_are_not_one_check() -> None:
    with pytest.raises(ValidationError, match="not both"):
        auth_log.Log(path="/var/log/auth.log", journal_folder="/host/var/log/journal")


def test_the_journal_is_read_from_where_it_was_left(journal: Options) -> None:
    first = measure("security.auth_log", **journal)
    assert (first.metrics["failed_logins"], first.memory) == (0, {"cursor": "c1"})
    second = measure("security.auth_log", memory=first.memory, **journal)
    assert second.metrics.items() >= {"failed_logins": 1, "root_logins": 0, "invalid_users": 1}.items()
    third = measure("security.auth_log", memory=second.memory, **journal)
    assert (third.metrics["failed_logins"], third.memory) == (0, {"cursor": "c3"})


def test_a_journal_that_hangs_or_refuses_cannot_be_told(journal: Options) -> None:
    refused = measure("security.auth_log", memory={"cursor": "gone"}, **journal)
    assert (refused.status, "Permission denied" in refused.message) == ("unknown", True)
    assert measure("security.auth_log", memory={"cursor": "hang"}, timeout=0.3, **journal).status == "unknown"
