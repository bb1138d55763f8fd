"""A file system: free space and inodes, and whether it is writable.

Metrics: `free_bytes` (for ordinary users), `used_percent` (as df counts), `total_bytes`, and `inodes_used_percent` if the file
system counts inodes.

Critical: mounted read-only (kernels do this after errors), or hanging. Warning and critical: the used share of bytes or inodes,
but only while less than `enough_bytes` is free, since a huge disk that is 96 % full is not a problem. Unknown: a file system
that does not report its size, such as /proc and some network mounts.
"""

import os

from app.checks.probe import Field, Reading, Run, Spec, Status, Unknown, Unreachable, probe
from app.failure import Failed
from app.host.mounts import access

GIB = 1 << 30


class Target(Spec):
    """Which file system, and when it is too full."""

    path: str = Field(
        pattern=r"^/", description="absolute path of any file or folder on the file system", examples=["/var/lib/postgresql"]
    )
    warning_percent: float = Field(
        default=85, gt=0, le=100, description="this share of used bytes or inodes, in percent, warns"
    )
    critical_percent: float = Field(
        default=95, gt=0, le=100, description="this share of used bytes or inodes, in percent, is critical"
    )
    enough_bytes: int = Field(
        default=50 * GIB, ge=0, description="above this many free bytes it is ok regardless of the share; 0 = off"
    )
    read_only: bool = Field(default=False, description="the file system is expected to be read-only")


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    found = await _statvfs(spec.path, run.timeout * 0.9)
    blocks_used = found.f_blocks - found.f_bfree
    used = _percent(blocks_used, blocks_used + found.f_bavail)
    free = found.f_bavail * found.f_frsize
    metrics = {"free_bytes": float(free), "used_percent": used, "total_bytes": float(found.f_blocks * found.f_frsize)}
    inodes = _percent(found.f_files - found.f_ffree, found.f_files)
    if found.f_files:
        metrics["inodes_used_percent"] = inodes
    if found.f_flag & os.ST_RDONLY and not spec.read_only:
        return Reading(Status.CRITICAL, "mounted read-only, as the kernel does after errors (see dmesg)", metrics)
    if not found.f_blocks:
        raise Unknown(f"{spec.path}: the file system does not report its size")
    full = used if free < spec.enough_bytes or not spec.enough_bytes else 0.0
    status = _judge(0.0 if spec.read_only else max(full, inodes), spec)
    return Reading(status, f"{used:.0f} % used, {free / GIB:.3g} GiB free, {inodes:.0f} % of inodes used", metrics)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _judge(percent: float, spec: Target) -> Status:
    if percent >= spec.critical_percent:
        return Status.CRITICAL
    return Status.WARNING if percent >= spec.warning_percent else Status.OK


async def _statvfs(path: str, timeout: float) -> os.statvfs_result:
    try:
        return await access(path, lambda: os.statvfs(path), timeout)
    except Failed as failed:
        raise Unreachable(str(failed)) from None
    except OSError as error:
        raise Unknown(f"{path}: {error.strerror}; check the path and that this worker can read it") from None
