"""security.accounts on a real tree of files: what changes is seen, what cannot be read is not gone, nothing secret is kept."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.checks.probe import Reading, Status
from app.host import authorized_keys
from tests.probes.run import measure, observed

HASH = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/sh\nweb:x:33:33::/var:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nsudo:x:27:ada\nweb:x:33:\nada:x:1000:\n",
    "etc/shadow": f"root:*:19000:0:99999:7:::\nada:{HASH}:19000::::::\nweb:!:19000::::::\n",
    "etc/sudoers": "# rules\nDefaults env_reset # why not\n%sudo ALL=(ALL:ALL) \\\n    ALL\n@includedir /etc/sudoers.d\n",
    "etc/sudoers.d/deploy": "ada ALL = NOPASSWD: /usr/bin/systemctl\n",
    "etc/sudoers.d/old.bak": "bo ALL=ALL\n",
    "home/ada/.ssh/authorized_keys": f"# mine\n\n{KEY} ada@laptop\nno key at all\n",
}
PARSED = authorized_keys.parse(KEY)
assert PARSED is not None
FINGERPRINT = PARSED.fingerprint


class Tree:
    """A host's files, and one check on them, run after run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.accepted: Mapping[str, str] | None = None
        for path, text in FILES.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)

    def add(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        with (self.root / path).open("a") as file:
            file.write(text)

    def change(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text
        (self.root / path).write_text(text.replace(old, new))

    def look(self, **with_: Any) -> Reading:
        return measure("security.accounts", root=str(self.root), baseline=self.accepted, **with_)

    def accept(self) -> None:
        self.accepted = observed(self.look())


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def accepted(tree: Tree) -> Tree:
    tree.accept()
    return tree


def test_the_first_look_is_the_baseline(tree: Tree) -> None:
    reading = tree.look()
    assert (reading.status, reading.message) == (Status.OK, f"baseline recorded: {len(observed(reading))} entries")
    assert observed(reading) == {
        "user root": "uid 0, gid 0, shell /bin/bash, home /root, groups root",
        "user ada": "uid 1000, gid 1000, shell /bin/sh, home /home/ada, groups ada,sudo",
        "user web": "uid 33, gid 33, shell /usr/sbin/nologin, home /var, groups web",
        "password root": "locked",
        "password ada": "set",
        "password web": "locked",
        "member root of root": "present",
        "member ada of sudo": "present",
        "sudoers file /etc/sudoers": f"mode 644, uid {os.geteuid()}",
        "sudoers file /etc/sudoers.d/deploy": f"mode 644, uid {os.geteuid()}",
        "sudo rule in /etc/sudoers: Defaults env_reset": "present",
        "sudo rule in /etc/sudoers: %sudo ALL=(ALL:ALL) ALL": "present",
        "sudo rule in /etc/sudoers.d/deploy: ada ALL = NOPASSWD: /usr/bin/systemctl": "present",
        f"key of ada {FINGERPRINT}": "ssh-ed25519 ada@laptop",
    }
    counted = {"users": 3, "admins": 2, "sudo_rules": 3, "authorized_keys": 1, "empty_passwords": 0, "uid_0_accounts": 1}
    assert reading.metrics == counted | {"added_things": 0, "gone_things": 0, "changed_things": 0}


def test_nothing_secret_is_kept(tree: Tree) -> None:
    tree.add("home/ada/.ssh/authorized_keys", f'environment="TOKEN=hush",command="x --password hush" {KEY[:-2]}AA\n')
    told = repr(tree.look())
    assert not any(secret in told for secret in (HASH, HASH[-20:], "hush", KEY[-40:]))
    assert "environment,command [" in told


def test_while_nothing_changes_it_is_ok(accepted: Tree) -> None:
    reading = accepted.look()
    assert (reading.status, reading.message) == (Status.OK, "14 entries match the baseline")


@pytest.mark.parametrize(
    "path, text, said",
    [
        ("etc/passwd", "eve:x:1001:1001::/home/eve:/bin/sh\n", "new: password eve, user eve"),
        ("etc/sudoers.d/eve", "eve ALL=(ALL) ALL\n", "new: sudo rule in /etc/sudoers.d/eve: eve ALL=(ALL) ALL"),
        ("etc/sudoers", "#1001 ALL=ALL\n", "new: sudo rule in /etc/sudoers: #1001 ALL=ALL"),
        ("root/.ssh/authorized_keys2", f"from=\"10.0.0.0/8\" {KEY} eve\n", f"new: key of root {FINGERPRINT}"),
        ("home/ada/.ssh/authorized_keys", KEY[:-4] + "AAAA x\n", "new: key of ada SHA256:"),
        ("etc/passwd", "ada:x:4711:1000::/home/ada:/bin/sh\n", "new: password ada (2), user ada (2)"),
    ],
    ids=["an account", "a sudoers file", "a rule for a uid", "a key of root", "a second key", "a line behind another"],
)  # fmt: skip
def test_what_is_new_is_critical(accepted: Tree, path: str, text: str, said: str) -> None:
    accepted.add(path, text)
    reading = accepted.look()
    assert reading.status is Status.CRITICAL
    assert said in reading.message
    assert reading.metrics["added_things"] >= 1
    accepted.accept()
    assert accepted.look().status is Status.OK


@pytest.mark.parametrize(
    "path, old, new, status, said",
    [
        ("etc/passwd", "/usr/sbin/nologin", "/bin/bash", "critical", "changed: user web; user web: uid 33, gid 33, "),
        ("etc/shadow", "web:!:", f"web:{HASH}:", "critical", "changed: password web; password web: locked -> set"),
        ("etc/shadow", HASH, f"!{HASH}", "critical", "password ada: set -> locked"),
        ("etc/shadow", HASH, "$y$another", "ok", "match the baseline"),
        ("etc/group", "sudo:x:27:ada", "sudo:x:27:ada,web", "critical", "new: member web of sudo; changed: user web"),
        ("etc/sudoers.d/deploy", "ada", "#ada", "warning", "gone: sudo rule in /etc/sudoers.d/deploy: ada ALL"),
        ("home/ada/.ssh/authorized_keys", KEY, "#" + KEY, "warning", f"gone: key of ada {FINGERPRINT}"),
        ("home/ada/.ssh/authorized_keys", KEY, f"no-pty {KEY}", "critical", "ssh-ed25519 ada@laptop -> ssh-ed25519 no-pty ["),
    ],
    ids=["a shell", "password set", "locked", "another password", "an admin more", "a rule gone", "a key gone", "options"],
)  # fmt: skip
def test_what_changed_or_is_gone(accepted: Tree, path: str, old: str, new: str, status: str, said: str) -> None:
    accepted.change(path, old, new)
    reading = accepted.look()
    assert reading.status == status
    assert said in reading.message


@pytest.mark.parametrize(
    "path, old, new, said",
    [
        ("etc/shadow", HASH, "", "ada can log in without a password"),
        ("etc/passwd", "web:x:", "web::", "web can log in without a password"),
        ("etc/passwd", "web:x:33:", "toor:x:0:", "2 accounts have uid 0: root, toor"),
        ("etc/passwd", "web:x:33:", "toor:x:00:", "2 accounts have uid 0: root, toor"),
    ],
    ids=["empty in shadow", "empty in passwd", "a second root", "a second root in disguise"],
)
def test_what_is_critical_stays_so_though_accepted(tree: Tree, path: str, old: str, new: str, said: str) -> None:
    tree.change(path, old, new)
    for _ in range(2):
        reading = tree.look()
        assert reading.status is Status.CRITICAL
        assert said in reading.message
        tree.accept()


def unreadable(tree: Tree, path: str) -> None:
    (tree.root / path).unlink()
    os.mkfifo(tree.root / path)  # not even root can read it, and who waits for it hangs


@pytest.mark.parametrize(
    "path", ["etc/shadow", "etc/sudoers", "etc/sudoers.d/deploy", "home/ada/.ssh/authorized_keys"], ids=str
)
def test_what_cannot_be_read_any_more_is_unknown_and_not_gone(accepted: Tree, path: str) -> None:
    unreadable(accepted, path)
    began = time.monotonic()
    reading = accepted.look()
    assert time.monotonic() - began < 3
    assert reading.status is Status.UNKNOWN
    assert reading.message == f"14 entries match the baseline; not readable: /{path} (not a regular file)"
    assert reading.observed == accepted.accepted
    accepted.add("etc/passwd", "eve:x:1001:1001::/home/eve:/bin/sh\n")
    assert accepted.look().status is Status.CRITICAL


def test_what_could_never_be_read_is_named_and_left_out(tree: Tree) -> None:
    unreadable(tree, "etc/shadow")
    first = tree.look()
    assert first.status is Status.OK
    assert first.message == "baseline recorded: 11 entries; not readable: /etc/shadow (not a regular file)"
    tree.accept()
    assert tree.look().status is Status.OK


def test_an_account_that_may_not_read_says_so(tree: Tree) -> None:
    if os.geteuid():
        pytest.skip("run as root to become another account")
    for folder in (tree.root, *tree.root.parents[:3]):  # up to pytest's own folder in /tmp
        folder.chmod(0o755)
    for path in ("etc/shadow", "etc/sudoers", "home/ada/.ssh"):
        (tree.root / path).chmod(0o700)
    code = (
        "import os; from tests.probes.test_accounts import measure; os.setuid(65534)\n"
        f"print(measure('security.accounts', root={str(tree.root)!r}).message)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("baseline recorded: 5 entries; not readable: ")
    assert ran.stdout.count("(permission denied)") == 3  # and no more are named


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tree: (tree.root / "etc/passwd").unlink(),
        lambda tree: unreadable(tree, "etc/passwd"),
        lambda tree: (tree.root / "etc/passwd").write_bytes(b"\xff\0:::\n"),
        lambda tree: (tree.root / "etc/group").unlink(),
    ],
    ids=["missing", "no file", "garbage", "no groups"],
)
def test_without_accounts_it_is_unknown(accepted: Tree, spoil: Callable[[Tree], object]) -> None:
    spoil(accepted)
    reading = accepted.look()
    assert reading.status is Status.UNKNOWN
    assert "/etc/passwd" in reading.message


def test_a_link_out_of_a_mounted_tree_is_not_followed(tree: Tree) -> None:
    (tree.root / "etc/shadow").unlink()
    (tree.root / "etc/shadow").symlink_to("/etc/shadow")
    assert "/etc/shadow (leads outside " in tree.look().message


def test_sudoers_that_include_themselves_end(accepted: Tree) -> None:
    accepted.add("etc/sudoers", "#include /etc/sudoers\n@include sudoers.d/deploy\n#includedir /etc/none\n@include /etc/none\n")
    assert accepted.look().status is Status.OK


def test_this_very_host_is_answered_for() -> None:
    reading = measure("security.accounts")
    assert reading.metrics["users"] >= 1
    assert "user root" in observed(reading)
