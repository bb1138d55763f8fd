"""The host on which the worker runs: load, memory, and pressure on CPU, memory and I/O.

Metrics: `load_per_core` (5 min), `memory_available_percent` and `memory_available_bytes`, `swap_used_percent`, and on Linux the
share of the last minute in which tasks were stalled (pressure stall information): `cpu_pressure_percent` (at least one task
waited), `memory_pressure_percent` and `io_pressure_percent` (all tasks waited).

Warning and critical: little available memory, memory pressure, or a very long run queue. A busy host is not a problem; a
stalled one is. Unknown: the check sets a limit for memory pressure, but the kernel does not report it.
"""

import os
from pathlib import Path

import psutil

from app.checks.probe import Field, Reading, Run, Spec, Status, probe

PRESSURE = Path("/proc/pressure")
PRESSURE_LIMITS = {"warning_memory_pressure", "critical_memory_pressure"}
PRESSURE_LINES = (("cpu", "some"), ("memory", "full"), ("io", "full"))  # source: kernel documentation, accounting/psi


class Limits(Spec):
    """When it is too little, or too much."""

    warning_load: float = Field(default=5, gt=0, description="load per core over 5 min at which it warns")
    critical_load: float = Field(default=20, gt=0, description="load per core over 5 min at which it is critical")
    warning_memory_percent: float = Field(
        default=8, ge=0, le=100, description="memory available, in percent, below which it warns"
    )
    critical_memory_percent: float = Field(
        default=3, ge=0, le=100, description="memory available, in percent, below which it is critical", examples=[5]
    )
    warning_memory_pressure: float = Field(
        default=10, gt=0, le=100, description="share of a minute stalled for memory, in percent, at which it warns"
    )
    critical_memory_pressure: float = Field(
        default=40, gt=0, le=100, description="share of a minute stalled for memory, in percent, at which it is critical"
    )


@probe()
def measure(spec: Limits, run: Run) -> Reading:  # noqa: ARG001 - nothing in here waits
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    metrics = {
        "load_per_core": os.getloadavg()[1] / (os.cpu_count() or 1),
        "memory_available_percent": 100 * memory.available / memory.total,
        "memory_available_bytes": float(memory.available),
        "swap_used_percent": float(swap.percent),
        **_pressures(),
    }
    return Reading(*_judge(metrics, spec), metrics)


def _pressures() -> dict[str, float]:
    found = {}
    for what, prefix in PRESSURE_LINES:
        try:
            lines = (PRESSURE / what).read_text().splitlines()
        except OSError:
            continue  # not Linux, or a kernel without it
        for line in lines:
            fields = line.split()
            if fields[0] == prefix:
                found[f"{what}_pressure_percent"] = float(fields[2].removeprefix("avg60="))
    return found


def _judge(metrics: dict[str, float], spec: Limits) -> tuple[Status, str]:
    load, free = metrics["load_per_core"], metrics["memory_available_percent"]
    stalled = metrics.get("memory_pressure_percent", 0.0)
    summary = f"load {load:.2g} per core, {free:.0f} % of memory available"
    has_pressure = "memory_pressure_percent" in metrics
    summary += f", {stalled:.0f} % of the time stalled for it" if has_pressure else "; memory pressure not available"
    if load >= spec.critical_load or free < spec.critical_memory_percent or stalled >= spec.critical_memory_pressure:
        return Status.CRITICAL, summary
    if load >= spec.warning_load or free < spec.warning_memory_percent or stalled >= spec.warning_memory_pressure:
        return Status.WARNING, summary
    unjudged = not has_pressure and bool(spec.model_fields_set & PRESSURE_LIMITS)
    return (Status.UNKNOWN if unjudged else Status.OK), summary
