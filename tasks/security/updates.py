"""Security updates that this host has not installed, and whether it needs a reboot.

Metrics: `security_updates`, `updates` (with apt: all pending updates), `held_packages` (with apt: held back), `reboot_required`
(0 or 1), `lists_age_seconds` since the package lists last changed.

With apt, a package counts as long as any version newer than the installed one comes from a security archive, even if a newer
ordinary version would be installed, or a hold or a pin keeps the package back (a pin below 0 means that the version is not
wanted). It runs apt-get and apt-cache, dnf or yum on the existing lists and downloads nothing; the host must refresh the lists
itself. Warning: any pending security update, a pending reboot, or lists that are too old. Critical: only above
`critical_above`. Unknown: no package manager, no lists, or the package manager failed.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from app.checks.probe import Absent, Duration, Field, Reading, Run, Spec, Status, Unknown, length, lower_first, probe, worst
from app.failure import Failed
from app.host import program
from app.host.follow import open_regular
from app.host.mounts import access

MANAGERS = ("apt-get", "dnf", "yum")
NAMED = 5  # packages named in the message
MOST_OUTPUT = 1_048_576  # bytes
MOST_POLICY = 12_582_912  # bytes: 250 a package
MOST_STATUS = 67_108_864  # bytes of dpkg's list of what is installed
OK, WARNING = Status.OK, Status.WARNING

APT_INSTALL = re.compile(
    r"Inst (?P<name>\S+) \[[^\]]*\] \(\S+ (?P<origins>[^()]*)\)", re.ASCII
)  # [old version]: none is no update
APT_SECURE = re.compile(r"\bDebian-Security:|-security(?:[ ,\[]|$)")
APT_DONE = re.compile(r"^\d+ upgraded, \d+ newly installed, \d+ to remove and \d+ not upgraded\.", re.MULTILINE)
APT_HELD = re.compile(r"^The following packages have been kept back:\n((?: .*\n?)+)", re.MULTILINE)
APT_SOURCE = re.compile(r" +(?P<priority>-?\d+) (?P<source>\S.*)")  # a file of versions, and how much it is wanted
APT_RELEASE = re.compile(r" +release (?P<facts>.*)")
APT_SECURE_RELEASE = re.compile(r"(?:^|,)(?:l=Debian-Security|[an]=[^,]*-security)(?:,|$)")
APT_VERSION = re.compile(r" (?P<installed>\*\*\*|   ) (?P<version>\S+)(?: (?P<priority>-?\d+)(?: \(phased \d+%\))?)?")
DPKG_FIELD = re.compile(rb"^(Package|Status|Architecture): *(\S.*?)\s*$", re.MULTILINE)
APT_FRESH = ("lists", "lists/partial", "periodic/update-success-stamp")  # what a download of lists touches
DNF_FRESH = ("var/cache/dnf", "var/cache/libdnf5", "var/cache/yum")
NEVRA = re.compile(r"(?P<name>\S+)-[^-\s]+-[^-\s]+\.[a-z][a-z0-9_]+", re.ASCII)  # name-version-release.architecture


class Host(Spec):
    """Which host, and how much is too much."""

    root: str = Field(default="/", pattern=r"^/", description="folder in which the host's files are, e.g. /host in a container")
    command: list[str] | None = Field(
        default=None,
        min_length=1,
        description="command to run apt-get, dnf or yum, e.g. [sudo, -n, dnf]; unset = the one that is installed",
    )
    warning_above: int = Field(default=0, ge=0, description="pending security updates above which it warns")
    critical_above: int | None = Field(
        default=None, ge=0, description="pending security updates above which it is critical", examples=[20]
    )
    warn_of_reboot: bool = Field(default=True, description="warn while a reboot is required")
    warning_lists_older_than: Duration = Field(
        default=timedelta(days=7), description="age of the package lists at which it warns"
    )


@dataclass(frozen=True, slots=True)
class Pending:
    """What a package manager would install."""

    security: tuple[str, ...]  # names of packages
    all: int | None = None
    held: int | None = None


@probe(on_timeout=Status.UNKNOWN)
async def measure(spec: Host, run: Run) -> Reading:
    command = spec.command or _find_manager()
    manager = command[-1].rpartition("/")[2]
    if manager not in MANAGERS:
        raise Unknown(f"{manager} is not one of {', '.join(MANAGERS)}")
    apt = manager == "apt-get"
    end = time.monotonic() + run.timeout * 0.9
    arguments = _apt_arguments(spec.root) if apt else _dnf_arguments(spec.root, manager)
    try:
        changed = await access(spec.root, lambda: (_lists_of_apt if apt else _lists_of_dnf)(spec.root), end - time.monotonic())
        reboot = await access(spec.root, lambda: _waits_for_reboot(spec.root), end - time.monotonic())
        output = await _run([*command, *arguments], manager, end, MOST_OUTPUT)
        pending = await _with_hidden(spec, command, pending_of_apt(output), end) if apt else pending_of_dnf(output)
    except Failed as failed:
        raise Unknown(str(failed)) from None
    return _judge(spec, pending, reboot, None if changed is None else max(0.0, time.time() - changed))


async def _run(command: list[str], manager: str, end: float, most: int) -> str:
    """The output of the package manager."""
    result = await program.run(command, end - time.monotonic(), most=most)
    if result.code or result.cut:
        why = f"it printed more than {most} bytes" if result.cut else _error_text(result.err) or f"it exited with {result.code}"
        raise Unknown(f"{manager} failed: {why}")
    return result.out


async def _with_hidden(spec: Host, command: list[str], pending: Pending, end: float) -> Pending:
    """With the packages whose security update is not the version that apt-get would install.

    apt-cache needs no rights, and those who may call apt-get by sudo may not call it.
    """
    *before, program_ = command
    before = [] if before and os.path.basename(before[0]) in ("sudo", "doas") else before
    cache = [*before, program_.removesuffix("apt-get") + "apt-cache", *_apt_folders(spec.root), "policy"]
    installed = await access(spec.root, lambda: _installed(spec.root), end - time.monotonic())
    secure = secure_sources(await _run(cache, "apt-cache", end, MOST_OUTPUT))
    behind = behind_of_apt(await _run([*cache, *installed], "apt-cache", end, MOST_POLICY), secure)
    return replace(pending, security=tuple(dict.fromkeys((*pending.security, *behind))))


def _find_manager() -> list[str]:
    for name in MANAGERS:
        if shutil.which(name, path=program.PATH):
            return [name]
    raise Absent(f"found none of {', '.join(MANAGERS)}")


def _apt_arguments(root: str) -> Iterator[str]:
    """A simulation; dist-upgrade, since a new kernel is a new package, which a mere upgrade would not name."""
    yield from ("-s", "-o", "Debug::NoLocking=1", *_apt_folders(root), "dist-upgrade")


def _apt_folders(root: str) -> Iterator[str]:
    if root != "/":
        folders = {"State": "var/lib/apt", "State::status": "var/lib/dpkg/status", "Etc": "etc/apt", "Cache": "var/cache/apt"}
        for option, folder in folders.items():
            yield from ("-o", f"Dir::{option}={os.path.join(root, folder)}")
        yield from ("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=")  # nothing is written there


def _dnf_arguments(root: str, manager: str) -> Iterator[str]:
    yield from ("-q", "-C")  # from its cache
    if root != "/":
        yield f"--installroot={root}"
    yield from ("updateinfo", "list", "security" if manager == "yum" else "--security")


def _lists_of_apt(root: str) -> float:
    """When the lists changed. Without lists, or without the list of what is installed, apt-get reports no updates."""
    folder, status = os.path.join(root, "var/lib/apt"), os.path.join(root, "var/lib/dpkg/status")
    try:
        names = os.listdir(os.path.join(folder, "lists"))
        with open_regular(status) as file:
            installed = file.read(1)
    except OSError as error:
        raise Unknown(f"{error.filename or status}: {lower_first(str(error.strerror))}") from None
    if not installed:
        raise Unknown(f"{status} is empty: installed packages unknown")
    if not any("_Packages" in name for name in names):
        raise Unknown(f"{folder}/lists contains no package lists: run apt-get update")
    changed = _newest([os.path.join(folder, one) for one in APT_FRESH])
    assert changed is not None
    return changed


def _lists_of_dnf(root: str) -> float | None:
    """When its cache changed, if it is where it usually is; dnf itself reports when there is none."""
    return _newest([os.path.join(root, one) for one in DNF_FRESH])


def _newest(paths: list[str]) -> float | None:
    found = []
    for path in paths:
        try:
            found.append(os.stat(path).st_mtime)
        except OSError:
            continue
    return max(found, default=None)


def pending_of_apt(out: str) -> Pending:
    """What `apt-get -s dist-upgrade` would install."""
    if not APT_DONE.search(out):
        raise Unknown("the output of apt-get is incomplete")
    lines = [found for found in map(APT_INSTALL.match, out.splitlines()) if found]
    secure = {found["name"]: None for found in lines if APT_SECURE.search(found["origins"])}
    held = APT_HELD.search(out)
    return Pending(tuple(secure), len(lines), len(held[1].split()) if held else 0)


def _installed(root: str) -> list[str]:
    """Every package that is there in some version, as `name:architecture`."""
    with open_regular(os.path.join(root, "var/lib/dpkg/status")) as file:
        text = file.read(MOST_STATUS)
    entries = (dict(DPKG_FIELD.findall(entry)) for entry in text.split(b"\n\n"))
    found = []
    for entry in entries:
        name, kind = entry.get(b"Package", b""), entry.get(b"Architecture", b"all")
        if name and entry.get(b"Status", b"").split()[-1:] not in ([b"not-installed"], [b"config-files"]):
            found.append(os.fsdecode(name if kind == b"all" else name + b":" + kind))
    return found


def secure_sources(out: str) -> frozenset[str]:
    """The files of versions, of all that `apt-cache policy` lists, that are a security archive's."""
    found, source = set(), ""
    for line in out.splitlines():
        if release := APT_RELEASE.fullmatch(line):
            if APT_SECURE_RELEASE.search(release["facts"]):
                found.add(source)
        elif listed := APT_SOURCE.fullmatch(line):
            source = listed["source"]
    return frozenset(found)


def behind_of_apt(out: str, secure: frozenset[str]) -> tuple[str, ...]:
    """Names of the packages, of those whose versions `apt-cache policy NAME ...` lists, that a security archive has in a
    version newer than the installed one and not refused. The newest comes first.
    """
    found: dict[str, None] = {}
    name, newer, wanted = "", False, False
    for line in out.splitlines():
        if not line.startswith(" "):
            name, newer = line.removesuffix(":"), False
        elif line.startswith("  Installed: "):
            newer = not line.endswith(" (none)")
        elif version := APT_VERSION.fullmatch(line):
            newer = newer and version["installed"] != "***"
            wanted = int(version["priority"] or 0) >= 0
        elif newer and wanted and (listed := APT_SOURCE.fullmatch(line)) and listed["source"] in secure:
            found[name] = None
    return tuple(found)


def pending_of_dnf(out: str) -> Pending:
    """What `dnf updateinfo list --security` (4 and 5) or yum's lists: one line for each advisory and package."""
    names: dict[str, None] = {}
    for line in out.splitlines():
        advisory, *fields = line.split() or [""]
        if fields and (fields[0].endswith("/Sec.") or fields[0] == "security"):
            package = next(filter(None, map(NEVRA.fullmatch, fields)), None)
            names[package["name"] if package else advisory] = None
    return Pending(tuple(names))


def _waits_for_reboot(root: str) -> bool:
    return any(os.path.exists(os.path.join(root, folder, "reboot-required")) for folder in ("run", "var/run"))


def _error_text(err: str) -> str:
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "Error", "error"))]
    return " ".join((errors or lines)[:2])[:300]


def _judge(spec: Host, pending: Pending, reboot: bool, age: float | None) -> Reading:
    count = len(pending.security)
    metrics = {"security_updates": float(count), "reboot_required": float(reboot)}
    metrics |= {"updates": float(pending.all)} if pending.all is not None else {}
    metrics |= {"held_packages": float(pending.held)} if pending.held is not None else {}
    metrics |= {"lists_age_seconds": age} if age is not None else {}
    named = ", ".join(pending.security[:NAMED]) + (f" and {count - NAMED} more" if count > NAMED else "")
    parts = [
        (OK, f"{count or 'no'} security {'update' if count == 1 else 'updates'} pending" + (f": {named}" if named else ""))
    ]
    if spec.critical_above is not None and count > spec.critical_above:
        parts.append((Status.CRITICAL, f"more than {spec.critical_above}"))
    elif count > spec.warning_above:
        parts.append((WARNING, ""))
    if pending.held:
        parts.append((OK, f"{pending.held} held back"))
    if reboot:
        parts.append((WARNING if spec.warn_of_reboot else OK, "reboot required"))
    if age is not None and age >= spec.warning_lists_older_than.total_seconds():
        parts.append((WARNING, f"but the package lists are {length(age)} old, so there may be more"))
    return Reading(worst(status for status, _ in parts), "; ".join(why for _, why in parts if why), metrics)
