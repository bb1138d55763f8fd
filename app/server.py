"""The web process: intake, API and console in one application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec

import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware import Middleware

from app import api
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
        middleware=[Middleware(Envelope)],
    )
    api.install(app)
    if find_spec("app.web.route") is not None:
        _add_console(app)
    return app


def _add_console(app: FastAPI) -> None:
    from app import web

    if hasattr(web, "install"):
        app.include_router(web.router)
        web.install(app)


@asynccontextmanager
async def _life(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield
