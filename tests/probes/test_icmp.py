"""health.icmp in a network of its own: with a ping socket, a raw one and neither; against hosts that fall silent and lie."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from tests.probes.run import measure
from tests.programs import program

pytestmark = pytest.mark.xdist_group("ping")  # the network is made once

Readings = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def readings() -> Readings:
    """What the probe found in each scenario of tests/probes/servers/echo.py."""
    unshare: list[str | Path] = [program("unshare", "util-linux"), "--net", "--map-root-user"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody make a network namespace; pings are tested in one")
    command = [*unshare, sys.executable, "-m", "tests.probes.servers.echo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stderr
    found: Readings = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("way", ["ping socket", "ping socket, IPv6", "raw socket", "raw socket, IPv6"])
def test_a_host_that_answers_is_ok_and_timed(readings: Readings, way: str) -> None:
    reading = readings[way]
    metrics = reading["metrics"]
    assert reading["status"] == "ok", reading["message"]
    assert (metrics["sent"], metrics["received"], metrics["loss_percent"]) == (5, 5, 0)
    assert 0 < metrics["rtt_min_seconds"] <= metrics["rtt_avg_seconds"] <= metrics["rtt_max_seconds"] < 0.3
    assert 0 <= metrics["jitter_seconds"] < 0.3


@pytest.mark.parametrize(
    "lie",
    ["silence", "another identifier", "another content", "a number never sent", "cut content", "no content"],
)
def test_silence_and_replies_that_are_not_ours_are_critical(readings: Readings, lie: str) -> None:
    reading = readings[lie]
    assert reading["status"] == "critical"
    assert reading["message"] == "127.0.0.1 answered none of 5 echo requests"
    assert reading["metrics"] == {"loss_percent": 100, "sent": 5, "received": 0}


@pytest.mark.parametrize(
    "name, status, told",
    [
        ("the first address has no way", "ok", "two.example (127.0.0.1) answered 5 echo requests"),
        ("the first address is silent", "ok", "two.example (::1) answered 5 echo requests"),
        ("no address has a way", "critical", "192.0.2.2"),
    ],
)
def test_every_address_of_a_name_is_tried(readings: Readings, name: str, status: str, told: str) -> None:
    assert (readings[name]["status"], told in readings[name]["message"]) == (status, True), readings[name]["message"]


@pytest.mark.parametrize(
    "lie, status, received",
    [("every reply thrice", "ok", 5), ("four of five replies", "warning", 4), ("every second reply", "warning", 3)],
)
def test_a_reply_counts_once_and_losses_are_judged(readings: Readings, lie: str, status: str, received: int) -> None:
    assert (readings[lie]["status"], readings[lie]["metrics"]["received"]) == (status, received)


def test_two_pings_at_once_do_not_take_each_others_replies(readings: Readings) -> None:
    assert readings["two at once"]["metrics"] == {"received": 5, "sent": 5}


def test_no_way_there_is_critical_and_said(readings: Readings) -> None:
    assert readings["no way there"]["status"] == "critical"
    assert readings["no way there"]["message"] == "192.0.2.1: network is unreachable"


def test_all_requests_fit_into_little_time(readings: Readings) -> None:
    assert readings["silence, little time"]["metrics"] == {"loss_percent": 100, "sent": 20, "received": 0}


def test_without_the_right_to_ping_it_is_unknown_and_says_what_to_do(readings: Readings) -> None:
    reading = readings["no right"]
    assert reading["status"] == "unknown"
    assert "sysctl net.ipv4.ping_group_range (" in reading["message"]
    assert "CAP_NET_RAW" in reading["message"]


def test_where_the_tests_run_it_answers_or_says_what_to_do() -> None:
    reading = measure("health.icmp", host="127.0.0.1", interval=0.01)
    assert reading.status == "ok" or (reading.status == "unknown" and "ping_group_range" in reading.message)


def test_a_network_that_nothing_leads_to_is_never_told_of_as_a_port() -> None:
    reading = measure("health.icmp", 0.5, host="240.0.0.1", count=1)
    assert reading.status in ("critical", "unknown")
    assert "UDP" not in reading.message


@pytest.mark.parametrize("host, version, told", [("127.0.0.1", 6, "no IPv6 address"), ("::1", 4, "no IPv4 address")])
def test_a_host_without_an_address_of_the_wanted_kind_is_critical(host: str, version: int, told: str) -> None:
    reading = measure("health.icmp", host=host, ip_version=version)
    assert (reading.status, told in reading.message) == ("critical", True)


def test_a_metadata_address_and_nonsense_are_refused_when_read() -> None:
    for wrong in ({"host": "169.254.169.254"}, {"host": "127.0.0.1", "count": 0}, {"host": "127.0.0.1", "size": 1}):
        with pytest.raises(ValidationError):
            plugins.probe_module("health.icmp").Target.model_validate(wrong)
