"""health.file_age on real files: fresh, stale, empty, linked, forbidden, from the future, far too many, and on a dead mount."""

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading, Status
from tests.probes.run import Options, measure

Files = Callable[..., str]  # makes files by name, each of an age in seconds and a size; gives their folder

file_age = plugins.probe_module("health.file_age")

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Makes files of an age and a size."""

    def make(**ages: tuple[float, int]) -> str:
        for name, (age, size) in ages.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * size)
            os.utime(path, (time.time() - age,) * 2)
        return str(tmp_path)

    return make


def look(folder: Path | str, pattern: str = "*", **with_: Any) -> Reading:
    return measure("health.file_age", path=f"{folder}/{pattern}", **with_)


def test_the_newest_backup_is_judged(files: Files) -> None:
    folder = files(a_dump=(3 * DAY, 10), b_dump=(2 * HOUR, 2048), c_log=(1, 1))
    reading = look(folder, "*.dump", warning_older_than="25h", critical_older_than="2d")
    assert reading.status is Status.OK
    assert reading.message == f"newest of 2 files is {folder}/b.dump, 2 h old, 2 KiB"
    assert reading.metrics["age_seconds"] == pytest.approx(2 * HOUR, abs=5)
    assert (reading.metrics["bytes"], reading.metrics["files"], reading.metrics["total_bytes"]) == (2048, 2, 2058)


@pytest.mark.parametrize(
    "with_, status, said",
    [
        ({"warning_older_than": "25h", "critical_older_than": "2d"}, "warning", "it should be younger than 1 d 1 h"),
        ({"warning_older_than": "2h", "critical_older_than": "25h"}, "critical", "it should be younger than 1 d 1 h"),
        ({"warning_younger_than": "1d"}, "ok", "1 d 2 h old"),
        ({"warning_younger_than": "2d"}, "warning", "it should be older than 2 d"),
        ({"critical_younger_than": "2d"}, "critical", "it should be older than 2 d"),
        ({"which": "oldest", "critical_older_than": "3d"}, "critical", "oldest of 2 files is "),
        ({"min_bytes": 2000}, "critical", "it is smaller than 1.95 KiB"),
        ({"max_bytes": 999}, "critical", "it is larger than 999 bytes"),
        ({"min_files": 3}, "critical", "there should be at least 3"),
        ({"max_files": 1}, "critical", "there should be at most 1"),
        ({"min_files": 2, "max_files": 2}, "ok", "newest of 2 files"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, dict) else None,
)
def test_too_old_too_young_too_small_too_many(files: Files, with_: Options, status: str, said: str) -> None:
    reading = look(files(a=(5 * DAY, 9), b=(26 * HOUR, 1000)), **with_)
    assert reading.status == status
    assert said in reading.message


def test_an_empty_backup_is_critical_unless_empty_is_fine(files: Files) -> None:
    folder = files(a=(10, 0))
    assert look(folder).status is Status.CRITICAL
    assert look(folder).message.endswith("it is empty")
    assert look(folder, min_bytes=0).status is Status.OK


@pytest.mark.parametrize("pattern", ["none-*", "none", "no/such/folder/*", "**/none", "a/b"], ids=str)
def test_no_file_is_critical_unless_there_need_be_none(files: Files, pattern: str) -> None:
    folder = files(a=(1, 1))
    reading = look(folder, pattern)
    assert reading.status is Status.CRITICAL
    assert reading.message == f"no file matches {folder}/{pattern}; there should be at least 1"
    assert reading.metrics["files"] == 0
    assert look(folder, pattern, min_files=0).status is Status.OK


@pytest.mark.parametrize(
    "pattern, count",
    [
        ("*", 1),
        (".*", 1),
        ("**", 6),
        ("**/*.gz", 4),
        ("x*/*.gz", 2),
        ("xa/b.gz", 1),
        ("[xy]?/*.gz", 2),
        ("**/deep/**/*.gz", 1),
        ("d/", 0),
    ],
    ids=str,
)
def test_patterns(files: Files, pattern: str, count: int) -> None:
    folder = files(a_gz=(1, 1), _hidden=(1, 1), xa__b_gz=(1, 1), xb__c_gz=(1, 1), xb__d_txt=(1, 1), d__deep__e__f_gz=(1, 1))
    if count:
        assert look(folder, pattern).metrics["files"] == count
    else:
        assert look(folder, pattern).status is Status.UNKNOWN


def test_a_symbolic_link_counts_as_what_it_leads_to(files: Files, tmp_path: Path) -> None:
    folder = files(sub__real=(3 * DAY, 7))
    (tmp_path / "latest").symlink_to("sub/real")
    (tmp_path / "sub/up").symlink_to(tmp_path, target_is_directory=True)  # a circle
    (tmp_path / "dead").symlink_to("gone")
    (tmp_path / "self").symlink_to("self")
    reading = look(folder, "*", warning_older_than="1d")
    assert reading.status is Status.WARNING
    assert reading.metrics["files"] == 1
    assert look(folder, "**").metrics["files"] == 2
    assert look(folder, "dead").status is Status.CRITICAL
    assert look(folder, "self").status is Status.CRITICAL


def test_a_file_that_lies_about_its_date_is_unknown(files: Files) -> None:
    reading = look(files(a=(-DAY, 5), b=(9 * DAY, 5)), critical_older_than="1d")
    assert reading.status is Status.UNKNOWN
    assert "modification time is 23 h 59 min in the future: age unknown" in reading.message
    assert look(files(a=(-DAY, 0))).status is Status.CRITICAL


@pytest.mark.parametrize("made", [os.mkdir, os.mkfifo], ids=["folder", "FIFO"])
def test_what_is_no_file_is_unknown(tmp_path: Path, made: Callable[[Path], None]) -> None:
    made(tmp_path / "it")
    reading = look(tmp_path, "it")
    assert reading.status is Status.UNKNOWN
    assert "is not a regular file" in reading.message


def test_a_huge_folder_is_bounded_in_entries_and_time(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / str(number)).touch()
    assert look(tmp_path, min_bytes=0).metrics["files"] == 2000
    reading = look(tmp_path, max_entries=1999)
    assert reading.status is Status.UNKNOWN
    assert "more than 1999 entries to examine" in reading.message
    began = time.monotonic()
    hurried = look(tmp_path, timeout=0.001)
    assert time.monotonic() - began < 3
    assert hurried.status is Status.UNKNOWN


def test_what_may_not_be_read_is_unknown() -> None:
    place = Path(mkdtemp())
    place.chmod(0o711)  # another account may go through
    shut = place / "shut"
    shut.mkdir()
    (shut / "file").write_text("x")
    shut.chmod(0 if os.geteuid() else 0o700)
    code = (
        "from tests.probes.test_file_age import look; import os\n"
        "if not os.geteuid(): os.setgid(65534); os.setuid(65534)\n"
        f"print(*(look({str(shut)!r}, one).message for one in ('*', 'file')), sep='\\n')"
    )
    try:
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    finally:
        shut.chmod(0o700)
        shutil.rmtree(place)
    assert ran.stdout.splitlines() == [f"{shut}: permission denied", f"{shut}/file: permission denied"]


@pytest.fixture
def dead_mount(tmp_path: Path) -> Iterator[Path]:
    """A real mount whose server never answers: FUSE, with nobody who reads the requests."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        channel = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error}")
    place = tmp_path / "dead"
    place.mkdir()
    options = f"fd={channel},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
    if libc.mount(b"tocsin", bytes(place), b"fuse", 0, options):
        os.close(channel)
        pytest.skip(f"may not mount: {os.strerror(ctypes.get_errno())}")
    yield place
    os.close(channel)  # whoever waits gets an error
    assert libc.umount2(bytes(place), 2) == 0


def test_a_file_system_that_hangs_is_unknown_in_time_and_costs_one_thread(dead_mount: Path) -> None:
    began = time.monotonic()
    first = look(dead_mount, "*.dump", timeout=0.3)
    assert first.status is Status.UNKNOWN
    assert first.message == f"{dead_mount}/*.dump hangs: is its file server down?"
    assert look(dead_mount, "*.dump", timeout=5).message == f"{dead_mount}/*.dump still hangs: is its file server down?"
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "with_",
    [
        {},
        {"path": "x"},
        {"path": "/x", "which": "last"},
        {"path": "/x", "min_files": -1},
        {"path": "/x", "critical_older_than": 5},
    ],
    ids=str,
)
def test_nonsense_is_refused(with_: Options) -> None:
    with pytest.raises(ValidationError):
        file_age.Target(**with_)


def test_a_path_that_cannot_be_one_is_unknown() -> None:
    assert measure("health.file_age", path="/a\0b").status is Status.UNKNOWN
