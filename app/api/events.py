"""Intake: `POST /api/v1/events` and `/in/KEY`. Plain routes, because every alert of a storm passes here."""

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import orjson
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import clock, line
from app.api.answer import answer
from app.api.caller import actor_of, bearer
from app.db import transaction
from app.errors import Invalid, NotActive, NotFound, TooLarge, Unavailable
from app.people.permission import require
from app.signals import service as inbox
from app.signals.model import Integration, Signal, source_of
from app.signals.sources.generic import parse

AT_ONCE = 8  # calls that wait for the database at the same time; more wait here, which costs no connection
TIMEOUT = 6.0  # seconds for the commit; a hung database must not hold a sender
KEPT = 16_384  # characters of a refused call
TOKEN = "tocsin_"  # noqa: S105  (an API token begins with it, an integration's key does not)

Source = tuple[str, str | None]  # what its alerts carry as source, and the service they are about unless they say so


async def events(request: Request) -> Response:
    """Take events sent with an API token or an integration key."""
    token = bearer(request.headers.get("authorization"))
    return await _take(partial(_by_token, token), await request.body())


async def integration(request: Request) -> Response:
    """Take the protocol of the integration's kind; the key is in the path."""
    return await _take(partial(_by_path, request.path_params["key"]), await request.body())


async def below(request: Request) -> Response:
    """A protocol below `/in/KEY`: one path per source file; so far there is one."""
    if request.path_params["protocol"].strip("/") in ("", "generic") and request.method in ("POST", "PUT"):
        return await integration(request)
    await anyio.to_thread.run_sync(_by_path, request.path_params["key"], limiter=_limiter())
    raise NotActive(f'the protocol "{request.path_params["protocol"]}" is not active yet; bare /in/KEY takes generic events')


ROUTES = [
    Route("/api/v1/events", events, methods=["POST"]),
    Route("/in/{key}", integration, methods=["POST", "PUT"]),
    Route("/in/{key}/{protocol:path}", below, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
]

_limiters: dict[str, anyio.CapacityLimiter] = {}


def _limiter() -> anyio.CapacityLimiter:
    if not _limiters:
        _limiters["intake"] = anyio.CapacityLimiter(AT_ONCE)
    return _limiters["intake"]


async def _take(whose: Callable[[], Source], body: bytes) -> Response:
    with anyio.move_on_after(TIMEOUT) as waiting:
        signals, traces = await anyio.to_thread.run_sync(_accept, whose, body, limiter=_limiter(), abandon_on_cancel=True)
    if waiting.cancelled_caught:  # it may be committed all the same: a sender that repeats it says the same again
        raise Unavailable(f"the database did not respond within {TIMEOUT:g} s; retry")
    accepted = [{"key": signal.key, "trace_id": trace} for signal, trace in zip(signals, traces, strict=True)]
    return answer({"accepted": len(accepted), "events": accepted}, 202)


def _accept(whose: Callable[[], Source], body: bytes) -> tuple[list[Signal], tuple[str, ...]]:
    """Committed when this returns. Raises NotLoggedIn, Invalid, TooLarge, Unavailable."""
    source, service = whose()
    try:
        signals = parse(body, source, service)
    except TooLarge:
        raise
    except Invalid as error:
        _keep_refused(source, body, error)
        raise
    payload: dict[str, Any] = orjson.loads(body)
    return signals, line.intake(source, signals, payload)


def _by_token(token: str) -> Source:
    if not token.startswith(TOKEN):
        with transaction() as db:
            found = _by_key(db, token)
        if found is not None:
            return found.source, found.service
    actor = actor_of(token)
    require(actor, "respond")
    return source_of(actor.login), None


def _by_path(key: str) -> Source:
    with transaction() as db:
        found = _by_key(db, key)
    if found is None:
        raise NotFound("no integration has this key; see `tocsin integrations list`")
    if found.kind == "healthchecks":
        raise NotFound("a ping must name its heartbeat: /in/KEY/SLUG or /ping/KEY/SLUG; see `tocsin heartbeats list`")
    if found.kind != "generic":
        raise NotActive(f'integrations of kind "{found.kind}" are not active yet; "generic" is')
    return found.source, found.service


def _by_key(db: Connection, key: str) -> Integration | None:
    return inbox.by_key(db, key, clock.now(db)) if len(key) == 32 and key.isascii() and key.isalnum() else None


def _keep_refused(source: str, body: bytes, error: Invalid) -> None:
    """Keep a refused call, for whoever asks what became of their alert."""
    raw = body[:KEPT].decode("utf-8", "replace").replace("\0", "\ufffd")
    with transaction() as db:
        inbox.keep(db, source, {"raw": raw}, 0, "", clock.now(db), problem=str(error))
