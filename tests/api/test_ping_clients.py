"""Pings as real clients send them: curl as it stands in crontabs, with its retries, and a wrapper that runs the job."""

# ruff: noqa: F811 - a fixture that is imported is named again where it is asked for

import http.client
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.api.beats import RID, beat, beats, key, kinds, path_of, pings  # noqa: F401
from tests.api.conftest import Api


@pytest.mark.skipif(shutil.which("curl") is None, reason="install curl to run this")
def test_curl_as_every_crontab_writes_it(beats: Api, key: str) -> None:
    where = beats.url + path_of(beats)
    curl = ["curl", "-fsS", "-m", "10", "--retry", "5", "-o", "/dev/null"]
    for words in (
        [where],
        ["--data-raw", "line 1\nline 2 & more", f"{where}/fail"],
        ["-I", where],
        ["-d", "", f"{where}/$?".replace("$?", "0")],
        ["-T", __file__, f"{beats.url}/ping/{key}/nightly-backup/log"],
    ):
        subprocess.run([*curl, *words], check=True, timeout=20)
    assert kinds(beats) == ["success", "fail", "success", "success", "log"]
    assert pings(beats)[3]["body"] == "line 1\nline 2 & more"
    refused = subprocess.run(["curl", "-fsS", f"{beats.url}/ping/{uuid4()}"], capture_output=True, text=True, timeout=20)
    assert refused.returncode == 22
    assert "404" in refused.stderr


class Gate:
    """A proxy that fails the first calls: what a client meets while its server is restarted."""

    def __init__(self, to: str, failures: int) -> None:
        self.to, self.left = to.removeprefix("http://"), failures
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            sock, _ = self.listener.accept()
            with sock:
                asked = sock.recv(65536)
                if not asked.strip():
                    return
                if self.left:
                    self.left -= 1
                    sock.sendall(
                        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )
                    continue
                host, _, port = self.to.partition(":")
                with socket.create_connection((host, int(port)), timeout=10) as there:
                    there.sendall(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                    while part := there.recv(65536):
                        sock.sendall(part)

    def close(self) -> None:
        with socket.create_connection(self.listener.getsockname()):
            pass
        self.thread.join(10)
        self.listener.close()


@pytest.fixture
def gate(beats: Api) -> Iterator[Gate]:
    made = Gate(beats.url, 2)
    yield made
    made.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="install curl to run this")
def test_curl_tries_again_and_pings_once(beats: Api, gate: Gate) -> None:
    curl = ["curl", "-fsS", "-m", "10", "--retry", "5", "--retry-delay", "1", "-o", "/dev/null", gate.url + path_of(beats)]
    subprocess.run(curl, check=True, timeout=30, capture_output=True)
    assert kinds(beats) == ["success"]


def test_a_wrapper_that_runs_a_job_as_runitor_does(beats: Api, key: str) -> None:
    """POST with rid and create, the tail of the output as text, as much of it as the answer to the start allows."""
    connection = http.client.HTTPConnection(beats.url.removeprefix("http://"), timeout=10)

    def say(what: str, text: bytes = b"") -> http.client.HTTPResponse:
        headers = {"Content-Type": "text/plain", "User-Agent": "runitor/1.4"}
        connection.request("POST", f"/ping/{key}/job{what}?rid={RID}&create=1", text, headers)
        response = connection.getresponse()
        response.read()
        return response

    started = say("/start")
    assert started.status == 201
    limit = int(started.headers["Ping-Body-Limit"])
    assert say("/1", (b"y" * 20_000 + b"the end")[-limit:]).status == 200
    connection.close()
    kept = pings(beats, "job")
    assert [one["kind"] for one in kept] == ["fail", "start"]
    assert kept[0]["seconds"] is not None
    assert beat(beats, "job")["because"].endswith("the end")
