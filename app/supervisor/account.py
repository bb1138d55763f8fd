"""Who runs PostgreSQL: ourselves, or, when we are root (PostgreSQL refuses root), an unprivileged account."""

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import Unusable

PREFERRED = ("postgres", "nobody")
PLAIN = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Account:
    """A local account other than ours; starting something under it takes root."""

    uid: int
    gid: int
    name: str


def unprivileged() -> Account | None:
    """The account for PostgreSQL; None when we are not root and it runs as ourselves.

    initdb insists on a passwd entry, so a bare uid is no choice. Raises Unusable when there is none.
    """
    if os.geteuid() != 0:
        return None
    entries = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    named = [entries[name] for name in PREFERRED if name in entries]
    found = named or sorted(entries.values(), key=lambda entry: entry.pw_uid, reverse=True)
    if not found:
        raise Unusable("PostgreSQL refuses to run as root and there is no other account; run `adduser -D postgres`")
    return Account(found[0].pw_uid, found[0].pw_gid, found[0].pw_name)


def own_name() -> str | None:
    """Our name in the passwd file; None for a bare uid (containers)."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return None


def identity(account: Account | None) -> dict[str, Any]:
    """What subprocess needs to become `account`: its groups are dropped as well."""
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def run(
    account: Account | None, argv: Sequence[str | Path], text: str = "", env: Mapping[str, str] = PLAIN
) -> subprocess.CompletedProcess[str]:
    """Run a short command as `account` in `/` with `text` as its input; never raises for an exit status."""
    command = [str(word) for word in argv]
    options: dict[str, Any] = {"cwd": "/", "env": dict(env), "timeout": 120, **identity(account)}
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False, **options)
    except PermissionError as error:
        return subprocess.CompletedProcess(command, 126, "", str(error))


def reaches(account: Account | None, folder: Path) -> bool:
    """Whether `account` may enter `folder`; tried, not computed, so that access lists and mounts count."""
    return account is None or run(account, ["/bin/sh", "-c", 'cd "$1"', "sh", folder]).returncode == 0


def write(account: Account | None, path: Path, text: str) -> None:
    """Write a file in a folder `account` owns, as that account: root must not follow a link planted there."""
    done = run(account, ["/bin/sh", "-c", 'umask 077; cat >"$1"', "sh", path], text)
    if done.returncode:
        raise Unusable(f"cannot write {path}: {done.stderr.strip()}")
