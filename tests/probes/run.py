"""Runs one probe as the runner does: spec from a mapping as YAML gives it, deadline around it, exceptions as readings."""

import asyncio
import ssl
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app import plugins
from app.checks.model import Result
from app.checks.probe import Probe, Reading, Run, Status, Unknown, Unreachable
from app.net import http
from tests.net.serve import Handler, serve

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SECOND = timedelta(seconds=1)
Options = dict[str, Any]  # some of a check's `with:`, as YAML gives it


async def measured(
    name: str,
    /,
    timeout: float = 5.0,
    memory: dict[str, Any] | None = None,
    baseline: Mapping[str, str] | None = None,
    **with_: Any,
) -> Reading:
    """What the probe finds; the probe's own deadline must end it, the one here only fails the test."""
    probe = plugins.probe_module(name).measure
    reading = await _measured(probe, timeout, memory, baseline, with_)
    known = probe.metrics(with_)  # what `config check` holds rules to
    given = {*reading.metrics, *(one.metric for one in reading.series)}
    assert known is None or all(fits(metric, known) for metric in given), given - known
    return reading


def fits(metric: str, known: frozenset[str]) -> bool:
    """Is it one of these metrics, some of which are beginnings?"""
    return any(metric.startswith(name[:-1]) if name.endswith("*") else metric == name for name in known)


async def _measured(
    probe: Probe, timeout: float, memory: dict[str, Any] | None, baseline: Mapping[str, str] | None, with_: dict[str, Any]
) -> Reading:
    spec = probe.spec.model_validate(with_)
    run = Run(timeout, memory or {}, baseline)

    def called() -> Reading | Awaitable[Reading]:
        return probe.measure(spec, run)

    try:
        async with asyncio.timeout(timeout + 2):
            found = called() if probe.is_async else await asyncio.to_thread(called)
            return found if isinstance(found, Reading) else await found
    except Unreachable as error:
        return Reading(Status.CRITICAL, str(error))
    except Unknown as error:
        return Reading(Status.UNKNOWN, str(error))
    finally:
        await http.close()


def remembered(found: Reading | Result) -> dict[str, Any]:
    """What a run leaves for the next."""
    assert found.memory is not None
    return dict(found.memory)


def observed(found: Reading | Result) -> dict[str, str]:
    """What a run observed, which may be accepted as the baseline."""
    assert found.observed is not None
    return dict(found.observed)


def measure(name: str, /, *args: Any, **with_: Any) -> Reading:
    """`measured`, for a test without a loop of its own."""
    return asyncio.run(measured(name, *args, **with_))


def against(handler: Handler, name: str, tls: ssl.SSLContext | None = None, timeout: float = 5.0, **with_: Any) -> Reading:
    """What the probe finds about a server of one handler; PORT in a text stands for its port."""

    async def story() -> Reading:
        async with serve(handler, tls) as port:
            filled: Options = {
                key: value.replace("PORT", str(port)) if isinstance(value, str) else value for key, value in with_.items()
            }
            if with_.get("port") == "PORT":
                filled["port"] = port
            return await measured(name, timeout, **filled)

    return asyncio.run(story())
