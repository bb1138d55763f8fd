"""Heartbeats: state, pings, pause, resume and remove."""

from typing import Annotated, Any

from fastapi import Path, Response
from sqlalchemy import Connection

from app import clock
from app.actions import heartbeat as actions
from app.api.answer import after, answer, before_id, listed
from app.api.caller import Caller, router
from app.api.field import LIST, SMALL_LIST, Cursor, Limit, Name
from app.api.forms import Listed
from app.api.pausing import PAUSED, NewPause
from app.checks.heartbeats import service, store
from app.checks.heartbeats.model import BODY
from app.checks.heartbeats.present import PublicHeartbeat, PublicPing, present, present_ping
from app.db import transaction
from app.errors import NotFound
from app.settings import settings

routes = router("heartbeats")


class Bytes(Response):
    """Whatever the ping contained."""

    media_type = "application/octet-stream"


PingNumber = Annotated[int, Path(ge=1, le=2**63 - 1, description="the ping's number")]


@routes.get("/heartbeats", response_model=Listed[PublicHeartbeat])
def list_heartbeats(cursor: Cursor = None, limit: Limit = SMALL_LIST) -> Response:
    """List heartbeats by name, each with its ping URL."""
    last = after(cursor) or ""
    with transaction() as db:
        found, now = [one for one in store.listed(db) if one.name > last], clock.now(db)
    shown = [present(one, now, settings().url) for one in found[: limit + 1]]
    return listed(shown, limit, lambda one: one["name"], lambda one: one)


@routes.get("/heartbeats/{name}", response_model=PublicHeartbeat)
def get_heartbeat(name: Name) -> Response:
    """One heartbeat."""
    with transaction() as db:
        return answer(_shown(db, name))


@routes.get("/heartbeats/{name}/pings", response_model=Listed[PublicPing])
def pings(name: Name, cursor: Cursor = None, limit: Limit = LIST) -> Response:
    """The last 100 pings, newest first, each with its body."""
    with transaction() as db:
        found = store.pings(db, service.get(db, name).id, before_id(cursor), limit + 1, BODY)
    return listed(found, limit, lambda ping: ping.n, present_ping)


@routes.get("/heartbeats/{name}/pings/{n}/body", response_class=Bytes)
def body(name: Name, n: PingNumber) -> Response:
    """The body of a ping, as it was sent."""
    with transaction() as db:
        found = store.body(db, service.get(db, name).id, n)
    if found is None:
        raise NotFound(f"heartbeat {name} has no ping {n}; only the newest 100 are kept")
    headers = {"Content-Disposition": f'attachment; filename="ping-{n}"'}
    return Bytes(found, headers=headers)


@routes.post("/heartbeats/{name}/pause", response_model=PublicHeartbeat)
def pause(caller: Caller, name: Name, asked: NewPause = PAUSED) -> Response:
    """Pause a heartbeat: no ping is expected until the pause ends, or it is resumed or pinged; its alert is resolved."""
    with transaction() as db:
        now = clock.now(db)
        actions.pause(db, name, caller, now, until=asked.end(now), reason=asked.reason)
        return answer(_shown(db, name))


@routes.post("/heartbeats/{name}/resume", response_model=PublicHeartbeat)
def resume(caller: Caller, name: Name) -> Response:
    """Resume a heartbeat: the wait for the next ping starts now."""
    with transaction() as db:
        actions.resume(db, name, caller, clock.now(db))
        return answer(_shown(db, name))


@routes.delete("/heartbeats/{name}", status_code=204)
def remove(caller: Caller, name: Name) -> Response:
    """Delete a heartbeat that a ping created; remove declared ones from the configuration."""
    with transaction() as db:
        actions.remove(db, name, caller, clock.now(db))
    return Response(status_code=204)


def _shown(db: Connection, name: str) -> dict[str, Any]:
    return present(service.get(db, name), clock.now(db), settings().url)
