"""When something is wrong: a page that says what, what to do, what was typed, and a trace id that the log has too."""

import secrets
from dataclasses import dataclass
from math import ceil
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app import errors, log
from app.secret import is_secret_name
from app.web.guard import HEADERS
from app.web.template import render
from app.web.visit import LogInFirst, here, theme

logger = log.get(__name__)
HIDDEN = ("csrf", "again", "old", "back")  # of what was typed, not shown again, beside what is secret by its name


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of error is told."""

    status: int
    title: str
    advice: str


KINDS: tuple[tuple[type[Exception], Kind], ...] = (
    (errors.TooLarge, Kind(413, "That is too much", "Send less at once.")),
    (errors.UnknownEncoding, Kind(415, "That encoding is not supported", "Send it unpacked or as gzip; nothing was changed.")),
    (errors.Garbled, Kind(400, "The request arrived damaged", "Reload the page and send it again; nothing was changed.")),
    (errors.Invalid, Kind(422, "That does not work as typed", "Go back, mend it and send it again; nothing was changed.")),
    (errors.Denied, Kind(403, "You may not do this", "Nothing was changed.")),
    (errors.NotFound, Kind(404, "There is no such thing", "It may have been renamed, removed, or mistyped in the address.")),
    (errors.Conflict, Kind(409, "Somebody was faster", "Nothing was changed. Look at how it stands now, then decide again.")),
    (errors.NotActive, Kind(501, "Not active yet", "This is planned, and not built.")),
    (
        errors.Unavailable,
        Kind(503, "Out of reach", "Nothing was changed. Try again in a moment; on the server, tocsin status says more."),
    ),
)  # fmt: skip
BROKEN = Kind(500, "This page broke", "Try again; if it stays, give the trace id to whoever runs Tocsin: the log has the rest.")
NOTHING = "there is nothing at this address"
NOT_MIGRATED = "42P01"  # undefined_table


class TooOften(errors.Denied):
    """Too many tries -> HTTP 429; `seconds` until the next may be made."""

    def __init__(self, message: str, seconds: float = 1.0) -> None:
        super().__init__(message)
        self.seconds = seconds


TOO_OFTEN = Kind(429, "Too many tries", "Wait a little, then try again.")
# What frameworks and drivers raise, as what it means here.
FOREIGN: tuple[tuple[type[Exception], type[errors.TocsinError], str], ...] = (
    (OperationalError, errors.Unavailable, "the database gave up on this; it is busy or away"),
    (PoolTimeout, errors.Unavailable, "every database connection is in use"),
    (DataError, errors.Invalid, "the database cannot store that"),
    (UnicodeError, errors.Invalid, "that text cannot be stored"),
)


def answer(request: Request, error: Exception) -> Response:
    """The response for whatever went wrong."""
    if isinstance(error, LogInFirst):
        return _log_in(request, error.back)
    error = _ours(error)
    kind = TOO_OFTEN if isinstance(error, TooOften) else next((k for type_, k in KINDS if isinstance(error, type_)), BROKEN)
    trace = getattr(request.state, "trace", None) or secrets.token_hex(8)
    if kind is BROKEN:
        logger.error("console_broke", path=request.url.path, trace=trace, exc_info=error)
    elif kind.status >= 500:
        logger.warning("console_problem", path=request.url.path, status=kind.status, error=str(error), trace=trace)
    text = "" if kind is BROKEN else str(error)
    facts = {"kind": kind, "text": text[:1].upper() + text[1:], "trace": trace}
    if request.headers.get("hx-request") == "true":
        return HTMLResponse(render("problem_toast.html", **facts), kind.status)
    typed = {
        name: value for name, value in _typed(request).items() if name not in HIDDEN and value and not is_secret_name(name)
    }
    faults = error.faults if isinstance(error, errors.Invalid) else ()
    back = "/" if request.method == "POST" else request.url.path if kind.status == 422 else here(request)
    page = render("problem.html", **facts, typed=typed, faults=faults, back=back, theme=theme(request))
    again = {"Retry-After": str(ceil(error.seconds))} if isinstance(error, TooOften) else None
    return HTMLResponse(page, kind.status, again)


def missing(request: Request) -> Response:
    """The page for an address that is nobody's."""
    response = answer(request, errors.NotFound(f"there is no page {request.url.path[:200]}"))
    response.headers.update(HEADERS)
    return response


def _ours(error: Exception) -> Exception:
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place, name = first["loc"][0], first["loc"][-1]
        return errors.NotFound(NOTHING) if place == "path" else errors.Invalid(f"{name}: {first['msg']}")
    if isinstance(error, HTTPException):
        return errors.NotFound(NOTHING) if error.status_code == 404 else errors.Invalid(str(error.detail))
    if isinstance(error, ProgrammingError) and getattr(error.orig, "sqlstate", None) == NOT_MIGRATED:
        return errors.Unavailable("the database is not set up yet; run `tocsin up`")
    for theirs, ours, text in FOREIGN:
        if isinstance(error, theirs):
            return ours(text)
    return error


def _typed(request: Request) -> dict[str, str]:
    given = getattr(request.state, "form", None) or request.query_params
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _log_in(request: Request, back: str) -> Response:
    to = f"/login?back={quote(back, safe='')}" if request.method == "GET" and back != "/" else "/login"
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    return RedirectResponse(to, 303)
