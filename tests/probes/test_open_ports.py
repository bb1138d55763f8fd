"""security.open_ports against listeners that come and go, a full one that stays silent, and a host that answers everywhere."""

import asyncio
import os
import resource
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.probes.run import measure, measured


@contextmanager
def listening(count: int) -> Iterator[list[int]]:
    """Ports of 127.0.0.1 that take connections."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        yield sorted(server.getsockname()[1] for server in servers)


@contextmanager
def silent(count: int) -> Iterator[list[int]]:
    """Ports of 127.0.0.1 on which the kernel drops what comes: their queue of connections is full."""
    with ExitStack() as stack:
        ports = []
        for _ in range(count):
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            where = server.getsockname()
            stack.enter_context(socket.create_connection(where))
            ports.append(where[1])
        yield sorted(ports)


def closed() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def scanned(ports: list[int], baseline: Mapping[str, str] | None = None, timeout: float = 5.0, **with_: Any) -> Reading:
    text = ",".join(map(str, ports))
    return measure("security.open_ports", timeout, None, baseline, host="127.0.0.1", ports=text, **with_)


def accepted(*ports: int) -> dict[str, str]:
    return {f"tcp/{port}": "open" for port in ports}


def test_the_first_run_takes_the_baseline() -> None:
    with listening(2) as ports:
        reading = scanned([*ports, closed()])
    assert (reading.status, reading.message) == ("ok", "127.0.0.1: baseline recorded: 2 of 3 ports are open")
    assert reading.observed == accepted(*ports)
    assert reading.metrics == {
        **reading.metrics,
        "open_ports": 2,
        "opened_ports": 0,
        "closed_ports": 0,
        "tried_ports": 3,
    }


def test_ports_as_accepted_are_ok() -> None:
    with listening(2) as ports:
        reading = scanned([*ports, closed()], accepted(*ports))
    assert (reading.status, reading.observed) == ("ok", accepted(*ports))


def test_an_opened_port_is_critical_until_it_is_accepted() -> None:
    with listening(2) as ports:
        reading = scanned(ports, accepted(ports[0]))
        assert (reading.status, reading.message) == ("critical", f"127.0.0.1: new: tcp/{ports[1]}")
        assert (reading.metrics["opened_ports"], reading.observed) == (1, accepted(*ports))
        assert scanned(ports, reading.observed).status == "ok"


def test_no_port_open_is_a_baseline_too() -> None:
    port = closed()
    assert scanned([port]).observed == {}
    assert scanned([port], {}).status == "ok"
    with listening(1) as ports:
        assert scanned(ports, {}).status == "critical"


def test_a_closed_port_warns() -> None:
    with listening(1) as ports:
        gone = closed()
        reading = scanned([*ports, gone], accepted(*ports, gone))
    assert (reading.status, reading.message) == ("warning", f"127.0.0.1: gone: tcp/{gone}")
    assert (reading.metrics["closed_ports"], reading.observed) == (1, accepted(*ports))


def test_a_port_that_falls_silent_counts_as_closed() -> None:
    with listening(1) as ports, silent(1) as mute:
        reading = scanned([*ports, *mute], accepted(*ports, *mute), connect_timeout=0.1)
    assert (reading.status, reading.message) == ("warning", f"127.0.0.1: gone: tcp/{mute[0]}")


def test_a_host_that_falls_silent_altogether_is_unknown() -> None:
    with silent(2) as mute:
        reading = scanned(mute, accepted(*mute), connect_timeout=0.1)
        assert reading.status == "unknown"
        assert "does not respond on any of 2 ports; is it down?" in reading.message
        assert reading.observed is None
        assert scanned(mute, {}, connect_timeout=0.1).status == "ok"  # a firewall that drops everything, as accepted


def test_a_scan_that_cannot_finish_is_unknown_and_drops_no_port() -> None:
    with listening(1) as ports, silent(3) as mute:
        started = time.monotonic()
        everything = accepted(*ports, *mute)
        reading = scanned([*ports, *mute], everything, 0.5, connect_timeout=30, concurrency=1)
        assert time.monotonic() - started < 2.5
        assert reading.status == "unknown"
        assert "of 4 ports could be tried in time" in reading.message
        assert reading.observed == everything
        first = scanned([*ports, *mute], None, 0.5, connect_timeout=30, concurrency=1)
        assert (first.status, first.observed) == ("unknown", None)  # half a scan is no baseline


def test_an_opened_port_is_critical_even_when_the_scan_cannot_finish() -> None:
    with listening(1) as ports, silent(1) as mute:
        reading = scanned([*ports, *mute], accepted(*mute), 0.5, connect_timeout=30)
    assert reading.status == "critical"
    assert f"new: tcp/{ports[0]}; only 1 of 2 ports" in reading.message
    assert reading.observed == accepted(*ports, *mute)


def test_a_port_that_is_no_longer_asked_for_is_not_missed() -> None:
    with listening(2) as ports:
        assert scanned(ports[:1], accepted(*ports)).status == "ok"


def test_a_host_that_answers_everywhere_is_critical_and_nothing_to_accept() -> None:
    wide = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"  # this machine too, and nobody else's
    with ExitStack() as stack:
        for port in range(20_000, 20_501):
            stack.enter_context(socket.create_server((wide, port)))
        reading = measure("security.open_ports", host=wide, ports="20000-20500")
    assert reading.status == "critical"
    assert "accepts connections on 501 of 501 ports" in reading.message
    assert reading.observed is None


def test_without_sockets_it_is_unknown_not_closed() -> None:
    with silent(20) as mute, listening(1) as ports, _few_descriptors():
        reading = scanned([*mute, *ports], accepted(*ports), connect_timeout=0.5)
    assert reading.status == "unknown"
    assert "too many open files" in reading.message


@contextmanager
def _few_descriptors(left: int = 12) -> Iterator[None]:
    """This process may open only so many more files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 20, before[1]))
    try:
        taken.extend(_until_full())
        for _ in range(left):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for one in taken:
            os.close(one)


def _until_full() -> Iterator[int]:
    while True:
        try:
            yield os.dup(0)
        except OSError:  # EMFILE
            return


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("255.255.255.255", id="where the kernel refuses each try at once")])
def test_other_work_gets_its_turn_during_a_scan_of_many_ports(host: str) -> None:

    async def story() -> int:
        turns = 0
        scan = asyncio.create_task(measured("security.open_ports", 20.0, host=host, ports="1-2000", concurrency=20))
        while not scan.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await scan).metrics["tried_ports"] == 2000
        return turns

    assert asyncio.run(story()) >= 100


@pytest.mark.parametrize(
    "text, ports",
    [("22", (22,)), (" 443, 80 ,80", (80, 443)), ("8000-8002,22", (22, 8000, 8001, 8002)), ("1-65535", tuple(range(1, 65536)))],
)
def test_lists_and_ranges_are_read(text: str, ports: tuple[int, ...]) -> None:
    assert plugins.probe_module("security.open_ports").parsed(text) == ports


@pytest.mark.parametrize("text", ["", ",", "0", "65536", "9-8", "ssh", "1-", "-1", "1,,2", "9" * 500, "1:2", "٢"])
def test_what_is_no_list_of_ports_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("security.open_ports").Target(host="127.0.0.1", ports=text)


def test_a_lone_number_is_a_list_and_metadata_is_refused() -> None:
    target = plugins.probe_module("security.open_ports").Target
    assert target(host="127.0.0.1", ports=22).ports == "22"
    with pytest.raises(ValidationError):
        target(host="169.254.169.254")
    assert measure("security.open_ports", host="no.such.host.invalid").status == "unknown"
