"""health.nagios takes a plugin's word, and outlives plugins that hang, fork, flood, crash and talk nonsense."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading, Status
from tests.probes.run import measure, measured
from tests.programs import program

nagios = plugins.probe_module("health.nagios")

SLEEP = shutil.which("sleep")
SPAWN = f"{SLEEP} 600 & echo $! >> PIDS\n"  # a grandchild with our pipes open
DAEMON = f"setsid {SLEEP} 600 & echo $! >> PIDS\n"  # one that left the group


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Writes a plugin in shell; PIDS in it is a file in which it notes processes."""

    def write(text: str, name: str = "check_it") -> str:
        path = tmp_path / name
        path.write_text("#!/bin/sh\n" + text.replace("PIDS", str(tmp_path / "pids")))
        path.chmod(0o755)
        return str(path)

    return write


def alive(folder: Path) -> list[int]:
    """Which of the noted processes still run; a dead one that nobody has buried yet does not."""
    noted = [int(line) for line in (folder / "pids").read_text().split()]
    return [pid for pid in noted if not any(_is_dead(pid) for _ in range(100))]


def _is_dead(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        process.wait(0.02)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


@pytest.mark.parametrize(
    "given", [["check_dummy", "STATE", "as told"], "check_dummy STATE 'as told'"], ids=["list", "one line"]
)
@pytest.mark.parametrize("state, status", [(0, "ok"), (1, "warning"), (2, "critical"), (3, "unknown")])
def test_a_plugins_exit_code_is_the_status(given: list[str] | str, state: int, status: str) -> None:
    program("check_dummy", "monitoring-plugins-basic")
    command = given.replace("STATE", str(state)) if isinstance(given, str) else [w.replace("STATE", str(state)) for w in given]
    reading = measure("health.nagios", command=command)
    assert reading.status == status
    assert reading.message.endswith("as told")


def test_real_plugins_give_metrics_with_their_units() -> None:
    program("check_disk", "monitoring-plugins-basic")
    disk = measure("health.nagios", command="check_disk -w 1% -c 0% -p /")
    assert [(one.metric, one.labels) for one in disk.series] == [("value_bytes", {"label": "/"})]
    assert disk.series[0].value > 1_000_000
    assert measure("health.nagios", command="check_procs").metrics["procs"] > 1
    assert set(measure("health.nagios", command="check_load -w 999 -c 999").metrics) == {"load1", "load5", "load15"}


def test_a_real_plugin_sees_a_port_open_and_another_closed() -> None:
    program("check_tcp", "monitoring-plugins-basic")

    async def story() -> tuple[Reading, Reading]:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            opened = await measured("health.nagios", command=f"check_tcp -H 127.0.0.1 -p {port}")
        return opened, await measured("health.nagios", command=f"check_tcp -H 127.0.0.1 -p {port}")

    opened, closed = asyncio.run(story())
    assert opened.status is Status.OK
    assert 0 < opened.metrics["time_seconds"] < 5
    assert closed.status is Status.CRITICAL
    assert "refused" in closed.message


@pytest.mark.parametrize(
    "body, status, said",
    [
        ("echo CRITICAL - all is lost", "ok", "CRITICAL - all is lost (the output says CRITICAL, but the exit code 0 counts)"),
        ("exit 0", "ok", "check_it exited with 0, no output"),
        ("exit 2", "critical", "check_it exited with 2, no output"),
        ("echo no perl >&2; exit 2", "critical", "no perl"),
        ("echo odd; exit 4", "unknown", "check_it exited with 4, which is not a plugin status: odd"),
        ("exec /no/such/thing", "unknown", "not found"),
        ("kill -SEGV $$", "unknown", "check_it was terminated by SIGSEGV"),
        ("echo half; kill -9 $$", "unknown", "check_it was terminated by SIGKILL: half"),
        (r"printf '\377\376 bad \000 bytes|a=1'", "ok", "\ufffd\ufffd bad \0 bytes"),
        ("printf 'down\\nwhy|x=1\\nx\\n'; exit 2", "critical", "down\nwhy"),
        ('echo "$0 $* $FOO" | grep -q FOO; cat; env | sort | cut -d= -f1 | xargs', "ok", "HOME LC_ALL PATH PWD"),
    ],
    ids=["lies", "silent", "silent and critical", "only stderr", "odd code", "no such program", "crashes", "killed",
         "no text", "long output", "clean environment, closed stdin"],
)  # fmt: skip
def test_whatever_it_does_is_a_reading(script: Callable[..., str], body: str, status: str, said: str) -> None:
    reading = measure("health.nagios", command=[script(body)])
    assert reading.status == status
    assert said in reading.message


def test_long_output_is_kept_short(script: Callable[..., str]) -> None:
    reading = measure("health.nagios", command=[script("yes 0123456789 | head -c 200000; exit 1")])
    assert reading.status is Status.WARNING
    assert len(reading.message) < 900


def test_endless_output_is_unknown_and_costs_no_memory(script: Callable[..., str], tmp_path: Path) -> None:
    reading = measure("health.nagios", command=[script("echo $$ > PIDS; exec yes spam")])
    assert reading.status is Status.UNKNOWN
    assert "wrote more than 16 MiB" in reading.message
    assert not alive(tmp_path)


def test_one_that_hangs_is_killed_with_all_it_started_and_unknown_in_time(script: Callable[..., str], tmp_path: Path) -> None:
    began = time.monotonic()
    reading = measure("health.nagios", 0.7, command=[script(f"{SPAWN}{DAEMON}trap '' TERM INT\n{SLEEP} 600; echo ok")])
    assert time.monotonic() - began < 2
    assert reading.status is Status.UNKNOWN
    assert "check_it did not finish within 0.63 s and was killed" in reading.message
    assert not alive(tmp_path)


def test_a_grandchild_that_keeps_the_pipes_open_holds_nobody_up(script: Callable[..., str], tmp_path: Path) -> None:
    began = time.monotonic()
    reading = measure("health.nagios", command=[script(SPAWN + "echo fine; exit 0")])
    assert (reading.status, reading.message) == (Status.OK, "fine")
    assert time.monotonic() - began < 2
    assert not alive(tmp_path)


def test_a_run_that_is_given_up_leaves_nothing_running(script: Callable[..., str], tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "pids").touch()
        run = asyncio.create_task(measured("health.nagios", command=[script(f"{SPAWN}echo $$ >> PIDS; {SLEEP} 600")]))
        while (tmp_path / "pids").read_text().count("\n") < 2:
            await asyncio.sleep(0.01)
        run.cancel()
        await asyncio.wait([run])

    asyncio.run(story())
    assert not alive(tmp_path)


def test_no_shell_sees_the_command(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    reading = measure("health.nagios", command=f"/bin/echo hi; touch {target} && $(touch {target}) | `touch {target}`")
    assert not target.exists()
    assert reading.message.startswith("hi; touch")


def test_a_secret_in_the_environment_reaches_the_plugin_and_no_message(script: Callable[..., str]) -> None:
    reading = measure("health.nagios", command=[script("echo $SNMP; test $SNMP = s3cr3t")], environment={"SNMP": "s3cr3t"})
    assert (reading.status, reading.message) == (Status.OK, "***")


@pytest.mark.parametrize(
    "command, said",
    [
        ("/no/such/check_x", "/no/such/check_x: no such file or directory"),
        ("check_no_such_thing", "check_no_such_thing: no such file or directory"),
        ("/etc/passwd", "/etc/passwd: permission denied"),
        (["check_dummy", "0\0"], "embedded null byte"),
    ],
    ids=str,
)
def test_what_cannot_be_started_is_unknown(command: str | list[str], said: str) -> None:
    reading = measure("health.nagios", command=command)
    assert reading.status is Status.UNKNOWN
    assert said in reading.message


@pytest.mark.parametrize("command", ["", [], "check_x 'open", [""], "bin/check_x", " "], ids=repr)
def test_a_command_that_cannot_be_one_is_refused(command: str | list[str]) -> None:
    with pytest.raises(ValidationError):
        nagios.Plugin(command=command)


@pytest.mark.parametrize(
    "perfdata, metrics, series",
    [
        ("time=0.5s;1;2;0;10 size=2KB;;;0", {"time_seconds": 0.5, "size_bytes": 2048}, {}),
        ("rta=12.5ms;;; pl=20%;5;9;0", {"rta_seconds": 0.0125, "pl_percent": 20}, {}),
        ("lag=15us wait=1e3µs", {"lag_seconds": 15e-6, "wait_seconds": 1e-3}, {}),
        ("requests=12c time_seconds=1s", {"requests_total": 12, "time_seconds": 1}, {}),
        ("free=1GB a=1B b=1MB c=1TB d=1KiB", {"free_bytes": 2**30, "a_bytes": 1, "b_bytes": 2**20, "c_bytes": 2**40,
                                               "d_bytes": 1024}, {}),
        ("/=300B;1;2;0;9 '/my disk'=1MB", {}, {("value_bytes", "/"): 300, ("value_bytes", "/my disk"): 2**20}),
        ("'it''s 5'=5 'C:\\ %'=9%", {}, {("value", "it's 5"): 5, ("value_percent", "C:\\ %"): 9}),
        ("temp=-1,5;@10:20;~:3;;", {"temp": -1.5}, {}),
        ("a=U b=1", {"b": 1}, {}),
        ("a=1 a=2", {"a": 1}, {}),
        ("seconds=3", {}, {("value", "seconds"): 3}),
        ("v=1.2.3 =5 ''=5 a= b 'open=1 c=;;; d=1x2", {}, {}),
        ("Usage: check_http -H <vhost> | -I <ip> [-u <uri>] [-p=<port>]", {}, {}),
        ("'" * 60_000, {}, {}),
        ("' '" * 20_000 + " a=1", {"a": 1}, {}),
    ],
    ids=["seconds and kilobytes", "milliseconds and percent", "microseconds", "counters", "bytes of all sizes", "paths",
         "quotes in labels", "negative, with a comma and ranges", "unknown value", "twice", "the run's own name",
         "broken", "a usage text", "only quotes", "quotes without end"],
)  # fmt: skip
def test_performance_data(perfdata: str, metrics: dict[str, float], series: dict[tuple[str, str], int]) -> None:
    began = time.process_time()
    found, others = nagios.measured(perfdata)
    assert time.process_time() - began < 1
    assert found == pytest.approx(metrics)
    assert {(one.metric, one.labels["label"]): one.value for one in others} == pytest.approx(series)


def test_metrics_have_an_end() -> None:
    metrics, series = nagios.measured(" ".join(f"m{n}=1" for n in range(5000)))
    assert len(metrics) + len(series) == nagios.MAX_METRICS
