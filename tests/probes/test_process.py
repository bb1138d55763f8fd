"""health.process finds the processes that are meant, and no others: dead, stopped, renamed and reused ones."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading, Run, Status, Unknown, Unreachable
from tests.probes.run import Options, remembered

Starts = Callable[..., Popen[bytes]]

pytestmark = pytest.mark.xdist_group("process")  # they count processes by name
process = plugins.probe_module("health.process")


def look(memory: Mapping[str, Any] | None = None, **with_: Any) -> Reading:
    """What the probe finds; `tests.probes.run` has a `name` of its own."""
    try:
        reading: Reading = process.measure.measure(process.Target(**with_), Run(5.0, memory or {}))
        return reading
    except Unreachable as error:
        return Reading(Status.CRITICAL, str(error))
    except Unknown as error:
        return Reading(Status.UNKNOWN, str(error))


WAIT = "import sys; sys.stdin.read()"  # until its stdin closes


def let_end(child: Popen[bytes]) -> None:
    assert child.stdin is not None
    child.stdin.close()


def next_line(child: Popen[bytes]) -> None:
    """Wait until it has written one."""
    assert child.stdout is not None
    child.stdout.readline()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starts]:
    """Starts a program under a different name, which waits; all of them end with the test."""
    with ExitStack() as stack:

        def started(
            name: str = "tocsinone", code: str = WAIT, argv0: str | None = None, arguments: Sequence[str] = ()
        ) -> Popen[bytes]:
            program = tmp_path / name
            if not program.exists():
                program.symlink_to(os.path.realpath(sys.executable))
            command = [argv0 or str(program), "-c", f"print(flush=True); {code}", *arguments]
            child = subprocess.Popen(command, executable=program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.enter_context(child)
            stack.callback(child.kill)
            next_line(child)
            return child

        yield started


def test_it_counts_the_processes_of_a_name(start: Starts) -> None:
    start()
    start()
    start("tocsinother")
    reading = look(name="tocsinone", min=2, max=2)
    assert reading.status is Status.OK
    assert reading.metrics["processes"] == 2
    assert reading.metrics["memory_bytes"] > 2_000_000
    assert reading.metrics["open_files"] >= 6
    assert 0 <= reading.metrics["youngest_seconds"] <= reading.metrics["oldest_seconds"] < 60
    assert "cpu_percent" not in reading.metrics
    assert reading.message.startswith("tocsinone: 2 processes run, youngest ")


@pytest.mark.parametrize(
    "with_, status, said",
    [
        ({"name": "tocsinone"}, Status.OK, "tocsinone: 1 process runs"),
        ({"name": "tocsinone", "min": 2}, Status.CRITICAL, "1 process runs, youngest "),
        ({"name": "tocsinone", "min": 2}, Status.CRITICAL, "; at least 2 should"),
        ({"name": "tocsinone", "min": 0, "max": 0}, Status.CRITICAL, "; at most 0 should"),
        ({"name": "tocsinon"}, Status.CRITICAL, "tocsinon: 0 processes run; at least 1 should"),
        ({"name": "tocsinnone", "min": 0}, Status.OK, "0 processes run"),
        ({"pattern": r"--pool=(web|api) mark7731$"}, Status.OK, "/--pool=(web|api) mark7731$/: 1 process runs"),
        ({"pattern": "--pool=sms mark7731"}, Status.CRITICAL, "0 processes run"),
        ({"name": "tocsinone", "user": psutil.Process().username()}, Status.OK, "1 process"),
        ({"name": "tocsinone", "user": "nobody"}, Status.CRITICAL, "tocsinone of nobody: 0 processes run"),
    ],
    ids=["one runs", "too few, counted", "too few, wanted", "one too many", "a part of a name", "none is wanted",
         "a pattern", "a pattern of none", "of an account", "of another account"],
)  # fmt: skip
def test_the_number_is_judged(start: Starts, with_: Options, status: Status, said: str) -> None:
    start(arguments=["--pool=web", "mark7731"])
    reading = look(**with_)
    assert reading.status is status
    assert said in reading.message


def test_a_program_that_calls_itself_otherwise_is_known_by_its_name(start: Starts) -> None:
    start("tocsinliar", argv0="tocsinhonest")
    assert look(name="tocsinhonest").status is Status.CRITICAL
    assert look(name="tocsinliar").status is Status.OK


LONG = "tocsin-nightly-export.py"


@pytest.fixture
def script(tmp_path: Path, start: Starts) -> Iterator[Starts]:
    """Starts a script of a long name as its first line says, under a program's name, or with what comes before it."""
    with ExitStack() as stack:

        def started(name: str = LONG, before: Sequence[str] = (), after: Sequence[str] = ()) -> Popen[bytes]:
            path = tmp_path / name
            path.write_text(f"#!{sys.executable}\nprint(flush=True); {WAIT}\n")
            path.chmod(0o755)
            command = [*before, str(path), *after]
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path)
            stack.enter_context(child)
            stack.callback(child.kill)
            next_line(child)
            return child

        yield started


def test_a_script_of_a_long_name_is_found_by_it(script: Starts) -> None:
    script(after=["--verbose"])
    assert look(name=LONG).metrics["processes"] == 1
    assert look(name=LONG[:15]).metrics["processes"] == 1  # as ps and top show it
    assert look(name="tocsin-nightly-import.py").status is Status.CRITICAL  # the same 15 letters
    assert look(name=LONG[:16]).status is Status.CRITICAL


def test_a_program_of_a_long_name_is_found_by_it(start: Starts) -> None:
    start("tocsin-warehouse-sync")
    assert look(name="tocsin-warehouse-sync").metrics["processes"] == 1
    assert look(name="tocsin-warehouse-copy").status is Status.CRITICAL


def test_the_zombie_of_a_long_name_is_known_by_what_is_left_of_it(script: Starts) -> None:
    child = script()
    let_end(child)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert look(name=LONG).message == f"{LONG}: 0 processes run, 1 zombie; at least 1 should"


def test_what_an_interpreter_runs_is_found_by_its_name(script: Starts) -> None:
    script("job.py", before=[sys.executable, "-u"])
    assert look(name="job.py").metrics["processes"] == 1


@pytest.mark.parametrize(
    ("wanted", "told", "command", "is_it"),
    [
        ("nginx", "nginx", ["nginx: master process /usr/sbin/nginx"], True),
        ("my-long-service-name", "my-long-service", ["my-long-service-name: worker 3"], True),
        ("my-long-service-name", "my-long-service-name: worker 3", ["my-long-service-name: worker 3"], True),
        ("my-long-service-name", "my-long-service", ["/opt/x/my-long-service-name", "--port=1"], True),
        ("my-long-service-name", "my-long-service", ["/opt/x/my-long-service-other", "--port=1"], False),
        ("my-long-service-name", "my-long-service", ["/usr/bin/perl", "-w", "/opt/my-long-service-name"], True),
        ("my-long-service-name", "my-long-service", ["node", "server.js"], True),
        ("my-long-service-name", "my-long-service", [], True),
        ("kworker/u16:3-events_unbound", "kworker/u16:3-e", [], True),
        ("my-long-servize-name", "my-long-service", [], False),
        ("ein-längeres-programm", os.fsdecode("ein-längeres-programm".encode()[:15]), ["ein-längeres-programm"], True),
        ("http.server", "python3", ["python3", "-m", "http.server", "80"], True),
        ("python3", "python3", ["python3", "-m", "http.server", "80"], True),
        ("server.js", "node", ["/usr/bin/node", "--require", "./trace.js", "/srv/server.js"], True),
        ("trace.js", "node", ["/usr/bin/node", "--require", "./trace.js", "/srv/server.js"], False),
        ("shop.jar", "java", ["java", "-Xmx1g", "-cp", "lib/*", "-jar", "/srv/shop.jar", "serve"], True),
        ("com.example.Shop", "java", ["/opt/jdk/bin/java", "-cp", "x.jar", "com.example.Shop"], True),
        ("job.sh", "bash", ["/bin/bash", "-e", "job.sh"], False),
        ("job.sh", "sh", ["sh", "/etc/job.sh"], True),
        ("job.sh", "vim", ["vim", "/etc/job.sh"], False),
        ("x", "python3", ["python3", "-c", "x"], False),
        ("", "", [], True),
    ],
)
def test_a_name_is_the_programs_or_its_scripts(wanted: str, told: str, command: list[str], is_it: bool) -> None:
    assert process.is_named(wanted, told, command) is is_it


@pytest.mark.parametrize("pattern", [".*", "^$", "x?"])
def test_no_pattern_is_found_in_what_has_no_command_line(pattern: str) -> None:
    thread = SimpleNamespace(info={"name": "kthreadd", "cmdline": [], "username": "root"})
    assert not process._is_wanted(process.Target(pattern=pattern), thread)


TRY = ["checks", "try", "health.process", "--with", "pattern=mark5521"]


@pytest.mark.parametrize(
    ("before", "after"),
    [((), TRY), ((), ["checks", "run", "mark5521"]), (("sh", "-c", 'true; "$@"; true', "tocsin"), TRY)],
    ids=["the command itself", "another one", "and the shell around it"],
)
def test_the_command_that_asks_is_not_what_it_asks_for(script: Starts, before: tuple[str, ...], after: list[str]) -> None:
    script("tocsin", before=before, after=after)
    assert look(pattern="mark5521").message == "/mark5521/: 0 processes run; at least 1 should"
    script("tocsin", after=["pager", "mark5521"])
    assert look(pattern="mark5521").metrics["processes"] == 1


@pytest.mark.parametrize("starter", ["tocsin", "celery", "pytest"])
def test_the_worker_that_looks_and_what_started_it_are_not_found(tmp_path: Path, starter: str) -> None:
    """A worker with a child of its own pool, under a program that has the words in its command line too."""
    inner = (
        "import os; from tests.probes.test_process import look; end, begin = os.pipe()\n"
        "if os.fork() == 0: os.close(begin); os.read(end, 1); os._exit(0)\n"
        "print(look(pattern='mark6632').message, flush=True)"
    )
    outer = tmp_path / starter
    outer.write_text(
        f"#!{sys.executable}\nimport subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {inner!r}, 'mark6632'], check=True)\n"
    )
    outer.chmod(0o755)
    ended = subprocess.run([outer, "mark6632"], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.strip() == "/mark6632/: 0 processes run; at least 1 should", ended.stderr


def test_a_zombie_does_not_run(start: Starts) -> None:
    child = start()
    let_end(child)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not buried
    reading = look(name="tocsinone")
    assert reading.status is Status.CRITICAL
    assert reading.message == "tocsinone: 0 processes run, 1 zombie; at least 1 should"
    assert (reading.metrics["processes"], reading.metrics["zombies"]) == (0, 1)


def test_one_that_hangs_in_a_stop_signal_does_not_run(start: Starts, tmp_path: Path) -> None:
    child, _ = start(), start()
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    one_left = look(name="tocsinone")
    assert one_left.status is Status.WARNING
    assert "1 process runs, 1 stopped by a signal" in one_left.message
    assert look(name="tocsinone", min=2).status is Status.CRITICAL


def test_processor_time_since_the_last_run(start: Starts) -> None:
    busy = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); sys.stdin.read()"
    child = start(code=busy)
    first = look(name="tocsinone")
    next_line(child)
    second = look(name="tocsinone", memory=remembered(first))
    assert 5 < second.metrics["cpu_percent"] < 250


@pytest.mark.parametrize(
    "used, before, percent",
    [
        ({"7": (12.0, 500)}, {"at": 90.0, "cpu": {"7": 10.0}}, 20),
        ({"7": (12.0, 500), "8": (3.0, 5)}, {"at": 90.0, "cpu": {"7": 12.0}}, 30),
        ({"7": (1.0, 4)}, {"at": 90.0, "cpu": {"7": 900.0}}, 10),
        ({"7": (900.0, 5000)}, {"at": 90.0, "cpu": {}}, 0),
        ({}, {"at": 90.0, "cpu": {"7": 900.0}}, 0),
        ({"7": (1.0, 50)}, {}, None),
        ({"7": (1.0, 50)}, {"at": 5000.0, "cpu": {"7": 900.0}}, None),
    ],
    ids=[
        "one went on",
        "one is new",
        "its number was reused",
        "one that was not known",
        "none left",
        "first run",
        "after a reboot",
    ],
)
def test_the_share_of_a_core(used: dict[str, tuple[float, int]], before: dict[str, Any], percent: int | None) -> None:
    assert process._share(used, Run(1.0, before), now=100.0) == percent


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "one.pid"


def test_a_pid_file_names_the_process(start: Starts, pid_file: Path) -> None:
    child = start()
    pid_file.write_text(f"{child.pid}\n")
    reading = look(pid_file=str(pid_file), name="tocsinone")
    assert reading.status is Status.OK
    assert reading.metrics["processes"] == 1
    child.kill()
    child.wait()
    gone = look(pid_file=str(pid_file))
    assert gone.status is Status.CRITICAL
    assert gone.message == f"{pid_file}: process {child.pid} is gone"


def test_a_pid_that_was_reused_is_not_it(start: Starts, pid_file: Path) -> None:
    child = start()
    pid_file.write_text(str(child.pid))
    other = look(pid_file=str(pid_file), name="nginx")
    assert other.status is Status.CRITICAL
    assert "is tocsinone of" in other.message
    born = psutil.Process(child.pid).create_time()
    os.utime(pid_file, (born - 7200, born - 7200))
    late = look(pid_file=str(pid_file), name="tocsinone")
    assert late.status is Status.CRITICAL
    assert "started 2 h after the file was written: a different process" in late.message


def test_the_zombie_of_a_pid_file_does_not_run(start: Starts, pid_file: Path) -> None:
    child = start()
    pid_file.write_text(str(child.pid))
    let_end(child)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    reading = look(pid_file=str(pid_file), pattern="sys.stdin")
    assert reading.status is Status.CRITICAL
    assert "1 zombie" in reading.message


@pytest.mark.parametrize(
    "held", ["", "nginx", "-1", "0", "99999999999", "1" * 5000, "\0\xff"], ids=lambda held: repr(held)[:12]
)
def test_a_pid_file_that_holds_no_pid_is_unknown(pid_file: Path, held: str) -> None:
    pid_file.write_text(held)
    reading = look(pid_file=str(pid_file))
    assert reading.status is Status.UNKNOWN
    assert "contains no pid" in reading.message


def test_a_pid_file_that_is_missing_is_critical_and_one_that_hangs_or_is_none_is_unknown(
    pid_file: Path, tmp_path: Path
) -> None:
    assert look(pid_file=str(pid_file)).status is Status.CRITICAL
    assert look(pid_file=str(tmp_path)).status is Status.UNKNOWN
    os.mkfifo(pid_file)
    assert look(pid_file=str(pid_file)).status is Status.UNKNOWN


@pytest.mark.parametrize(
    "with_",
    [
        {},
        {"user": "root"},
        {"pattern": "("},
        {"pattern": r"(a)\1"},
        {"name": ""},
        {"name": "x", "min": 3, "max": 2},
        {"pid_file": "x"},
    ],
    ids=str,
)
def test_what_names_no_process_is_refused(with_: Options) -> None:
    with pytest.raises(ValidationError):
        process.Target(**with_)


def test_processes_hidden_from_this_account_are_unknown_not_gone() -> None:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("run as root to mount a /proc that hides processes")
    code = (
        "import os; from tests.probes.test_process import look; os.setgid(65534); os.setuid(65534)\n"
        "print(look(name='init-of-no-host').message)"
    )
    hide = 'mount -o remount,hidepid=2 /proc 2>/dev/null || mount -t proc -o hidepid=2 proc /proc; exec "$@"'
    ran = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hide, "sh", sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    if "cannot mount" in ran.stderr or "permission denied" in ran.stderr.lower():
        pytest.skip(f"no such /proc here: {ran.stderr}")
    assert "cannot see other users' processes" in ran.stdout, ran.stderr
