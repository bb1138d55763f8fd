"""Checks: state, run now, results, pause and resume."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import Query, Response
from sqlalchemy import Connection

from app import clock
from app.actions import baseline
from app.actions.check import pause, resume
from app.actions.run import run_now
from app.api.answer import after, answer, listed, whole
from app.api.caller import Caller, router
from app.api.field import LIST, MOST, SMALL_LIST, Cursor, Limit, Match, MaybeInstant, MaybeText, Name, Text, matchers
from app.api.forms import Listed, PublicBaseline, PublicCurve, PublicResult, PublicRun, PublicSample
from app.api.pausing import PAUSED, NewPause
from app.checks import service as checks
from app.checks import store
from app.checks.present import PublicCheck, present
from app.checks.samples import store as samples
from app.checks.samples.store import ResultRecord, SampleRecord
from app.checks.select import select
from app.db import transaction
from app.errors import Fault, Invalid
from app.rules.evaluate import series_name
from app.walltime import parse_instant

routes = router("checks")
RUNS = 4  # "run now" at once; each holds a thread until its answer is there
_limiters: list[anyio.CapacityLimiter] = []


@routes.get("/checks", response_model=Listed[PublicCheck])
def list_checks(
    service: MaybeText = None,
    family: MaybeText = None,
    match: Match = [],  # noqa: B006
    cursor: Cursor = None,
    limit: Limit = SMALL_LIST,
) -> Response:
    """List checks by name; `match` repeats and sees name, probe, family, queue, service, status, message and labels."""
    last = after(cursor) or ""
    with transaction() as db:
        declared, states = checks.declared(db), store.states(db)
    names = select(declared, states, service=service, family=family, matchers=matchers(match))
    rows = [states[name] for name in sorted(names) if name > last and name in states]
    return listed(rows[: limit + 1], limit, lambda one: one.name, lambda one: present(one, declared[one.name]))


@routes.get("/checks/{name}", response_model=PublicCheck)
def get_check(name: Name) -> Response:
    """One check."""
    with transaction() as db:
        return answer(shown(db, name))


def shown(db: Connection, name: str) -> PublicCheck:
    """The public form of one check. Raises NotFound."""
    check = checks.check(db, name)
    return present(store.states_of(db, [name])[name], check)


@routes.post("/checks/{name}/run", response_model=PublicRun)
async def run(caller: Caller, name: Name) -> Response:
    """Run a check now, through its queue, and return the result."""
    return answer(await anyio.to_thread.run_sync(run_now, name, caller, limiter=limiter()))


def limiter() -> anyio.CapacityLimiter:
    """How many callers may wait for a worker's answer at once."""
    if not _limiters:
        _limiters.append(anyio.CapacityLimiter(RUNS))
    return _limiters[0]


@routes.get("/checks/{name}/baseline", response_model=PublicBaseline)
def get_baseline(name: Name) -> Response:
    """The accepted baseline, the newest observation, and their differences."""
    with transaction() as db:
        return answer(baseline.shown(db, name))


@routes.post("/checks/{name}/baseline", response_model=PublicBaseline)
def accept_baseline(caller: Caller, name: Name) -> Response:
    """Accept the newest observation as the baseline; the next run compares with it."""
    with transaction() as db:
        return answer(baseline.accept(db, name, caller, clock.now(db)))


@routes.post("/checks/{name}/pause", response_model=PublicCheck)
def pause_check(caller: Caller, name: Name, asked: NewPause = PAUSED) -> Response:
    """Pause a check: it does not run until the pause ends or it is resumed. Without `seconds` or `until`: until resumed."""
    with transaction() as db:
        now = clock.now(db)
        pause(db, name, caller, now, until=asked.end(now), reason=asked.reason)
        return answer(shown(db, name))


@routes.post("/checks/{name}/resume", response_model=PublicCheck)
def resume_check(caller: Caller, name: Name) -> Response:
    """Resume a check: it runs at once, then on its schedule."""
    with transaction() as db:
        resume(db, name, caller, clock.now(db))
        return answer(shown(db, name))


@routes.get("/checks/{name}/results", response_model=Listed[PublicResult] | Listed[PublicSample])
def results(
    name: Name,
    metric: MaybeText = None,
    from_: Annotated[MaybeInstant, Query(alias="from", description="default: a day before `to`")] = None,
    to: Annotated[MaybeInstant, Query(description="default: now")] = None,
    cursor: Cursor = None,
    limit: Limit = LIST,
) -> Response:
    """Results, or with `metric` its samples, newest first, within [from, to)."""
    with transaction() as db:
        checks.check(db, name)
        since, until = _window(db, from_, to)
        more, rows = _page(db, name, metric, since, min(until, _instant(after(cursor)) or until), limit)
    return listed(rows, len(rows) - more, lambda one: one.at.isoformat(), _shown_record)


@routes.get("/checks/{name}/curve", response_model=Listed[PublicCurve])
def curve(
    name: Name,
    metric: Annotated[Text, Query(max_length=1024)],
    from_: Annotated[MaybeInstant, Query(alias="from", description="default: a day before `to`")] = None,
    to: Annotated[MaybeInstant, Query(description="default: now")] = None,
    limit: Limit = LIST,
) -> Response:
    """A metric over [from, to) in at most 300 slices, for each label set, highest values first."""
    with transaction() as db:
        checks.check(db, name)
        window = _window(db, from_, to)
        found = sorted(samples.series(db, name, metric, *window), key=lambda one: -one.high)[:limit]
        slices = samples.curve(db, name, metric, *window, [one.labels for one in found])
    by_series: dict[str, list[dict[str, Any]]] = {series_name(one.labels): [] for one in found}
    for one in slices:
        by_series[series_name(one.labels)].append({"at": one.at, "low": one.low, "mean": one.mean, "high": one.high})
    return whole([{"labels": one.labels, "slices": by_series[series_name(one.labels)]} for one in found])


def _window(db: Connection, from_: datetime | None, to: datetime | None) -> tuple[datetime, datetime]:
    until = to or clock.now(db) + timedelta(seconds=1)
    since = from_ or until - timedelta(days=1)
    if since >= until:
        raise Invalid("`to` is not after `from`", [Fault("to", "is not after from")])
    return since, until


def _page(
    db: Connection, name: str, metric: str | None, since: datetime, until: datetime, limit: int
) -> tuple[bool, Sequence[ResultRecord | SampleRecord]]:
    """Whether there is more, and the records with the first of those: a page never ends within one instant's series."""
    rows: Sequence[ResultRecord | SampleRecord]
    if metric is None:
        rows = samples.results(db, name, since, until, limit + MOST)
    else:
        rows = samples.samples(db, name, metric, since, until, limit + MOST)
    end = limit
    while 0 < end < len(rows) and rows[end].at == rows[end - 1].at:
        end += 1
    return end < len(rows), rows[: end + 1]


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError:
        raise Invalid("invalid cursor", [Fault("cursor", "is invalid")]) from None


def _shown_record(one: ResultRecord | SampleRecord) -> dict[str, Any]:
    return {field.name: getattr(one, field.name) for field in fields(one)}
