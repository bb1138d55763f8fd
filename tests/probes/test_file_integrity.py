"""security.file_integrity: sees every change, takes nothing it could not read for a change, and hangs on nothing."""

import json
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from app.checks.probe import Reading
from app.host.logins import LAYOUT, logged_in
from tests.probes.run import Options, measure, observed
from tests.programs import program
from tests.stack import until

ADA_IN = 1_700_000_000


class Watched:
    """One check on a folder, run after run, and its baseline."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.memory: dict[str, Any] = {}
        self.baseline: Mapping[str, str] | None = None
        self.observed: Mapping[str, str] | None = None

    def __call__(self, **with_: Any) -> Reading:
        settings = {"paths": [str(self.folder)], "wtmp": str(self.folder.parent / "wtmp")} | with_
        reading = measure("security.file_integrity", 5.0, self.memory, self.baseline, **settings)
        self.memory = json.loads(json.dumps(dict(reading.memory or self.memory)))
        self.observed = reading.observed
        if self.baseline is None:
            self.baseline = reading.observed
        return reading

    def accept(self) -> None:
        self.baseline = self.observed


@pytest.fixture
def tree(tmp_path: Path) -> Watched:
    folder = tmp_path / "etc"
    (folder / "ssh").mkdir(parents=True)
    (folder / "passwd").write_text("root:x:0:0\n")
    (folder / "ssh" / "sshd_config").write_text("PermitRootLogin no\n")
    (folder / "link").symlink_to("passwd")
    watched = Watched(folder)
    reading = watched()
    assert (reading.status, reading.message) == ("ok", "baseline recorded: 3 files")
    return watched


def _write(folder: Path) -> None:
    (folder / "passwd").write_text("root::0:0:\n")  # as long as before


def _write_and_set_back(folder: Path) -> None:
    before = (folder / "passwd").stat()
    _write(folder)
    os.utime(folder / "passwd", ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "passwd").unlink()
        make(folder / "passwd")

    return change


def _device(path: Path) -> None:
    try:
        os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero, which never ends
    except PermissionError:
        os.mkfifo(path)


CHANGES = {
    "content": (_write, "passwd: content changed, mode"),
    "content, with the old time": (_write_and_set_back, "passwd: content changed"),
    "mode": (lambda folder: (folder / "passwd").chmod(0o666), "passwd: mode 0666 (was mode 0644)"),
    "a new file": (lambda folder: (folder / "ssh" / "x").touch(), "ssh/x is new: a file"),
    "a file gone": (lambda folder: (folder / "ssh" / "sshd_config").unlink(), "sshd_config is gone"),
    "a folder gone": (lambda folder: shutil.rmtree(folder / "ssh"), "sshd_config is gone"),
    "a link elsewhere": (_replace(lambda path: path.symlink_to("/etc/hosts")), "passwd: now link to '/etc/hosts'"),
    "a FIFO in its place": (_replace(os.mkfifo), "passwd: now FIFO"),
    "a device in its place": (_replace(_device), "passwd: now"),
}


@pytest.mark.parametrize("change, told", CHANGES.values(), ids=CHANGES)
def test_every_change_is_critical_until_it_is_accepted(tree: Watched, change: Callable[[Path], object], told: str) -> None:
    assert tree().message == "3 files match the baseline"
    change(tree.folder)
    for reading in (tree(), tree()):
        assert reading.status == "critical"
        assert "1 of " in reading.message
        assert told in reading.message
        assert sum(reading.metrics[name] for name in ("changed_files", "added_files", "gone_files")) == 1
    tree.accept()
    assert tree().status == "ok"


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    tree = Watched(tmp_path)
    old = {"paths": [os.__file__]}  # its time of change is past; that of a file made now could stay the same
    assert tree(**old).metrics["hashed_bytes"] == os.stat(os.__file__).st_size
    assert tree(**old).metrics["hashed_bytes"] == 0
    (tmp_path / "young").write_text("x")
    assert [Watched(tmp_path)().metrics["hashed_bytes"] for _ in range(2)] == [1, 1]


def test_bounded_runs_go_on_and_never_look_like_removals(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(10):
        (folder / f"f{number}").write_bytes(bytes([number]) * 3000)
        os.utime(folder / f"f{number}", (1, 1))
    tree = Watched(folder)
    readings = [tree(max_bytes=12_000) for _ in range(3)]
    assert [(one.status, one.metrics["waiting_files"]) for one in readings] == [("unknown", 6), ("unknown", 2), ("ok", 0)]
    assert readings[1].observed is None
    reading = readings[2]
    assert reading.message == "baseline recorded: 10 files"
    tree.memory = {}
    reading = tree(max_bytes=12_000)
    assert (reading.status, reading.metrics["gone_files"], reading.metrics["changed_files"]) == ("unknown", 0, 0)
    assert "left for the next run" in reading.message


def test_files_too_large_are_watched_by_their_size(tree: Watched) -> None:
    with (tree.folder / "big").open("wb") as file:
        file.truncate(1 << 40)
    assert "big is new: a file" not in tree().message
    tree.accept()
    assert tree().status == "ok"
    os.truncate(tree.folder / "big", 1 << 39)
    assert tree().status == "critical"


def test_excluded_files_and_globs(tree: Watched) -> None:
    (tree.folder / "x.swp").touch()
    (tree.folder / "cups").mkdir()
    (tree.folder / "cups" / "job").touch()
    assert tree(exclude=["*.swp", f"{tree.folder}/cups"]).status == "ok"
    found = Watched(tree.folder)(paths=[f"{tree.folder}/**/ssh*_config", f"{tree.folder}/p*"])
    assert sorted(observed(found)) == [f"{tree.folder}/passwd", f"{tree.folder}/ssh/sshd_config"]


def test_what_cannot_be_read_is_unknown_and_no_change(tree: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    shut = tree.folder / "ssh"
    real = os.scandir

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        if str(path) == str(shut):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)  # root may read everything: the system says no
    reading = tree()
    assert reading.status == "unknown"
    assert f"{shut} cannot be read: permission denied" in reading.message
    assert reading.metrics["gone_files"] == 0
    assert reading.observed == tree.baseline


def test_names_that_are_no_utf8_are_told(tree: Watched) -> None:
    Path(os.fsdecode(os.fsencode(tree.folder) + b"/caf\xe9")).touch()
    assert "caf\\xe9 is new" in tree().message


@pytest.mark.parametrize(
    "with_, told",
    [({"max_files": 1}, "more than 1 files"), ({"paths": ["/no/such/file", "/no/*/x"]}, "/no/such/file: not found")],
    ids=["too many", "nothing"],
)
def test_what_it_cannot_watch_is_unknown_with_the_reason(tree: Watched, with_: Options, told: str) -> None:
    reading = Watched(tree.folder)(**with_)
    assert (reading.status, told in reading.message) == ("unknown", True)


def test_a_thousand_files_fit_the_memory(tmp_path: Path) -> None:
    folder = tmp_path / ("a-rather-long-name-of-a-folder" * 3)
    folder.mkdir()
    for number in range(1000):
        (folder / f"file-of-some-length-{number}.conf").touch()
    tree = Watched(folder)
    assert tree().message == "baseline recorded: 1000 files"
    assert len(json.dumps(tree.memory)) <= 100_000


def test_a_file_that_changes_while_it_is_read_waits(tree: Watched) -> None:
    growing, done = tree.folder / "passwd", Event()
    os.truncate(growing, 64 << 20)  # takes long to read, and no room on the disk

    def grow() -> None:
        with growing.open("a") as more:
            while not done.is_set():
                more.write("x")
                more.flush()

    with ThreadPoolExecutor() as pool:
        pool.submit(grow)
        until(lambda: growing.stat().st_size > 64 << 20, 5)
        try:
            reading = tree()
        finally:
            done.set()
    assert (reading.status, "changed while being read" in reading.message) == ("unknown", True)
    assert reading.metrics["changed_files"] == 0


def record(kind: int, user: bytes, at: int, line: bytes = b"pts/0", host: bytes = b"10.0.0.5") -> bytes:
    numbers = [0] * (len(LAYOUT.unpack(bytes(LAYOUT.size))) - 6)
    numbers[3] = at
    return LAYOUT.pack(kind, 1, line, b"ts/0", user, host, *numbers[:-1], b"")


@pytest.fixture
def wtmp(tmp_path: Path) -> Path:
    path = tmp_path / "wtmp"
    records = [record(2, b"reboot", ADA_IN - 100, b"~", b"6.1"), record(7, b"ada", ADA_IN), record(8, b"", ADA_IN + 600)]
    path.write_bytes(b"".join([*records, record(7, b"bo", ADA_IN + 700, b"tty1", b"")]))
    return path


@pytest.mark.parametrize(
    "after, who",
    [(-200, None), (-50, []), (0, ["ada from 10.0.0.5"]), (599, ["ada from 10.0.0.5"]), (650, []), (9000, ["bo on tty1"])],
)
def test_who_was_logged_in_is_read_from_the_record(wtmp: Path, after: int, who: list[str] | None) -> None:
    found = logged_in(ADA_IN + after, str(wtmp))
    assert (None if found is None else [str(one) for one in found]) == who


def test_the_record_is_read_as_last_reads_it(wtmp: Path) -> None:
    last = program("last", "util-linux-extra")
    command: list[str | Path] = [last, "-f", wtmp, "--time-format", "iso"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC"}).stdout
    ada = next(line for line in told.splitlines() if line.startswith("ada"))
    assert [word in ada for word in ("pts/0", "10.0.0.5", "2023-11-14T22:13:20", "2023-11-14T22:23:20")] == [True] * 4


def test_a_change_says_when_and_who_was_in(tree: Watched, wtmp: Path) -> None:
    now = int(time.time())
    wtmp.write_bytes(record(2, b"reboot", now - 500, b"~") + record(7, b"ada", now - 60))
    _write(tree.folder)
    message = tree().message
    assert f"written {datetime.now(UTC):%Y-%m-%d}" in message
    assert message.endswith("logged in then: ada from 10.0.0.5")
    wtmp.write_bytes(struct.pack("3s", b"bad"))
    assert tree().message.endswith("no record of logins then")
