"""Action links in pages, without login: GET and HEAD only show the action, POST does it; repeating it says that it is done."""

from collections.abc import Callable
from html import escape

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app import clock
from app.actions.link import Offer, offer, take
from app.api.caller import in_thread
from app.db import as_ours, transaction
from app.errors import TocsinError, Unavailable
from app.settings import settings
from app.walltime import stamp

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the address is the key
    "X-Robots-Tag": "noindex",
}


async def show(request: Request) -> Response:
    """Say what the link does, with the button that does it."""
    return await _page(request, offer)


async def act(request: Request) -> Response:
    """Do it."""
    return await _page(request, take)


ROUTES = [Route("/a/{token}", show), Route("/a/{token}", act, methods=["POST"])]


async def _page(request: Request, work: Callable[..., Offer]) -> Response:
    try:
        offered = await in_thread(_look, work, request.path_params["token"])
    except TocsinError as error:
        return refusal(error)
    except SQLAlchemyError as error:
        ours = as_ours(error)
        if ours is None:
            raise
        return refusal(ours)
    return _html(_told(offered), offered.incident.title)


def _look(work: Callable[[Connection, bytes, str, object], Offer], token: str) -> Offer:
    with transaction() as db:
        return work(db, settings().key, token, clock.now(db))


def _told(offered: Offer) -> str:
    incident = offered.incident
    facts = f"<p class=severity>{escape(incident.severity)}</p><h1>#{incident.number} {escape(incident.title)}</h1>"
    where = ", ".join(part for part in (incident.service, incident.team) if part)
    facts += f"<p>Since {stamp(incident.opened_at)}{f', {escape(where)}' if where else ''}.</p>"
    if offered.done:
        who = incident.resolved_by if not incident.open else incident.acknowledged_by
        by = f" by {escape(who)}" if who else ""
        return f"{facts}<p class=done>Already {incident.state}{by}. Nothing more to do.</p>"
    whom = f" as {escape(offered.user)}" if offered.user else ""
    return (
        f"{facts}<p>State: {incident.state}. Press the button to {offered.action} this incident{whom}.</p>"
        f"<form method=post><button>{offered.action.capitalize()}</button></form>"
    )


def refusal(error: TocsinError) -> Response:
    """A page that says why nothing was done; without the database nobody knows whether it was."""
    away = error.status == Unavailable.status
    words = "the database does not respond; reload in a moment to see whether it was done" if away else str(error)
    title = "Service unavailable" if away else "Nothing was changed"
    response = _html(f"<h1>{title}</h1><p>{escape(words[:1].upper() + words[1:])}.</p>", "Tocsin", error.status)
    if away:
        response.headers["Retry-After"] = "2"
    return response


def _html(main: str, title: str, status: int = 200) -> Response:
    page = (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><link rel=stylesheet href=/api/style.css></head><body><main class=card>{main}"
        f"<p><a href='{escape(settings().url, quote=True)}'>Open the console</a></p></main></body></html>"
    )
    return HTMLResponse(page, status, HEADERS)
