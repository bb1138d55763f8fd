"""Runs on demand: many checks at once with their progress, and a check tried with other settings before it is saved."""

from datetime import timedelta
from typing import Any

import anyio.to_thread
from fastapi import Response
from pydantic import Field

from app.actions import run as demand
from app.api.answer import answer
from app.api.caller import Caller, router
from app.api.checks import limiter
from app.api.field import Body, Name, Text, matchers
from app.api.forms import PublicRun, PublicRuns
from app.checks import service, store
from app.checks.select import select
from app.configfile.trial import trial as read
from app.db import transaction
from app.errors import Fault, Invalid
from app.people.permission import require
from app.units import format_duration

routes = router("checks")
LONGEST = 40  # seconds a try may take
WHICH = "select checks by names, service, family or match"


class Which(Body):
    """Which checks: by name, or all that match every field given."""

    names: list[Text] = Field(default_factory=list, max_length=5000)
    service: Text | None = None
    family: Text | None = None
    match: list[Text] = Field(default_factory=list, description="matchers, as in GET checks")


class Try(Body):
    """Settings to try; those under `with` override the declared ones."""

    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    timeout: float | None = Field(default=None, ge=1, le=LONGEST, description="seconds")
    at: Text | None = Field(default=None, description="location")


@routes.post("/checks/run", status_code=202, response_model=PublicRuns)
def run_many(caller: Caller, which: Which) -> Response:
    """Run many checks now, each through its queue; returns at once. GET checks/runs/ID shows the progress."""
    if which == Which():
        raise Invalid(WHICH, [Fault("names", WHICH)])
    with transaction() as db:
        states = store.states(db)
        names = select(service.declared(db), states, which.names, which.service, which.family, matchers(which.match))
    if not names:
        raise Invalid("no checks match", [Fault("names", "no checks match")])
    batch = demand.ask(names, caller)
    with transaction() as db:
        return answer(demand.progress(db, batch.id), 202)


@routes.get("/checks/runs/{id}", response_model=PublicRuns)
def run_progress(id: Name) -> Response:
    """Progress of a run of many checks, with the results so far."""
    with transaction() as db:
        return answer(demand.progress(db, id))


@routes.post("/checks/{name}/try", response_model=PublicRun)
async def try_check(caller: Caller, name: Name, trial: Try) -> Response:
    """Run a check once with other settings; nothing is saved, and nothing alerts."""
    return await _tried(caller, name, trial, name)


@routes.post("/probes/{name}/try", response_model=PublicRun)
async def try_probe(caller: Caller, name: Name, trial: Try) -> Response:
    """Run a probe once, without a check; nothing is saved, and nothing alerts."""
    return await _tried(caller, name, trial, None)


async def _tried(caller: Caller, name: str, trial: Try, declared: str | None) -> Response:
    def work() -> dict[str, Any]:
        require(caller, demand.MAY)
        given: dict[str, Any] = {"probe": name}
        if declared is not None:
            with transaction() as db:
                given = service.in_clear(service.check(db, declared)).model_dump(mode="json", by_alias=True, exclude_unset=True)
        given["with"] = {**given.get("with", {}), **trial.with_}
        if trial.timeout is not None:
            given["timeout"] = format_duration(timedelta(seconds=trial.timeout))
        if trial.at is not None:
            given["at"] = trial.at or None
        check, faults = read(given, name)
        if check is None:
            raise Invalid("invalid settings", faults)
        result = next(demand.results(demand.try_out(check, caller, declared or demand.TRY)))
        del result["name"]
        return result

    return answer(await anyio.to_thread.run_sync(work, limiter=limiter()))
