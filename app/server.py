"""The web process: intake, API and console in one application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import cached_property
from itertools import count

import anyio.to_thread
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from app import api, db, line, uptime, web
from app.api import problem
from app.api.caller import THREADS
from app.api.envelope import Envelope
from app.door import USUAL, Server, raise_descriptors
from app.errors import Unavailable
from app.hints import Hints
from app.packing import Packing
from app.queues import Queue
from app.settings import settings

SHORT = ("/api/v1/events", "/in/", "/ping/")  # what the paths begin with that senders use all the time
LATER = 0.1  # seconds; a pager was notified at the commit, and both at once would only get in each other's way


class Application(FastAPI):
    """The web framework's, with a short way in for senders: every alert of a storm and every ping passes there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI wants it."""
        if scope["type"] == "http" and scope["path"].startswith(SHORT):
            scope["app"] = self
            await self._senders(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    @cached_property
    def _senders(self) -> ASGIApp:
        known = Router(api.SENDERS, redirect_slashes=False)
        return Envelope(ExceptionMiddleware(known, self.exception_handlers), bug=problem.bug)


def create() -> FastAPI:
    """The application: what it serves is in docs/reference_api.md."""
    app = Application(
        title="Tocsin",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_life,
        middleware=[Middleware(Envelope, bug=problem.bug), Middleware(Packing, minimum_size=1000, compresslevel=4)],
    )
    api.install(app)
    app.include_router(web.router)
    web.install(app)
    return app


def _send(stage: Queue) -> None:
    from app.celery import hint  # on the first hint: a console that nobody posts to never pays for it

    hint(stage.task)


_hints = Hints(_send, LATER)


def _hint(stage: Queue, seconds: float, as_of: datetime | None) -> None:  # noqa: ARG001 - a hint carries neither
    if not seconds:  # what is due later is armed by a sweep
        _hints.add(stage)


@asynccontextmanager
async def _life(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    ticking = asyncio.create_task(_tick())
    db.hint_by(_hint)
    yield
    db.hint_by(None)
    ticking.cancel()


async def _tick() -> None:
    """Say that pings are heard, as long as this loop turns and the database takes them."""
    for turn in count():
        with suppress(Unavailable):
            await asyncio.to_thread(line.tick, uptime.INTAKE)
            if turn % line.FREE == 0:
                await asyncio.to_thread(line.free_frozen)
        await asyncio.sleep(uptime.EVERY)


def serve() -> None:
    """Serve until SIGTERM or SIGINT. Raises Unavailable when the port cannot be had."""
    descriptors = raise_descriptors()
    config = uvicorn.Config(
        create(),
        host=settings().host,
        port=settings().port,
        ssl_certfile=settings().tls_cert,
        ssl_keyfile=settings().tls_key,
        loop="uvloop",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # a header anybody can send must not change who somebody is
        server_header=False,
        timeout_keep_alive=int(USUAL.idle),
        timeout_graceful_shutdown=2,  # open event streams do not hold the end
    )
    Server(config, descriptors).run()
