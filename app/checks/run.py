"""Runs a batch of checks: concurrently, each from its own due time and with its own deadline. No database in here."""

import asyncio
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from threading import Event
from typing import cast

import orjson
from pydantic import ValidationError

from app.checks import probes
from app.checks.model import Check, Due, Result
from app.checks.probe import Probe, Reading, Run, Series, Spec, Status, Unknown, Unreachable
from app.checks.redactor import Redactor, redactor
from app.concurrency.loop import as_they_come
from app.concurrency.threads import result
from app.errors import Invalid
from app.log import get
from app.reason import Reason
from app.seal import Unreadable, opened
from app.validation import named

SLICE = 0.05  # seconds in which results are gathered before they are written
MESSAGE_LIMIT = 1000  # characters
OBSERVED_LIMIT = 10_000  # characters of a thing's name, and of how it is; what is cut differs from itself on the next run
LABELS_LIMIT = 2000  # bytes of a series' labels as JSON: they are part of a key
MOST_SERIES = 10_000  # of one run
LARGEST = 1e300  # of a value: sums over a day of them are numbers too
LONGEST_SLEEP = 2.0  # seconds; what is due later should not have been claimed

log = get(__name__)


async def run_batch(dues: Sequence[Due], now: datetime) -> AsyncIterator[list[Result]]:
    """Results in small batches as they come. `now` is the database's time at the call; later times count from it."""
    start = time.monotonic()

    def at() -> datetime:
        return now + timedelta(seconds=time.monotonic() - start)

    async def one(due: Due) -> Result:
        if due.due_at > now:
            await asyncio.sleep(min((due.due_at - now).total_seconds(), LONGEST_SLEEP))
        began, clock = at(), time.monotonic()
        reading = await take(due)
        seconds = time.monotonic() - clock
        try:
            return _result(due.name, began, reading, seconds)
        except Exception as error:  # what a probe hands back may be anything
            log.exception("reading_invalid", check=due.name, probe=due.check.probe)
            why = f"the probe returned an invalid reading: {type(error).__name__}: {error}"
            anew: dict[str, object] | None = {} if due.memory else None
            return Result(due.name, began, Status.UNKNOWN, _clean(why), seconds, {"seconds": seconds}, memory=anew)

    async for results in as_they_come([one(due) for due in dues], SLICE):
        yield results


async def take(due: Due) -> Reading:
    """One reading; whatever goes wrong is a reading too."""
    try:
        probe = probes.found(due.check.probe)
        spec, redacted = _spec(probe, due.check)
    except KeyError:
        return Reading(Status.UNKNOWN, f'probe "{due.check.probe}" not found on this worker')
    except ValidationError as error:
        return Reading(Status.UNKNOWN, f"invalid probe settings: {named(error.errors()[0])}")
    except Unreadable as error:
        return Reading(Status.UNKNOWN, str(error))
    except Invalid as error:  # its module may be anybody's
        return Reading(Status.UNKNOWN, f'probe "{due.check.probe}" cannot be loaded: {error}')
    except Exception as error:  # a validator of its own
        log.exception("probe_failed", check=due.name, probe=due.check.probe)
        return Reading(Status.UNKNOWN, f"the probe failed on its settings: {type(error).__name__}: {error}")
    reading = await _taken(due, probe, spec)
    if redacted is str or not isinstance(reading, Reading):
        return reading
    return replace(reading, message=redacted(str(reading.message)), reason=_worded(reading.reason, redacted))


async def _taken(due: Due, probe: Probe, spec: Spec) -> Reading:
    timeout = due.check.timeout.total_seconds()
    run = Run(timeout, due.memory, due.baseline)
    try:
        async with asyncio.timeout(timeout):
            return await _measured(due.name, probe, spec, run)
    except TimeoutError:
        return Reading(probe.on_timeout, f"no response within {timeout:g} s", unreachable=probe.on_timeout is Status.CRITICAL)
    except Unreachable as error:
        return Reading(Status.CRITICAL, str(error), unreachable=True)
    except Unknown as error:
        return Reading(Status.UNKNOWN, str(error), reason=error.reason)
    except asyncio.CancelledError:
        if cast("asyncio.Task[object]", asyncio.current_task()).cancelling():
            raise
        return Reading(Status.UNKNOWN, "the probe cancelled itself")
    except (Exception, SystemExit) as error:
        log.exception("probe_failed", check=due.name, probe=due.check.probe)
        # What it remembers may be what it breaks over: it begins anew, or it would break for ever.
        return Reading(Status.UNKNOWN, f"the probe failed: {type(error).__name__}: {error}", memory={} if due.memory else None)


async def _measured(name: str, probe: Probe, spec: Spec, run: Run) -> Reading:
    if not probe.is_async:
        call = cast(Callable[[Spec, Run], Reading], probe.measure)
        return await _in_thread(name, partial(copy_context().run, call, spec, run))
    return await cast(Callable[[Spec, Run], Awaitable[Reading]], probe.measure)(spec, run)


_hanging: dict[str, Event] = {}  # check -> set when the run that was given up returns


async def _in_thread(name: str, call: Callable[[], Reading]) -> Reading:
    """What `call` returns, in a thread of its own: in a pool a few that hang would keep all others waiting.

    Nobody can stop a thread: a check whose last one still hangs gets no other.
    """
    earlier = _hanging.get(name)
    if earlier is not None and not earlier.is_set():
        raise Unknown("the previous run is still stuck in a thread and cannot be stopped")
    returned = Event()

    def work() -> Reading:
        try:
            return call()
        finally:
            returned.set()

    try:
        found = await result(work)
    except asyncio.CancelledError:
        _hanging[name] = returned
        raise
    _hanging.pop(name, None)
    return found


_specs: dict[int, tuple[Spec, Redactor]] = {}


def _spec(probe: Probe, check: Check) -> tuple[Spec, Redactor]:
    """What the check's settings mean and hide, read once as long as it is in force. Raises ValidationError."""
    key = id(check)
    found = _specs.get(key)
    if found is None:
        spec = probe.spec.model_validate(opened(check.with_))
        found = _specs[key] = spec, redactor(spec)
        weakref.finalize(check, _specs.pop, key, None)
    return found


def _result(name: str, began: datetime, reading: Reading, seconds: float) -> Result:
    """The reading as it may be stored: texts without what PostgreSQL refuses, numbers that are numbers, memory that is JSON."""
    metrics = {_clean(metric): float(value) for metric, value in reading.metrics.items() if _is_value(value)}
    series = [
        Series(_clean(one.metric), float(one.value), {_clean(key): _clean(value) for key, value in one.labels.items()})
        for one in reading.series
        if _is_value(one.value)
    ]
    kept = tuple(one for one in series if len(orjson.dumps(dict(one.labels))) <= LABELS_LIMIT)[:MOST_SERIES]
    memory = orjson.loads(orjson.dumps(dict(reading.memory))) if reading.memory is not None else None
    if "\\u0000" in orjson.dumps(memory).decode():
        raise ValueError("its memory contains a NUL character")
    seen = reading.observed
    observed = None if seen is None else {_clean(key, OBSERVED_LIMIT): _clean(how, OBSERVED_LIMIT) for key, how in seen.items()}
    lost = len(series) - len(kept)
    message = (
        f"{_clean(reading.message)}; {lost} series dropped: labels too long, or too many" if lost else _clean(reading.message)
    )
    return Result(
        name, began, reading.status, message, seconds, {"seconds": seconds, **metrics}, kept, memory, observed,
        reading.unreachable, _worded(reading.reason, _clean),
    )  # fmt: skip


def _worded(reason: Reason | None, change: Callable[[str], str]) -> Reason | None:
    """The reason with its texts changed as the message is."""
    if reason is None:
        return None
    return Reason(reason.code, {name: change(one) if isinstance(one, str) else one for name, one in reason.facts.items()})


def _is_value(value: float) -> bool:
    """Is it a number that rules can reckon with? NaN and infinity are none."""
    return abs(value) < LARGEST


def _clean(message: str, limit: int = MESSAGE_LIMIT) -> str:
    if not message.isprintable():
        message = "\n".join(message.expandtabs(1).splitlines())  # as programs end and indent lines, on whatever system
        message = "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in message.replace("\0", ""))
    return message if len(message) <= limit else message[: limit - 1] + "…"
