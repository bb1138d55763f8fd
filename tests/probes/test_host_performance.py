"""performance.host on this very machine, and on counters of a machine that is busy, odd or lies."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from app import plugins
from app.checks.probe import Series
from tests.probes.run import Options, measure, remembered

NAME = "performance.host"
host = plugins.probe_module(NAME)

CPU = {"user": 100.0, "nice": 0.0, "system": 50.0, "idle": 800.0, "iowait": 20.0, "irq": 0.0, "softirq": 0.0, "steal": 5.0}
BEFORE = {
    "at": 1000.0,
    "booted": 10.0,
    "cpu": CPU,
    **dict.fromkeys(("swap_in", "swap_out", "disk_read", "disk_write", "received", "sent", "dropped"), 1000),
    "busy": {"sda": 500, "gone": 3},
    "errors": {"eth0": 7},
    "stalled": {"io": 1e6},
}


def after(**changes: Any) -> dict[str, Any]:
    """Ten seconds later."""
    return BEFORE | {"at": 1010.0} | changes


def rates(now: Mapping[str, Any]) -> tuple[dict[str, float], tuple[Series, ...]]:
    series = tuple(host._by_device(BEFORE, now, 10.0))
    found = host._cpu(BEFORE, now) | host._rates(BEFORE, now, 10.0) | host._stalled(BEFORE, now, 10.0) | host._totals(series)
    return found, series


def test_the_first_run_counts_and_the_second_tells() -> None:
    first = measure(NAME)
    assert (first.status, "next run" in first.message) == ("ok", True)
    assert set(first.metrics) == {"load_1m_per_core", "memory_available_percent"}
    before = {**remembered(first), "at": remembered(first)["at"] - 10, "cpu": dict.fromkeys(remembered(first)["cpu"], 0.0)}
    second = measure(NAME, memory=before)
    assert 0 < second.metrics["cpu_used_percent"] <= 100
    assert second.metrics["network_errors_per_second"] >= 0
    for name, value in second.metrics.items():
        assert value >= 0, name
        assert value <= 100 or not name.endswith("percent"), name


def test_after_a_restart_it_counts_anew() -> None:
    first = measure(NAME)
    again = measure(NAME, memory={**remembered(first), "booted": remembered(first)["booted"] - 3600})
    assert "cpu_used_percent" not in again.metrics


def test_time_is_shared_out() -> None:
    found, _ = rates(after(cpu=CPU | {"user": 130.0, "idle": 850.0, "iowait": 30.0, "steal": 15.0}))
    assert found["cpu_used_percent"] == 40  # what the hypervisor took is not free
    assert found["cpu_steal_percent"] == 10
    assert found["cpu_iowait_percent"] == 10


@pytest.mark.parametrize(
    "change, metric, value",
    [
        ({"swap_out": 6000}, "swap_out_bytes_per_second", 500),
        ({"sent": 500}, "sent", None),
        ({"busy": {"sda": 3000, "new": 99999}}, "disk_busy_percent", 25),
        ({"busy": {"sda": 99999}}, "disk_busy_percent", 100),
        ({"busy": {}}, "disk_busy_percent", None),
        ({"errors": {"eth0": 27, "eth1": 9000}}, "network_errors_per_second", 2),
        ({"errors": {"eth0": 0}}, "network_errors_per_second", 0),
        ({"stalled": {"io": 2e6, "memory": 5e6}}, "io_stalled_percent", 10),
        ({"stalled": {"io": 9e9}}, "io_stalled_percent", 100),
        ({"cpu": CPU}, "cpu_used_percent", None),
        ({"cpu": CPU | {"iowait": 1.0, "user": 110.0}}, "cpu_iowait_percent", 0),
    ],
    ids=str,
)
def test_counters_become_rates_and_odd_ones_nothing(change: dict[str, Any], metric: str, value: int | None) -> None:
    assert rates(after(**change))[0].get(metric) == value


@pytest.mark.parametrize(
    "metrics, limits, status",
    [
        ({"cpu_used_percent": 100.0}, {}, "ok"),
        ({"cpu_used_percent": 96.0}, {"warning_cpu_percent": 90}, "warning"),
        ({"cpu_used_percent": 96.0}, {"warning_cpu_percent": 90, "critical_cpu_percent": 95}, "critical"),
        ({"cpu_steal_percent": 12.0}, {}, "warning"),
        ({"cpu_iowait_percent": 99.0}, {}, "ok"),
        ({"cpu_iowait_percent": 50.0}, {"warning_iowait_percent": 40}, "warning"),
        ({"swap_in_bytes_per_second": 6e6, "swap_out_bytes_per_second": 6e6}, {}, "warning"),
        ({"network_errors_per_second": 3.0}, {}, "warning"),
        ({"disk_busy_percent": 99.0}, {"warning_disk_busy_percent": 95}, "warning"),
    ],
    ids=str,
)
def test_only_limits_are_judged(metrics: dict[str, float], limits: Options, status: str) -> None:
    findings = list(host._findings({"network_errors_per_second": 0.0} | metrics, host.Limits(**limits)))
    assert host.worst(found for found, _ in findings) == status


@pytest.mark.parametrize("limit", sorted(host.LIMITED_METRICS))
def test_a_limit_of_the_checks_own_on_what_is_not_counted_is_never_ok(limit: str) -> None:
    counted = {"network_errors_per_second": 0.0}
    assert host.worst(status for status, _ in host._findings(counted, host.Limits())) == "ok"
    findings = list(host._findings(counted, host.Limits(**{limit: 50})))
    assert [(status, limit in said) for status, said in findings] == [("unknown", True)]


def test_parts_of_disks_and_virtual_interfaces_are_not_counted_twice() -> None:
    named = ["sda", "sda1", "nvme0n1", "nvme0n1p2", "loop3", "vdb", "vdb2", "dm-0", "mmcblk0", "mmcblk0p1", "zram0"]
    assert [name for name in named if not host.NOT_A_DISK.match(name)] == ["sda", "nvme0n1", "vdb", "dm-0", "mmcblk0"]
    cards = ["lo", "eth0", "ens3", "veth1a2b", "docker0", "br-12ab", "wlan0"]
    assert [name for name in cards if not host.VIRTUAL.match(name)] == ["eth0", "ens3", "wlan0"]


@pytest.fixture
def proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A /proc that psutil reads instead, with this machine's sound files."""
    for name in ("stat", "meminfo", "vmstat", "diskstats", "net/dev", "uptime"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(Path("/proc", name).read_text())
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    return tmp_path


def test_a_kernel_without_pressure_is_no_trouble(proc: Path) -> None:
    assert measure(NAME).status == "ok"


@pytest.mark.parametrize("name", ["stat", "diskstats", "net/dev", "meminfo"])
@pytest.mark.parametrize("text", ["cpu rubbish more rubbish\n", None], ids=["nonsense", "not there"])
def test_counters_that_lie_are_unknown_or_left_out_never_an_error(proc: Path, name: str, text: str | None) -> None:
    if text is None:
        os.unlink(proc / name)
    else:
        (proc / name).write_text(text)
    reading = measure(NAME)
    assert reading.status in ("unknown", "ok"), reading.message
    if reading.status == "unknown":
        assert "cannot read the system counters" in reading.message
