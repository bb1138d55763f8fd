"""Intake: `POST /api/v1/events` and `/in/KEY`. Plain routes, because every alert of a storm passes here."""

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.api import desk
from app.api.answer import answer
from app.api.caller import bearer
from app.api.desk import Posted, Taken
from app.concurrency.gather import Gather
from app.errors import NotActive, Unavailable

AT_ONCE = 3  # groups of calls that are taken at the same time, where one takes longer than PATIENCE: it may wait for a lock
PATIENCE = 0.01  # seconds
GROUP = 1 << 20  # bytes of the bodies of a group; a longer call goes alone
TIMEOUT = 6.0  # seconds for the commit; a hung database must not hold a sender


def install(app: Starlette) -> None:
    """Add what gathers the calls of this application."""
    app.state.intake = Gather(desk.take, lambda posted: len(posted.body), GROUP, AT_ONCE, PATIENCE)


async def events(request: Request) -> Response:
    """Take events sent with an API token or an integration key."""
    token = bearer(request.headers.get("authorization"))
    return await _take(request, Posted(desk.by_token, token, await request.body()))


async def integration(request: Request) -> Response:
    """Take the protocol of the integration's kind; the key is in the path."""
    return await _take(request, Posted(desk.by_path, request.path_params["key"], await request.body()))


async def below(request: Request) -> Response:
    """A protocol below `/in/KEY`: one path per source file; so far there is one."""
    if request.path_params["protocol"].strip("/") in ("", "generic") and request.method in ("POST", "PUT"):
        return await integration(request)
    await anyio.to_thread.run_sync(desk.must_be_known, request.path_params["key"])
    raise NotActive(f'the protocol "{request.path_params["protocol"]}" is not active yet; bare /in/KEY takes generic events')


ROUTES = [
    Route("/api/v1/events", events, methods=["POST"]),
    Route("/in/{key}", integration, methods=["POST", "PUT"]),
    Route("/in/{key}/{protocol:path}", below, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
]


async def _take(request: Request, posted: Posted) -> Response:
    gather: Gather[Posted, Taken] = request.app.state.intake
    with anyio.move_on_after(TIMEOUT) as waiting:
        taken = await gather.do(posted)
    if waiting.cancelled_caught:  # it may be committed all the same: a sender that repeats it says the same again
        raise Unavailable(f"the database did not respond within {TIMEOUT:g} s; retry")
    return answer({"accepted": len(taken), "events": [{"key": key, "trace_id": trace} for key, trace in taken]}, 202)
