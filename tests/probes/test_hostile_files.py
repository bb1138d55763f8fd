"""Probes that read files which are not what they should be: circles, pits, odd names, FIFOs, bombs, and false memories."""

import asyncio
import gzip
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.host import authorized_keys
from tests.probes.hostile import due, result, results
from tests.probes.run import Options, observed, remembered

PATTERN = {"boom": "boom"}


@pytest.fixture
def circles(tmp_path: Path) -> Path:
    """A folder that holds itself twice: with links followed it has 2^40 paths."""
    folder = tmp_path / "circles"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).symlink_to(".")
    (folder / "one.log").write_text("boom\n")
    return folder


@pytest.fixture(scope="module")
def pit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in a folder, 1200 deep."""
    before, folder = os.getcwd(), tmp_path_factory.mktemp("deep") / "pit"
    folder.mkdir()
    os.chdir(folder)
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(before)
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_folders_that_hold_themselves_are_looked_through_once(circles: Path) -> None:
    read = result("security.log_match", timeout="2s", paths=[f"{circles}/**/*.log"], patterns=PATTERN, **{"from": "start"})
    assert (read.status, read.metrics["matches"]) == ("critical", 1), read.message
    none = result("security.log_match", timeout="2s", paths=[f"{circles}/**/*.none"], patterns=PATTERN)
    assert "no such file:" in none.message
    assert result("health.file_age", path=f"{circles}/**/*.log").metrics["files"] == 1
    assert result("security.file_integrity", paths=[str(circles)]).message == "baseline recorded: 3 files"


@pytest.mark.parametrize(
    ("probe", "with_"),
    [
        ("security.log_match", {"paths": ["PIT/**/*.log"], "patterns": PATTERN}),
        ("security.file_integrity", {"paths": ["PIT"]}),
        ("health.file_age", {"path": "PIT/**/x"}),
    ],
    ids=["security.log_match", "security.file_integrity", "health.file_age"],
)
def test_folders_without_a_floor_are_unknown_in_words(pit: Path, probe: str, with_: Options) -> None:
    filled = {
        key: [one.replace("PIT", str(pit)) for one in value] if isinstance(value, list) else value
        for key, value in with_.items()
    }
    filled |= {"path": f"{pit}/**/x"} if "path" in with_ else {}
    found = result(probe, **filled)
    assert found.status == "unknown"
    assert "broke" not in found.message
    assert any(word in found.message for word in ("too deep", "too much", "cannot be searched"))


def test_a_search_for_log_files_that_takes_too_long_leaves_time_to_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("boom\n")
    from app.host.follow import Files, Limits

    files = Files([f"{tmp_path}/*.log"], None, Limits(1 << 20, 1000, time.monotonic()), from_start=True)
    assert list(files.lines()) == []
    assert "matches too much" in files.errors[0]


def test_a_log_whose_name_is_no_text_is_followed_like_any_other(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff\xfe.log"
    with open(odd, "wb") as file:
        file.write(b"boom\n")
    first = result("security.log_match", paths=[f"{tmp_path}/*.log"], patterns=PATTERN)
    assert (first.status, first.metrics["matches"]) == ("ok", 0), first.message
    with open(odd, "ab") as file:
        file.write(b"boom again\n")
    second = result("security.log_match", memory=first.memory, paths=[f"{tmp_path}/*.log"], patterns=PATTERN)
    assert (second.status, second.metrics["matches"]) == ("critical", 1), second.message


def test_a_log_that_became_something_else_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("boom\n")
    memory = remembered(result("security.log_match", paths=[str(path)], patterns=PATTERN))
    for become in (os.mkfifo, os.mkdir, lambda name: os.symlink(name, name), lambda name: os.symlink("/dev/zero", name)):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        become(path)
        found = result("security.log_match", memory=memory, paths=[str(path)], patterns=PATTERN)
        assert (found.status, "cannot be read" in found.message) == ("unknown", True), found.message
        assert result("security.auth_log", memory=memory["files"][str(path)], path=str(path)).status == "unknown"


def test_packed_predecessors_are_sought_only_while_there_is_time(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("new\n")
    for number in range(6):
        (tmp_path / f"app.log.{number}.gz").write_bytes(gzip.compress(b"\0" * 30_000_000, 1))
    memory = {"files": {str(path): {"inode": 1, "position": 200_000_000, "mark": "x" * 16}}, "at": 0}
    began = time.monotonic()
    found = result("security.log_match", timeout="1s", memory=memory, paths=[str(path)], patterns=PATTERN)
    assert time.monotonic() - began < 1.5
    assert "may be lost" in found.message, found.message


def test_a_fifo_in_the_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "var/lib/apt/lists").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg").mkdir()
    os.mkfifo(tmp_path / "var/lib/dpkg/status")
    os.mkfifo(tmp_path / "ca.pem")
    threads = threading.active_count()
    found = result("security.updates", timeout="2s", root=str(tmp_path), command=["apt-get"])
    assert (found.status, "not a regular file" in found.message) == ("unknown", True), found.message
    for ca in (str(tmp_path / "ca.pem"), "/dev/zero", str(tmp_path), "/no/such/ca.pem"):
        asked = [
            due("health.http", name="http", url="https://127.0.0.1:9/", ca=ca),
            due("health.smtp", name="smtp", host="127.0.0.1", port=9, ca=ca),
            due("security.tls", name="tls", host="127.0.0.1", port=9, ca=ca),
        ]
        for one in asyncio.run(results(asked)):
            assert (one.status, f"{ca} cannot be read as a CA bundle" in one.message) == ("unknown", True), one.message
    assert threading.active_count() <= threads + 2


def test_rules_for_sudo_written_to_hold_us_up_are_read_at_once(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (etc / "group").write_text("root:x:0:\n")
    (etc / "sudoers").write_text(
        f'@include a{" " * 100_000}b\n@include {" " * 100_000}\x0b"c" "d\nada ALL = {"/bin/x, " * 800}\n'
    )
    began = time.monotonic()
    first = result("security.accounts", root=str(tmp_path))
    assert time.monotonic() - began < 2
    assert (first.status, "baseline recorded" in first.message) == ("ok", True), first.message
    again = result("security.accounts", root=str(tmp_path), baseline=first.observed)
    assert (again.status, "match the baseline" in again.message) == ("ok", True), again.message


def test_a_key_line_of_megabytes_is_read_in_little_memory() -> None:
    code = (
        "import resource\nfrom app.host.authorized_keys import parse\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert parse('a' * 2_000_000) is None and parse('a=\"' + 'b' * 2_000_000) is None\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 40_000  # KiB
    told = authorized_keys.parse('command="a \\"b\\" c",no-pty ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA ada')
    assert told is not None
    assert told.description.startswith("ssh-ed25519 command,no-pty [")


def test_what_cannot_be_shown_is_still_as_accepted_on_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "evil\x1b[2J\u202e").write_text("x")
    with open(os.fsencode(tmp_path) + b"/\xff\x01", "w"):
        pass
    first = result("security.file_integrity", paths=[str(tmp_path)])
    assert all(name.isprintable() for name in observed(first))
    again = result("security.file_integrity", paths=[str(tmp_path)], baseline=first.observed)
    assert (again.status, again.message) == ("ok", "2 files match the baseline")


def test_a_process_whose_arguments_are_no_text_hides_nobody() -> None:
    child = subprocess.Popen([b"/bin/sh", b"-c", b"read x; : \xff\xfe tocsin-odd"], stdin=subprocess.PIPE)
    try:
        found = result("health.process", pattern="tocsin-odd")
        assert (found.status, found.metrics["processes"]) == ("ok", 1), found.message
    finally:
        child.communicate(b"\n")


FALSE: tuple[Any, ...] = (None, -1, 1e308, True, "x", "\ud800", [], [1], {}, {"a": 1}, {"a": {"position": "x"}}, 2**70)
REMEMBERED = {
    "security.log_match": ("files", "at", "cursor"),
    "security.auth_log": ("inode", "position", "mark", "cut", "sources"),
    "security.file_integrity": ("files", "next"),
    "health.process": ("at", "cpu"),
}


@pytest.mark.parametrize("probe", REMEMBERED)
def test_a_false_memory_is_no_memory(tmp_path: Path, probe: str) -> None:
    path = tmp_path / "a.log"
    path.write_text("boom\n")
    settings: dict[str, Options] = {
        "security.log_match": {"paths": [str(path)], "patterns": PATTERN},
        "security.auth_log": {"path": str(path), "new_sources": "warning"},
        "security.file_integrity": {"paths": [str(path)]},
        "health.process": {"pattern": "python"},
    }
    with_ = settings[probe]
    sound = remembered(result(probe, **with_))
    memories = [{**sound, name: value} for name in REMEMBERED[probe] for value in FALSE]
    memories += [{"at": time.time() + 1e9, "files": {str(path): {"inode": 1, "position": 10**9, "mark": "y"}}}]
    found = asyncio.run(
        results([due(probe, memory=memory, name=str(number), **with_) for number, memory in enumerate(memories)])
    )
    assert not [one.message for one in found if "broke" in one.message or "is not one" in one.message]
