"""health.systemd reads what a real systemctl (252) printed of real units, and outlives one that fails, hangs or lies."""

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading, Status
from tests.probes.run import Options, measure

systemd = plugins.probe_module("health.systemd")

RECORDED = (Path(__file__).parent / "data/systemctl-show.txt").read_text()  # of a systemd with one unit of each kind
UNITS = {unit.name: unit for unit in systemd.parse(RECORDED)}
NOW = datetime(2026, 11, 23, 12, 21, 20, tzinfo=UTC)  # five minutes later


def judge(*names: str, memory: Mapping[str, Any] | None = None, **with_: Any) -> Reading:
    spec = systemd.Target(units=names, **with_)
    units = [UNITS[name] for name in names if name in UNITS]
    reading: Reading = systemd.judge(spec, units, NOW, (memory or {}).get("restarts", {}))
    return reading


@pytest.mark.parametrize(
    "unit, status, said",
    [
        ("good.service", "ok", "good.service is OK"),
        ("once.service", "ok", "once.service"),
        ("job.service", "ok", "job.service"),
        ("job.timer", "ok", "job.timer"),
        ("bad.service", "critical", "bad.service: failed (exit-code 1), 5 min 1 s ago"),
        ("noexec.service", "critical", "noexec.service: failed (exit-code 203), 5 min 1 s ago"),
        ("crash.service", "critical", "crash.service: failed (signal 11), 5 min 1 s ago"),
        ("slow.service", "warning", "slow.service: is starting (start), 5 min 1 s ago"),
        ("broken.service", "critical", "broken.service: cannot be loaded (bad-setting)"),
        ("masked.service", "critical", "masked.service: is masked"),
        ("nosuch.service", "critical", "nosuch.service: no such unit"),
    ],
    ids=["runs", "oneshot that stays", "oneshot that ended well", "timer", "failed", "program missing", "crashed",
         "starts and never ends", "broken file", "masked", "not there"],
)  # fmt: skip
def test_what_a_units_state_means(unit: str, status: str, said: str) -> None:
    reading = judge(unit)
    assert reading.status == status
    assert said in reading.message


@pytest.mark.parametrize(
    "changes, status, said",
    [
        ({"ActiveState": "inactive", "SubState": "dead"}, "critical", "is inactive (dead)"),
        ({"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code", "ExecMainStatus": "3"}, "critical",
         "is waiting to restart (exit-code 3)"),
        ({"ActiveState": "activating", "SubState": "auto-restart-queued", "Result": "timeout"}, "critical", "(timeout)"),
        ({"ActiveState": "deactivating", "SubState": "stop-sigterm"}, "warning", "is stopping (stop-sigterm)"),
        ({"ActiveState": "reloading", "SubState": "reload"}, "ok", "good.service"),
        ({"ActiveState": "", "SubState": ""}, "critical", "is in no state"),
        ({"Type": "oneshot", "ActiveState": "inactive", "Result": "exit-code"}, "critical", "is inactive"),
    ],
    ids=["stopped", "between restarts", "and so in new words", "stopping", "reloading", "lies", "a failed oneshot"],
)  # fmt: skip
def test_states_that_pass(changes: dict[str, str], status: str, said: str) -> None:
    unit = systemd.Unit({**UNITS["good.service"].properties, **changes})
    reading = systemd.judge(systemd.Target(units=["good"]), [unit], NOW, {})
    assert reading.status == status
    assert said in reading.message


@pytest.mark.parametrize(
    "before, with_, status",
    [
        ({}, {}, "ok"), ({"loop.service": 5}, {}, "ok"), ({"loop.service": 3}, {}, "warning"),
        ({"loop.service": 9}, {}, "warning"),
        ({"loop.service": 3}, {"warning_restarts": 3}, "ok"),
    ],
    ids=["first run", "none since", "two since", "started anew and restarted again", "fewer than matter"],
)  # fmt: skip
def test_a_service_that_is_restarted_again_and_again_warns_although_it_is_active(
    before: dict[str, int], with_: Options, status: str
) -> None:
    reading = judge("loop.service", memory={"restarts": before}, **with_)
    assert reading.status == status
    assert reading.memory == {"restarts": {"loop.service": 5}}
    assert [one.value for one in reading.series if one.metric == "restarts"] == [5]


@pytest.mark.parametrize(
    "timer, with_, status",
    [
        ("job.timer", {"critical_trigger_older_than": "5m"}, "critical"),
        ("job.timer", {"critical_trigger_older_than": "1h", "warning_trigger_older_than": "4m"}, "warning"),
        ("job.timer", {"critical_trigger_older_than": "1h"}, "ok"),
        ("never.timer", {"critical_trigger_older_than": "5m"}, "critical"),
        ("good.service", {"critical_trigger_older_than": "1s"}, "ok"),
    ],
    ids=["too long ago", "long ago", "lately", "never yet, and started long ago", "no timer"],
)
def test_a_timer_that_sets_nothing_off(timer: str, with_: Options, status: str) -> None:
    reading = judge(timer, **with_)
    assert reading.status == status
    assert ("has not triggered for 5 min" in reading.message) is (status != "ok")
    ages = [one.value for one in reading.series if one.metric == "trigger_age_seconds"]
    assert ages == ([300] if timer.endswith(".timer") else [])


def test_metrics_count_and_the_worst_come_first() -> None:
    reading = judge(*UNITS)
    assert reading.metrics == {"units": len(UNITS), "failed_units": 3, "active_units": 5}
    assert reading.message.startswith("bad.service: failed")
    assert reading.message.endswith("; and 2 more")
    assert {one.metric for one in reading.series} == {"active", "restarts", "state_seconds", "trigger_age_seconds"}


@pytest.fixture
def systemctl(tmp_path: Path) -> Callable[[str], list[str]]:
    """Writes a program that stands for systemctl: notes how it was called, then does this."""

    def write(text: str) -> list[str]:
        path = tmp_path / "systemctl"
        path.write_text(f'#!/bin/sh\necho "$*|$TZ|$LC_ALL" >> {tmp_path}/calls\n{text}\n')
        path.chmod(0o755)
        return [str(path)]

    return write


def recorded(tmp_path: Path, *names: str) -> str:
    """A shell command that prints what systemctl said of these units."""
    (tmp_path / "out").write_text(
        "\n\n".join(block for block in RECORDED.split("\n\n") if any(f"Id={n}\n" in block for n in names))
    )
    return f"cat {tmp_path}/out"


def test_systemctl_is_asked_for_the_named_units_once(systemctl: Callable[[str], list[str]], tmp_path: Path) -> None:
    reading = measure(
        "health.systemd", command=systemctl(recorded(tmp_path, "good.service", "job.timer")), units=["good", "job.timer"]
    )
    assert reading.status is Status.OK
    call = (tmp_path / "calls").read_text()
    assert call.startswith("--system --no-pager show --property=Id,Names,")
    assert call.endswith(" -- good job.timer|UTC|C\n")


ALL = 'case "$*" in *Version*) echo "Version=252\nNFailedUnits=COUNT";; *) REST;; esac'


def test_with_no_unit_named_all_that_failed_are_critical(systemctl: Callable[[str], list[str]], tmp_path: Path) -> None:
    said = ALL.replace("COUNT", "2").replace("REST", recorded(tmp_path, "bad.service", "crash.service", "good.service"))
    reading = measure("health.systemd", command=systemctl(said))
    assert reading.status is Status.CRITICAL
    assert reading.metrics["failed_units"] == reading.metrics["units"] == 2
    ignored = measure("health.systemd", command=systemctl(said), ignore=["bad.service", "cra*"])
    assert (ignored.status, ignored.message) == (Status.OK, "no failed units")


def test_with_no_unit_named_and_none_failed_it_is_ok(systemctl: Callable[[str], list[str]]) -> None:
    reading = measure("health.systemd", command=systemctl(ALL.replace("COUNT", "0").replace("REST", "exit 1")))
    assert (reading.status, reading.message) == (Status.OK, "no failed units")


@pytest.mark.parametrize(
    "text, with_, status, said",
    [
        ("echo 'Failed to connect to bus: Host is down' >&2; exit 1", {}, "unknown", "does not respond: Failed to connect"),
        ("exit 4", {}, "unknown", "it exited with 4"),
        ("true", {}, "unknown", "does not report on systemd"),
        ("true", {"units": ["nginx"]}, "unknown", "systemctl does not list nginx"),
        ("true", {"units": ["nginx@*"]}, "critical", "no unit matches nginx@*"),
        ("echo Id=other.service", {"units": ["nginx"]}, "unknown", "systemctl does not list nginx"),
        ("echo Id=nginx.service", {"units": ["nginx"]}, "critical", "nginx.service: cannot be loaded"),
        ("echo '<html>=Id='; echo Version", {}, "unknown", "does not report on systemd"),
        (r"printf '\377=\376\nId\n=\n\n'", {"units": ["nginx"]}, "unknown", "does not list nginx"),
        ("yes Id=x", {"units": ["x"]}, "unknown", "wrote more than 16 MiB"),
        ("head -c 2000000 /dev/zero", {"units": ["x"]}, "unknown", "printed more than 1048576 bytes"),
    ],
    ids=["no bus", "fails without a word", "silent", "silent on a unit", "no unit of a pattern", "another unit", "half a unit",
         "another program", "no text", "endless", "far too much"],
)  # fmt: skip
def test_a_systemctl_that_fails_or_lies_is_never_ok(
    systemctl: Callable[[str], list[str]], text: str, with_: Options, status: str, said: str
) -> None:
    reading = measure("health.systemd", command=systemctl(text), **with_)
    assert reading.status == status
    assert said in reading.message


def test_a_systemctl_that_hangs_is_unknown_in_time(systemctl: Callable[[str], list[str]]) -> None:
    began = time.monotonic()
    reading = measure("health.systemd", timeout=0.5, command=systemctl("sleep 600"))
    assert time.monotonic() - began < 2
    assert reading.status is Status.UNKNOWN
    assert "systemctl did not finish within 0.45 s" in reading.message


def test_without_systemd_it_is_unknown_with_the_reason() -> None:
    assert "no such file" in measure("health.systemd", command=["/no/systemctl"]).message
    if not os.path.isdir("/run/systemd/system"):  # a container, as here and in CI
        reading = measure("health.systemd")
        assert reading.status is Status.UNKNOWN
        assert "systemd does not respond: System has not been booted" in reading.message or "no such file" in reading.message


@pytest.mark.parametrize("unit", ["-x", "--root=/", "a b", "a;b", "$(x)", "../x", "", "a\nb", "é"], ids=repr)
def test_what_is_no_units_name_is_refused(unit: str) -> None:
    with pytest.raises(ValidationError):
        systemd.Target(units=[unit])


def test_a_time_in_another_zone_is_no_time() -> None:
    unit = systemd.Unit({"Id": "x.timer", "LastTriggerUSec": "Mon 2026-11-23 13:16:20 CET", "StateChangeTimestamp": "n/a"})
    assert unit.since("LastTriggerUSec") is unit.since("StateChangeTimestamp") is None
    assert UNITS["job.timer"].since("LastTriggerUSec") == NOW - timedelta(minutes=5)
