"""One visit to the console: who it is, the transaction it runs in, and the frame around every page."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Depends
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from app import clock
from app.catalog import store as catalog
from app.db import transaction
from app.people import session as sessions
from app.people import store as people
from app.people.model import Actor, Person
from app.people.permission import may
from app.settings import settings
from app.visible import visible
from app.web import frame
from app.web.guard import cookie_name, form_token, over_tls
from app.web.tag import tag
from app.web.template import render
from app.web.toast import COOKIE as TOAST
from app.web.toast import Toast

THEMES = ("light", "dark")
LONGEST_AGENT = 300  # characters that are kept
LIVE = ("known", "seen", "since", "following")  # of a live list: its rows, the newest, when it was loaded, the next page


class LogInFirst(Exception):
    """Nobody is logged in; `back` is where the visitor wanted to go."""

    def __init__(self, back: str) -> None:
        self.back = back


async def typed(request: Request) -> Mapping[str, str]:
    """What was typed into the form, without NUL (PostgreSQL stores none)."""
    form = await request.form(max_fields=200)
    return {name: value.replace("\0", "") for name, value in form.items() if isinstance(value, str)}


async def kept(request: Request) -> str:
    """The rows of the live list that an action came from, as its address names them: they stay where they are."""
    if request.headers.get("hx-request") != "true":
        return ""
    form = await request.form(max_fields=200)
    return urlencode([(name, one) for name in LIVE for one in form.getlist(name) if isinstance(one, str)])


Typed = Annotated[Mapping[str, str], Depends(typed)]
Kept = Annotated[str, Depends(kept)]


@dataclass(frozen=True, slots=True)
class Visit:
    """A logged-in person's request, inside its transaction."""

    request: Request
    db: Connection
    now: datetime
    person: Person
    session: str  # the cookie
    session_id: str

    @property
    def actor(self) -> Actor:
        """Who acts."""
        return Actor(self.person.login, self.person.role, "console")

    @property
    def zone(self) -> ZoneInfo:
        """The zone times are shown in."""
        return self.person.zone

    def may(self, what: str) -> bool:
        """Whether the person's role is enough for this group of actions."""
        return may(self.person.role, what)

    def page(self, template: str, /, **facts: Any) -> Response:
        """A whole page; a waiting toast is shown once. 204 for a refresh of what the browser already has."""
        toast = Toast.read(self.request.cookies.get(TOAST))
        around = frame.load(self.db, self.person, self.now)
        text = render(
            template,
            now=self.now,
            zone=self.zone,
            me=self.person,
            csrf=form_token(self.session),
            here=here(self.request),
            theme=theme(self.request),
            frame=around,
            toast=toast,
            editor=self.may("edit"),
            responder=self.may("respond"),
            admin=self.may("administer"),
            **facts,
        )
        known, own = self.request.headers.get("if-none-match"), tag(text)
        if known == own and self.request.headers.get("hx-request") == "true":
            return Response(status_code=204)  # htmx leaves the page as it is; a 304 it would take for an error
        response = HTMLResponse(text.replace("<body ", f"<body data-tag={own} ", 1), headers={"ETag": own})
        if TOAST in self.request.cookies:
            response.delete_cookie(TOAST)
        return response


@contextmanager
def visit(request: Request) -> Iterator[Visit]:
    """Open a transaction for whoever is logged in. Raises LogInFirst when nobody is."""
    cookie = request.cookies.get(cookie_name("session"), "")
    session = sessions.read(settings().key, cookie)
    if session is None:
        raise LogInFirst(here(request))
    with transaction() as db:
        person = people.get(db, session.login, catalog.defaults(db).timezone) if people.lives(db, session) else None
        if person is None:
            raise LogInFirst(here(request))
        now = clock.now(db)
        people.see_session(db, session, agent_of(request), request.client.host if request.client else "", now)
        yield Visit(request, db, now, person, cookie, session.id)


def agent_of(request: Request) -> str:
    """What the browser calls itself."""
    return visible(request.headers.get("user-agent", ""))[:LONGEST_AGENT]


def here(request: Request) -> str:
    """The page's own address: path and query, without what the live refresh adds."""
    query = "&".join(part for part in request.url.query.split("&") if part and part.partition("=")[0] not in (*LIVE, "csrf"))
    return f"{request.url.path}?{query}" if query else request.url.path


def theme(request: Request) -> str:
    """The chosen theme, or nothing: then the system's preference holds."""
    chosen = request.cookies.get("tocsin_theme", "")
    return chosen if chosen in THEMES else ""


def local_path(wanted: str | None, otherwise: str = "/") -> str:
    """`wanted` when it leads to a page of this console: no other host, however it is written."""
    return wanted if wanted and re.fullmatch(r"/(?![/\\])[^\\\x00-\x1f]*", wanted) else otherwise


def go(to: str, toast: Toast | None = None, kept: str = "") -> Response:
    """Redirect to another page after a change, with a toast. kept: the rows of a list that stay."""
    response = RedirectResponse(f"{to}{'&' if '?' in to else '?'}{kept}" if kept else to, 303)
    if toast is not None:
        response.set_cookie(TOAST, toast.written, max_age=30, httponly=True, samesite="lax")
    return response


def start_session(request: Request, login: str, epoch: int, to: str, toast: Toast | None = None) -> Response:
    """Off to `to`, logged in."""
    response = go(to, toast)
    value = sessions.seal(settings().key, sessions.Session(login, epoch))
    response.set_cookie(
        cookie_name("session"), value, max_age=sessions.LIFE, httponly=True, samesite="lax", secure=over_tls(request)
    )
    response.delete_cookie(cookie_name("visitor"))
    remembered = sessions.seal_device(settings().key, sessions.known(device(request), login))
    response.set_cookie(
        cookie_name("device"), remembered, max_age=sessions.DEVICE_LIFE, httponly=True, samesite="lax", secure=over_tls(request)
    )
    return response


def device(request: Request) -> sessions.Device | None:
    """The browser, if somebody has logged in there before."""
    return sessions.read_device(settings().key, request.cookies.get(cookie_name("device"), ""))


def end_session(request: Request, db: Connection, now: datetime) -> None:
    """End the session of this browser's cookie, so that no copy of the cookie opens anything."""
    session = sessions.read(settings().key, request.cookies.get(cookie_name("session"), ""))
    if session is not None:
        people.end_session(db, session, now)
