"""Error pages: what is wrong, what to do, what was typed, and the trace id, which is also in the log."""

import secrets
from dataclasses import dataclass
from math import ceil
from urllib.parse import quote, urlsplit

from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app import errors, log
from app.db import as_ours
from app.secret import is_secret_name
from app.validation import explain
from app.web.guard import HEADERS
from app.web.template import render
from app.web.visit import LogInFirst, here, local_path, theme

logger = log.get(__name__)
HIDDEN = ("csrf", "again", "old", "back")  # of what was typed, not shown again, beside what is secret by its name


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of error is shown."""

    title: str
    advice: str


AWAY = Kind("Service unavailable", "Retry in a moment; on the server, run tocsin status for details.")
# A POST may have been committed, and only the answer to it be lost.
UNSURE = Kind(AWAY.title, f"It may have been done all the same: check before you retry. {AWAY.advice}")
KINDS: tuple[tuple[type[Exception], Kind], ...] = (
    (errors.TooLarge, Kind("Request too large", "Nothing was changed. Send less at once.")),
    (errors.UnknownEncoding, Kind("Unsupported encoding", "Nothing was changed. Send it uncompressed or as gzip.")),
    (errors.Garbled, Kind("Malformed request", "Nothing was changed. Reload the page and retry.")),
    (errors.Invalid, Kind("Invalid input", "Nothing was changed. Go back, correct it and retry.")),
    (errors.NotLoggedIn, Kind("Login required", "Nothing was changed. Log in and retry.")),
    (errors.TooOften, Kind("Too many attempts", "Nothing was changed. Wait, then retry.")),
    (errors.Denied, Kind("Permission denied", "Nothing was changed.")),
    (errors.Gone, Kind("No longer kept", "The setting is TOCSIN_RETAIN_INCIDENTS_DAYS. The audit log may still list it.")),
    (errors.NotFound, Kind("Not found", "It may have been renamed or removed, or the URL is mistyped.")),
    (errors.Conflict, Kind("Conflict: already changed", "Nothing was changed. Reload to see the current state.")),
    (errors.NotActive, Kind("Not active yet", "This feature is planned but not available yet.")),
    (errors.Busy, Kind("Service unavailable", "Nothing was changed. Retry in a moment.")),
    (errors.Unavailable, AWAY),
)  # fmt: skip
EXPIRED = Kind("Session expired", "Nothing was changed. Copy what you need, log in and retry.")
BROKEN = Kind("Internal error", "Retry. If it persists, give the trace id to your Tocsin administrator: the log has details.")
NOTHING = "no page at this URL"


def answer(request: Request, error: Exception) -> Response:
    """The response for whatever went wrong."""
    if isinstance(error, LogInFirst) or (isinstance(error, errors.NotLoggedIn) and request.method == "POST"):
        return _log_in(request, error.back if isinstance(error, LogInFirst) else "/")
    error = _ours(error)
    kind = next((k for type_, k in KINDS if isinstance(error, type_)), BROKEN)
    kind = UNSURE if kind is AWAY and request.method == "POST" else kind
    status = error.status if isinstance(error, errors.TocsinError) else errors.TocsinError.status
    trace = getattr(request.state, "trace", None) or secrets.token_hex(8)
    if kind is BROKEN:
        logger.error("console_error", path=request.url.path, trace=trace, exc_info=error)
    elif status >= 500:
        logger.warning("console_problem", path=request.url.path, status=status, error=str(error), trace=trace)
    text = "" if kind is BROKEN else str(error)
    facts = {"status": status, "kind": kind, "text": text[:1].upper() + text[1:], "trace": trace}
    if request.headers.get("hx-request") == "true":
        return HTMLResponse(render("problem_toast.html", **facts), status)
    typed = {name: value for name, value in _typed(request).items() if value and not (name in HIDDEN or is_secret_name(name))}
    faults = (
        [one for one in error.faults if one.detail not in text and one.detail != "unknown"]
        if isinstance(error, errors.Invalid)
        else ()
    )
    back = "/" if request.method == "POST" else request.url.path if status == errors.Invalid.status else here(request)
    page = render("problem.html", **facts, typed=typed, faults=faults, back=back, login=None, theme=theme(request))
    again = {"Retry-After": str(ceil(error.seconds))} if isinstance(error, errors.TooOften) else None
    return HTMLResponse(page, status, again)


def missing(request: Request) -> Response:
    """The page for a path that no route has."""
    response = answer(request, errors.NotFound(f"no page at {request.url.path[:200]}"))
    response.headers.update(HEADERS)
    return response


def _ours(error: Exception) -> Exception:
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where, name = first["loc"][0], first["loc"][-1]
        return errors.NotFound(NOTHING) if where == "path" else errors.Invalid(f"{name}: {explain(first)}")
    if isinstance(error, HTTPException):
        return errors.NotFound(NOTHING) if error.status_code == 404 else errors.Invalid(str(error.detail))
    return as_ours(error) or error


def _typed(request: Request) -> dict[str, str]:
    given = getattr(request.state, "form", None) or request.query_params
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _log_in(request: Request, back: str) -> Response:
    """Redirect to the login page and back; what was typed is kept by the page's script, or shown here."""
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": _login(_own_path(request, "hx-current-url"))})
    if request.method != "POST":
        return RedirectResponse(_login(back), 303)
    typed = {name: value for name, value in _typed(request).items() if value and not (name in HIDDEN or is_secret_name(name))}
    if not typed:
        return RedirectResponse(_login(_own_path(request, "referer")), 303)
    facts = {"status": 401, "kind": EXPIRED, "text": "", "trace": getattr(request.state, "trace", None)}
    login = _login(_own_path(request, "referer"))
    return HTMLResponse(
        render("problem.html", **facts, typed=typed, faults=(), back="/", login=login, theme=theme(request)), 401
    )


def _login(back: str) -> str:
    return f"/login?back={quote(back, safe='')}" if back != "/" else "/login"


def _own_path(request: Request, header: str) -> str:
    """The path and query of an address of ours in this header; `/` for anything else."""
    try:
        parts = urlsplit(request.headers.get(header, ""))
    except ValueError:
        return "/"
    same = parts.netloc.lower() == request.headers.get("host", "").lower()
    return local_path(f"{parts.path}?{parts.query}" if parts.query else parts.path) if same else "/"
