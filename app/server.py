"""The web process: intake, API and console in one application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware import Middleware

from app import api, web
from app.api import problem
from app.api.caller import THREADS
from app.api.envelope import Envelope


def create() -> FastAPI:
    """The application: what it serves is in CONTRACT section 3."""
    app = FastAPI(
        title="Tocsin",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_life,
        middleware=[Middleware(Envelope, bug=problem.bug)],
    )
    api.install(app)
    app.include_router(web.router)
    web.install(app)
    return app


@asynccontextmanager
async def _life(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield
