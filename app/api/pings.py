"""Heartbeat pings, answered as Healthchecks answers them: plain routes, because at :00 every job of the world pings."""

import time
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app import clock, line
from app.checks.heartbeats.model import BODY, Kind, PingRequest
from app.checks.heartbeats.service import Received
from app.db import transaction
from app.errors import Conflict, TooLarge, Unavailable
from app.plugins import names
from app.signals import service as inbox
from app.signals.model import Integration
from app.signals.sources.healthchecks import NOT_FOUND, Address, Refused, parse

AT_ONCE = 4  # pings that wait for the database at the same time
TIMEOUT = 6.0  # seconds for the commit
KEY_KEPT, KEYS = 5.0, 1000  # seconds a key is believed without asking, and how many are
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
HEADERS = {"Ping-Body-Limit": str(BODY), "Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
PROTOCOLS = {*names(inbox.SOURCES), *inbox.PLANNED, "api", "v1", "v2", "v3"} - {"healthchecks"}

_limiters: list[anyio.CapacityLimiter] = []
_keys: dict[str, tuple[float, Integration]] = {}


class _Beat(Convertor[str]):
    """What stands behind `/in/KEY/` and is a ping: a UUID or a slug, but no protocol's name."""

    regex = rf"(?!(?:{'|'.join(sorted(PROTOCOLS))})(?:/|$))[A-Za-z0-9_-]+(?:/(?:start|fail|log|[0-9]+))?/?"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("beat", _Beat())


async def at_root(request: Request) -> Response:
    """`/ping/UUID...` and `/ping/KEY/SLUG...`."""
    return await _take(request, request.path_params["rest"])


async def at_key(request: Request) -> Response:
    """`/in/KEY/UUID...` and `/in/KEY/SLUG...`."""
    rest = request.path_params["rest"]
    by_uuid = isinstance(found := parse(rest), Address) and found.uuid is not None
    return await _take(request, rest if by_uuid else f"{request.path_params['key']}/{rest}")


ROUTES = [
    Route("/ping/{rest:path}", at_root, methods=METHODS),
    Route("/in/{key}/{rest:beat}", at_key, methods=METHODS),
]


async def _take(request: Request, path: str) -> Response:
    address = parse(path, request.query_params.get("rid"), request.query_params.get("create"))
    if isinstance(address, Refused):
        return PlainTextResponse(address.text, address.status)
    try:
        return await _said(request, address)
    except ClientDisconnect:
        return PlainTextResponse("", 400)  # nobody hears it: a ping that was not sent to its end is none


async def _said(request: Request, address: Address) -> Response:
    call = PingRequest(
        kind=Kind(address.kind),
        uuid=address.uuid,
        slug=address.slug,
        exit_status=address.exit_status,
        rid=address.rid,
        method=request.state.method,  # the envelope makes a GET of a HEAD
        remote=_remote(request),
        agent=_shown(request.headers.get("user-agent", "")),
        body=await _body(request),
    )
    if not _limiters:
        _limiters.append(anyio.CapacityLimiter(AT_ONCE))
    with anyio.move_on_after(TIMEOUT) as waiting:
        keep = partial(_keep, call, address)
        received = await anyio.to_thread.run_sync(keep, limiter=_limiters[0], abandon_on_cancel=True)
    if waiting.cancelled_caught:
        raise Unavailable(f"the database did not respond within {TIMEOUT:g} s; ping again")
    return _answer(received)


def _answer(received: Received | Refused) -> Response:
    if isinstance(received, Refused):
        return PlainTextResponse(received.text, received.status)
    return PlainTextResponse("Created" if received.made else "OK", 201 if received.made else 200, HEADERS)


def _keep(call: PingRequest, address: Address) -> Received | Refused:
    """Committed when this returns."""
    whose = _whose(address.key) if address.key is not None else None
    if address.key is not None and whose is None:
        return Refused(404, NOT_FOUND)
    try:
        return line.ping(call, whose if address.create else None) or Refused(404, NOT_FOUND)
    except Conflict:
        return Refused(409, "ambiguous slug")


def _whose(key: str) -> Integration | None:
    """The integration with this key; one that was there a moment ago is believed, which saves the pings half their work."""
    known = _keys.get(key)
    if known is not None and time.monotonic() - known[0] < KEY_KEPT:
        return known[1]
    with transaction() as db:
        found = inbox.by_key(db, key, clock.now(db))
    if found is not None:
        if len(_keys) >= KEYS:
            _keys.clear()
        _keys[key] = (time.monotonic(), found)
    return found


async def _body(request: Request) -> bytes:
    """The first bytes of whatever comes; a job that sends its whole log has pinged all the same."""
    kept = b""
    if request.headers.get("content-length") == "0":
        return kept  # whatever is said of how nothing is packed
    try:
        async for chunk in request.stream():
            kept += chunk[: BODY - len(kept)]
            if len(kept) >= BODY:
                break
    except TooLarge:
        pass
    return kept


def _remote(request: Request) -> str:
    client: Any = request.client
    first = request.headers.get("x-forwarded-for", "").partition(",")[0].strip()
    return _shown(first or (client.host if client else ""))


def _shown(text: str) -> str:
    return text.replace("\0", "")[:200]
