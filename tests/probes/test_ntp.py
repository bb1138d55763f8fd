"""health.ntp against chronyd, and against time servers that are wrong, refuse, hang and lie."""

import asyncio
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from app.net.ntp import HEADER, ntp, since
from tests.net.udp import serve_udp, silent
from tests.probes.run import measure, measured
from tests.probes.servers.dnsmasq import free_port
from tests.programs import program

ERA = 2**32  # seconds


@contextmanager
def chronyd(folder: Path, *lines: str) -> Iterator[int]:
    """The port of a chronyd that leaves this machine's clock alone."""
    binary, port = program("chronyd", "chrony"), free_port()
    alone = ("bindaddress 127.0.0.1", "allow 127.0.0.1", "cmdport 0", f"pidfile {folder}/pid", f"port {port}")
    conf = folder / "chrony.conf"
    conf.write_text("\n".join((*alone, *lines, "")))
    user = pwd.getpwuid(os.geteuid()).pw_name
    command: list[str | Path] = [binary, "-x", "-d", "-U", "-u", user, "-f", conf]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _when_it_answers(port, process)
            yield port
        finally:
            process.terminate()


def _when_it_answers(port: int, process: "subprocess.Popen[bytes]") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.1)
        asking.connect(("127.0.0.1", port))
        while process.poll() is None:
            try:
                asking.send(b"\x23" + bytes(47))
                asking.recv(100)
                return
            except OSError:  # nobody there yet, or no answer yet
                continue
    raise AssertionError("chronyd did not start")


def test_a_server_whose_clock_is_ours_shows_no_offset(tmp_path: Path) -> None:
    with chronyd(tmp_path, "local stratum 5") as port:
        reading = measure("health.ntp", host="127.0.0.1", port=port)
    assert reading.status == "ok", reading.message
    assert reading.metrics == {**reading.metrics, "stratum": 5, "leap": 0, "synchronised": 1}
    assert abs(reading.metrics["offset_seconds"]) <= reading.metrics["delay_seconds"] / 2 + 0.001
    assert 0 <= reading.metrics["delay_seconds"] < 1
    assert "127.0.0.1 (stratum 5, delay" in reading.message


def test_a_server_that_is_not_synchronised_is_critical_and_its_offset_not_told(tmp_path: Path) -> None:
    with chronyd(tmp_path) as port:
        reading = measure("health.ntp", host="127.0.0.1", port=port)
    assert reading.status == "critical"
    assert reading.message.startswith("127.0.0.1 is not synchronised (leap indicator 3")
    assert reading.metrics == {"stratum": 0, "leap": 3, "synchronised": 0}


Answers = Callable[[bytes], list[bytes]]


def says(
    offset: float = 0.0, *, inside: float = 0.0, leap: int = 0, stratum: int = 2, mode: int = 4, code: bytes = b"GPS\0",
    origin: Callable[[bytes], bytes] = lambda number: number, distance: float = 0.0, size: int = 48,
) -> Answers:  # fmt: skip
    """A server that runs `offset` seconds before us and says that it took `inside` seconds to answer."""

    def answer(request: bytes) -> list[bytes]:
        now = ntp(time.time_ns()) + round(offset * ERA)
        times = [(now + round(after * ERA)) % 2**64 for after in (0.0, inside)]
        first = leap << 6 | 4 << 3 | mode
        dispersion = round(distance * 2**16)
        return [HEADER.pack(first, stratum, 6, -20, 0, dispersion, code, 0, origin(request[40:48]), *times)[:size]]

    return answer


def of(answers: Answers, timeout: float = 5.0, **with_: Any) -> Reading:
    async def story() -> Reading:
        async with serve_udp(answers) as port:
            return await measured("health.ntp", timeout, host="127.0.0.1", port=port, **with_)

    return asyncio.run(story())


@pytest.mark.parametrize(
    "offset, status, told",
    [
        pytest.param(0.03, "ok", "s behind", id="little is ok"),
        pytest.param(0.5, "warning", "s behind", id="half a second behind warns"),
        pytest.param(-0.5, "warning", "s ahead of", id="half a second ahead warns"),
        pytest.param(90.0, "critical", "the local clock is 90 s behind 127.0.0.1", id="a minute and a half is critical"),
        pytest.param(-90_030.0, "critical", "the local clock is 1 d 1 h ahead of", id="a day ahead is critical"),
        pytest.param(
            12 * 365 * 86_400.0 + 30, "critical", "the local clock is 4380 d behind", id="also beyond the era of 2036"
        ),
    ],
)
def test_the_offset_is_judged_either_way(offset: float, status: str, told: str) -> None:
    reading = of(says(offset))
    assert reading.status == status
    assert told in reading.message
    assert reading.metrics["offset_seconds"] == pytest.approx(offset, abs=reading.metrics["delay_seconds"] / 2 + 0.001)


def test_the_limits_are_the_checks_own() -> None:
    assert of(says(0.5), warning_above=1, critical_above=2).status == "ok"
    assert of(says(1.5), warning_above=1, critical_above=2).status == "warning"
    assert of(says(0.5), warning_above=0.1, critical_above=0.2).status == "critical"


@pytest.mark.parametrize(
    "answers, status, told",
    [
        pytest.param(silent, "critical", "did not respond within", id="silence"),
        pytest.param(says(99, origin=lambda number: bytes(8)), "critical", "datagrams ignored", id="no origin"),
        pytest.param(says(99, origin=lambda number: number[::-1]), "critical", "datagrams ignored", id="another's origin"),
        pytest.param(says(mode=5), "critical", "datagrams ignored", id="a broadcast"),
        pytest.param(lambda request: [request], "critical", "datagrams ignored", id="an echo"),
        pytest.param(says(size=47), "critical", "datagrams ignored", id="a byte too short"),
        pytest.param(lambda request: [b"", b"\xff" * 60_000] * 30, "critical", "datagrams ignored", id="a flood"),
        pytest.param(says(inside=5), "critical", "inconsistent timestamps", id="longer inside than the whole way"),
        pytest.param(says(inside=-1), "critical", "inconsistent timestamps", id="sent before it was received"),
        pytest.param(says(leap=3), "critical", "not synchronised (leap indicator 3)", id="leap 3"),
        pytest.param(says(stratum=16), "critical", "not synchronised (stratum 16)", id="stratum 16"),
        pytest.param(says(stratum=0, code=b"INIT", leap=3), "critical", "leap indicator 3, INIT", id="still starting"),
        pytest.param(says(distance=20), "critical", "it may be 20 s off", id="far from any clock"),
        pytest.param(says(stratum=0, code=b"RATE", leap=3), "unknown", "asks for a lower query rate", id="kiss RATE"),
        pytest.param(says(stratum=0, code=b"DENY"), "unknown", "refuses to serve this client (kiss code DENY)", id="kiss DENY"),
        pytest.param(says(leap=1), "ok", "a leap second is scheduled", id="a leap second"),
    ],
)
def test_a_server_that_fails_hangs_or_lies_is_never_believed(answers: Answers, status: str, told: str) -> None:
    started = time.monotonic()
    reading = of(answers, 0.3)
    assert reading.status == status
    assert told in reading.message
    assert ("offset_seconds" in reading.metrics) is (status == "ok")
    assert time.monotonic() - started < 2.5


def test_a_forged_answer_before_the_right_one_does_not_count() -> None:
    def origin(_: bytes) -> bytes:
        return bytes(8)

    def both(request: bytes) -> list[bytes]:
        forged = [says(99, origin=origin), says(stratum=0, code=b"DENY", origin=origin)]
        return [answer for say in (*forged, says()) for answer in say(request)]

    assert of(both).status == "ok"


def test_a_lost_datagram_is_no_outage() -> None:
    seen: list[bytes] = []

    def second(request: bytes) -> list[bytes]:
        seen.append(request)
        return says()(request) if len(seen) == 2 else []

    assert of(second, 1.0).status == "ok"
    assert seen[0] != seen[1]


def test_nobody_there_is_critical_at_once() -> None:
    port = free_port()
    reading = measure("health.ntp", host="127.0.0.1", port=port)
    assert (reading.status, reading.message) == ("critical", f"nothing is listening on UDP 127.0.0.1:{port}")


def test_the_request_tells_nothing_of_our_clock() -> None:
    seen: list[bytes] = []

    def notes(request: bytes) -> list[bytes]:
        seen.append(request)
        return says()(request)

    of(notes)
    assert seen[0][:40] == b"\x23" + bytes(39)
    assert abs(since(int.from_bytes(seen[0][40:]), ntp(time.time_ns()))) > 5  # random; our time would be near


def test_times_of_two_eras_are_compared() -> None:
    before, after = ntp(2_085_978_495 * 10**9), ntp(2_085_978_497 * 10**9)  # 2036-02-07T06:28:15Z and :17Z
    assert after < before
    assert since(after, before) == 2
    assert since(before, after) == -2


def test_a_metadata_address_is_refused_when_read() -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("health.ntp").Target(host="169.254.169.123")
