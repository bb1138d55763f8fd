"""health.docker against a Unix socket that answers as dockerd does, and daemons that fail, hang and lie."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading, Status
from tests.net.serve import Handler, drips, floods, hangs, slams
from tests.probes.run import Options, against, measured
from tests.probes.servers.engine import ENDED, api, container, engine, listening

docker = plugins.probe_module("health.docker")
NOBODY = 65_534


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Reading]:
    def asked(handler: Callable[..., Any], timeout: float = 5.0, **with_: Any) -> Reading:
        async def story() -> Reading:
            async with listening(handler, tmp_path / "docker.sock"):
                return await measured("health.docker", timeout, url=f"unix://{tmp_path}/docker.sock", **with_)

        return asyncio.run(story())

    return asked


Ask = Callable[..., Reading]
WEB, DB = container("web"), container("db", health="healthy")
RUNTIME = "OCI runtime create failed: exec: no such file"


def test_named_containers_that_run_are_ok(ask: Ask) -> None:
    reading = ask(engine(WEB, DB), containers=["web", "db"])
    assert (reading.status, reading.message) == (Status.OK, "2 of 2 containers are running")
    assert {key: reading.metrics[key] for key in ("running", "expected", "unhealthy", "restarts")} == {
        "running": 2, "expected": 2, "unhealthy": 0, "restarts": 0,
    }  # fmt: skip
    assert {(one.metric, one.labels["container"], one.value) for one in reading.series} >= {("container_up", "db", 1.0)}


@pytest.mark.parametrize(
    "one, told",
    [
        (container("web", "exited", ExitCode=1, FinishedAt=ENDED), "web: exited (1) 5 d ago"),
        (container("web", "exited", ExitCode=0, FinishedAt=ENDED), "web: exited (0) 5 d ago"),
        (container("web", "exited", ExitCode=137, OOMKilled=True), "web: exited (137, killed: out of memory)"),
        (container("web", "restarting", ExitCode=3, FinishedAt=ENDED), "web: restarting, last exited (3) 5 d ago"),
        (container("web", "created", ExitCode=127, Error=RUNTIME), f"web: has never started: {RUNTIME}"),
        (container("web", "paused"), "web: paused"),
        (container("web", "dead", ExitCode=0), "web: dead (0)"),
        (container("web", health="unhealthy"), "web: unhealthy, 7 health checks failed in a row: 'cannot reach the database'"),
        (container("other"), "web: no such container"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_that_does_not_do_its_work_is_critical_and_told(ask: Ask, one: dict[str, Any], told: str) -> None:
    reading = ask(engine(DB, one), containers=["db", "web"])
    assert (reading.status, reading.message.partition("; ")[2]) == (Status.CRITICAL, told)


def test_a_container_that_ended_well_may_have_done_its_work(ask: Ask) -> None:
    assert ask(engine(container("job", "exited")), containers=["job"], may_end=True).status is Status.OK
    assert ask(engine(container("job", "exited", ExitCode=1)), containers=["job"], may_end=True).status is Status.CRITICAL
    assert ask(engine(container("web", health="starting")), containers=["web"]).status is Status.OK


def test_all_with_a_label_are_judged_and_none_is_critical(ask: Ask) -> None:
    asked: list[str] = []
    reading = ask(engine(WEB, container("db", "exited", ExitCode=1), asked=asked), label="app=shop")
    assert (reading.status, "1 of 2 containers are running; db: exited (1)" in reading.message) == (Status.CRITICAL, True)
    assert asked[0] == '/containers/json?all=1&filters={"label":["app=shop"]}'
    reading = ask(engine(), label="app=shop")
    assert (reading.status, reading.message) == (
        Status.CRITICAL,
        "0 of 1 containers are running; 0 containers have the label app=shop, expected at least 1",
    )
    assert ask(engine(), label="app=shop", minimum=0).status is Status.OK
    assert ask(engine(WEB), label="app=shop", minimum=2).metrics["expected"] == 2


def test_without_a_choice_whatever_runs_must_be_healthy(ask: Ask) -> None:
    assert ask(engine(WEB, container("job", "exited", ExitCode=1))).message == "1 of 1 containers are running"
    assert ask(engine(WEB, container("db", health="unhealthy"))).status is Status.CRITICAL


def test_a_restart_between_two_runs_warns_and_a_new_container_counts_anew(ask: Ask) -> None:
    first = ask(engine(container("web", restarts=3)), containers=["web"])
    assert (first.status, first.metrics["restarts"]) == (Status.OK, 0)
    memory = dict(first.memory or {})
    again = ask(engine(container("web", restarts=5)), containers=["web"], memory=memory)
    assert (again.status, again.metrics["restarts"]) == (Status.WARNING, 2)
    assert "web: restarted 2 times since the last run" in again.message
    assert ask(engine(container("web") | {"Id": "f" * 64}), containers=["web"], memory=memory).status is Status.OK


def test_one_that_is_removed_while_we_ask_is_not_missed(ask: Ask) -> None:
    answers = iter([(200, [{"Id": "a" * 64}, {"Id": "b" * 64}]), (200, WEB), (404, {"message": "No such container: b"})])
    reading = ask(api(lambda target: next(answers)))
    assert (reading.status, reading.message) == (Status.OK, "1 of 1 containers are running")


LIES = {
    "hangs": (hangs, "critical", "no response from the Docker daemon within 0.475 s: the list of containers"),
    "drips": (drips, "critical", "no response from the Docker daemon within"),
    "closes at once": (slams, "critical", "invalid response from the Docker daemon"),
    "floods": (floods, "critical", "response too large"),
    "an error of its own": (api(lambda _: (500, {"message": "cannot open database"})), "critical", "500, cannot open database"),
    "a web server": (api(lambda _: (200, b"<html>")), "critical", "200, no Engine API"),
    "not found": (api(lambda _: (404, b"nothing here")), "critical", "404, no Engine API"),
    "another API": (api(lambda _: (200, {"status": "ok"})), "critical", "is this a Docker engine?"),
    "another list": (api(lambda _: (200, [{"name": "x"}])), "critical", "is this a Docker engine?"),
    "a redirect": (api(lambda _: (302, b"")), "critical", "302, no Engine API"),
    "a proxy that refuses": (api(lambda _: (403, b"Forbidden")), "unknown", "it returned 403"),
    "too many": (api(lambda _: (200, [{"Id": f"{i:064}"} for i in range(501)])), "unknown", "at most 500 are checked"),
    "a state of no kind": (
        api(lambda target: (200, {"Id": "x", "State": 7} if "/x/" in target else [{"Id": "x"}])),
        "critical",
        "cannot be parsed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("handler, status, told", LIES.values(), ids=LIES)
def test_a_daemon_that_fails_hangs_or_lies(ask: Ask, handler: Handler, status: str, told: str) -> None:
    reading = ask(handler, timeout=0.5 if handler in (hangs, drips) else 5.0)
    assert reading.status == status, reading.message
    assert told in reading.message


def test_one_container_that_the_daemon_cannot_tell_of_is_critical_in_time(ask: Ask) -> None:
    async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/stuck/" in await reader.readuntil(b"\r\n\r\n"):
            await hangs(reader, writer)

    assert ask(stuck, timeout=0.5, containers=["stuck"]).status is Status.CRITICAL


def test_a_socket_that_is_not_ours_to_open_is_unknown_and_the_fix_is_told() -> None:
    async def story(folder: Path) -> Reading:
        async with listening(hangs, folder / "closed.sock"):
            (folder / "closed.sock").chmod(0)
            us = os.geteuid()
            try:
                os.seteuid(NOBODY if us == 0 else us)  # root may open everything
                return await measured("health.docker", url=f"unix://{folder}/closed.sock")
            finally:
                os.seteuid(us)

    with TemporaryDirectory(prefix="tocsin-docker-") as folder:
        Path(folder).chmod(0o711)
        reading = asyncio.run(story(Path(folder)))
    assert (reading.status, "group docker" in reading.message) == (Status.UNKNOWN, True), reading.message


def test_over_tcp_and_when_nobody_is_there() -> None:
    reading = against(engine(WEB), "health.docker", url="tcp://127.0.0.1:PORT", containers=["web"])
    assert reading.status is Status.OK, reading.message
    for url in ("tcp://127.0.0.1:1", "unix:///no/such.sock"):
        assert asyncio.run(measured("health.docker", url=url)).status is Status.CRITICAL


@pytest.mark.parametrize(
    "with_",
    [
        {"url": "unix://docker.sock"}, {"url": "tcp://host"}, {"url": "tcp://169.254.169.254:80"}, {"url": "ssh://host"},
        {"containers": ["a/../b"]}, {"containers": ["a"], "label": "b"},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_settings_are_refused(with_: Options) -> None:
    with pytest.raises(ValidationError):
        docker.Target(**with_)
