"""CPU time of processes and their children, from /proc, and percentiles."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil


@dataclass
class Meter:
    """What a stretch of work took: wall and CPU seconds, filled in when the block ends."""

    wall: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """CPU seconds of everything that was watched."""
        return sum(self.cpu.values())


def tree(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_of(pids: Iterable[int]) -> float:
    """CPU seconds so far, user and system, of these processes and all below, their ended children included.

    0 is this process alone, without the servers it started.
    """
    pids = list(pids)
    seconds, seen = time.process_time() if 0 in pids else 0.0, {0}
    for process in (one for pid in pids if pid for one in tree(pid)):
        if process.pid in seen:
            continue
        seen.add(process.pid)
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


@contextmanager
def metered(**groups: Sequence[int]) -> Iterator[Meter]:
    """Measure a block; `groups` are process ids by a name, see `cpu_of`."""
    meter = Meter()
    before, start = {name: cpu_of(of_one) for name, of_one in groups.items()}, time.perf_counter()
    yield meter
    meter.wall = time.perf_counter() - start
    meter.cpu = {name: cpu_of(of_one) - before[name] for name, of_one in groups.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
