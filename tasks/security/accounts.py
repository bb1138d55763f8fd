"""Watches who may do what on a host: its accounts, admin groups, sudo rules and SSH keys, against those that were accepted.

Metrics: `users`, `admins` (in an admin group), `sudo_rules`, `authorized_keys`, `empty_passwords`, `uid_0_accounts`, and
against the baseline `added_things`, `gone_things`, `changed_things`. Of a password it keeps only whether it is set, locked or
empty, of a key its fingerprint. Critical: an empty password or a second account with uid 0, whatever was accepted; anything new
or changed. Warning: something is gone. Unknown: what was accepted cannot be read any more (it stays as accepted). What this
account could never read, such as /etc/shadow, is named and left out. Only local files are read: no LDAP, no NIS.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from app.checks.probe import CannotTell, Field, Reading, Run, Spec, Status, drift, lower_first, printable, probe, worst
from app.failure import Failed
from app.host import authorized_keys
from app.host.mounts import look

MOST_BYTES = 4_194_304  # of one file
MOST_USERS = 5_000
MOST_FILES = 500  # of sudoers
TOLD = 3  # changes told in full
SHOWN = 120  # characters of one state

INCLUDE = re.compile(r"[@#](?P<how>includedir|include)\s++\"?(?P<path>[^\"\n]+)\"?")
COMMENT = re.compile(r"(^|\s)#(?!\d).*$")  # #1000 is a uid


class Host(Spec):
    """Whose accounts."""

    root: str = Field(default="/", pattern=r"^/", description="where the host's files are, e.g. /host in a container")
    admin_groups: list[str] = Field(
        default=["root", "sudo", "wheel", "admin", "docker", "lxd"], description="groups whose members rule the host"
    )
    authorized_keys: list[str] = Field(
        default=[".ssh/authorized_keys", ".ssh/authorized_keys2"],
        description="files of SSH keys, from each home or absolute; %u is the account's name",
    )


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
    things: dict[str, str] = field(default_factory=dict)
    blind: dict[str, str] = field(default_factory=dict)  # beginning of things' names -> why these cannot be seen
    bad: list[str] = field(default_factory=list)  # critical whatever was accepted

    def read(self, path: str, *hides: str) -> str | None:
        """A file's text; None when it is missing, or cannot be read: then what `hides` begins is unknown."""
        try:
            return self.open(path)
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: NUL in the path of a home
            return None
        except OSError as error:
            self.blind |= dict.fromkeys(hides, f"{path} ({lower_first(str(error.strerror))})")
            return None

    def open(self, path: str) -> str:
        """A regular file's text. Raises OSError."""
        file = os.open(self.place(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(file, "rb") as opened:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.EINVAL, "no regular file")
            text = opened.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise OSError(errno.EFBIG, f"more than {MOST_BYTES} bytes")
        return text.decode(errors="replace")

    def place(self, path: str) -> str:
        """Where the host's `path` is; a link that leads out of `root` would show us our own host. Raises OSError."""
        root = os.path.realpath(self.root)
        found = os.path.realpath(os.path.join(root, path.lstrip("/")))
        if os.path.commonpath([root, found]) != root:
            raise OSError(errno.EXDEV, f"leads out of {self.root}")
        return found


@probe(on_timeout=Status.UNKNOWN)
async def measure(spec: Host, run: Run) -> Reading:
    survey = Survey(spec.root)
    try:
        figures = await look(f"a home or other folder under {spec.root}", lambda: _look(spec, survey), run.timeout * 0.9)
    except Failed as failed:
        raise CannotTell(str(failed)) from None
    return _judge(survey, figures, run.baseline)


def _look(spec: Host, survey: Survey) -> dict[str, float]:
    try:
        users, groups = list(_users(survey.open("/etc/passwd"))), dict(_groups(survey.open("/etc/group")))
    except OSError as error:
        raise CannotTell(f"/etc/passwd or /etc/group of {spec.root}: {lower_first(str(error.strerror))}") from None
    if not users or len(users) > MOST_USERS:
        raise CannotTell(f"/etc/passwd of {spec.root} holds {len(users) or 'no'} accounts")
    empty = _passwords(survey, users)
    for user in users:
        _note(survey, f"user {user.name}", _told(user, groups))
        for path in spec.authorized_keys:
            _keys(survey, user, path)
    admins = {(name, group) for group in spec.admin_groups if group in groups for name in _members(group, groups, users)}
    survey.things |= {f"member {name} of {group}": "present" for name, group in admins}
    _sudoers(survey, "/etc/sudoers", set())
    zero = [user.name for user in users if user.uid == 0]
    if len(zero) > 1:
        survey.bad.append(f"{len(zero)} accounts have uid 0: {', '.join(zero)}")
    return {
        "users": len(users),
        "admins": len({name for name, _ in admins}),
        "sudo_rules": sum(name.startswith("sudo rule ") for name in survey.things),
        "authorized_keys": sum(name.startswith("key ") for name in survey.things),
        "empty_passwords": len(empty),
        "uid_0_accounts": len(zero),
    }


def _note(survey: Survey, name: str, how: str) -> None:
    """Keep a thing; a second one of its name (a line that hides behind another) gets a number."""
    unique, count = name, 1
    while unique in survey.things:
        count += 1
        unique = f"{name} ({count})"
    survey.things[unique] = how


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


def _told(user: User, groups: Mapping[str, tuple[int, frozenset[str]]]) -> str:
    named = sorted(name for name, (gid, members) in groups.items() if user.name in members or gid == user.gid)
    return f"uid {user.uid}, gid {user.gid}, shell {user.shell or '/bin/sh'}, home {user.home}, groups {','.join(named)}"


def _passwords(survey: Survey, users: list[User]) -> list[str]:
    """Note how each password is; returns who has an empty one. What stands in the field goes nowhere."""
    shadow = survey.read("/etc/shadow", "password ")
    fields = {line.split(":")[0]: line.split(":")[1] for line in reversed((shadow or "").splitlines()) if ":" in line}
    empty = []
    for user in users:
        given = user.password
        if given == "x":
            if "password " in survey.blind:
                continue
            given = fields.get(user.name, "*")
        how = "empty" if not given else "locked" if given[0] in "!*" or given == "x" else "set"
        _note(survey, f"password {user.name}", how)
        if how == "empty":
            empty.append(user.name)
    if empty:
        survey.bad.append(f"{', '.join(empty)} may log in without a password")
    return empty


def _keys(survey: Survey, user: User, path: str) -> None:
    path = os.path.join(user.home or "/", path.replace("%u", user.name))
    for line in (survey.read(path, f"key of {user.name} ") or "").splitlines():
        if found := authorized_keys.parse(line):
            survey.things.setdefault(f"key of {user.name} {found.fingerprint}", found.about)


def _sudoers(survey: Survey, path: str, seen: set[str]) -> None:
    """Note a file of sudo's, its rules, and the files it includes."""
    if path in seen or len(seen) >= MOST_FILES:
        return
    seen.add(path)
    everything = ("sudo rule ", "sudoers file ") if path == "/etc/sudoers" else ()
    text = survey.read(path, f"sudo rule in {path}: ", f"sudoers file {path}", *everything)
    if text is None:
        return
    told = os.stat(survey.place(path))
    survey.things[f"sudoers file {path}"] = f"mode {stat.S_IMODE(told.st_mode):o}, uid {told.st_uid}"
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if include := INCLUDE.fullmatch(line.strip()):
            target = os.path.join(os.path.dirname(path), include["path"])
            for one in _folder(survey, target) if include["how"] == "includedir" else [target]:
                _sudoers(survey, one, seen)
        elif rule := " ".join(COMMENT.sub("", line).split()):
            survey.things[f"sudo rule in {path}: {rule}"] = "present"


def _folder(survey: Survey, path: str) -> list[str]:
    """Files of a folder that sudo reads: not those with a dot in their name, nor editors' copies."""
    try:
        names = sorted(os.listdir(survey.place(path)))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        why = f"{path} ({lower_first(str(error.strerror))})"
        survey.blind |= {f"sudo rule in {path}/": why, f"sudoers file {path}/": why}
        return []
    return [f"{path}/{name}" for name in names if "." not in name and not name.endswith("~")]


def _judge(survey: Survey, figures: dict[str, float], baseline: Mapping[str, str] | None) -> Reading:
    unseen = {name: how for name, how in (baseline or {}).items() if name.startswith(tuple(survey.blind))}
    observed = unseen | {printable(name): printable(how) for name, how in survey.things.items()}
    found = drift(observed if baseline is None else baseline, observed)
    parts = [(Status.CRITICAL, why) for why in survey.bad]
    if baseline is None:
        parts.append((Status.OK, f"baseline taken: {len(observed)} things"))
    elif found:
        parts.append((Status.CRITICAL if found.added or found.changed else Status.WARNING, str(found)))
        parts += [(Status.OK, f"{name}: {_cut(baseline[name])} -> {_cut(observed[name])}") for name in found.changed[:TOLD]]
    else:
        parts.append((Status.OK, f"{len(observed)} things are as accepted"))
    if survey.blind:
        why = ", ".join(sorted(set(survey.blind.values()))[:TOLD])
        parts.append((Status.UNKNOWN if unseen else Status.OK, f"not seen: {why}"))
    counts = {"added_things": len(found.added), "gone_things": len(found.gone), "changed_things": len(found.changed)}
    message = "; ".join(why for _, why in parts)
    return Reading(worst(status for status, _ in parts), message, figures | counts, observed=observed)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
