"""Planned routes: 501, so that they are not mistaken for a typo or a success."""

from collections.abc import Awaitable, Callable

import anyio.to_thread
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from app.api.caller import actor_of, bearer
from app.errors import NotActive

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
PLANNED = {
    "/api/v1/incidents/{number}/explain": "explaining incidents",
    "/api/v1/pages/{page}/explain": "explaining pages",
    "/api/v1/why-not": "why-not",
    "/api/v1/silences": "silences",
    "/api/v1/silences/{silence}": "silences",
    "/api/v1/rules/{name}/backtest": "backtests",
    "/api/v1/schedules/{name}.ics": "calendar feeds",
    "/api/v2/{rest:path}": "the Alertmanager API",
    "/v2/enqueue": "PagerDuty events",
    "/v2/change/enqueue": "PagerDuty change events",
    "/v2/alerts": "the Opsgenie API",
    "/v2/alerts/{rest:path}": "the Opsgenie API",
    "/v2/heartbeats/{rest:path}": "the Opsgenie API",
}


def install(app: FastAPI) -> None:
    """Add every planned route."""
    for path, what in PLANNED.items():
        app.router.add_route(path, _planned(what), methods=METHODS, include_in_schema=False)


def _planned(what: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if request.url.path.startswith("/api/v1/"):
            await anyio.to_thread.run_sync(actor_of, bearer(request.headers.get("authorization")))
        raise NotActive(f"not active yet: {what}")

    return answer
