"""Every error as problem+json: ours by their class, the framework's, the database's. Nothing a caller sends is a 5xx."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app import log
from app.api.answer import problem
from app.errors import (
    Conflict,
    Denied,
    Expired,
    Garbled,
    Invalid,
    NotActive,
    NotFound,
    TocsinError,
    TooLarge,
    Unavailable,
    UnknownEncoding,
)
from app.sentence import lower_first
from app.units import counted

STATUS: Sequence[tuple[type[TocsinError], int]] = (
    (TooLarge, 413),
    (UnknownEncoding, 415),
    (Garbled, 400),
    (Invalid, 422),
    (Denied, 403),
    (NotFound, 404),
    (Expired, 410),
    (Conflict, 409),
    (NotActive, 501),
    (Unavailable, 503),
)
TRY_AGAIN = {"Retry-After": "2"}
MORE = {503: TRY_AGAIN, 415: {"Accept-Encoding": "gzip"}}  # RFC 9110, 12.5.3: what a sender may use instead
NOT_MIGRATED = "42P01"  # undefined_table

logger = log.get(__name__)


class NotLoggedIn(TocsinError):
    """No token, or not a live one -> HTTP 401."""


def install(app: FastAPI) -> None:
    """Answer every error of `app` in this form."""
    app.add_exception_handler(TocsinError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    for database_away in (OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(database_away, _away)
    app.add_exception_handler(DataError, _data)


def status_of(error: TocsinError) -> int:
    """The HTTP status of one of our errors."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


async def _ours(request: Request, error: Any) -> Response:
    if isinstance(error, NotLoggedIn):
        return problem(request, 401, str(error), headers={"WWW-Authenticate": 'Bearer realm="tocsin"'})
    status = status_of(error)
    if status == 503:
        logger.warning("unavailable", path=request.url.path, error=str(error))
    faults = [
        {"index": fault.index, "field": fault.field, "detail": fault.detail}
        for fault in (error.faults if isinstance(error, Invalid) else ())
    ]
    return problem(request, status, str(error), faults, MORE.get(status))


async def _validation(request: Request, error: Any) -> Response:
    """What FastAPI refused: one fault for each field."""
    faults = [{"index": None, "field": _field(one["loc"]), "detail": _detail(one)} for one in error.errors()]
    return problem(request, 422, f"{counted(len(faults), 'mistake')} in the request; nothing was done", faults)


def _field(place: Sequence[object]) -> str:
    """`("body", "labels", "env")` -> `labels.env`; the body itself stays `body`."""
    return ".".join(str(part) for part in (place[1:] if len(place) > 1 else place))


def _detail(one: Any) -> str:
    text = str(one["msg"]).removeprefix("Value error, ")
    return lower_first(text)


async def _http(request: Request, error: Any) -> Response:
    details = {
        404: "there is nothing here; see /api/docs",
        405: f"{request.method} is not possible here; see the Allow header",
    }
    return problem(request, error.status_code, details.get(error.status_code, str(error.detail)), headers=error.headers)


async def _away(request: Request, error: Any) -> Response:
    logger.warning("database_away", path=request.url.path, error=str(getattr(error, "orig", None) or error).splitlines()[0])
    return problem(request, 503, "the database does not answer; try again in a moment", headers=TRY_AGAIN)


async def _data(request: Request, error: Any) -> Response:
    """The last net for values no column can hold; whoever reads this in the log adds the check where it belongs."""
    logger.warning("unstorable_value", path=request.url.path, error=str(error.orig).splitlines()[0])
    return problem(request, 422, "a value in the request cannot be stored (a NUL, or a number or time out of range)")


async def bug(request: Request, error: Exception) -> Response:
    """The answer to what nobody expected; the log has it with its trace."""
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == NOT_MIGRATED:
        return problem(request, 503, "the database is not set up yet; run `tocsin up`", headers=TRY_AGAIN)
    logger.error("bug", path=request.url.path, exc_info=error)
    return problem(request, 500, "this is a bug in Tocsin; the log has it under this trace id")
