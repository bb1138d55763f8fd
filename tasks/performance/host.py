"""Where the time of the worker's host goes: CPU, hypervisor, disks, swapping, network errors.

Metrics: measured between two runs, so available from the second run on: `cpu_used_percent`, `cpu_steal_percent` (taken by the
hypervisor), `cpu_iowait_percent` (idle while waiting for disks), `cpu_stalled_percent` (some tasks waited for a CPU),
`memory_stalled_percent` and `io_stalled_percent` (all tasks waited: pressure stall information, on Linux),
`swap_in_bytes_per_second`, `swap_out_bytes_per_second`, `disk_busy_percent` (the busiest disk), `disk_read_bytes_per_second`,
`disk_write_bytes_per_second`, `network_errors_per_second`, `network_dropped_per_second`, `network_received_bytes_per_second`,
`network_sent_bytes_per_second`; busy time also by `disk`, errors also by `interface`. Available at once: `load_1m_per_core`,
`memory_available_percent`.

Warning and critical: the limits that are set; by default, high steal time, heavy swapping and network errors warn. Values that
`health.host` checks are not checked here. Unknown: the check sets a limit for a value that this host does not report.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from app.checks.probe import Field, Reading, Run, Series, Spec, Status, Unknown, probe, worst

GUEST = ("guest", "guest_nice")  # already counted as user and nice
PRESSURE = (("cpu", "some"), ("memory", "full"), ("io", "full"))  # source: kernel documentation, accounting/psi
NOT_A_DISK = re.compile(r"(loop|ram|zram|fd|sr)\d|(sd|vd|xvd|hd)[a-z]+\d|(nvme\d+n\d+|mmcblk\d+)p\d")  # no disk of its own
VIRTUAL = re.compile(r"lo\d*$|veth|docker|br-|virbr|cali|flannel|cni")
MAX_DEVICES = 64  # disks and interfaces that are remembered

SUMS = {  # metric -> counter
    "swap_in_bytes_per_second": "swap_in",
    "swap_out_bytes_per_second": "swap_out",
    "disk_read_bytes_per_second": "disk_read",
    "disk_write_bytes_per_second": "disk_write",
    "network_received_bytes_per_second": "received",
    "network_sent_bytes_per_second": "sent",
    "network_dropped_per_second": "dropped",
}
LIMITED_METRICS = {  # limit -> what it judges
    "warning_cpu_percent": "cpu_used_percent",
    "critical_cpu_percent": "cpu_used_percent",
    "warning_steal_percent": "cpu_steal_percent",
    "warning_iowait_percent": "cpu_iowait_percent",
    "warning_disk_busy_percent": "disk_busy_percent",
    "warning_swap_bytes_per_second": "swap_in_bytes_per_second",
}


class Limits(Spec):
    """From when it is too much."""

    warning_cpu_percent: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="CPU time used, in percent, at which it warns; unset = never",
        examples=[90],
    )
    critical_cpu_percent: float | None = Field(
        default=None, gt=0, le=100, description="CPU time used, in percent, at which it is critical; unset = never"
    )
    warning_steal_percent: float = Field(
        default=10, gt=0, le=100, description="CPU time taken by the hypervisor, in percent, at which it warns"
    )
    warning_iowait_percent: float | None = Field(
        default=None, gt=0, le=100, description="CPU time spent waiting for disks, in percent, at which it warns; unset = never"
    )
    warning_disk_busy_percent: float | None = Field(
        default=None, gt=0, le=100, description="share of time a disk was busy, in percent, at which it warns; unset = never"
    )
    warning_swap_bytes_per_second: float = Field(
        default=10_485_760, gt=0, description="bytes swapped in and out per second at which it warns"
    )
    warning_network_errors_per_second: float = Field(
        default=1, gt=0, description="network errors per second, on all interfaces, at which it warns"
    )


@probe()
def measure(spec: Limits, run: Run) -> Reading:
    try:
        now = {"at": time.time(), "booted": psutil.boot_time(), **_counters()}
        metrics = {
            "load_1m_per_core": os.getloadavg()[0] / (os.cpu_count() or 1),
            "memory_available_percent": 100 * (memory := psutil.virtual_memory()).available / memory.total,
        }
    except (OSError, RuntimeError, ValueError, LookupError, ArithmeticError) as error:  # what psutil raises over an odd /proc
        raise Unknown(f"cannot read the system counters: {error}") from None
    before = run.memory
    if not before or abs(before["booted"] - now["booted"]) > 60 or now["at"] <= before["at"]:
        return Reading(Status.OK, "rates available from the next run", metrics, memory=now)
    seconds = now["at"] - before["at"]
    series = tuple(_by_device(before, now, seconds))
    metrics |= _cpu(before, now) | _rates(before, now, seconds) | _stalled(before, now, seconds) | _totals(series)
    findings = list(_findings(metrics, spec))
    text = "; ".join(text for _, text in findings)
    used = f"{metrics['cpu_used_percent']:.0f} % CPU used" if "cpu_used_percent" in metrics else "counted"
    return Reading(worst(status for status, _ in findings), text or used, metrics, series, now)


def _counters() -> dict[str, Any]:
    """Everything that only grows, since the host was started."""
    cpu = {name: value for name, value in psutil.cpu_times()._asdict().items() if name not in GUEST}
    swap = psutil.swap_memory()
    disks = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    interfaces = psutil.net_io_counters(pernic=True, nowrap=False) or {}
    disks = {name: disks[name] for name in sorted(disks)[: 4 * MAX_DEVICES] if not NOT_A_DISK.match(name)}
    interfaces = {name: interfaces[name] for name in sorted(interfaces) if not VIRTUAL.match(name)}
    return {
        "cpu": cpu,
        "swap_in": swap.sin,
        "swap_out": swap.sout,
        "disk_read": sum(disk.read_bytes for name, disk in disks.items() if not name.startswith(("dm-", "md"))),
        "disk_write": sum(disk.write_bytes for name, disk in disks.items() if not name.startswith(("dm-", "md"))),
        "received": sum(interface.bytes_recv for interface in interfaces.values()),
        "sent": sum(interface.bytes_sent for interface in interfaces.values()),
        "dropped": sum(interface.dropin + interface.dropout for interface in interfaces.values()),
        "busy": {name: disk.busy_time for name, disk in list(disks.items())[:MAX_DEVICES] if hasattr(disk, "busy_time")},
        "errors": {name: interface.errin + interface.errout for name, interface in list(interfaces.items())[:MAX_DEVICES]},
        "stalled": _pressures(),
    }


def _pressures() -> dict[str, float]:
    """Stall time in microseconds; empty where the kernel has no PSI."""
    found = {}
    for what, how in PRESSURE:
        try:
            lines = (Path(psutil.PROCFS_PATH) / "pressure" / what).read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith(how):
                found[what] = float(line.rpartition("total=")[2])
    return found


def _cpu(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, float]:
    """Shares of the time of all processors; iowait may run backwards (as documented), which counts as none."""
    spent = {name: max(0.0, value - before["cpu"].get(name, value)) for name, value in now["cpu"].items()}
    total = sum(spent.values())
    if not total:
        return {}
    found = {"cpu_used_percent": 100 * (total - spent["idle"] - spent.get("iowait", 0.0)) / total}
    found |= {f"cpu_{name}_percent": 100 * spent[name] / total for name in ("steal", "iowait") if name in spent}
    return found


def _rates(before: Mapping[str, Any], now: Mapping[str, Any], seconds: float) -> dict[str, float]:
    """Left out: what shrank, as the sums do when a disk or an interface is taken away."""
    return {metric: (now[name] - before[name]) / seconds for metric, name in SUMS.items() if now[name] >= before[name]}


def _stalled(before: Mapping[str, Any], now: Mapping[str, Any], seconds: float) -> dict[str, float]:
    return {
        f"{what}_stalled_percent": min(100.0, max(0.0, total - before["stalled"][what]) / seconds / 10_000)
        for what, total in now["stalled"].items()
        if what in before["stalled"]
    }


def _by_device(before: Mapping[str, Any], now: Mapping[str, Any], seconds: float) -> Iterator[Series]:
    for disk, busy in now["busy"].items():
        if busy >= before["busy"].get(disk, busy + 1):
            share = min(100.0, (busy - before["busy"][disk]) / seconds / 10)  # milliseconds
            yield Series("disk_busy_percent", share, {"disk": disk})
    for interface, errors in now["errors"].items():
        if errors >= before["errors"].get(interface, errors + 1):
            yield Series(
                "network_errors_per_second", (errors - before["errors"][interface]) / seconds, {"interface": interface}
            )


def _totals(series: tuple[Series, ...]) -> dict[str, float]:
    busy = [one.value for one in series if one.metric == "disk_busy_percent"]
    errors = sum(one.value for one in series if one.metric == "network_errors_per_second")
    return {"network_errors_per_second": errors} | ({"disk_busy_percent": max(busy)} if busy else {})


def _findings(metrics: Mapping[str, float], spec: Limits) -> Iterator[tuple[Status, str]]:
    used = metrics.get("cpu_used_percent", 0.0)
    if spec.critical_cpu_percent is not None and used >= spec.critical_cpu_percent:
        yield Status.CRITICAL, f"{used:.0f} % CPU used"
    elif spec.warning_cpu_percent is not None and used >= spec.warning_cpu_percent:
        yield Status.WARNING, f"{used:.0f} % CPU used"
    swapped = metrics.get("swap_in_bytes_per_second", 0.0) + metrics.get("swap_out_bytes_per_second", 0.0)
    for value, limit, text in (
        (
            metrics.get("cpu_steal_percent", 0.0),
            spec.warning_steal_percent,
            "% of CPU time stolen by the hypervisor",
        ),
        (metrics.get("cpu_iowait_percent", 0.0), spec.warning_iowait_percent, "% of CPU time spent waiting for disks"),
        (metrics.get("disk_busy_percent", 0.0), spec.warning_disk_busy_percent, "% utilization of the busiest disk"),
        (swapped / 1e6, spec.warning_swap_bytes_per_second / 1e6, "MB swapped in and out per second"),
        (metrics["network_errors_per_second"], spec.warning_network_errors_per_second, "network frame errors per second"),
    ):
        if limit is not None and value >= limit:
            yield Status.WARNING, f"{value:.3g} {text}"
    for name, metric in LIMITED_METRICS.items():
        if name in spec.model_fields_set and getattr(spec, name) is not None and metric not in metrics:
            yield Status.UNKNOWN, f"{name} has no effect: {metric} is not available"
