"""Processes a killed supervisor left behind: known by start time or by the mark in their environment, ended with their groups.

Only the holder of the home's lock may call this: whatever it finds has no supervisor.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

from app.kept import MARK
from app.supervisor.state import Process

__all__ = ["MARK", "end", "find", "started", "wait_gone"]

SAME_START = 1.0  # seconds; a clock set meanwhile moves what the system says


def started(pid: int) -> float | None:
    """When process `pid` started; None when there is none. With the pid, this is a process's identity."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def find(mark: str, recorded: Iterable[Process]) -> list[psutil.Process]:
    """What still runs of this home. A recycled pid has another start time and no mark, so it is never in here."""
    known = {entry.pid: entry.started for entry in recorded if entry.pid and entry.started}
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [found for found in psutil.process_iter() if found.pid not in spared and _is_ours(found, mark, known)]


def end(mark: str, recorded: Iterable[Process], timeout: float = 3.0) -> list[int]:
    """End them and return their pids: SIGTERM to those at the top (they end their own children), SIGKILL to what is left."""
    recorded = tuple(recorded)
    found = find(mark, recorded)
    pids = {process.pid for process in found}
    postgres = {entry.pid for entry in recorded if entry.kind == "postgres"}
    for process in found:
        with suppress(psutil.NoSuchProcess):
            if process.ppid() not in pids:
                # PostgreSQL's SIGTERM would wait for every client to leave.
                process.send_signal(signal.SIGINT if process.pid in postgres else signal.SIGTERM)
    wait_gone(found, timeout)
    stubborn = find(mark, recorded)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_gone(stubborn, 5)
    return sorted(pids)


def wait_gone(processes: Iterable[psutil.Process], timeout: float) -> bool:
    """Wait until none of them runs (a zombie does not); False after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    left = [process for process in processes if _runs(process)]
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [process for process in left if _runs(process)]
    return not left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_ours(process: psutil.Process, mark: str, known: dict[int, float]) -> bool:
    try:
        if not _runs(process):
            return False
        start = known.get(process.pid)
        if start is not None and abs(process.create_time() - start) <= SAME_START:
            return True
        return process.environ().get(MARK) == mark
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
