"""The caller: a route class that checks the token before it reads the body, and parses JSON strictly."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any, TypeVar

import anyio.to_thread
from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from sqlalchemy import Connection

from app import clock
from app.db import transaction
from app.errors import NotLoggedIn
from app.people.model import Actor
from app.people.service import token_owner
from app.signals.payload import decode

T = TypeVar("T")
THREADS = 12  # at work on the database at once; the pool has 16 connections


def bearer(header: str | None) -> str:
    """The token of an Authorization header. Raises NotLoggedIn."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotLoggedIn("missing API token: send `Authorization: Bearer TOKEN`; create one with `tocsin users token LOGIN`")
    return token.strip()


def actor_of(token: str) -> Actor:
    """Whose token this is. Raises NotLoggedIn."""
    with transaction() as db:
        return actor_by(db, token, clock.now(db))


def actor_by(db: Connection, token: str, now: datetime) -> Actor:
    """The same in the caller's transaction."""
    person = token_owner(db, token, now)
    if person is None:
        raise NotLoggedIn("invalid or revoked API token; create one with `tocsin users token LOGIN`")
    return Actor(person.login, person.role, "api")


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Run blocking database work outside the event loop."""
    return await anyio.to_thread.run_sync(work, *args)


class _Strict(Request):
    """Parses JSON as intake does: limited nesting, no NaN, no lone surrogates; whatever the content type says."""

    def __init__(self, request: Request, body: bytes) -> None:
        headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
        super().__init__({**request.scope, "headers": [*headers, (b"content-type", b"application/json")]}, request.receive)
        self.read = body if body.strip() else b""
        self.document = decode(body) if self.read else None

    async def body(self) -> bytes:
        return self.read

    async def json(self) -> Any:
        return self.document


class TokenRoute(APIRoute):
    """A route that requires a valid token."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            request.state.actor = await in_thread(actor_of, bearer(request.headers.get("authorization")))
            if self.body_field is None:
                return await handle(request)
            return await handle(_Strict(request, await request.body()))

        return handler


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


Caller = Annotated[Actor, Depends(_actor)]


def router(tag: str) -> APIRouter:
    """A router for one noun."""
    return APIRouter(route_class=TokenRoute, tags=[tag], dependencies=[Security(HTTPBearer(auto_error=False))])
