"""Processes of a program on this host: running, and in the expected number.

Metrics: `processes`; `zombies` and `stopped` (dead, or halted by SIGSTOP; neither counts as running); `memory_bytes` (total
resident memory; shared memory counts for each process), `threads`, `open_files` (including sockets; omitted if this account may
not see them), `oldest_seconds` and `youngest_seconds` since their start, `cpu_percent` since the last run (100 is one core).

Critical: fewer than `min` or more than `max` are running; a pid file is missing, or its process does not exist or is a
different one (started after the file was written, or without the `name`, `pattern` or `user` of the check). Warning: a process
is stopped. Unknown: this account may not see the processes. The worker itself, its parent processes, and `tocsin checks`
commands are ignored.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import psutil
import re2
from pydantic import model_validator

from app.checks.probe import Field, Reading, Run, Spec, Status, Unknown, Unreachable, length, lower_first, probe
from app.net.pattern import QUIET, Pattern

ATTRIBUTES = ("name", "cmdline", "username", "status", "create_time")
KERNEL_NAME_BYTES = 15  # bytes of a name that the kernel keeps
STARTERS = frozenset({"tocsin", "celery", "pytest", "py.test"})
INTERPRETER = re.compile(r"(?:python|pypy|perl|ruby|php|node|nodejs|deno|bun|java|lua|bash|dash|ash|zsh|ksh|sh)[\d.]*")
BEFORE_SCRIPT = frozenset({"-m", "-jar"})  # options of interpreters: what follows is the script
NO_SCRIPT = frozenset({"-c", "-e", "--eval", "-"})  # what follows is the program itself
WITH_VALUE = frozenset({"-W", "-X", "-I", "-r", "--require", "--import", "-cp", "-classpath", "--class-path", "-o", "-O"})
MOST_REMEMBERED = 500  # processes whose processor time the next run gets
MAX_START_SKEW = 10.0  # seconds between a process's start and its pid file, either way, that clocks and slow disks explain
LONGEST_PID_FILE = 64  # bytes
LONGEST_COMMAND = 65_536  # characters of a command line that are matched


class Target(Spec):
    """Which processes, and how many."""

    name: str | None = Field(
        default=None,
        min_length=1,
        description="exact name of the program, e.g. nginx, or of the script it runs",
        examples=["nginx"],
    )
    pattern: Pattern | None = Field(
        default=None,
        min_length=1,
        description="RE2 pattern that matches somewhere in the command line (arguments joined by spaces)",
    )
    pid_file: str | None = Field(default=None, pattern=r"^/", description="file with the process id, e.g. /run/nginx.pid")
    user: str | None = Field(default=None, min_length=1, description="only processes of this account")
    min: int = Field(default=1, ge=0, description="fewer running processes are critical", examples=[2])
    max: int | None = Field(default=None, ge=0, description="more running processes are critical")

    @model_validator(mode="after")
    def _check_selection(self) -> Self:
        if not (self.name or self.pattern or self.pid_file):
            raise ValueError("give name, pattern or pid_file")
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max {self.max} is less than min {self.min}")
        return self

    def __str__(self) -> str:
        parts = [self.name, self.pattern and f"/{self.pattern}/", self.pid_file, self.user and f"of {self.user}"]
        return " ".join(filter(None, parts))


@probe()
def measure(spec: Target, run: Run) -> Reading:
    found = [_of_pid_file(spec, spec.pid_file)] if spec.pid_file else list(_search(spec, time.monotonic() + run.timeout * 0.8))
    zombies = [one for one in found if one.info["status"] in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)]
    stopped = [one for one in found if one.info["status"] == psutil.STATUS_STOPPED]
    running = [one for one in found if one not in zombies and one not in stopped]
    if len(running) < spec.min and _others_are_hidden():
        raise Unknown(f"{spec}: {len(running)} seen, but this account cannot see other users' processes (/proc with hidepid)")
    figures, memory = _figures(running, run)
    counts = {"processes": len(running), "zombies": len(zombies), "stopped": len(stopped)}
    status, message = _judge(spec, counts, figures)
    return Reading(status, message, {**counts, **figures}, memory=memory)


def _search(spec: Target, deadline: float) -> Iterator[psutil.Process]:
    found, check_commands = [], set[int]()
    own = psutil.Process()
    own_command = own.cmdline()
    for process in psutil.process_iter(ATTRIBUTES):
        if time.monotonic() > deadline:
            raise Unknown("listing the processes took too long")
        command = process.info["cmdline"] or []
        if _is_check_command(command):
            check_commands |= {process.pid, *_ancestors(process, ("tocsin",))}
        elif (
            process.pid != own.pid and command != own_command and _is_wanted(spec, process)
        ):  # workers of a pool share a command line
            found.append(process)
    left_out = check_commands | _ancestors(own, STARTERS) if found else check_commands
    yield from (one for one in found if one.pid not in left_out)


def _is_check_command(command: list[str]) -> bool:
    """Is it a command of Tocsin's about checks? Its command line contains the pattern searched for."""
    names = [os.path.basename(word) for word in command[:4]]
    return any((name, word) in (("tocsin", "checks"), ("app.cli", "checks")) for name, word in pairwise(names))


def _ancestors(process: psutil.Process, programs: Iterable[str]) -> set[int]:
    """The processes that led to this one and name one of these programs: `sh -c "tocsin checks try ..."`."""
    try:
        return {one.pid for one in process.parents() if _runs_program(one, programs)}
    except psutil.Error:
        return set()


def _runs_program(process: psutil.Process, programs: Iterable[str]) -> bool:
    try:
        names = {os.path.basename(part) for word in process.cmdline()[:8] for part in word.split()}
    except psutil.Error:
        return False
    return not names.isdisjoint(programs)


def _is_wanted(spec: Target, process: psutil.Process) -> bool:
    info: dict[str, Any] = process.info
    command = os.fsencode(" ".join(info["cmdline"] or ())[:LONGEST_COMMAND]).decode(errors="replace")  # any bytes
    return (
        (spec.name is None or is_named(spec.name, info["name"] or "", info["cmdline"] or ()))
        and (spec.user is None or info["username"] == spec.user)
        and (spec.pattern is None or bool(command and re2.search(spec.pattern, command, QUIET)))
    )


def is_named(wanted: str, reported: str, command: Sequence[str]) -> bool:
    """Is a process with this reported name and command line the wanted program or script?

    The kernel cuts names off at 15 bytes: the whole one stands in the command line, unless a process has written it over, or
    is a zombie or the kernel's own and has none.
    """
    cut_name = os.fsencode(reported)[:KERNEL_NAME_BYTES]
    if wanted == reported or wanted == _script(command) or os.fsencode(wanted) == cut_name:
        return True
    if len(cut_name) < KERNEL_NAME_BYTES or os.fsencode(wanted)[:KERNEL_NAME_BYTES] != cut_name:
        return False
    full_names = {os.path.basename(word) for word in command[:4]} | {
        re.split(r"[ :]", word)[0] for word in (reported, *command[:1])
    }
    full_names = {
        name
        for name in map(os.path.basename, full_names)
        if os.fsencode(name)[:KERNEL_NAME_BYTES] == cut_name and os.fsencode(name) != cut_name
    }
    return wanted in full_names or not full_names


def _script(command: Sequence[str]) -> str | None:
    """The script, module or archive that an interpreter runs."""
    if not command or not INTERPRETER.fullmatch(os.path.basename(command[0])):
        return None
    arguments = iter(command[1:])
    for argument in arguments:
        if argument in NO_SCRIPT:
            return None
        if argument in BEFORE_SCRIPT:
            return os.path.basename(next(arguments, ""))
        if argument in WITH_VALUE:
            next(arguments, None)
        elif not argument.startswith("-"):
            return os.path.basename(argument)
    return None


def _of_pid_file(spec: Target, path: str) -> psutil.Process:
    """The process of the pid file, if it is still the same one."""
    pid, written = _read(path)
    try:
        process = psutil.Process(pid)
        process.info = process.as_dict(ATTRIBUTES)
    except psutil.Error:
        if _others_are_hidden():
            raise Unknown(f"{path}: process {pid} has exited, or is hidden from this account (/proc with hidepid)") from None
        raise Unreachable(f"{path}: process {pid} is gone") from None
    late = process.info["create_time"] - written
    if late > MAX_START_SKEW:
        raise Unreachable(
            f"{path}: process {pid} ({process.info['name']}) started {length(late)} after the file was written: "
            "a different process"
        )
    if not _is_wanted(spec, process) and process.info["status"] != psutil.STATUS_ZOMBIE:  # a zombie has lost its command line
        raise Unreachable(f"{path}: process {pid} is {process.info['name']} of {process.info['username']}, a different process")
    return process


def _read(path: str) -> tuple[int, float]:
    """The number in a pid file and when it was written."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO would wait for a writer
    except FileNotFoundError:
        raise Unreachable(f"{path} does not exist: not running, or its pid file is elsewhere") from None
    except OSError as error:
        raise Unknown(f"{path}: {lower_first(str(error.strerror))}") from None
    try:
        text, written = os.read(file, LONGEST_PID_FILE), os.fstat(file).st_mtime
    except OSError as error:
        raise Unknown(f"{path}: {lower_first(str(error.strerror))}") from None
    finally:
        os.close(file)
    first = text.strip().partition(b"\n")[0].strip()
    if not first.isdigit() or not 0 < int(first) < 2**31:
        raise Unknown(f"{path} contains no pid")
    return int(first), written


def _others_are_hidden() -> bool:
    return Path("/proc/self").exists() and not Path("/proc/1").exists()


def _figures(running: list[psutil.Process], run: Run) -> tuple[dict[str, float], dict[str, Any]]:
    """What they use together, and the processor time of each for the next run."""
    now, wall = time.monotonic(), time.time()
    ages, used, sums = [], {}, {"memory_bytes": 0.0, "threads": 0.0}
    files: float | None = 0.0
    for process in running:
        try:
            with process.oneshot():
                times = process.cpu_times()
                sums["memory_bytes"] += process.memory_info().rss
                sums["threads"] += process.num_threads()
            ages.append(max(0.0, wall - process.info["create_time"]))
            used[str(process.pid)] = (times.user + times.system, ages[-1])
        except psutil.Error:  # it ended meanwhile
            continue
        files = _files(process, files)
    if ages:
        sums |= {"oldest_seconds": max(ages), "youngest_seconds": min(ages)}
        sums |= {} if files is None else {"open_files": files}
    share = _share(used, run, now)
    top = sorted(used, key=lambda pid: -used[pid][0])[:MOST_REMEMBERED]
    memory = {"at": now, "cpu": {pid: round(used[pid][0], 2) for pid in top}}
    return {**sums, **({} if share is None else {"cpu_percent": share})}, memory


def _files(process: psutil.Process, files: float | None) -> float | None:
    try:
        return None if files is None else files + process.num_fds()
    except psutil.AccessDenied:
        return None
    except psutil.Error:
        return files


def _share(used: Mapping[str, tuple[float, float]], run: Run, now: float) -> float | None:
    """Processor time since the last run in percent of one core; None on the first run, and on the first after a reboot.

    A process younger than the last run counts whole, also under a number that another one had.
    """
    elapsed = now - (run.number("at") or now)
    if elapsed <= 0:
        return None
    known = run.numbers("cpu")
    spent = 0.0
    for pid, (seconds, age) in used.items():
        start = 0.0 if age < elapsed else known.get(pid, seconds)
        spent += max(0.0, seconds - start)
    return 100 * spent / elapsed


def _judge(spec: Target, counts: Mapping[str, int], figures: Mapping[str, float]) -> tuple[Status, str]:
    count = counts["processes"]
    parts = [f"{count} {'process runs' if count == 1 else 'processes run'}"]
    parts += [
        f"{counts[state]} {state.removesuffix('s') if counts[state] == 1 else state}" for state in ("zombies",) if counts[state]
    ]
    parts += [f"{counts['stopped']} stopped by a signal"] if counts["stopped"] else []
    if "youngest_seconds" in figures:
        parts += [f"youngest {length(figures['youngest_seconds'])} old", f"{figures['memory_bytes'] / 1_048_576:.0f} MiB"]
    summary = f"{spec}: {', '.join(parts)}"
    if count < spec.min:
        return Status.CRITICAL, f"{summary}; at least {spec.min} should"
    if spec.max is not None and count > spec.max:
        return Status.CRITICAL, f"{summary}; at most {spec.max} should"
    return (Status.WARNING if counts["stopped"] else Status.OK), summary
