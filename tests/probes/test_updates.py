"""security.updates against the real apt-get on a tree of the test's own, and package managers that fail, hang and lie."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from app import plugins
from app.checks.probe import Reading, Status
from tests.probes.run import measure
from tests.programs import program

updates = plugins.probe_module("security.updates")

PACKAGE = (
    "Package: {}\nStatus: install ok installed\nVersion: {}\nArchitecture: all\nMaintainer: x <x@y.example>\nDescription: x\n\n"
)
DATE = "Mon, 23 Nov 2026 00:00:00 UTC"
RELEASE = f"Origin: Debian\nLabel: {{}}\nSuite: {{}}\nVersion: 12\nDate: {DATE}\nArchitectures: all\nComponents: main\n"
SOURCE = "Filename: x.deb\nSize: 1\nSHA256: aa\n"


class Tree:
    """A Debian host's package state: two sources of packages, as apt-get update leaves them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lists = root / "var/lib/apt/lists"
        self.status = root / "var/lib/dpkg/status"
        for folder in (
            self.lists / "partial",
            self.status.parent,
            root / "var/cache/apt/archives/partial",
            root / "etc/apt",
            root / "run",
        ):
            folder.mkdir(parents=True)
        sources = "deb [arch=all] http://a.example/{0} {1} main\n"
        (root / "etc/apt/sources.list").write_text(
            sources.format("debian", "stable") + sources.format("security", "stable-security")
        )
        self.status.write_text("".join(PACKAGE.format(name, 1) for name in ("hello", "bye", "curl")))
        self.offer("debian_dists_stable", "Debian", "stable", bye=2)
        self.offer("security_dists_stable-security", "Debian-Security", "stable-security", hello="1+deb12u1")

    def offer(self, source: str, label: str, suite: str, **packages: object) -> None:
        """Let a source offer these packages."""
        (self.lists / f"a.example_{source}_Release").write_text(RELEASE.format(label, suite))
        listed = "".join(PACKAGE.format(name, version).rstrip() + "\n" + SOURCE + "\n" for name, version in packages.items())
        (self.lists / f"a.example_{source}_main_binary-all_Packages").write_text(
            listed.replace("Status: install ok installed\n", "")
        )

    def look(self, **with_: Any) -> Reading:
        return measure("security.updates", **({"root": str(self.root), "command": ["apt-get"]} | with_))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def apt(tree: Tree) -> Tree:
    program("apt-get", "apt")
    return tree


def test_security_updates_are_told_from_others(apt: Tree) -> None:
    reading = apt.look()
    assert reading.status is Status.WARNING
    assert reading.message == "1 security update pending: hello"
    metrics = dict(reading.metrics)
    assert metrics.pop("lists_age_seconds") < 60
    assert metrics == {"security_updates": 1, "updates": 2, "held_packages": 0, "reboot_required": 0}
    assert apt.look(warning_above=1).status is Status.OK
    assert apt.look(critical_above=0).status is Status.CRITICAL


def test_a_host_with_all_of_them_is_ok(apt: Tree) -> None:
    apt.status.write_text(PACKAGE.format("hello", "1+deb12u1") + PACKAGE.format("bye", 1))
    reading = apt.look()
    assert (reading.status, reading.message) == (Status.OK, "no security updates pending")
    assert reading.metrics["updates"] == 1


def test_packages_held_back_are_counted(apt: Tree) -> None:
    apt.status.write_text(apt.status.read_text().replace("install ok", "hold ok", 1))
    reading = apt.look()
    assert reading.metrics["held_packages"] == 1
    assert reading.message == "1 security update pending: hello; 1 held back"
    apt.offer("security_dists_stable-security", "Debian-Security", "stable-security")
    apt.offer("debian_dists_stable", "Debian", "stable", hello=2)
    assert apt.look().message == "no security updates pending; 1 held back"


def test_a_security_fix_behind_a_newer_ordinary_version_counts(apt: Tree) -> None:
    apt.offer("debian_dists_stable", "Debian", "stable", bye=2, hello=3)
    reading = apt.look()
    assert (reading.status, reading.message) == (Status.WARNING, "1 security update pending: hello")
    assert reading.metrics["updates"] == 2


@pytest.mark.parametrize("installed, count", [("1", 1), ("1+deb12u1", 0), ("2", 0), ("3", 0)])
def test_a_security_fix_counts_until_it_or_something_newer_is_installed(apt: Tree, installed: str, count: int) -> None:
    apt.offer("debian_dists_stable", "Debian", "stable", hello=3)
    apt.status.write_text(PACKAGE.format("hello", installed) + PACKAGE.format("bye", 1))
    assert apt.look().metrics["security_updates"] == count


@pytest.mark.parametrize(
    "pin, count",
    [
        ("Package: hello\nPin: release l=Debian\nPin-Priority: 1001\n", 1),
        ("Package: hello\nPin: version 1\nPin-Priority: 1001\n", 1),
        ("Package: *\nPin: release l=Debian-Security\nPin-Priority: 50\n", 1),
        ("Package: hello\nPin: release l=Debian-Security\nPin-Priority: -1\n", 0),
    ],
    ids=["to an ordinary version", "to what is installed", "all of them late", "refused"],
)
@pytest.mark.parametrize("ordinary", [1, 3])
def test_a_pin_hides_no_security_fix_unless_it_refuses_it(apt: Tree, pin: str, count: int, ordinary: int) -> None:
    (apt.root / "etc/apt/preferences").write_text(pin)
    apt.offer("debian_dists_stable", "Debian", "stable", hello=ordinary)
    assert apt.look().metrics["security_updates"] == count


def test_what_is_not_installed_waits_for_no_fix(apt: Tree) -> None:
    apt.status.write_text(PACKAGE.format("bye", 1) + PACKAGE.format("hello", 1).replace("ok installed", "ok config-files"))
    assert apt.look().message == "no security updates pending"


def test_a_reboot_that_waits_warns(apt: Tree) -> None:
    (apt.root / "run/reboot-required").touch()
    reading = apt.look(warning_above=9)
    assert reading.status is Status.WARNING
    assert reading.message.endswith("reboot required")
    assert apt.look(warning_above=9, warn_of_reboot=False).status is Status.OK


def test_lists_that_are_stale_warn_since_they_know_nothing_of_new_updates(apt: Tree) -> None:
    for path in (apt.lists, apt.lists / "partial"):
        os.utime(path, (time.time() - 9 * 86_400,) * 2)
    reading = apt.look(warning_above=9)
    assert reading.status is Status.WARNING
    assert "the package lists are 9 d old" in reading.message
    assert apt.look(warning_above=9, warning_lists_older_than="10d").status is Status.OK


@pytest.mark.parametrize(
    "break_it, said",
    [
        (
            lambda tree: [path.unlink() for path in tree.lists.glob("*_Packages")],
            "contains no package lists: run apt-get update",
        ),
        (lambda tree: tree.status.unlink(), "var/lib/dpkg/status: no such file"),
        (lambda tree: tree.status.write_text(""), "installed packages unknown"),
        (
            lambda tree: tree.status.write_text(PACKAGE.format("hello", 1).rstrip() + "\nDepends: none\n\n"),
            "E: Unmet dependencies",
        ),
        (lambda tree: (tree.root / "etc/apt/sources.list").write_text("garbage\n"), "E: "),
    ],
    ids=["no lists, as in an image", "no list of what is installed", "an empty one", "broken dependencies", "broken sources"],
)
def test_what_makes_apt_see_nothing_is_unknown(apt: Tree, break_it: Callable[[Tree], object], said: str) -> None:
    break_it(apt)
    reading = apt.look()
    assert reading.status is Status.UNKNOWN
    assert said in reading.message


@pytest.fixture
def stands_for(tmp_path: Path) -> Callable[[str, str], list[str]]:
    """Writes a program that stands for a package manager."""

    def write(name: str, text: str) -> list[str]:
        path = tmp_path / "bin" / name
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return [str(path)]

    return write


@pytest.mark.parametrize(
    "text, said",
    [
        ("exit 100", "apt-get failed: it exited with 100"),
        ("echo 'W: x' >&2; echo 'E: Could not get lock' >&2; exit 100", "apt-get failed: E: Could not get lock"),
        ("true", "the output of apt-get is incomplete"),
        ("echo 'Inst hello [1] (2 Debian-Security:12/x-security [all])'", "the output of apt-get is incomplete"),
        ("head -c 2000000 /dev/zero", "printed more than 1048576 bytes"),
        (r"printf '\377\376'", "is incomplete"),
        ("kill -9 $$", "apt-get failed: it exited with -9"),
    ],
    ids=["fails", "complains", "silent", "cut off", "far too much", "no text", "killed"],
)
def test_an_apt_that_fails_or_lies_is_unknown(
    tree: Tree, stands_for: Callable[[str, str], list[str]], text: str, said: str
) -> None:
    reading = tree.look(command=stands_for("apt-get", text))
    assert reading.status is Status.UNKNOWN
    assert said in reading.message


def test_one_that_hangs_is_unknown_in_time(tree: Tree, stands_for: Callable[[str, str], list[str]]) -> None:
    began = time.monotonic()
    reading = tree.look(command=stands_for("apt-get", "sleep 600"), timeout=0.4)
    assert time.monotonic() - began < 2
    assert reading.status is Status.UNKNOWN
    assert "apt-get did not finish within 0.3" in reading.message


def test_what_is_no_package_manager_is_unknown() -> None:
    assert "not one of apt-get, dnf, yum" in measure("security.updates", command=["/bin/true"]).message
    assert measure("security.updates", command=["/no/dnf"]).status is Status.UNKNOWN


# apt on Debian and on Ubuntu as recorded; the lines of dnf 4, dnf 5 and yum after their documentation and sources.
@pytest.mark.parametrize(
    "line, names, count",
    [
        ("Inst libgcrypt20 [1.10.1-3] (1.10.1-3+deb12u1 Debian:12.15/oldstable, Debian-Security:12/x-security [amd64]) []",
         ("libgcrypt20",), 1),
        ("Inst perl [5.36.0-7] (5.36.0-7+deb12u4 Debian-Security:12/oldstable-security [amd64]) [perl:amd64 ]", ("perl",), 1),
        ("Inst bash [5.2.15-2+b8] (5.2.15-2+b13 Debian:12.15/oldstable [amd64])", (), 1),
        ("Inst openssl [3.0.2-0] (3.0.2-1 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])", ("openssl",), 1),
        ("Inst linux-image-6.1.0-9 (6.1.9-1 Debian-Security:12/stable-security [amd64])", (), 0),
        ("Conf perl (5.36.0-7+deb12u4 Debian-Security:12/oldstable-security [amd64])", (), 0),
        ("Inst x [1] (2 Acme:1/no-securityfixes [all])", (), 1),
    ],
    ids=["in both archives", "security", "other", "Ubuntu", "a new package", "second mention", "sounds alike"],
)  # fmt: skip
def test_lines_of_apt(line: str, names: tuple[str, ...], count: int) -> None:
    found = updates.pending_of_apt(f"{line}\n1 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n")
    assert (found.security, found.all) == (names, count)


SOURCES = """Package files:
 100 /var/lib/dpkg/status
     release a=now
 500 http://u.example/ubuntu jammy-security/main amd64 Packages
     release v=22.04,o=Ubuntu,a=jammy-security,n=jammy,l=Ubuntu,c=main,b=amd64
     origin u.example
 500 http://u.example/ubuntu jammy-updates/main amd64 Packages
     release v=22.04,o=Ubuntu,a=jammy-updates,n=jammy,l=Ubuntu,c=main,b=amd64
 500 http://e.example/infra/ubuntu jammy-infra-security/main i386 Packages
     release v=22.04,o=UbuntuESM,a=jammy-infra-security,n=jammy,l=UbuntuESM,c=main,b=i386
 500 http://m.example/mirror stable/main amd64 Packages
     release v=10,o=Debian,a=oldstable,n=buster,l=Debian-Security,c=main,b=amd64
 500 http://a.example/acme security-tools/main amd64 Packages
     release o=Acme,a=security-tools,n=no-securityfixes,l=Acme,c=main,b=amd64
Pinned packages:
"""
SECURE, INFRA = (
    "http://u.example/ubuntu jammy-security/main amd64",
    "http://e.example/infra/ubuntu jammy-infra-security/main i386",
)
UPDATES, STATUS = "http://u.example/ubuntu jammy-updates/main amd64", "/var/lib/dpkg/status"


def table(name: str, *versions: tuple[str, Sequence[str]], installed: str = "1") -> str:
    lines = [f"{name}:", f"  Installed: {installed}", "  Candidate: 9", "  Version table:"]
    for version, sources in versions:
        lines.append(f" {'***' if version.split()[0] == installed else '   '} {version}")
        lines += [f"        500 {source}{' Packages' if source != STATUS else ''}" for source in sources]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "out, names",
    [
        (table("a", ("3 500", [UPDATES]), ("2 500", [SECURE]), ("1 100", [STATUS])), ("a",)),
        (table("a", ("3 500", [UPDATES, SECURE]), ("1 100", [STATUS])), ("a",)),
        (table("a", ("4 500", [UPDATES]), ("3 500", [UPDATES]), ("2 500", [SECURE]), ("1 100", [STATUS])), ("a",)),
        (table("a", ("3 500 (phased 10%)", [UPDATES]), ("2 500", [SECURE]), ("1 100", [STATUS])), ("a",)),
        (table("a", ("3 500", [UPDATES]), ("1 500", [SECURE, STATUS])), ()),
        (table("a", ("3 500", [UPDATES]), ("1 100", [STATUS]), ("0 500", [SECURE])), ()),
        (table("a", ("3 -1", [SECURE]), ("1 100", [STATUS])), ()),
        (table("a", ("3", [SECURE]), ("1", [STATUS])), ("a",)),
        (table("a", ("3 500", [SECURE]), installed="(none)"), ()),
        (table("a:i386", ("3 500", [INFRA]), ("1 100", [STATUS])) + table("a", ("1 500", [INFRA, STATUS])), ("a:i386",)),
        (table("a", ("3 500", ["http://a.example/acme security-tools/main amd64"]), ("1 100", [STATUS])), ()),
        (table("a", ("3 500", ["http://m.example/mirror stable/main amd64"]), ("1 100", [STATUS])), ("a",)),
        ("", ()),
    ],
    ids=[
        "behind a newer one", "in both archives", "behind several", "behind a phased one", "installed", "older than installed",
        "refused", "an apt without priorities", "not installed", "another architecture's", "sounds alike", "known by its label",
        "nothing",
    ],
)  # fmt: skip
def test_versions_of_apt(out: str, names: tuple[str, ...]) -> None:
    assert updates.behind_of_apt(out, updates.secure_sources(SOURCES)) == names


@pytest.mark.parametrize(
    "text, said",
    [("exit 100", "apt-cache failed: it exited with 100"), ("sleep 600", "apt-cache did not finish within")],
)
def test_without_the_versions_it_cannot_be_known(
    tree: Tree, stands_for: Callable[[str, str], list[str]], text: str, said: str
) -> None:
    done = "echo '0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.'"
    command = stands_for("apt-get", done)
    (tree.root / "bin/apt-cache").write_text(f"#!/bin/sh\n{text}\n")
    (tree.root / "bin/apt-cache").chmod(0o755)
    reading = tree.look(command=command, timeout=1)
    assert (reading.status, said in reading.message) == (Status.UNKNOWN, True), reading.message


def test_whoever_may_only_call_apt_get_by_sudo_needs_no_more(apt: Tree, stands_for: Callable[[str, str], list[str]]) -> None:
    sudo = stands_for("sudo", 'shift; [ "$1" = apt-get ] || exit 1; exec "$@"')
    apt.offer("debian_dists_stable", "Debian", "stable", hello=3)
    assert apt.look(command=[*sudo, "-n", "apt-get"]).message == "1 security update pending: hello"


@pytest.mark.parametrize(
    "out, names",
    [
        (
            "RHSA-2024:0001 Important/Sec. openssl-1:3-24.el9.x86_64\nRHSA-2024:0002 Low/Sec. openssl-1:3-25.el9.x86_64",
            ("openssl",),
        ),
        ("FEDORA-2021-08cdb4dc34 Moderate/Sec. glibc-common-2.33-20.fc34.x86_64", ("glibc-common",)),
        ("FEDORA-2024-1a security Important dhcp-client-12:4.4.2-11.b1.fc40.x86_64 2024-01-01 10:00:00", ("dhcp-client",)),
        ("Name Type Severity Package Issued\nFEDORA-2024-2 bugfix None vim-9-1.fc40.x86_64 2024-01-01", ()),
        ("RHSA-2024:9 Critical/Sec. odd", ("RHSA-2024:9",)),
        ("Last metadata expiration check: 2:06:38 ago on Sun 25 Jul 2021.\n\n", ()),
    ],
    ids=["twice the same", "dnf 4", "dnf 5", "no security", "no package's name", "nothing"],
)
def test_lines_of_dnf(out: str, names: tuple[str, ...]) -> None:
    assert updates.pending_of_dnf(out).security == names


def test_dnf_is_asked_from_its_cache_only(stands_for: Callable[[str, str], list[str]], tmp_path: Path) -> None:
    dnf = stands_for("dnf", f"echo $* > {tmp_path}/call; echo 'RHSA-2024:1 Low/Sec. bash-5-1.el9.noarch'")
    reading = measure("security.updates", command=dnf, root=str(tmp_path))
    assert (reading.status, reading.message) == (Status.WARNING, "1 security update pending: bash")
    assert reading.metrics == {"security_updates": 1, "reboot_required": 0}
    assert (tmp_path / "call").read_text() == f"-q -C --installroot={tmp_path} updateinfo list --security\n"
