"""How log files are followed, by the example of security.log_match: nothing is lost and nothing is counted twice."""

import bz2
import gzip
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.host import follow
from tests.probes.watched import BAD, DULL, Watched
from tests.programs import program


@pytest.fixture
def log(tmp_path: Path) -> Watched:
    watched = Watched(tmp_path)
    watched.path.write_text(BAD * 3)
    assert watched.matches() == 0
    return watched


def _rename(log: Watched) -> None:
    log.path.rename(f"{log.path}.1")


def _copytruncate(log: Watched) -> None:
    shutil.copy(log.path, f"{log.path}.1")
    os.truncate(log.path, 0)


def _pack(pack: Callable[[bytes], bytes], ending: str) -> Callable[[Watched], None]:
    def rotate(log: Watched) -> None:
        Path(f"{log.path}.2.{ending}").write_bytes(pack(log.path.read_bytes()))
        log.path.unlink()

    return rotate


def _date(log: Watched) -> None:
    log.path.rename(log.path.with_name("app-20261123.log"))


ROTATIONS = {
    "renamed": _rename,
    "copied and truncated": _copytruncate,
    "packed with gzip": _pack(gzip.compress, "gz"),
    "packed with bzip2": _pack(bz2.compress, "bz2"),
    "a date in its name": _date,
}


@pytest.mark.parametrize("rotate", ROTATIONS.values(), ids=ROTATIONS)
def test_rotation_loses_nothing_and_counts_nothing_twice(log: Watched, rotate: Callable[[Watched], None]) -> None:
    log.add(BAD.replace("4711", "1"), DULL)
    rotate(log)
    log.add(BAD.replace("4711", "2"))
    assert log.matches() == 2
    log.add(BAD)
    assert log.matches() == 1


def test_the_old_file_is_read_while_its_writer_has_not_moved(log: Watched) -> None:
    with log.path.open("a") as writer:
        log.path.rename(f"{log.path}.1")
        log.path.touch()
        assert log.matches() == 0
        writer.write(BAD)
    assert log.matches() == 1
    log.add(BAD)
    assert log.matches() == 1


def test_several_rotations_between_two_runs_are_read_in_order(log: Watched) -> None:
    log.add(BAD)
    for number in (1, 2, 3):
        for old in (2, 1):
            if (found := log.path.with_name(f"app.log.{old}")).exists():
                found.rename(log.path.with_name(f"app.log.{old + 1}"))
        _rename(log)
        log.add(BAD.replace("4711", str(number)))
    reading = log()
    assert reading.metrics["matches"] == 4
    assert "process 3" in reading.message


def test_rotation_in_the_middle_of_a_backlog_goes_on_where_it_was(log: Watched) -> None:
    log.add((DULL * 40 + BAD) * 100)
    assert log.matches(max_bytes=65_536) > 0
    _copytruncate(log)
    log.add(BAD)
    rest = 0.0
    while (reading := log(max_bytes=65_536)).metrics["behind_bytes"] or reading.metrics["lines"]:
        rest += reading.metrics["matches"]
    assert rest < 100
    assert log.memory["files"][str(log.path)]["position"] == len(BAD)


def test_a_file_cut_while_it_is_read_is_found_again_as_its_copy(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("".join(f"line {number}\n" for number in range(5000)))
    follower = follow.Follower(path, {}, follow.Limits(1 << 20, 2000), from_start=True)
    first = []
    for line in follower.lines():
        first.append(line)
        if len(first) == 500:
            shutil.copy(path, tmp_path / "app.log.1")
            os.truncate(path, 0)
    path.write_text("line after\n")
    second = list(follow.Follower(path, follower.memory, follow.Limits(1 << 20, 10_000)).lines())
    assert first + second == [b"line %d" % number for number in range(5000)] + [b"line after"]


def test_real_logrotate_loses_nothing(log: Watched, tmp_path: Path) -> None:
    logrotate = program("logrotate", "logrotate")
    settings = tmp_path / "rotate.conf"
    for way in ("create", "copytruncate", "compress\ncreate"):
        settings.write_text(f'"{log.path}" {{\nrotate 5\n{way}\n}}\n')
        settings.chmod(0o644)
        tmp_path.chmod(0o755)
        log.add(BAD.replace("web", way[:4]), DULL, BAD)
        subprocess.run([logrotate, "-f", "-s", tmp_path / "state", settings], check=True, capture_output=True)
        log.add(BAD.replace("4711", str(len(way))))
        assert log.matches() == 3, way


def test_a_predecessor_that_is_gone_is_said(log: Watched) -> None:
    log.path.write_text(DULL)
    assert "the rotated file is not beside it" in log().message


def test_files_of_a_glob_may_come_go_and_be_each_others_past(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "*.log*")
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.write_text(BAD)
    assert watched.matches() == 0
    two.write_text(BAD)  # it came later: all of it is new
    assert watched.matches() == 1
    watched.add(BAD, to=one)
    one.rename(tmp_path / "one.log.1")
    watched.add(BAD, BAD, to=one)
    assert watched.matches() == 3
    two.unlink()
    (tmp_path / "one.log.2.gz").write_bytes(gzip.compress(BAD.encode()))
    os.mkfifo(tmp_path / "pipe.log")
    assert (watched().status, watched.matches()) == ("ok", 0)


def test_a_new_name_within_the_glob_is_not_read_twice(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "*.log")
    (tmp_path / "app.log").write_text(BAD)
    watched()
    watched.add(BAD, to=tmp_path / "app.log")
    (tmp_path / "app.log").rename(tmp_path / "app-20261123.log")
    (tmp_path / "app.log").touch()
    assert [watched.matches(), watched.matches()] == [1, 0]
    watched.add(BAD, to=tmp_path / "app.log")
    assert [watched.matches(), watched.matches()] == [1, 0]
