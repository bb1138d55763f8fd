"""One stream: prefixes, nothing printable by a stranger but text, never a wait for a reader."""

import asyncio
import os
from pathlib import Path

from app.supervisor.output import BACKLOG, File, Stream, Terminal, follow

OURS = "ts=2026-11-30T11:15:18.564992Z level=info"


def lines_of(written: bytes) -> list[str]:
    """What `follow` makes of `written`."""
    heard: list[str] = []

    async def listen() -> None:
        source, target = os.pipe()
        ended = asyncio.Event()
        follow(source, heard.append)
        os.write(target, written)
        os.close(target)
        while ended.is_set() is False and not _closed(source):
            await asyncio.sleep(0)

    asyncio.run(listen())
    return heard


def _closed(source: int) -> bool:
    try:
        os.fstat(source)
    except OSError:
        return True
    return False


def test_lines_come_whole_and_the_last_one_without_its_end_too() -> None:
    assert lines_of(b"one\ntwo\r\n\nthr\xffee") == ["one", "two", "thr\ufffdee"]


def test_prefixes_have_one_width_and_no_colour_in_a_file(tmp_path: Path) -> None:
    stream = Stream(File(tmp_path / "log"), {"web": "web", "worker-line": "worker"})
    stream.line("web", f"{OURS} event=hello", red=True)
    stream.line("worker-line", f"{OURS} event=\x1b[2Jcleared\x07\ttab")
    assert (tmp_path / "log").read_text() == f"web         | {OURS} event=hello\nworker-line | {OURS} event=?[2Jcleared?\ttab\n"


def test_what_a_process_said_last_is_written_when_it_has_ended(tmp_path: Path) -> None:
    stream = Stream(File(tmp_path / "log"), {"web": "web"})
    stream.line("web", "Traceback (most recent call last):")
    assert (tmp_path / "log").read_text() == ""
    stream.ended("web")
    assert "event=traceback" in (tmp_path / "log").read_text()


def test_a_terminal_gets_a_colour_for_each_name() -> None:
    class Screen(File):
        colour = person = True

        def __init__(self) -> None:
            self.seen = b""

        def write(self, data: bytes) -> None:
            self.seen += data

    screen = Screen()
    stream = Stream(screen, {"web": "web", "beat": "beat", "tocsin": "tocsin"})
    stream.line("beat", OURS, red=True)
    stream.line("tocsin", "console  http://127.0.0.1:8080")
    beat, own = screen.seen.splitlines()
    assert beat == f"\x1b[32mbeat   | \x1b[0m\x1b[31m{OURS}\x1b[0m".encode()
    assert own == b"\x1b[33mtocsin | \x1b[0mconsole  http://127.0.0.1:8080"  # for the person who sits there


def test_a_full_log_becomes_the_old_one(tmp_path: Path) -> None:
    log = File(tmp_path / "log", limit=10)
    log.write(b"12345678\n")
    log.write(b"abcdefgh\n")
    assert (tmp_path / "log").read_text() == "abcdefgh\n"
    assert (tmp_path / "log.1").read_text() == "12345678\n"


def test_a_reader_that_stops_reading_costs_lines_and_no_time() -> None:
    async def write() -> Terminal:
        source, target = os.pipe()
        screen = Terminal(target)
        for _ in range(300):
            screen.write(b"x" * 9999 + b"\n")
        assert screen.lost > 0
        assert len(screen.waiting) <= BACKLOG
        os.close(source)
        os.close(target)
        await asyncio.sleep(0)
        return screen

    screen = asyncio.run(write())
    os.close(screen.target)
