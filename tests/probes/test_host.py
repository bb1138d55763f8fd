"""health.disk and health.host on this very machine, and on file systems made to be full, read-only or hanging."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from app import plugins
from tests.probes.run import Options, measure

disk = plugins.probe_module("health.disk")
host = plugins.probe_module("health.host")


def test_a_file_system_is_measured_as_df_does() -> None:
    reading = measure("health.disk", path="/")
    assert 0 <= reading.metrics["used_percent"] <= 100
    assert reading.metrics["free_bytes"] == pytest.approx(shutil.disk_usage("/").free, rel=0.05)
    assert 0 <= reading.metrics.get("inodes_used_percent", 0) <= 100


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=100", "none", tmp_path], capture_output=True
    ).returncode:
        pytest.skip("may not mount here")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_full_disk_is_told_unless_enough_is_free(small: Path) -> None:
    assert measure("health.disk", path=str(small)).status == "ok"
    (small / "big").write_bytes(bytes(900_000))
    assert measure("health.disk", path=str(small)).status == "warning"
    (small / "more").write_bytes(bytes(120_000))
    reading = measure("health.disk", path=str(small))
    assert reading.status == "critical", reading.message
    assert measure("health.disk", path=str(small), enough_bytes=4000).status == "ok"
    assert measure("health.disk", path=str(small), critical_percent=100, warning_percent=99.5).status == "ok"


def test_inodes_run_out_too(small: Path) -> None:
    for number in range(97):
        (small / str(number)).touch()
    reading = measure("health.disk", path=str(small))
    assert reading.metrics["inodes_used_percent"] > 95
    assert reading.status == "critical"


def test_read_only_is_critical_unless_meant(small: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    assert "read-only" in measure("health.disk", path=str(small)).message
    assert measure("health.disk", path=str(small)).status == "critical"
    assert measure("health.disk", path=str(small), read_only=True).status == "ok"


def test_no_such_path_cannot_be_told() -> None:
    reading = measure("health.disk", path="/no/such/path")
    assert reading.status == "unknown"
    assert "No such file" in reading.message
    with pytest.raises(ValidationError):
        disk.Target(path="relative")


def test_a_file_system_without_a_size_cannot_be_told() -> None:
    reading = measure("health.disk", path="/proc")
    assert (reading.status, "does not report its size" in reading.message) == ("unknown", True)


def test_a_hanging_mount_is_critical_and_costs_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    release, calls = threading.Event(), []

    def hang(path: str) -> None:
        calls.append(path)
        release.wait(5)
        raise OSError

    monkeypatch.setattr(os, "statvfs", hang)
    assert measure("health.disk", path="/hung", timeout=0.1).status == "critical"
    assert "still hangs" in measure("health.disk", path="/hung", timeout=0.1).message
    assert calls == ["/hung"]
    release.set()


def test_the_host_is_measured() -> None:
    reading = measure("health.host")
    assert reading.metrics["load_per_core"] >= 0
    assert 0 < reading.metrics["memory_available_percent"] <= 100
    assert reading.status in ("ok", "warning")


CALM = {"load_per_core": 1.0, "memory_available_percent": 40.0, "memory_pressure_percent": 0.0}


@pytest.mark.parametrize(
    "now, status",
    [
        ({}, "ok"),
        ({"load_per_core": 4.0}, "ok"),
        ({"load_per_core": 6.0}, "warning"),
        ({"load_per_core": 25.0}, "critical"),
        ({"memory_available_percent": 7.0}, "warning"),
        ({"memory_available_percent": 2.0}, "critical"),
        ({"memory_pressure_percent": 15.0}, "warning"),
        ({"memory_pressure_percent": 50.0}, "critical"),
    ],
    ids=str,
)
def test_a_busy_host_is_ok_and_one_that_stands_still_is_not(now: dict[str, float], status: str) -> None:
    assert host._judge(CALM | now, host.Limits())[0] == status


@pytest.mark.parametrize(
    "load, limits, status",
    [
        (1.0, {}, "ok"),
        (1.0, {"warning_memory_pressure": 10}, "unknown"),
        (1.0, {"critical_memory_pressure": 40}, "unknown"),
        (6.0, {"warning_memory_pressure": 10}, "warning"),
    ],
)
def test_a_limit_on_what_the_kernel_does_not_tell_is_never_ok(load: float, limits: Options, status: str) -> None:
    calm = {"load_per_core": load, "memory_available_percent": 40.0}
    found, said = host._judge(calm, host.Limits(**limits))
    assert (found, "memory pressure not available" in said) == (status, True)
