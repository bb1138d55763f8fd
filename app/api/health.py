"""Health, readiness and metrics: `/healthz`, `/readyz`, `/metrics`."""

import base64
import time
from datetime import datetime

import anyio
import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import clock
from app.api.answer import answer
from app.api.caller import actor_of, bearer, in_thread
from app.db import transaction
from app.errors import NotLoggedIn, Unavailable
from app.review.wellbeing import broker_address, is_ready, missing, why_away
from app.settings import settings
from app.supervisor import readiness, room

KEPT = 0.5  # seconds an answer of /readyz is good for
TEXT_FORMAT = "text/plain; version=0.0.4"  # of Prometheus
TIMEOUT = 2.0  # seconds for the database to answer


async def healthz(_: Request) -> Response:
    """The process is alive."""
    return answer({"ok": True})


class _Readiness:
    """What is missing, and as of when; checked at most every `KEPT` seconds, however many ask."""

    def __init__(self) -> None:
        self.found: tuple[list[str], datetime] | None = None
        self.asked = -KEPT
        self.asking = anyio.Lock()

    async def missing_now(self) -> tuple[list[str], datetime]:
        async with self.asking:
            if self.found is None or time.monotonic() - self.asked >= KEPT:
                at = clock.local()
                missing = [*await _line(), *await readiness.missing("broker", broker_address(settings().broker), 0)]
                self.found, self.asked = (missing, at), time.monotonic()
            return self.found


_readiness = _Readiness()


async def readyz(_: Request) -> Response:
    """200 when database, migrations and pager work; `missing` also names everything else that is missing or degraded.

    `at` is when that was checked: a response may be half a second old.
    """
    missing, at = await _readiness.missing_now()
    ready = is_ready(missing)
    return answer({"ready": ready, "missing": missing, "at": at.isoformat()}, 200 if ready else 503)


async def _line() -> list[str]:
    """What is missing of database, migrations and processes, and whether the disk is full."""
    found: list[str] = []
    for missing_now in (_missing, _room):
        try:
            with anyio.fail_after(TIMEOUT):
                found += await anyio.to_thread.run_sync(missing_now, abandon_on_cancel=True)
        except (Unavailable, SQLAlchemyError, TimeoutError) as error:
            found += why_away(error)
    return list(dict.fromkeys(found))


def _missing() -> list[str]:
    with transaction() as db:
        return missing(db)


def _room() -> list[str]:
    return room.missing(settings().home, settings().embedded_database)


async def metrics_text(request: Request) -> Response:
    """Prometheus text format; API token as bearer or as password of basic authentication."""
    await in_thread(actor_of, _token(request.headers.get("authorization")))
    return Response(await in_thread(_text), media_type=TEXT_FORMAT)


def _token(header: str | None) -> str:
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return bearer(header)
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except ValueError:
        raise NotLoggedIn("malformed basic authentication; the password must be an API token") from None


def _text() -> bytes:
    from app.metrics import collector  # on first use: a console that nobody scrapes does without the client library

    with transaction() as db:
        return collector.text(db)


ROUTES = [
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", metrics_text),
]
