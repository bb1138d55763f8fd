"""The runner's other checks stay on time, whatever some of them do."""

import asyncio
import threading
import time
from builtins import KeyError, MemoryError, RecursionError, SystemExit, UnicodeDecodeError, ValueError
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.checks import run
from app.checks.model import Check, Due, Result
from app.checks.probe import Absent, Reading, Run, Series, Spec, Status, Unknown, probe
from app.net import http
from app.reason import Code, Reason
from tests.net.serve import floods, hangs, ok, says, serve, slams
from tests.probes.hostile import at, due, raves, resets, results, trickles

URL = "http://127.0.0.1:PORT/"
HERE = {"host": "127.0.0.1", "port": "PORT"}
BAD = [
    ("health.http", {"url": URL, "expect": {"body_contains": "Pay"}}),
    ("health.smtp", HERE),
    ("health.ssh", HERE),
    ("security.tls", HERE),
]
GOOD = [
    ("health.http", {"url": URL}),
    ("health.tcp", HERE),
    ("business.http_json", {"url": URL, "metrics": {"a": "$.a"}}),
    ("security.log_match", {"paths": ["/proc/self/mounts"], "patterns": {"never": "never"}}),
    ("health.file_age", {"path": "/proc/self/status", "min_bytes": 0}),
]


def test_half_a_batch_of_hostile_ones_delays_nobody() -> None:
    async def story() -> tuple[list[Due], dict[str, Result]]:
        servers = (floods, hangs, raves, resets, slams, trickles)
        async with AsyncExitStack() as stack:
            good, *ports = [await stack.enter_async_context(serve(one)) for one in (says(ok(b'{"a": 1}')), *servers)]
            await results(
                [due(probe, timeout="1s", **at(good, with_)) for probe, with_ in [*GOOD, *BAD]]
            )  # their modules are loaded
            now = datetime.now(UTC)
            bad = [due(BAD[n % 4][0], timeout="1s", name=f"bad {n}", **at(ports[n % 6], BAD[n % 4][1])) for n in range(25)]
            fine = [due(GOOD[n % 5][0], timeout="3s", name=f"good {n}", **at(good, GOOD[n % 5][1])) for n in range(25)]
            spread = [replace(one, due_at=now + timedelta(seconds=n / 25)) for n, one in enumerate(fine)]
            found = {one.check: one for one in await results([*bad, *spread])}
            await http.close()
            return spread, found

    spread, found = asyncio.run(story())
    late = sorted((found[one.name].at - one.due_at).total_seconds() for one in spread)
    assert not [one.message for name, one in found.items() if name.startswith("good") and one.status != "ok"]
    assert not [one.message for name, one in found.items() if name.startswith("bad") and one.status == "ok"]
    assert late[len(late) // 2] < 0.5  # some milliseconds where nobody else works
    assert late[-1] < 2


async def measured(measure: Callable[[Spec, Run], Reading], **given: Any) -> Reading:
    """What the runner makes of a probe that somebody wrote."""
    declared = probe(on_timeout=Status.UNKNOWN)(measure)
    one = due("health.tcp", host="x", port=1, **given)
    return await run._taken(
        replace(one, check=one.check.model_copy(update={"timeout": timedelta(seconds=0.3)})), declared, Spec()
    )


def test_probes_that_hang_in_threads_keep_no_other_waiting_and_cost_one_thread_each() -> None:
    hanging = threading.Event()

    def hangs_in_a_thread(spec: Spec, run: Run) -> Reading:
        hanging.wait(30)
        return Reading(Status.OK)

    def answers(spec: Spec, run: Run) -> Reading:
        return Reading(Status.OK, "here")

    async def story() -> None:
        stuck = [asyncio.create_task(measured(hangs_in_a_thread, name=f"stuck {number}")) for number in range(40)]
        await asyncio.sleep(0)
        began = time.monotonic()
        assert (await measured(answers, name="fine")).message == "here"
        assert time.monotonic() - began < 0.3
        assert {(await one).message for one in stuck} == {"no response within 0.3 s"}
        threads = threading.active_count()
        again = [await measured(hangs_in_a_thread, name=f"stuck {number}") for number in range(40)]
        assert {one.message for one in again} == {"the previous run is still stuck in a thread and cannot be stopped"}
        assert threading.active_count() == threads
        hanging.set()
        while any(not one.is_set() for one in run._hanging.values()):
            await asyncio.sleep(0.01)
        assert (await measured(answers, name="stuck 1")).message == "here"

    asyncio.run(story())


def test_what_a_host_need_not_have_is_told_apart_by_a_code() -> None:
    def finds_none(spec: Spec, run: Run) -> Reading:
        raise Absent("no journal\0 here")

    def may_not(spec: Spec, run: Run) -> Reading:
        raise Unknown("not on this host: no journal")

    async def story() -> list[Reading]:
        return [await measured(one, name="a") for one in (finds_none, may_not)]

    absent, prevented = asyncio.run(story())
    kept = run._result("a", datetime.now(UTC), absent, 0.1)
    assert (kept.message, prevented.reason) == ("not on this host: no journal here", None)
    assert kept.reason == Reason(Code.NOT_ON_HOST, {"what": "no journal here"})


def broken(error: BaseException) -> Callable[[Spec, Run], Reading]:
    def measure(spec: Spec, run: Run) -> Reading:
        if run.memory:
            raise error
        return Reading(Status.OK, memory={"fine": 1})

    return measure


ERRORS = [ValueError("x"), KeyError("x"), RecursionError(), MemoryError(), UnicodeDecodeError("a", b"", 0, 1, "x")]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_probe_that_breaks_over_what_it_remembers_forgets_it(error: Exception) -> None:
    first = asyncio.run(measured(broken(error), memory={"false": True}))
    assert (first.status, first.memory) == ("unknown", {})
    assert asyncio.run(measured(broken(error), memory=first.memory)).status == "ok"


def test_a_series_whose_labels_are_too_long_is_left_out_aloud() -> None:
    long = {"b": "\0\x1b" + "x" * 999, "c": "y" * 1_000_000, "d": "z" * 999}
    reading = Reading(Status.OK, "fine", series=(Series("a", 1, {"b": "c"}), Series("a", 1, long)))
    found = run._result("c", datetime.now(UTC), reading, 0.1)
    assert (found.message, len(found.series)) == ("fine; 1 series dropped: labels too long, or too many", 1)


@pytest.mark.parametrize("thrown", [SystemExit(3), asyncio.CancelledError()], ids=["exit", "cancelled"])
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "in a thread"])
def test_a_probe_that_exits_or_gives_up_ends_its_own_run_only(thrown: BaseException, is_async: bool) -> None:
    async def later(spec: Spec) -> Reading:
        raise thrown

    def now(spec: Spec) -> Reading:
        raise thrown

    async def story() -> Reading:
        found = probe()(later if is_async else now)
        due = Due("c", Check(probe="health.nothing"), datetime.now(UTC), {})
        reading = await run._taken(due, found, Spec())
        await asyncio.sleep(0)  # the loop goes on
        return reading

    reading = asyncio.run(story())
    assert reading.status is Status.UNKNOWN
    assert reading.message.startswith("the probe")
