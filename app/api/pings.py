"""Heartbeat pings, answered as Healthchecks answers them: plain routes, because at :00 every job of the world pings."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app import clock, line
from app.checks.heartbeats.model import BODY, Kind, PingRequest
from app.checks.heartbeats.service import Received
from app.concurrency.gather import Gather
from app.db import transaction
from app.errors import Busy, Conflict, TooLarge, Unavailable
from app.plugins import names
from app.signals import service as inbox
from app.signals.model import Integration
from app.signals.sources.healthchecks import NOT_FOUND, Address, Refused, parse

AT_ONCE = 3  # groups of pings that are taken at the same time, where one takes longer than PATIENCE
PATIENCE = 0.01  # seconds
GROUP = 1 << 20  # bytes of the pings of a group
HEAD = 500  # bytes of a ping beside its body
TIMEOUT = 6.0  # seconds for the commit
KEY_KEPT, KEYS = 5.0, 1000  # seconds a key is believed without asking, and how many are
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
HEADERS = {"Ping-Body-Limit": str(BODY), "Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
PROTOCOLS = {*names(inbox.SOURCES), *inbox.PLANNED, "api", "v1", "v2", "v3"} - {"healthchecks"}

_keys: dict[str, tuple[float, Integration]] = {}


@dataclass(frozen=True, slots=True)
class _Called:
    """A ping as it came."""

    call: PingRequest
    address: Address


def install(app: Starlette) -> None:
    """Add what gathers the pings of this application."""
    app.state.pings = Gather(_keep, lambda one: HEAD + len(one.call.body), GROUP, AT_ONCE, PATIENCE)


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
    gather: Gather[_Called, Received | Refused] = request.app.state.pings
    with anyio.move_on_after(TIMEOUT) as waiting:
        received = await gather.do(_Called(call, address))
    if waiting.cancelled_caught:
        raise Unavailable(f"the database did not respond within {TIMEOUT:g} s; ping again")
    return _answer(received)


def _answer(received: Received | Refused) -> Response:
    if isinstance(received, Refused):
        return PlainTextResponse(received.text, received.status)
    return PlainTextResponse("Created" if received.made else "OK", 201 if received.made else 200, HEADERS)


def _keep(calls: Sequence[_Called]) -> list[Received | Refused | Exception]:
    """Committed when this returns: one transaction for all, except those that need one of their own."""
    answers: dict[int, Received | Refused | Exception] = {}
    known = {one.address.key: _whose(one.address.key) for one in calls if one.address.key is not None}
    together = [place for place, one in enumerate(calls) if one.address.key is None or known[one.address.key] is not None]
    try:
        received = line.pings([calls[place].call for place in together]) if together else []
        answers = {place: one for place, one in zip(together, received, strict=True) if one is not None}
    except Exception as error:
        if isinstance(error, Unavailable) and not isinstance(error, Busy):
            raise  # otherwise it is one sender's: each is taken by itself
    for place, one in enumerate(calls):
        if place not in answers:
            answers[place] = _keep_alone(one, known.get(one.address.key or ""))
    return [answers[place] for place in range(len(calls))]


def _keep_alone(one: _Called, whose: Integration | None) -> Received | Refused | Exception:
    if one.address.key is not None and whose is None:
        return Refused(404, NOT_FOUND)
    try:
        return line.ping(one.call, whose if one.address.create else None) or Refused(404, NOT_FOUND)
    except Conflict:
        return Refused(409, "ambiguous slug")
    except Exception as error:  # noqa: BLE001 - nobody else's
        return error


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
