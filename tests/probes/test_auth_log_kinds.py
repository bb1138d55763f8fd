"""security.auth_log: sudo, accounts, accepted logins, and logins from where nobody came before."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.checks.probe import Reading
from tests.probes.run import measure, remembered

HEAD = "Nov 23 09:00:01 web sshd[811]: "


class Followed:
    """One check on one file, run after run, with a baseline."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.memory: dict[str, Any] = {}

    def __call__(self, baseline: Mapping[str, str] | None = None, **with_: Any) -> Reading:
        reading = measure("security.auth_log", 5.0, self.memory, baseline, path=str(self.path), **with_)
        self.memory = remembered(reading)
        return reading

    def add(self, line: str) -> None:
        with self.path.open("a") as file:
            file.write(line)


@pytest.fixture
def log(tmp_path: Path) -> Followed:
    followed = Followed(tmp_path / "auth.log")
    followed.path.touch()
    followed()
    return followed


@pytest.mark.parametrize(
    "said, metric",
    [
        (
            "sudo[5]:  bo : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
            "sudo_failures",
        ),
        ("sudo:  eve : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh", "sudo_failures"),
        ("sudo:  bo : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/echo user NOT in sudoers", None),
        ("useradd[7]: new user: name=eve, UID=0, GID=0, home=/, shell=/bin/sh, from=/dev/pts/0", "account_changes"),
        ("usermod[7]: add 'eve' to group 'sudo'", "account_changes"),
        ("userdel[7]: delete user 'eve'", "account_changes"),
        ("gpasswd[7]: user eve added by root to group sudo", "account_changes"),
        ("passwd[7]: pam_unix(passwd:chauthtok): password changed for eve", "account_changes"),
        ("chage[7]: changed password expiry for eve", "account_changes"),
        ("app: new user: name=eve", None),
        ("sshd[7]: Accepted publickey for bo from 198.51.100.7 port 5 ssh2: ED25519 SHA256:x", "logins"),
    ],
)
def test_sudo_accounts_and_logins_are_counted(log: Followed, said: str, metric: str | None) -> None:
    log.add(f"Nov 23 09:00:01 web {said}\n")
    counted = {name for name, value in log().metrics.items() if value}
    assert counted == ({metric} if metric else set())


def test_a_login_from_a_new_address_stays_told_until_it_is_accepted(log: Followed) -> None:
    def accepted(address: str) -> None:
        log.add(f"{HEAD}Accepted publickey for bo from {address} port 5 ssh2\n")

    def run(baseline: Mapping[str, str] | None) -> Reading:
        return log(baseline, new_sources="critical")

    accepted("198.51.100.7")
    first = run(None)
    assert (first.status, first.observed) == ("ok", {"bo from 198.51.100.7": "logged in"})
    accepted("198.51.100.7")
    assert run(first.observed).status == "ok"
    accepted("203.0.113.9")
    told = [run(first.observed) for _ in range(2)]
    assert [one.status for one in told] == ["critical", "critical"]
    assert "not accepted: new: bo from 203.0.113.9" in told[1].message
    assert run(told[1].observed).status == "ok"
