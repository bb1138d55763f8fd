"""Every error as problem+json: ours, the framework's, the database's. No request causes a 5xx by its content."""

from math import ceil
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app import log
from app.api.answer import problem
from app.db import as_ours
from app.errors import Invalid, TocsinError, TooOften, Unavailable
from app.units import counted
from app.validation import explain, place

TRY_AGAIN = {"Retry-After": "2"}
MORE = {
    401: {"WWW-Authenticate": 'Bearer realm="tocsin"'},
    415: {"Accept-Encoding": "gzip"},  # RFC 9110, 12.5.3: what a sender may use instead
    503: TRY_AGAIN,
}

logger = log.get(__name__)


def install(app: FastAPI) -> None:
    """Answer every error of `app` in this form."""
    app.add_exception_handler(TocsinError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    for from_database in (DBAPIError, PoolTimeout, UnicodeError):
        app.add_exception_handler(from_database, _database)


async def _ours(request: Request, error: Any) -> Response:
    if error.status == Unavailable.status:
        logger.warning("unavailable", path=request.url.path, error=str(error))
    faults = [
        {"index": fault.index, "field": fault.field, "detail": fault.detail}
        for fault in (error.faults if isinstance(error, Invalid) else ())
    ]
    headers = MORE.get(error.status)
    if isinstance(error, TooOften):
        headers = {"Retry-After": str(ceil(error.seconds))}
    return problem(request, error.status, str(error), faults, headers)


async def _validation(request: Request, error: Any) -> Response:
    """Validation errors of FastAPI, one fault per field."""
    faults = [_fault(one) for one in error.errors()]
    return problem(request, 422, f"{counted(len(faults), 'error')} in the request; nothing was changed", faults)


def _fault(one: Any) -> dict[str, Any]:
    """`("body", "labels", "env")` is the field `labels.env`, the body itself stays `body`; of a repeated parameter `index`."""
    first, *steps = one["loc"]
    repeated = first == "query" and len(steps) == 2 and isinstance(steps[1], int)
    field = place(steps[:1] if repeated else steps) or str(first)
    return {"index": steps[1] if repeated else None, "field": field, "detail": explain(one)}


async def _http(request: Request, error: Any) -> Response:
    details = {
        404: "not found; see /api/docs",
        405: f"method {request.method} not allowed; see the Allow header",
    }
    return problem(request, error.status_code, details.get(error.status_code, str(error.detail)), headers=error.headers)


async def _database(request: Request, error: Any) -> Response:
    ours = as_ours(error)
    if ours is None:
        return await bug(request, error)
    said = str(getattr(error, "orig", None) or error).splitlines()[0]
    logger.warning("database_error", path=request.url.path, status=ours.status, error=said)
    return await _ours(request, ours)


async def bug(request: Request, error: Exception) -> Response:
    """The response to an unexpected error; the log has it with its trace id."""
    logger.error("internal_error", path=request.url.path, exc_info=error)
    return problem(request, 500, "internal error; the log has details under this trace id")
