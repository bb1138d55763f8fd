"""The accounts of a host, from its files: who there is, in which groups, with what password, SSH keys and sudo rules.

Of a password it keeps only whether it is set, locked or empty, of a key its fingerprint. No LDAP, no NIS.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.failure import Failed, Kind
from app.host import authorized_keys
from app.sentence import lower_first

MOST_BYTES = 4_194_304  # of one file
MOST_USERS = 5_000
MOST_FILES = 500  # of sudoers

INCLUDE = re.compile(r"[@#](?P<how>includedir|include)\s++\"?(?P<path>[^\"\n]+)\"?")
COMMENT = re.compile(r"(^|\s)#(?!\d).*$")  # #1000 is a uid


@dataclass(frozen=True, slots=True)
class User:
    """A line of passwd."""

    name: str
    password: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(slots=True)
class Survey:
    """What was found, and what could not be."""

    root: str
    entries: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)  # beginning of things' names -> why these cannot be seen
    problems: list[str] = field(default_factory=list)  # wrong whatever was accepted
    figures: dict[str, float] = field(default_factory=dict)  # how many there are of each kind

    def read(self, path: str, *prefixes: str) -> str | None:
        """A file's text; None when it is missing, or cannot be read: then entries with one of `prefixes` are unknown."""
        try:
            return self.open(path)
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: NUL in the path of a home
            return None
        except OSError as error:
            self.unreadable |= dict.fromkeys(prefixes, f"{path} ({lower_first(str(error.strerror))})")
            return None

    def open(self, path: str) -> str:
        """A regular file's text. Raises OSError."""
        file = os.open(self.resolve(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(file, "rb") as opened:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            text = opened.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise OSError(errno.EFBIG, f"more than {MOST_BYTES} bytes")
        return text.decode(errors="replace")

    def resolve(self, path: str) -> str:
        """Where the host's `path` is; a link that leads out of `root` would show us our own host. Raises OSError."""
        root = os.path.realpath(self.root)
        found = os.path.realpath(os.path.join(root, path.lstrip("/")))
        if os.path.commonpath([root, found]) != root:
            raise OSError(errno.EXDEV, f"leads outside {self.root}")
        return found


def survey(root: str, admin_groups: Sequence[str], key_files: Sequence[str]) -> Survey:
    """Who may do what on the host whose files are below `root`; `key_files` as `AuthorizedKeysFile` of sshd_config names them.

    Raises Failed where not even its accounts can be read.
    """
    found = Survey(root)
    try:
        users, groups = list(_users(found.open("/etc/passwd"))), dict(_groups(found.open("/etc/group")))
    except OSError as error:
        raise Failed(Kind.OTHER, f"/etc/passwd or /etc/group of {root}: {lower_first(str(error.strerror))}") from None
    if not users or len(users) > MOST_USERS:
        raise Failed(Kind.OTHER, f"/etc/passwd of {root} contains {len(users) or 'no'} accounts")
    empty = _passwords(found, users)
    for user in users:
        _add(found, f"user {user.name}", _describe(user, groups))
        for path in key_files:
            _keys(found, user, path)
    admins = {(name, group) for group in admin_groups if group in groups for name in _members(group, groups, users)}
    found.entries |= {f"member {name} of {group}": "present" for name, group in admins}
    _sudoers(found, "/etc/sudoers", set())
    zero = [user.name for user in users if user.uid == 0]
    if len(zero) > 1:
        found.problems.append(f"{len(zero)} accounts have uid 0: {', '.join(zero)}")
    found.figures = {
        "users": len(users),
        "admins": len({name for name, _ in admins}),
        "sudo_rules": sum(name.startswith("sudo rule ") for name in found.entries),
        "authorized_keys": sum(name.startswith("key ") for name in found.entries),
        "empty_passwords": len(empty),
        "uid_0_accounts": len(zero),
    }
    return found


def _add(survey: Survey, name: str, state: str) -> None:
    """Keep a thing; a second one of its name (a line that hides behind another) gets a number."""
    unique, count = name, 1
    while unique in survey.entries:
        count += 1
        unique = f"{name} ({count})"
    survey.entries[unique] = state


def _users(text: str) -> Iterator[User]:
    for line in text.splitlines():
        name, *rest = line.split(":")
        if len(rest) == 6 and name and rest[1].isdigit() and rest[2].isdigit():
            yield User(name, rest[0], int(rest[1]), int(rest[2]), rest[4], rest[5])


def _groups(text: str) -> Iterator[tuple[str, tuple[int, frozenset[str]]]]:
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) == 4 and parts[2].isdigit():
            yield parts[0], (int(parts[2]), frozenset(filter(None, parts[3].split(","))))


def _members(group: str, groups: Mapping[str, tuple[int, frozenset[str]]], users: list[User]) -> list[str]:
    gid, named = groups[group]
    return sorted(named | {user.name for user in users if user.gid == gid})


def _describe(user: User, groups: Mapping[str, tuple[int, frozenset[str]]]) -> str:
    names = sorted(name for name, (gid, members) in groups.items() if user.name in members or gid == user.gid)
    return f"uid {user.uid}, gid {user.gid}, shell {user.shell or '/bin/sh'}, home {user.home}, groups {','.join(names)}"


def _passwords(survey: Survey, users: list[User]) -> list[str]:
    """Note how each password is; returns who has an empty one. What stands in the field goes nowhere."""
    shadow = survey.read("/etc/shadow", "password ")
    fields = {line.split(":")[0]: line.split(":")[1] for line in reversed((shadow or "").splitlines()) if ":" in line}
    empty = []
    for user in users:
        given = user.password
        if given == "x":
            if "password " in survey.unreadable:
                continue
            given = fields.get(user.name, "*")
        state = "empty" if not given else "locked" if given[0] in "!*" or given == "x" else "set"
        _add(survey, f"password {user.name}", state)
        if state == "empty":
            empty.append(user.name)
    if empty:
        survey.problems.append(f"{', '.join(empty)} can log in without a password")
    return empty


def _keys(survey: Survey, user: User, path: str) -> None:
    path = os.path.join(user.home or "/", path.replace("%u", user.name))
    for line in (survey.read(path, f"key of {user.name} ") or "").splitlines():
        if found := authorized_keys.parse(line):
            survey.entries.setdefault(f"key of {user.name} {found.fingerprint}", found.description)


def _sudoers(survey: Survey, path: str, visited: set[str]) -> None:
    """Note a file of sudo's, its rules, and the files it includes."""
    if path in visited or len(visited) >= MOST_FILES:
        return
    visited.add(path)
    everything = ("sudo rule ", "sudoers file ") if path == "/etc/sudoers" else ()
    text = survey.read(path, f"sudo rule in {path}: ", f"sudoers file {path}", *everything)
    if text is None:
        return
    info = os.stat(survey.resolve(path))
    survey.entries[f"sudoers file {path}"] = f"mode {stat.S_IMODE(info.st_mode):o}, uid {info.st_uid}"
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if include := INCLUDE.fullmatch(line.strip()):
            target = os.path.join(os.path.dirname(path), include["path"])
            for one in _folder(survey, target) if include["how"] == "includedir" else [target]:
                _sudoers(survey, one, visited)
        elif rule := " ".join(COMMENT.sub("", line).split()):
            survey.entries[f"sudo rule in {path}: {rule}"] = "present"


def _folder(survey: Survey, path: str) -> list[str]:
    """Files of a folder that sudo reads: not those with a dot in their name, nor editors' copies."""
    try:
        names = sorted(os.listdir(survey.resolve(path)))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        why = f"{path} ({lower_first(str(error.strerror))})"
        survey.unreadable |= {f"sudo rule in {path}/": why, f"sudoers file {path}/": why}
        return []
    return [f"{path}/{name}" for name in names if "." not in name and not name.endswith("~")]
