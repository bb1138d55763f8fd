"""Healthchecks' management API below `/in/KEY/api/v1/` to `/v3/`: what its clients create, read, update, pause and delete.

KEY is the key of an integration of kind healthchecks; an X-Api-Key beside it is not asked for, but must be the same where
there is one. What the configuration declares can be read and paused, not changed. There are no channels and no badges.
"""

import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app import clock
from app.actions import heartbeat as actions
from app.alerts import store as alerts
from app.alerts.model import Alert, AlertState
from app.api.answer import answer
from app.api.caller import in_thread
from app.checks.heartbeats import manage, service, store
from app.checks.heartbeats.manage import Spec
from app.checks.heartbeats.model import HeartbeatRecord, HeartbeatState
from app.db import transaction
from app.errors import Conflict, Invalid, NotFound, TocsinError
from app.reason import Code
from app.settings import settings
from app.signals import service as inbox
from app.signals.model import Integration
from app.signals.payload import decode
from app.validation import named

CORS = {"Access-Control-Allow-Origin": "*"}
LAST = 10_000_000_000  # Unix time of the year 2286: what is later is an error


class Caller:
    """One call, inside its transaction."""

    def __init__(self, request: Request, body: bytes, db: Connection, whose: Integration) -> None:
        self.request, self.body, self.db, self.whose = request, body, db, whose
        self.now = clock.now(db)
        self.base = f"{settings().url}/in/{request.path_params['key']}/api/v{request.path_params['v']}"
        self.actor = actions.client(whose)

    def heartbeat(self) -> HeartbeatRecord:
        """The heartbeat in the path. Raises NotFound."""
        wanted: UUID = self.request.path_params["uuid"]
        found = next((one for one in store.listed(self.db) if one.uuid == wanted), None)
        if found is None:
            raise NotFound("no heartbeat has this UUID")
        return found

    def spec(self) -> Spec:
        """What was posted. Raises Invalid in Healthchecks' words."""
        document = decode(self.body) if self.body.strip() else {}
        if not isinstance(document, dict):
            raise Invalid("json validation error: value is not an object")
        try:
            return Spec.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise Invalid(f"json validation error: {named(first)}") from None

    def shown(self, one: HeartbeatRecord, status: int = 200) -> Response:
        return answer(manage.check(one, self.now, settings().url, self.base), status, CORS)


def checks(caller: Caller) -> Response:
    """List, with `?slug=` and `?tag=`, or make one; with `unique` change the one that is meant."""
    heartbeats = store.listed(caller.db)
    if caller.request.method == "POST":
        spec = caller.spec()
        known = next((one for one in heartbeats if manage.same(one, spec)), None)
        return caller.shown(actions.put(caller.db, known, spec, caller.whose, caller.now), 200 if known else 201)
    asked, tags = caller.request.query_params.get("slug"), set(caller.request.query_params.getlist("tag"))
    wanted = [one for one in heartbeats if asked in (None, one.slug)]
    found = [manage.check(one, caller.now, settings().url, caller.base) for one in wanted]
    return answer({"checks": [one for one in found if tags <= set(one["tags"].split())]}, headers=CORS)


def single(caller: Caller) -> Response:
    """Show, change or remove one."""
    one = caller.heartbeat()
    if caller.request.method == "POST":
        return caller.shown(actions.put(caller.db, one, caller.spec(), caller.whose, caller.now))
    if caller.request.method == "DELETE":
        actions.remove(caller.db, one.name, caller.actor, caller.now)
    return caller.shown(one)


def pause(caller: Caller) -> Response:
    """Pause it until it is pinged or resumed."""
    name = caller.heartbeat().name
    actions.pause(caller.db, name, caller.actor, caller.now)
    return caller.shown(service.get(caller.db, name))


def resume(caller: Caller) -> Response:
    """Expect it again; 409 when it is not paused."""
    one = caller.heartbeat()
    if one.beat.state is not HeartbeatState.PAUSED:
        return PlainTextResponse("check is not paused", 409)
    actions.resume(caller.db, one.name, caller.actor, caller.now)
    return caller.shown(service.get(caller.db, one.name))


def pings(caller: Caller) -> Response:
    """The newest hundred."""
    one = caller.heartbeat()
    here = f"{caller.base}/checks/{one.uuid}"
    found = store.pings(caller.db, one.id, None, store.KEPT, 0)
    return answer({"pings": [manage.ping(ping, here) for ping in found]}, headers=CORS)


def body(caller: Caller) -> Response:
    """What one ping carried."""
    found = store.body(caller.db, caller.heartbeat().id, caller.request.path_params["n"])
    if found is None:
        raise NotFound("ping not found; only the newest 100 are kept")
    return Response(found, media_type="text/plain", headers=CORS)


def flips(caller: Caller) -> Response:
    """When its last hundred alerts began and ended, newest first; with `?seconds=`, `?start=` and `?end=` (Unix time)."""
    name, query = caller.heartbeat().name, caller.request.query_params
    asked = {key: _whole(key, query[key]) for key in ("seconds", "start", "end") if key in query}
    since = max(asked.get("start", 0), caller.now.timestamp() - asked["seconds"] if "seconds" in asked else 0)
    found: list[tuple[datetime, int]] = []
    for one in alerts.listed(caller.db, state=None, service=None, labels={"alertname": name}, before=None, limit=store.KEPT):
        if one.source != f"heartbeat:{name}":
            continue
        if one.state is AlertState.RESOLVED and one.ends_at is not None and not _put_off(one):
            found.append((one.ends_at, 1))
        found.append((one.starts_at, 0))
    shown = [
        {"timestamp": at.replace(microsecond=0).isoformat(), "up": up}
        for at, up in found
        if since <= at.timestamp() < asked.get("end", LAST)
    ]
    return answer(shown, headers=CORS)


def _put_off(alert: Alert) -> bool:
    """Whether it ended because nothing is expected any more: nobody knows that the job is up."""
    return any(one.code in (Code.HEARTBEAT_PAUSED, Code.REMOVED) for one in alert.end_reasons)


def _whole(key: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 11 and int(text) <= LAST):
        raise Invalid(f"{key} must be a whole number of seconds")
    return int(text)


def channels(_: Caller) -> Response:
    """None: whom an alert reaches is in the routes and policies of the configuration."""
    return answer({"channels": []}, headers=CORS)


def badges(_: Caller) -> Response:
    """None."""
    return answer({"badges": {}}, headers=CORS)


async def status(_: Request) -> Response:
    """`OK` when the database answers; no key is needed."""
    await in_thread(_ask)
    return PlainTextResponse("OK", headers=CORS)


def _ask() -> None:
    with transaction() as db:
        clock.now(db)


# As Healthchecks answers: what it cannot read is 400, and a limit that is reached 403.
STATUS = {Invalid: 400, Conflict: 403}


def refusal(error: TocsinError) -> Response:
    """Why nothing was done, in Healthchecks' form."""
    return _error(str(error), STATUS.get(type(error), error.status))


def _error(words: str, status: int) -> Response:
    return answer({"error": words}, status, CORS)


def _doorway(work: Callable[[Caller], Response]) -> Callable[[Request], Any]:
    def inside(request: Request, sent: bytes) -> Response:
        with transaction() as db:
            whose = inbox.by_key(db, request.path_params["key"], clock.now(db))
            if whose is None:
                return _error("wrong api key", 401)
            if whose.kind != "healthchecks":
                return _error("the key must be of an integration of kind healthchecks", 403)
            beside = request.headers.get("x-api-key", request.path_params["key"])
            if not hmac.compare_digest(beside.encode(), request.path_params["key"].encode()):
                return _error("wrong api key", 401)
            return work(Caller(request, sent, db, whose))

    async def call(request: Request) -> Response:
        try:
            return await in_thread(inside, request, await request.body())
        except TocsinError as error:
            if error.status >= 500:
                raise
            return refusal(error)

    return call


_API = "/in/{key}/api/v{v:int}"
_CHECKS = _API + "/checks"
_ONE = _CHECKS + "/{uuid:uuid}"
ROUTES = [
    Route(path, _doorway(work), methods=methods)
    for path, work, methods in (
        (_CHECKS + "/", checks, ["GET", "POST"]),
        (_CHECKS, checks, ["GET", "POST"]),
        (_ONE, single, ["GET", "POST", "DELETE"]),
        (_ONE + "/pause", pause, ["POST"]),
        (_ONE + "/resume", resume, ["POST"]),
        (_ONE + "/pings/", pings, ["GET"]),
        (_ONE + "/pings/{n:int}/body", body, ["GET"]),
        (_ONE + "/flips/", flips, ["GET"]),
        (_API + "/channels/", channels, ["GET"]),
        (_API + "/badges/", badges, ["GET"]),
    )
] + [Route(_API + "/status/", status, methods=["GET"])]
